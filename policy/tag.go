package policy

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// The grammar of "pin: version". A tag names one release when no word in it
// moves and one part of it is exact. - and _ separate the parts.
//
//	word     a run of letters, in any case: 1.2.3latest has the word latest
//	version  three numbers or more, with what may follow them: 1.2.3, v1.2.3-rc.1
//	date     2024-01-31, 20240131, 20240131T1200
//	commit   7 to 40 hex digits, or 64, not letters alone unless sha-, git-,
//	         commit- or rev- says that it is one; and -4-g3f2a9bc of git describe
//
// The first part that begins like a version decides which version the tag
// names: 1.2.3-alpine3.19 is a release, 1-alpine-3.19.1 is not. A date or a
// commit counts wherever it is, because only one build has it.
var (
	fullVersion = regexp.MustCompile(`^[vV]?[0-9]+\.[0-9]+\.[0-9]+(\.[0-9]+)*([.+]?[A-Za-z][0-9A-Za-z.+]*)?$`)
	compactDay  = regexp.MustCompile(`^(20[0-9]{6})(T?[0-9]{4,6}Z?)?(\.[0-9]+)?$`)
	dashedDay   = regexp.MustCompile(`(?:^|[-_.vV])(20[0-9]{2}-[0-9]{2}-[0-9]{2})(?:$|[-_.T])`)
	commit      = regexp.MustCompile(`^[0-9a-f]{7,40}$|^[0-9a-f]{64}$`)
	beginsDigit = regexp.MustCompile(`^[vV]?[0-9]`)
	allDigits   = regexp.MustCompile(`^[0-9]+$`)
	letters     = regexp.MustCompile(`[A-Za-z]+`)
)

// movingWords are words for tags that are moved to each new build. Variants
// such as devel of CUDA and lts of Jenkins are not among them: beside a full
// version they name the content, and alone they name no release.
func movingWords() []string {
	return strings.Fields(`latest snapshot nightly edge stable unstable testing dev develop development
		main master trunk head tip canary next rolling rawhide current daily weekly wip`)
}

// floating says why a tag does not name one release, or "" when it does.
// schemes are the globs of reference.release-tags.
func floating(tag string, schemes []string) string {
	if scheme, ok := schemeOf(tag, schemes); ok {
		return movingText(tag, wordsOf(scheme))
	}
	if why := movingText(tag, nil); why != "" {
		return why
	}
	if m := dashedDay.FindStringSubmatch(tag); m != nil && isDay(time.DateOnly, m[1]) {
		return ""
	}
	parts := strings.FieldsFunc(tag, func(r rune) bool { return r == '-' || r == '_' })
	partial := ""
	for i, p := range parts {
		switch {
		case partial == "" && isFullVersion(p), isCompactDay(p), isCommit(p, parts[:i]):
			return ""
		case partial == "" && beginsDigit.MatchString(p):
			partial = p
		}
	}
	if partial != "" {
		return partial + " is no full version of three numbers"
	}
	return "it names no version, date or commit"
}

// movingText names the first word of a tag that moves and is not named.
func movingText(tag string, named []string) string {
	for _, w := range wordsOf(tag) {
		if slices.Contains(movingWords(), w) && !slices.Contains(named, w) {
			return w + " moves from build to build"
		}
	}
	return ""
}

func wordsOf(tag string) []string { return letters.FindAllString(strings.ToLower(tag), -1) }

// schemeOf returns the first scheme that a tag follows. A word in the scheme is
// allowed in the tag although it moves: main-* takes main-4711, and still
// refuses main-latest.
func schemeOf(tag string, schemes []string) (string, bool) {
	i := slices.IndexFunc(schemes, func(g string) bool { return matchFold(g, tag) })
	if i < 0 {
		return "", false
	}
	return schemes[i], true
}

// isFullVersion reports three numbers or more. In 1.2.3.x the x is a
// placeholder for what comes next.
func isFullVersion(p string) bool {
	numbers := strings.FieldsFunc(strings.ToLower(p), func(r rune) bool { return r == '.' || r == '+' })
	return fullVersion.MatchString(p) && !slices.Contains(numbers, "x")
}

func isCompactDay(p string) bool {
	m := compactDay.FindStringSubmatch(p)
	return m != nil && isDay("20060102", m[1])
}

func isDay(layout, s string) bool {
	_, err := time.Parse(layout, s)
	return err == nil
}

// isCommit reports a git commit. A word of hex letters, such as deadbeef, is
// one only at full length or where the part before says so. Digits alone are
// one: of all short commits one in 27 has no letter, and a number of that
// length is no version that moves.
func isCommit(p string, before []string) bool {
	said := false
	if len(before) > 0 {
		last := strings.ToLower(before[len(before)-1])
		said = slices.Contains([]string{"sha", "git", "commit", "rev"}, last)
		if hex, ok := strings.CutPrefix(p, "g"); ok && allDigits.MatchString(last) {
			p, said = hex, true
		}
	}
	return commit.MatchString(p) && (said || len(p) >= 40 || strings.ContainsAny(p, "0123456789"))
}
