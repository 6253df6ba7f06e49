package policy

import (
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// sinceFirst is the version of imagegate that brought the first rules.
const sinceFirst = "0.1.0"

// Rule is one thing a policy can ask of an image, with everything a person
// needs to know about it and everything the program needs to judge it. A rule
// is written in one place, and [sections] puts it into the language.
type Rule struct {
	ID       string // as in a policy file and in reports: "vulnerabilities.max"
	Title    string // what it asks, one line
	Why      string // why a policy would ask
	How      string // what to do with an image that does not meet it
	Settings string // the values it takes
	Default  string // what applies when the policy does not set it
	Example  string // a piece of a policy file
	Since    string // the version of imagegate that brought it
	// Setting is true for keys that shape other rules and have no result of
	// their own.
	Setting bool
	// Levels is true when the levels section can make it warn or turn it off.
	Levels bool
	// NoLevel says what to write instead where Levels is false. "" is the text that
	// is right for most rules.
	NoLevel string

	// keys are the keys of the policy file that set the rule.
	keys []key
	// always is true for a rule that applies without being set.
	always bool
	// modifies is true for a rule that asks for nothing by itself.
	modifies bool
	// on reports whether settings ask for the rule although one of its keys is
	// set. nil means that they do.
	on func(s *settings) bool
	// needs returns what has to be collected to judge by the rule. nil means the
	// image config alone.
	needs func(s *settings) evidence.Need
	check func(j *judge) answer
	// release and workload take the place of check for a rule about the documents of
	// a release: release is asked once, workload of each workload. A rule can have
	// both.
	release  func(j *releaseJudge) answer
	workload func(j *releaseJudge, w *evidence.Workload) answer
	// level returns the level of a rule that has it beside its value; nil means that
	// the levels section has it. control is likewise for the requirement.
	level, control func(s *settings) string
}

// levelIn returns what not being met means.
func (r *Rule) levelIn(s *settings) string {
	if r.level != nil {
		return r.level(s)
	}
	return s.level(r.ID)
}

// ofRelease reports whether the rule is about documents and not about an image.
func (r *Rule) ofRelease() bool { return r.release != nil || r.workload != nil }

// asked returns where the rule is set, and whether settings ask for it.
func (r *Rule) asked(s *settings) (Position, bool) {
	p, ok := s.set(r.keys...)
	if ok && r.on != nil {
		ok = r.on(s)
	}
	return p, ok
}

// asksAnything reports whether the rule is asked by its keys, or always.
func (r *Rule) asksAnything(s *settings) bool {
	_, asked := r.asked(s)
	return asked || len(r.keys) == 0
}

// active reports whether the rule can keep an image from passing.
func (r *Rule) active(s *settings) bool {
	_, asked := r.asked(s)
	return asked && r.levelIn(s) != levelOff
}

// Lookup returns the rule with this id, or nil.
func Lookup(id string) *Rule { return newLanguage().lookup(id) }

// Lookup returns the rule with this id as the policy has it, one of its own too, or
// nil.
func (p *Policy) Lookup(id string) *Rule {
	if p == nil || p.lang == nil {
		return nil
	}
	return p.lang.lookup(id)
}

// Rules lists every rule, in the order of reports.
func Rules() []*Rule { return newLanguage().rules }

// Suggest returns the id of the rule that was probably meant, or "". The last
// part of an id will do: "pin" is reference.pin.
func Suggest(id string) string {
	var all []string
	rules := Rules()
	if Lookup(id) != nil {
		return id
	}
	for _, r := range rules {
		if _, last := splitPath(r.ID); last == flattenKey(id) {
			return r.ID
		}
		all = append(all, r.ID)
	}
	if s := words.Nearest(id, all); s != "" {
		return s
	}
	for _, r := range rules {
		if _, last := splitPath(r.ID); words.Nearest(id, []string{last}) != "" {
			return r.ID
		}
	}
	return ""
}

// splitPath cuts "a.b.c" into "a.b" and "c".
func splitPath(id string) (section, last string) {
	if i := strings.LastIndex(id, "."); i >= 0 {
		return id[:i], id[i+1:]
	}
	return "", id
}

// flattenKey brings denyTags and deny_tags into the form of keys.
func flattenKey(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r >= 'A' && r <= 'Z' && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return strings.ReplaceAll(strings.ToLower(b.String()), "_", "-")
}

func orTop(section string) string {
	if section == "" {
		return "the top level of the policy"
	}
	return "section " + section
}
