package policy

import (
	"strings"

	"github.com/imagegate/imagegate/policy/words"
)

// Rule is one thing a policy can ask of an image, with everything a person
// needs to know about it. `imagegate policy explain` and the reference are made
// from it.
type Rule struct {
	ID       string // as in a policy file and in reports: "vulnerabilities.max"
	Title    string // what it asks, one line
	Why      string // why anyone would ask
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

	gap   bool // a coverage rule: it applies without being set
	where func(s *settings) (Position, bool)
	check func(j *judge) answer
}

// Rules lists every rule, in the order of reports.
func Rules() []*Rule {
	var all []*Rule
	all = append(all, referenceRules()...)
	all = append(all, configRules()...)
	all = append(all, vulnerabilityRules()...)
	all = append(all, contentRules()...)
	all = append(all, coverageRules()...)
	all = append(all, exceptionRules()...)
	for _, r := range all {
		r.Since = sinceFirst
	}
	return all
}

// Lookup returns the rule with this id, or nil.
func Lookup(id string) *Rule {
	for _, r := range Rules() {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Suggest returns the id of the rule that was probably meant, or "". The last
// part of an id will do: "pin" is reference.pin.
func Suggest(id string) string {
	var all []string
	for _, r := range Rules() {
		if _, last := splitPath(r.ID); last == flattenKey(id) {
			return r.ID
		}
		all = append(all, r.ID)
	}
	if s := words.Nearest(id, all); s != "" {
		return s
	}
	for _, r := range Rules() {
		if _, last := splitPath(r.ID); words.Nearest(id, []string{last}) != "" {
			return r.ID
		}
	}
	return ""
}

func ruleTitle(id string) string { return titleOf(coverageRules(), id) }

func titleOf(rules []*Rule, id string) string {
	for _, r := range rules {
		if r.ID == id {
			return r.Title
		}
	}
	return ""
}

// keyPaths lists the keys of a policy file by their full names.
func keyPaths() []string {
	var out []string
	for _, r := range Rules() {
		out = append(out, r.ID)
	}
	return append(out, "version", "vulnerabilities", "reference", "config", "coverage", "licenses.deny", "licenses.allow",
		"licenses.level", "exception-limits.max-days", "exception-limits.require", "exception-limits.never")
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

// optionAt makes the where function of a rule that is set by one option.
func optionAt[V any](of func(s *settings) *option[V]) func(*settings) (Position, bool) {
	return func(s *settings) (Position, bool) {
		o := of(s)
		return o.pos, o.set
	}
}
