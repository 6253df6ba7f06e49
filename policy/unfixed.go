package policy

import (
	"cmp"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
)

// unfixedLevels is what findings without a fix do: one word for all, or words by
// severity and by status.
type unfixedLevels struct {
	all      string
	severity map[evidence.Severity]string
	status   map[string]string
}

func unfixedWords() []string { return []string{levelFail, levelWarn, levelIgnore} }

// unfixedStatuses are Trivy's statuses of findings without a fix.
func unfixedStatuses() []string {
	return []string{"affected", "under_investigation", "will_not_fix", "fix_deferred", "end_of_life", "unknown"}
}

const wordStatus = "status"

// level returns what a finding does. A severity that is left out fails beside
// severities that are listed, and so does a finding that nothing lists. Where both
// severity and status are listed the stricter word counts.
func (u unfixedLevels) level(sev evidence.Severity, status string) string {
	if u.all != "" {
		return u.all
	}
	word := ""
	if len(u.severity) > 0 {
		if sev == evidence.SeverityUnknown && u.severity[sev] == "" {
			sev = evidence.SeverityHigh
		}
		if word = u.severity[sev]; word == "" {
			return levelFail
		}
	}
	status = cmp.Or(status, "unknown")
	switch by := u.status[status]; {
	case word == "":
		word = by
	case by != "" && slices.Index(unfixedWords(), by) < slices.Index(unfixedWords(), word):
		word = by
	}
	return cmp.Or(word, levelFail)
}

// String returns the word for all, for the text of a value that is not set.
func (u unfixedLevels) String() string { return u.all }

// any reports whether some finding without a fix does what word says.
func (u unfixedLevels) any(word string) bool {
	for _, sev := range evidence.Severities() {
		for _, status := range append(unfixedStatuses(), "other") {
			if u.level(sev, status) == word {
				return true
			}
		}
	}
	return false
}

// unfixedAsStrict compares the levels of every severity and status.
func unfixedAsStrict(child, base unfixedLevels) bool {
	stricter := strictest(unfixedWords()...)
	for _, sev := range evidence.Severities() {
		for _, status := range append(unfixedStatuses(), "other") {
			if !stricter(child.level(sev, status), base.level(sev, status)) {
				return false
			}
		}
	}
	return true
}

func unfixedSchema() object {
	word := enum(unfixedWords()...)
	statuses, properties := object{}, object{}
	for _, s := range unfixedStatuses() {
		statuses[s] = word
	}
	for _, s := range severityWords() {
		properties[s] = word
	}
	properties[wordStatus] = object{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": statuses}
	return object{"oneOf": []any{word, object{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": properties}}}
}

// unfixed reads a word, or words by severity and by status.
func (d *decoder) unfixed(n *yaml.Node, name string) (u unfixedLevels, ok bool) {
	if n.Kind != yaml.MappingNode {
		u.all, ok = d.choice(n, name, unfixedWords())
		return u, ok
	}
	mistakes := len(d.diags)
	u.severity, u.status = map[evidence.Severity]string{}, map[string]string{}
	known := append(severityWords(), wordStatus)
	d.entries(n, name, "write a word for each severity or status: {critical: fail, high: warn, status: {will_not_fix: fail}}", func(k, v *yaml.Node) {
		switch w, ok := d.choice(k, "a key of "+name, known); {
		case !ok:
		case w == wordStatus:
			d.entries(v, name+"."+wordStatus, "write a word for each status, such as {will_not_fix: fail}", func(k, v *yaml.Node) {
				if status, ok := d.choice(k, "a status", unfixedStatuses()); ok {
					u.status[status], _ = d.choice(v, name+"."+status, unfixedWords())
				}
			})
		default:
			u.severity[evidence.Severity(w)], _ = d.choice(v, name+"."+w, unfixedWords())
		}
	})
	return u, len(d.diags) == mistakes
}
