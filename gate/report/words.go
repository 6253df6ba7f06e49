package report

import (
	"strconv"
	"strings"
	"time"
)

// count writes n with separators: 2,940.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// more counts what was left out: "2,940 more findings".
func more(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return count(n) + " more " + noun
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// short is a digest's first twelve digits, enough to recognise a layer.
func short(digest string) string {
	_, hex, ok := strings.Cut(digest, ":")
	if !ok {
		hex = digest
	}
	return hex[:min(len(hex), 12)]
}

// age says how long ago then was.
func age(then, now time.Time) string {
	switch d := now.Sub(then); {
	case d < 0:
		return "in the future"
	case d < 48*time.Hour:
		return plural(int(d.Hours()), "hour") + " old"
	default:
		return plural(int(d.Hours()/24), "day") + " old"
	}
}
