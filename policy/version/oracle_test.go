package version

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

// pairs returns every pair of the versions.
func pairs(versions string) [][2]string {
	var out [][2]string
	all := strings.Fields(versions)
	for _, a := range all {
		for _, b := range all {
			out = append(out, [2]string{a, b})
		}
	}
	return out
}

// The tools of the ecosystems order versions as we do. Each is asked where the
// machine has it.
func TestOrderOfTheTools(t *testing.T) {
	const plain = "1.0.0 1.0.1 1.2.0 1.10.0 2.0.0-alpha.1 2.0.0-alpha.beta 2.0.0-rc.1 2.0.0 2.2.0 10.0.0"
	t.Run("go", func(t *testing.T) {
		for _, p := range pairs(plain + " 0.0.0-20240101000000-abcdefabcdef 0.0.0-20230101000000-abcdefabcdef") {
			check(t, "golang", p, semver.Compare("v"+p[0], "v"+p[1]))
		}
	})
	t.Run("npm", func(t *testing.T) {
		npm, err := exec.LookPath("npm")
		if err != nil {
			t.Skip("there is no npm")
		}
		if npm, err = filepath.EvalSymlinks(npm); err != nil {
			t.Fatal(err)
		}
		module := filepath.Join(filepath.Dir(npm), "..", "node_modules", "semver")
		if _, err := os.Stat(module); err != nil {
			t.Skip("npm has no semver module")
		}
		var script strings.Builder
		fmt.Fprintf(&script, "const s=require(%q);\n", module)
		for _, p := range pairs(plain) {
			fmt.Fprintf(&script, "console.log(s.compare(%q,%q));\n", p[0], p[1])
		}
		out, err := exec.Command("node", "-e", script.String()).Output()
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Fields(string(out)) {
			check(t, "npm", pairs(plain)[i], map[string]int{"-1": -1, "0": 0, "1": 1}[line])
		}
	})
	t.Run("dpkg", func(t *testing.T) {
		if _, err := exec.LookPath("dpkg"); err != nil {
			t.Skip("there is no dpkg")
		}
		for _, p := range pairs("1.0-1 1.0-1+deb12u2 1.0-1+deb12u10 1.0~rc1-1 1:0.9-1 1.2.13.dfsg-1+b1 1.2.13.dfsg-1 3.0.14-1~deb12u2 3.0.14-1") {
			want := 1
			if exec.Command("dpkg", "--compare-versions", p[0], "lt", p[1]).Run() == nil {
				want = -1
			} else if exec.Command("dpkg", "--compare-versions", p[0], "eq", p[1]).Run() == nil {
				want = 0
			}
			check(t, "deb", p, want)
		}
	})
	t.Run("ruby", func(t *testing.T) {
		if _, err := exec.LookPath("ruby"); err != nil {
			t.Skip("there is no ruby")
		}
		const versions = "1.0 1.0.0.pre1 1.0.0 1.0.0.rc2 7.0.10 7.0.9 7.1.0.beta1"
		var script strings.Builder
		for _, p := range pairs(versions) {
			fmt.Fprintf(&script, "puts Gem::Version.new(%q) <=> Gem::Version.new(%q)\n", p[0], p[1])
		}
		out, err := exec.Command("ruby", "-e", script.String()).Output()
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Fields(string(out)) {
			check(t, "gem", pairs(versions)[i], map[string]int{"-1": -1, "0": 0, "1": 1}[line])
		}
	})
}

func check(t *testing.T, ecosystem string, p [2]string, want int) {
	t.Helper()
	if got, ok := Compare(ecosystem, p[0], p[1]); !ok || got != want {
		t.Errorf("%s: %s and %s: %d, %v, want %d", ecosystem, p[0], p[1], got, ok, want)
	}
}
