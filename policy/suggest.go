package policy

import "strings"

// nearest returns the candidate that word was probably meant to be, or "".
func nearest(word string, candidates []string) string {
	if len(word) > 64 {
		return "" // no typo of anything, and the distance is quadratic
	}
	plain := flatten(word)
	best, bestDistance := "", 1+max(1, len(plain)/3)
	for _, c := range candidates {
		if d := distance(plain, flatten(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// flatten removes what people write differently without meaning anything
// else: denyTags, deny_tags and Deny-Tags are deny-tags.
func flatten(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	table := make([][]int, len(x)+1)
	for i := range table {
		table[i] = make([]int, len(y)+1)
		table[i][0] = i
	}
	for j := range table[0] {
		table[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(table[i-1][j]+1, table[i][j-1]+1, table[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, table[i-2][j-2]+1)
			}
			table[i][j] = d
		}
	}
	return table[len(x)][len(y)]
}

// didYouMean returns the cure for a word that is none of the candidates.
func didYouMean(word string, candidates []string) string {
	if s := nearest(word, candidates); s != "" {
		if len(candidates) <= 12 {
			return "did you mean " + s + "? use " + orList(candidates)
		}
		return "did you mean " + s + "?"
	}
	return "use " + orList(candidates)
}

// orList returns "a, b or c".
func orList(words []string) string { return joinLast(words, " or ") }

// andList returns "a, b and c".
func andList(words []string) string { return joinLast(words, " and ") }

func joinLast(words []string, last string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + last + words[n-1]
	}
}
