// Package version orders the versions of packages, each by the rules of its own
// ecosystem, and matches them with ranges.
package version

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	gem "github.com/aquasecurity/go-gem-version"
	pep440 "github.com/aquasecurity/go-pep440-version"
	generic "github.com/aquasecurity/go-version/pkg/version"
	apk "github.com/knqyf263/go-apk-version"
	deb "github.com/knqyf263/go-deb-version"
	rpm "github.com/knqyf263/go-rpm-version"
	maven "github.com/masahiro331/go-mvn-version"
)

// Compare compares two versions the way the ecosystem of a purl type does: order
// is negative when a is older than b. ok is false when either version cannot be
// read. Then nothing may be concluded, and a range does not match.
func Compare(purlType, a, b string) (order int, ok bool) {
	// The libraries read runs of digits into an int without checking for an
	// overflow, which would turn a huge version into a small one.
	if !modest(a) || !modest(b) {
		return 0, false
	}
	switch purlType {
	case "deb":
		x, err1 := deb.NewVersion(a)
		y, err2 := deb.NewVersion(b)
		return cmp.Compare(x.Compare(y), 0), err1 == nil && err2 == nil
	case "apk":
		// The library calls a bare letter a version.
		if !plainStart.MatchString(a) || !plainStart.MatchString(b) {
			return 0, false
		}
		return compare(a, b, apk.NewVersion)
	case "rpm":
		if !rpmForm.MatchString(a) || !rpmForm.MatchString(b) {
			return 0, false
		}
		return rpm.NewVersion(a).Compare(rpm.NewVersion(b)), true
	case "npm", "cargo", "golang", "hex", "pub", "swift":
		return compare(strings.TrimPrefix(a, "v"), strings.TrimPrefix(b, "v"), semver.StrictNewVersion)
	case "pypi":
		return compare(a, b, pep440.Parse)
	case "gem":
		return compare(a, b, gem.NewVersion)
	case "maven":
		// The library reads every text as a version.
		if !plainStart.MatchString(a) || !plainStart.MatchString(b) {
			return 0, false
		}
		return compare(a, b, maven.NewVersion)
	default:
		return compareGeneric(a, b)
	}
}

// compare parses both versions and compares them.
func compare[V interface{ Compare(V) int }](a, b string, parse func(string) (V, error)) (order int, ok bool) {
	x, err1 := parse(a)
	y, err2 := parse(b)
	if err1 != nil || err2 != nil {
		return 0, false
	}
	return cmp.Compare(x.Compare(y), 0), true
}

var (
	rpmForm    = regexp.MustCompile(`^([0-9]+:)?[A-Za-z0-9][A-Za-z0-9._+~^]*(-[A-Za-z0-9._+~^]+)?$`)
	plainForm  = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)*$`)
	plainStart = regexp.MustCompile(`^[0-9]`)
	longRun    = regexp.MustCompile(`[0-9]{18}`)
)

// clip shortens text of a policy file for a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return s
}

func modest(v string) bool { return v != "" && len(v) <= 128 && !longRun.MatchString(v) }

// compareGeneric compares versions of ecosystems without a rule of their own here.
// They may be made of numbers and dots alone, because suffixes are ordered
// differently in each ecosystem.
func compareGeneric(a, b string) (order int, ok bool) {
	if !plainForm.MatchString(a) || !plainForm.MatchString(b) {
		return 0, false
	}
	return compare(a, b, generic.Parse)
}

// Range is a set of versions: alternatives, each of bounds that must all hold.
// The zero value holds no version.
type Range [][]bound

type bound struct {
	op      string
	version string
}

var boundForm = regexp.MustCompile(`^(<=|>=|!=|==|=|<|>)?\s*([^\s<>=!|,^*]+)$`)

// OneVersion reports whether the range is a single version.
func (r Range) OneVersion() bool {
	return len(r) == 1 && len(r[0]) == 1 && r[0][0].exact()
}

// Only returns the version of a range that is a single version, "" for any other.
func (r Range) Only() string {
	if !r.OneVersion() {
		return ""
	}
	return r[0][0].version
}

// ParseRange reads ">=4.17.0 <4.17.21 || =5.0.0" for the ecosystem of a purl
// type. A blank or a comma means and, || means or. It returns an error for a
// bound that is none and for a version that cannot be ordered.
func ParseRange(purlType, s string) (Range, error) {
	var out Range
	for _, alternative := range strings.Split(s, "||") {
		var all []bound
		for _, part := range splitBounds(alternative) {
			m := boundForm.FindStringSubmatch(part)
			if m == nil || strings.HasPrefix(m[2], "~") {
				return nil, fmt.Errorf("%q is no bound: use =, !=, <, <=, > or >= and a version", clip(part))
			}
			if _, ok := Compare(purlType, m[2], m[2]); !ok && m[1] != "" && m[1] != "=" && m[1] != "==" {
				return nil, fmt.Errorf("%q is no %s version that can be ordered", clip(m[2]), purlType)
			}
			all = append(all, bound{op: m[1], version: m[2]})
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("a version is missing")
		}
		out = append(out, all)
	}
	return out, nil
}

var operatorGap = regexp.MustCompile(`([<>=!])\s+`)

// splitBounds cuts at blanks and commas, but not between an operator and its
// version.
func splitBounds(s string) []string {
	s = operatorGap.ReplaceAllString(s, "$1")
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })
}

// Holds reports whether a version is in the range. A version that cannot be
// compared is not.
func (r Range) Holds(purlType, version string) bool {
	in, _ := r.Contains(purlType, version)
	return in
}

// Contains reports whether a version is in the range. known is false when it may
// be, because a comparison that decides cannot be made: a rule that denies the
// range must not take that for a no.
func (r Range) Contains(purlType, version string) (in, known bool) {
	known = true
	for _, all := range r {
		no, unclear := false, false
		for _, b := range all {
			holds, sure := b.holds(purlType, version)
			no = no || sure && !holds
			unclear = unclear || !sure
		}
		if !no && !unclear {
			return true, true
		}
		known = known && no
	}
	return false, known
}

// exact reports whether the bound names one version.
func (b bound) exact() bool { return b.op == "" || b.op == "=" || b.op == "==" }

func (b bound) holds(purlType, version string) (holds, known bool) {
	order, ok := Compare(purlType, version, b.version)
	if !ok {
		// Two texts that are equal are the same version in every ecosystem.
		same := b.exact() && version == b.version && version != ""
		return same, same
	}
	return b.orders(order), true
}

// orders reports whether the bound takes a version that compares so with its own.
func (b bound) orders(order int) bool {
	switch b.op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "!=":
		return order != 0
	default:
		return order == 0
	}
}
