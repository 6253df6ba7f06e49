package policy

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	fullVersion = regexp.MustCompile(`^[vV]?[0-9]+\.[0-9]+\.[0-9]+(\.[0-9]+)*([.+]?[A-Za-z][0-9A-Za-z.+]*)?$`)
	compactDay  = regexp.MustCompile(`^(20[0-9]{6})(T?[0-9]{4,6}Z?)?(\.[0-9]+)?$`)
	dashedDay   = regexp.MustCompile(`(?:^|[-_.vV])(20[0-9]{2}-[0-9]{2}-[0-9]{2})(?:$|[-_.T])`)
	commit      = regexp.MustCompile(`^[0-9a-f]{7,40}$|^[0-9a-f]{64}$`)
	beginsDigit = regexp.MustCompile(`^[vV]?[0-9]`)
)

// movingWords are tags, and last parts of tags, that are pushed again and
// again.
func movingWords() []string {
	return strings.Fields("latest snapshot nightly edge dev devel develop head tip canary next rolling current daily weekly unstable testing wip")
}

// floating says why a tag does not name one release, or "" when it does. The
// first part of the tag that looks like a number, date or commit decides:
// 1.2.3-alpine3.19 is a release, 1-alpine3.19.1 is not.
func floating(tag string) string {
	parts := strings.FieldsFunc(tag, func(r rune) bool { return r == '-' || r == '_' })
	if len(parts) == 0 {
		return "it is no version"
	}
	if last := strings.ToLower(parts[len(parts)-1]); slices.Contains(movingWords(), last) {
		return last + " moves from build to build"
	}
	if m := dashedDay.FindStringSubmatch(tag); m != nil && isDay(time.DateOnly, m[1]) {
		return ""
	}
	for _, p := range parts {
		switch {
		case fullVersion.MatchString(p) && !wildVersion(p), isCompactDay(p), isCommit(p):
			return ""
		case beginsDigit.MatchString(p):
			return p + " moves with every release it covers"
		}
	}
	return "it names no version, date or commit"
}

// wildVersion reports 1.2.3.x, where x stands for what comes next.
func wildVersion(p string) bool {
	return slices.Contains(strings.FieldsFunc(strings.ToLower(p), func(r rune) bool { return r == '.' || r == '+' }), "x")
}

func isCompactDay(p string) bool {
	m := compactDay.FindStringSubmatch(p)
	return m != nil && isDay("20060102", m[1])
}

func isDay(layout, s string) bool {
	_, err := time.Parse(layout, s)
	return err == nil
}

// isCommit reports a git commit. A short one must have a digit and a letter,
// or deadbeef and 12345678 would count; all hex digits at full length will do.
func isCommit(p string) bool {
	return commit.MatchString(p) &&
		(len(p) >= 40 || strings.ContainsAny(p, "0123456789") && strings.ContainsAny(p, "abcdef"))
}
