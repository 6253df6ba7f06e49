package words_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/imagegate/imagegate/policy/words"
)

func TestPlural(t *testing.T) {
	for _, c := range []struct {
		n          int
		noun, want string
	}{
		{1, "finding", "1 finding"}, {0, "finding", "0 findings"}, {2940, "finding", "2,940 findings"},
		{2, "library", "2 libraries"}, {3, "python package", "3 python packages"}, {-1, "hash", "-1 hashes"},
	} {
		if got := words.Plural(c.n, c.noun); got != c.want {
			t.Errorf("Plural(%d, %q) = %q, want %q", c.n, c.noun, got, c.want)
		}
	}
	for n, want := range map[int]string{0: "findings are", 1: "finding is", 2: "findings are"} {
		if got := words.Noun(n, "finding") + " " + words.Choose(n, "is", "are"); got != want {
			t.Errorf("of %d: %q, want %q", n, got, want)
		}
	}
	if got := words.Count(1234567); got != "1,234,567" {
		t.Errorf("Count = %q", got)
	}
}

func TestLists(t *testing.T) {
	for _, c := range []struct {
		list    []string
		or, and string
	}{{nil, "", ""}, {[]string{"a"}, "a", "a"}, {[]string{"a", "b"}, "a or b", "a and b"}, {[]string{"a", "b", "c"}, "a, b or c", "a, b and c"}} {
		if got := words.Or(c.list); got != c.or {
			t.Errorf("Or(%q) = %q, want %q", c.list, got, c.or)
		}
		if got := words.And(c.list); got != c.and {
			t.Errorf("And(%q) = %q, want %q", c.list, got, c.and)
		}
	}
}

func TestNearest(t *testing.T) {
	candidates := []string{"high", "critical", "deny-tags", "markdown", "json", "junit", "--policy", "-p", "low", "max-age", "max-size", "markdown-comment"}
	for word, want := range map[string]string{
		"hihg": "high", "hgih": "high", "HIGH": "high", "crtical": "critical", "crit": "critical", "denyTags": "deny-tags", "deny_tags": "deny-tags",
		"mark": "markdown", "jsn": "json", "lwo": "low", "-policy": "--policy", "--polcy": "--policy", "--p": "-p",
		// "max" begins two candidates, and nothing is near the others.
		"max": "", "frobnicate": "", "": "", "q": "", "-": "", strings.Repeat("x", 1000): "",
	} {
		if got := words.Nearest(word, candidates); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	few := []string{"warn", "fail"}
	if got := words.DidYouMean("wran", few); !strings.Contains(got, "mean warn?") || !strings.Contains(got, "warn or fail") {
		t.Errorf("of few candidates: %q", got)
	}
	if got := words.DidYouMean("xyz", few); strings.Contains(got, "mean") || !strings.Contains(got, "warn or fail") {
		t.Errorf("without a near candidate: %q", got)
	}
	many := append(strings.Split("abcdefghijklm", ""), few...)
	if got := words.DidYouMean("wran", many); !strings.Contains(got, "mean warn?") || strings.Contains(got, "fail") {
		t.Errorf("of many candidates: %q", got)
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"1": 1, "1073741824": 1 << 30, "512MiB": 512 << 20, "2 GiB": 2 << 30, "500MB": 500e6, "3kB": 3000, "3KB": 3000, "7B": 7,
		"9223372036854775807": math.MaxInt64, "9007199254740993": 9007199254740993, // no float64 holds the last one
		"": 0, "0": 0, "0MB": 0, "-1": 0, "+1": 0, "1.5GB": 0, "1,000MB": 0, "2G": 0, "2Gi": 0, "2gb": 0, "MB": 0, "2 EB": 0, "1e3": 0, "010": 0,
		"9223372036854775808": 0, "999999999TiB": 0, "٣MB": 0,
	} {
		got, err := words.ParseSize(s)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"1", "512MiB", "2 GB", "999999999TiB", "-1", "1e3", "9223372036854775808", "10000000000000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := words.ParseSize(s)
		if (err == nil) != (n > 0) {
			t.Fatalf("ParseSize(%q) = %d, %v", s, n, err)
		}
		if err != nil {
			return
		}
		if again, err := words.ParseSize(words.ExactSize(n)); again != n || err != nil {
			t.Fatalf("%q is %d bytes, and %q is %d, %v", s, n, words.ExactSize(n), again, err)
		}
	})
}

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		n                      int64
		decimal, binary, exact string
	}{
		{0, "0 B", "0 B", "0"}, {-1, "0 B", "0 B", "-1"}, {999, "999 B", "999 B", "999"}, {1500, "1.5 kB", "1.5 KiB", "1500"},
		{2e6, "2.0 MB", "1.9 MiB", "2000000"}, {20 << 30, "22 GB", "20 GiB", "20GiB"}, {3<<20 + 1, "3.1 MB", "3.0 MiB", strconv.Itoa(3<<20 + 1)},
		{1e13, "10 TB", "9.1 TiB", "10000000000000"},
	} {
		if got := words.Size(c.n); got != c.decimal {
			t.Errorf("Size(%d) = %q, want %q", c.n, got, c.decimal)
		}
		if got := words.BinarySize(c.n); got != c.binary {
			t.Errorf("BinarySize(%d) = %q, want %q", c.n, got, c.binary)
		}
		if got := words.ExactSize(c.n); got != c.exact {
			t.Errorf("ExactSize(%d) = %q, want %q", c.n, got, c.exact)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		250 * time.Millisecond: "250ms", 1500 * time.Millisecond: "1.5s", 2500 * time.Millisecond: "2 seconds", 0: "0 seconds", time.Second: "1 second", 90 * time.Second: "90 seconds", time.Minute: "1 minute", 90 * time.Minute: "90 minutes",
		time.Hour: "1 hour", 24 * time.Hour: "1 day", 30 * time.Hour: "30 hours", 49 * time.Hour: "2 days",
		95488*time.Hour + 22*time.Minute + 22125823939: "3,978 days",
	} {
		if got := words.Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
	if got := words.Age(-time.Second); got != "in the future" {
		t.Errorf("Age(-1s) = %q", got)
	}
	if got := words.Age(50 * time.Hour); got != "2 days old" {
		t.Errorf("Age(50h) = %q", got)
	}
}

// What a foreign name holds never reaches a message unescaped or without a limit.
func TestQuote(t *testing.T) {
	for s, want := range map[string]string{"a b": `"a b"`, "a\nb\x1b[2J": `"a\nb\x1b[2J"`, "ø\u202e": `"\u00f8\u202e"`, `"`: `"\""`} {
		if got := words.Quote(s); got != want {
			t.Errorf("Quote(%q) = %s, want %s", s, got, want)
		}
	}
	if got := words.Quote(strings.Repeat("ø", 201)); strings.Count(got, `\u00f8`) != 200 || !strings.HasSuffix(got, `"...`) {
		t.Errorf("a long name becomes %s", got)
	}
}

func TestClip(t *testing.T) {
	if got := words.Clip(strings.Repeat("ø", 100), 60); utf8.RuneCountInString(got) != 63 || !strings.HasSuffix(got, "ø...") {
		t.Errorf("Clip leaves %q", got)
	}
	if got := words.Clip("short", 60); got != "short" {
		t.Errorf("Clip changes %q", got)
	}
}
