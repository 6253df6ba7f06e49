package words

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest returns the candidate that word was probably meant to be, or "". Case
// and the characters - _ and space do not count: denyTags is deny-tags.
func Nearest(word string, candidates []string) string {
	if len(word) > 64 {
		return "" // it is no typing error, and the distance is quadratic
	}
	plain := flatten(word)
	best, least := "", max(1, len(plain)/3)+1
	for _, c := range candidates {
		if d := distance(plain, flatten(c)); d < least && d < len(flatten(c)) {
			best, least = c, d
		}
	}
	if best == "" {
		return begunWith(plain, candidates)
	}
	return best
}

// begunWith returns the candidate that begins with plain, or "". Of several it
// returns the one with which all others begin: markdown, markdown-comment.
func begunWith(plain string, candidates []string) string {
	var found []string
	for _, c := range candidates {
		if len(plain) >= 2 && strings.HasPrefix(flatten(c), plain) {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return ""
	}
	slices.Sort(found) // the shortest of them comes first if it begins the others
	for _, c := range found {
		if !strings.HasPrefix(c, found[0]) {
			return ""
		}
	}
	return found[0]
}

// DidYouMean returns the cure for a word that is none of the candidates. It
// lists them all if they are few.
func DidYouMean(word string, candidates []string) string {
	near := Nearest(word, candidates)
	switch {
	case near == "":
		return "use " + Or(candidates)
	case len(candidates) <= 12:
		return "did you mean " + near + "? use " + Or(candidates)
	default:
		return "did you mean " + near + "?"
	}
}

// flatten removes the differences between spellings of one word.
func flatten(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// distance is the Levenshtein distance, in which two swapped letters count as
// one mistake, as people make it.
func distance(a, b string) int {
	d := levenshtein.ComputeDistance(a, b)
	if d == 2 && letters(a) == letters(b) {
		return 1
	}
	return d
}

// letters returns the letters of s in alphabetical order.
func letters(s string) string {
	r := []rune(s)
	slices.Sort(r)
	return string(r)
}
