package version

import (
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		typ, a, b string
		order     int
	}{
		{"deb", "1:1.0-1", "2.0-1", 1}, {"deb", "1.0~rc1", "1.0", -1}, {"deb", "1.2.13.dfsg-1", "1.2.13.dfsg-1+b1", -1},
		{"apk", "1.2.3-r1", "1.2.3-r10", -1}, {"apk", "1.2_rc1", "1.2", -1},
		{"rpm", "0:1.0-1.el9", "1.0-1.el9", 0}, {"rpm", "1:1.0-1", "2.0-1", 1}, {"rpm", "1.0~rc1-1", "1.0-1", -1},
		{"npm", "4.17.21", "4.17.3", 1}, {"npm", "1.0.0-rc.1", "1.0.0", -1}, {"golang", "v1.2.3", "1.2.3", 0},
		{"golang", "v0.0.0-20240101000000-abcdefabcdef", "v0.0.0-20230101000000-abcdefabcdef", 1},
		{"cargo", "1.10.0", "1.9.0", 1}, {"maven", "2.17", "2.17.0", 0}, {"maven", "2.14.1", "2.17.0", -1}, {"pypi", "10.0", "9.9", 1},
		{"pypi", "1.0rc1", "1.0", -1}, {"pypi", "1.0.post1", "1.0", 1}, {"pypi", "1!1.0", "2.0", 1}, {"pypi", "1.0.dev1", "1.0a1", -1},
		{"gem", "1.0.0.pre1", "1.0.0", -1}, {"gem", "7.0.10", "7.0.9", 1},
		{"maven", "2.0-rc1", "2.0", -1}, {"maven", "32.0.0-jre", "31.1-jre", 1}, {"maven", "9.4.51.v20230217", "9.4.50.v20221201", 1}, {"composer", "v6.4.1", "6.4.0", 1},
	} {
		if got, ok := Compare(c.typ, c.a, c.b); !ok || got != c.order {
			t.Errorf("%s: %s and %s = %d, %v, want %d", c.typ, c.a, c.b, got, ok, c.order)
		}
		if got, ok := Compare(c.typ, c.b, c.a); !ok || got != -c.order {
			t.Errorf("%s: %s and %s = %d, %v, want %d", c.typ, c.b, c.a, got, ok, -c.order)
		}
	}
	// What cannot be ordered for certain is not ordered.
	for _, c := range [][3]string{
		{"npm", "latest", "1.0.0"}, {"npm", "1.0", "1.0.0"}, {"golang", "(devel)", "v1.0.0"}, {"maven", "RELEASE", "2.0"},
		{"pypi", "one", "1.0"}, {"gem", "1..0", "1.0"}, {"composer", "1.0-beta1", "1.0"}, {"deb", "", "1.0"}, {"deb", "abc", "1.0"}, {"apk", "x", "1.0"},
		{"rpm", "", "1.0"}, {"rpm", "a b", "1.0"}, {"deb", "99999999999999999999", "1.0"}, {"npm", "1.0.0", strings.Repeat("1", 200)},
	} {
		if got, ok := Compare(c[0], c[1], c[2]); ok {
			t.Errorf("%s: %q and %q = %d", c[0], c[1], c[2], got)
		}
		if Range([][]bound{{{"<", "99999.0.0"}}}).Holds(c[0], c[1]) && c[1] != "" && !modest(c[1]) {
			t.Errorf("%s: %q is in a range", c[0], c[1])
		}
	}
}

func TestRanges(t *testing.T) {
	for text, inside := range map[string]map[string]bool{
		">1.0.0":          {"0.9.0": false, "1.0.0": false, "1.0.1": true},
		">=1.0.0":         {"0.9.0": false, "1.0.0": true, "1.0.1": true},
		"<1.0.0":          {"0.9.0": true, "1.0.0": false, "1.0.1": false},
		"<=1.0.0":         {"0.9.0": true, "1.0.0": true, "1.0.1": false},
		"=1.0.0":          {"0.9.0": false, "1.0.0": true, "1.0.1": false},
		"==1.0.0":         {"1.0.0": true, "1.0.1": false},
		"1.0.0":           {"1.0.0": true, "1.0.1": false},
		"!=1.0.0":         {"0.9.0": true, "1.0.0": false, "odd": false},
		">1.0.0 <2.0.0":   {"1.5.0": true, "2.0.0": false, "odd": false, "": false},
		"<1.0.0 || 3.0.0": {"0.1.0": true, "2.0.0": false, "3.0.0": true},
	} {
		r, err := ParseRange("npm", text)
		if err != nil {
			t.Fatal(err)
		}
		for version, want := range inside {
			if got := r.Holds("npm", version); got != want {
				t.Errorf("%q in %q = %v, want %v", version, text, got, want)
			}
		}
	}
}

// A range holds no version that cannot be compared. A bound without an order
// holds that version alone.
func TestBoundsOfVersionsThatCannotBeCompared(t *testing.T) {
	long, digits := strings.Repeat("1.", 80)+"1", strings.Repeat("9", 18)
	for _, tt := range []struct {
		op, bound, version string
		want               bool
	}{
		{"", "a b", "a b", true}, {"=", "a b", "a b", true}, {"==", "a b", "a b", true},
		{"", "a b", "a c", false}, {"=", "a b", "a c", false}, {"==", "a b", "a c", false},
		{"<=", "a b", "a b", false}, {">=", "a b", "a b", false}, {"!=", "a b", "a c", false},
		{"", "", "", false},
		{"<", digits, "1", false}, {">", "1", digits, false}, {"<", long, "1", false}, {">", "1", long, false}, {"<", "", "1", false},
	} {
		for _, ecosystem := range []string{"pypi", "deb"} {
			if got, _ := (bound{op: tt.op, version: tt.bound}).holds(ecosystem, tt.version); got != tt.want {
				t.Errorf("%s: %q %s %q: %t, want %t", ecosystem, tt.version, tt.op, tt.bound, got, tt.want)
			}
		}
	}
}

// A range that denies must not take "it cannot be told" for a no.
func TestContains(t *testing.T) {
	for _, tt := range []struct {
		ranges, version string
		in, known       bool
	}{
		{"<2.0.0", "1.0.0", true, true},
		{"<2.0.0", "2.0.0", false, true},
		{"<2.0.0", "four", false, false},
		{"=four", "four", true, true},
		{"=four", "five", false, false},
		{">1.0.0 <2.0.0", "four", false, false},
		{"<2.0.0 || =four", "four", true, true},
		{"<2.0.0 || >3.0.0", "2.5.0", false, true},
		{"<2.0.0 || >3.0.0", "", false, false},
	} {
		r, err := ParseRange("npm", tt.ranges)
		if err != nil {
			t.Fatal(err)
		}
		if in, known := r.Contains("npm", tt.version); in != tt.in || known != tt.known {
			t.Errorf("%q in %q: %v, known %v", tt.version, tt.ranges, in, known)
		}
		if r.Holds("npm", tt.version) != tt.in {
			t.Errorf("%q in %q: Holds differs from Contains", tt.version, tt.ranges)
		}
	}
}
