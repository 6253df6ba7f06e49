package policy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
)

func itoa(n int) string { return strconv.Itoa(n) }

// oneOf reads one of the words.
func oneOf(known ...string) func(*decoder, *yaml.Node, string) (string, bool) {
	return func(d *decoder, n *yaml.Node, name string) (string, bool) { return d.choice(n, name, known) }
}

// wordList reads a list of known words.
func wordList(known []string) func(*decoder, *yaml.Node, string) ([]string, bool) {
	return func(d *decoder, n *yaml.Node, name string) ([]string, bool) {
		return list(d, n, name, true, func(c *yaml.Node, item string) (string, bool) { return d.choice(c, item, known) })
	}
}

// someTime reads a duration that is not zero, anyTime one that may be.
func someTime(d *decoder, n *yaml.Node, name string) (time.Duration, bool) {
	return d.duration(n, name, false)
}

func anyTime(d *decoder, n *yaml.Node, name string) (time.Duration, bool) {
	return d.duration(n, name, true)
}

// limit reads a number or the word that lifts a limit.
func limit(d *decoder, n *yaml.Node, name string) (int, bool) {
	if n.Kind == yaml.ScalarNode && n.Value == wordNoLimit && !d.bad[n] {
		return unlimitedMax, true
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && !plainNumber.MatchString(n.Value) && !d.bad[n] {
		d.fail(n, "write a whole number, 0 or more, or "+wordNoLimit, "%s is %s", name, describe(n))
		return 0, false
	}
	return d.count(n, name)
}

var platformForm = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$`)

// platforms reads "all" or a list of platforms; nil means all.
func (d *decoder) platforms(n *yaml.Node, name string) ([]string, bool) {
	if n.Kind == yaml.ScalarNode {
		_, ok := d.choice(n, name, []string{wordAll})
		return nil, ok
	}
	return list(d, n, name, false, func(c *yaml.Node, item string) (string, bool) {
		s, ok := d.text(c, item)
		if ok && !platformForm.MatchString(s) {
			d.fail(c, "write os/architecture or os/architecture/variant, such as linux/arm64", "%s is %q", item, clip(s))
			return "", false
		}
		return s, ok
	})
}

// sources reads auto, highest, or an ordered list of severity sources.
func (d *decoder) sources(n *yaml.Node, name string) ([]string, bool) {
	if n.Kind != yaml.ScalarNode {
		return wordList(severitySources())(d, n, name)
	}
	if slices.Contains(severitySources(), n.Value) {
		d.fail(n, "write a list: ["+n.Value+"]", "%s is %s", name, describe(n))
		return nil, false
	}
	w, ok := d.choice(n, name, []string{wordAuto, wordHighest})
	return []string{w}, ok
}

var idForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*[-:][A-Za-z0-9._:-]*[A-Za-z0-9]$`)

// cveForm and ghsaForm are the forms of the ids that are most often mistyped.
var (
	cveForm  = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,}$`)
	ghsaForm = regexp.MustCompile(`^GHSA(-[0-9A-Z]{4}){3}$`)
)

// id reads the id of one vulnerability. Globs and prefixes are refused: an
// exception for CVE-2026-* would cover vulnerabilities that its author has not
// read.
func (d *decoder) id(n *yaml.Node, name string) (string, bool) {
	s, ok := d.text(n, name)
	if !ok {
		return "", false
	}
	const want = "write one id, such as CVE-2026-12345 or GHSA-abcd-1234-efgh"
	switch {
	case strings.ContainsAny(s, "*?[{"):
		d.fail(n, want, "%s is %q: patterns are refused, they would match what nobody has read", name, clip(s))
		return "", false
	case !idForm.MatchString(s) || !strings.ContainsAny(s, "0123456789") && !ghsaForm.MatchString(strings.ToUpper(s)):
		d.fail(n, want, "%s is %q, which is no id of a vulnerability", name, clip(s))
		return "", false
	}
	up := strings.ToUpper(s)
	if strings.HasPrefix(up, "CVE-") && !cveForm.MatchString(up) || strings.HasPrefix(up, "GHSA-") && !ghsaForm.MatchString(up) {
		d.fail(n, want, "%s is %q, which is no complete id", name, clip(s))
		return "", false
	}
	return s, true
}

func ids(d *decoder, n *yaml.Node, name string) ([]string, bool) { return list(d, n, name, true, d.id) }

// dayOf returns midnight UTC of the day that t falls on.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// inOrder returns the severities of a map, worst first.
func inOrder[V any](m map[evidence.Severity]option[V]) []evidence.Severity {
	var out []evidence.Severity
	for _, s := range evidence.Severities() {
		if m[s].set {
			out = append(out, s)
		}
	}
	return out
}
