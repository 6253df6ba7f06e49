package policy

import (
	"time"

	"gopkg.in/yaml.v3"
)

// supportEnd is what the end of support of an operating system does, and how long
// before it the rule warns.
type supportEnd struct {
	level      string
	warnBefore time.Duration
}

// String returns the level, for the text of a value that is not set.
func (s supportEnd) String() string { return s.level }

const (
	endLevel      = "level"
	endWarnBefore = "warn-before"
)

// supportEndAsStrict compares the levels and the times of the warning.
func supportEndAsStrict(child, base supportEnd) bool {
	return strictest(levelFail, levelWarn)(child.level, base.level) && child.warnBefore >= base.warnBefore
}

func supportEndSchema() object {
	level := enum(levelFail, levelWarn)
	return object{"oneOf": []any{level, object{
		"type": "object", "additionalProperties": false, "minProperties": 1,
		"properties": object{endLevel: level, endWarnBefore: durationSchema()},
	}}}
}

// supportEnd reads a level, or a level and how long before the end the rule warns.
func (d *decoder) supportEnd(n *yaml.Node, name string) (s supportEnd, ok bool) {
	if n.Kind != yaml.MappingNode {
		s.level, ok = d.choice(n, name, []string{levelFail, levelWarn})
		return s, ok
	}
	mistakes := len(d.diags)
	s.level = levelFail
	d.entries(n, name, "write fail, warn, or {warn-before: 90d}", func(k, v *yaml.Node) {
		switch w, _ := d.choice(k, "a key of "+name, []string{endLevel, endWarnBefore}); w {
		case endLevel:
			s.level, _ = d.choice(v, name+"."+w, []string{levelFail, levelWarn})
		case endWarnBefore:
			s.warnBefore, _ = d.duration(v, name+"."+w, false)
		}
	})
	return s, len(d.diags) == mistakes
}
