package main

import (
	"fmt"
	"strings"
)

// suggest returns `did you mean "x"?` for the one of names that is nearest to
// what was written, or otherwise when none is near.
func suggest(written string, names []string, otherwise string) string {
	best, distance := "", 3 // three slips make another word
	for _, name := range names {
		d := editDistance(written, name)
		if strings.TrimLeft(written, "-") == strings.TrimLeft(name, "-") {
			d = 0 // only the number of dashes is wrong
		}
		if d < distance && d < len([]rune(name)) {
			best, distance = name, d
		}
	}
	if best == "" {
		return otherwise
	}
	return fmt.Sprintf("did you mean %s?", best)
}

// editDistance counts the letters to add, drop, replace or swap with their
// neighbour to turn a into b.
func editDistance(a, b string) int {
	from, to := []rune(a), []rune(b)
	var before, prev []int
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(from); i++ {
		before, prev, row = prev, row, make([]int, len(to)+1)
		row[0] = i
		for j := 1; j <= len(to); j++ {
			cost := 1
			if from[i-1] == to[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && from[i-1] == to[j-2] && from[i-2] == to[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(to)]
}
