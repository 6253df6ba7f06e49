package ignorefile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/ignorefile"
)

func TestImport(t *testing.T) {
	tests := map[string]struct {
		file, src string
		want      []string // in the exceptions
	}{
		"lines": {".trivyignore", "# not reachable from outside\n# owner: team-shop\nCVE-2024-0001 exp:2027-01-31\n",
			[]string{"id: CVE-2024-0001", "reason: not reachable from outside", "owner: team-shop", "expires: \"2027-01-31\""}},
		"trivy": {"ci/.trivyignore.yaml", "vulnerabilities:\n- id: CVE-2024-0001\n  paths: [usr/lib/x]\n  purls: [pkg:deb/debian/a, pkg:deb/debian/b]\n  statement: not reachable\n  owner: team-shop\n  expired_at: 2027-01-31\n",
			[]string{"package: pkg:deb/debian/a", "package: pkg:deb/debian/b", "paths: [usr/lib/x]"}},
		"grype": {".grype.yaml", "output: [json]\nignore:\n- vulnerability: CVE-2024-0001\n  package: {name: openssl, location: /usr/lib/x}\n  reason: not reachable\n  owner: team-shop\n  expires: 2027-01-31\n",
			[]string{"package: openssl", "paths: [usr/lib/x]"}},
	}
	for name, tt := range tests {
		got, err := ignorefile.Import(tt.file, []byte(tt.src))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(string(got), want) {
				t.Errorf("%s: no %q in\n%s", name, want, got)
			}
		}
		if _, err := policy.Parse("imagegate.yaml", append([]byte("version: 1\nvulnerabilities: {max: {critical: 0}}\n"), got...)); err != nil {
			t.Errorf("%s: the policy parser refuses it: %v\n%s", name, err, got)
		}
	}
}

// What an exception needs and the file does not tell is a mistake at its place.
// What an exception cannot say is one too: without it, more would be excepted.
func TestImportRefuses(t *testing.T) {
	const whole = "  statement: s\n  owner: o\n  expired_at: 2027-01-31\n"
	tests := map[string]struct {
		file, src string
		want      []string
	}{
		"nothing told":     {".trivyignore", "\nCVE-2024-0001\n", []string{":2:1: CVE-2024-0001 has no reason", ":2:1: CVE-2024-0001 has no owner", ":2:1: CVE-2024-0001 has no end"}},
		"comment far away": {".trivyignore", "# about all\n\n# owner: o\nCVE-2024-0001 exp:2027-01-31", []string{":4:1: CVE-2024-0001 has no reason"}},
		"one comment, two": {".trivyignore", "# r\n# owner: o\nCVE-2024-0001 exp:2027-01-31\nCVE-2024-0002 exp:2027-01-31", []string{":4:1: CVE-2024-0002 has no reason"}},
		"no id":            {".trivyignore", "# r\n# owner: o\nAVD-* exp:2027-01-31", []string{":3:1: "}},
		"bad date":         {".trivyignore", "# r\n# owner: o\nCVE-2024-0001 exp:soon", []string{":3:1: "}},
		"more behind":      {".trivyignore", "# r\n# owner: o\nCVE-2024-0001 exp:2027-01-31 pkg:x", []string{":3:1: \"pkg:x\""}},
		"misconfiguration": {".trivyignore.yaml", "misconfigurations:\n- id: AVD-1\n", []string{":1:1: \"misconfigurations\""}},
		"unknown key":      {".trivyignore.yaml", "vulnerabilities:\n- id: CVE-2024-0001\n" + whole + "  images: [x]\n", []string{":6:3: \"images\""}},
		"key twice":        {".trivyignore.yaml", "vulnerabilities:\n- id: CVE-2024-0001\n" + whole + "  id: CVE-2024-0002\n", []string{":6:3: \"id\" is given twice"}},
		"no vulnerability": {".grype.yaml", "ignore:\n- package: {name: openssl}\n", []string{":2:3: the rule names no vulnerability"}},
		"version":          {".grype.yaml", "ignore:\n- vulnerability: CVE-2024-0001\n  package: {name: a, version: 1.2.3}\n", []string{":3:22: \"version\""}},
		"fix state":        {".grype.yaml", "ignore:\n- fix-state: wont-fix\n", []string{":2:3: \"fix-state\""}},
		"alias":            {".grype.yaml", "ignore:\n- vulnerability: &a CVE-2024-0001\n- vulnerability: *a\n", []string{":3:3: anchors"}},
		"no YAML":          {".grype.yaml", "ignore: [", []string{".grype.yaml: "}},
		"empty":            {".trivyignore", "# nothing\n", []string{"nothing to import"}},
	}
	for name, tt := range tests {
		got, err := ignorefile.Import(tt.file, []byte(tt.src))
		var mistakes *policy.Error
		if !errors.As(err, &mistakes) || len(got) > 0 {
			t.Errorf("%s: %q, %v, want mistakes", name, got, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in\n%v", name, want, err)
			}
		}
	}
}

// The policy parser takes everything that Import returns, and every exception
// has its reason, owner and end.
func FuzzImport(f *testing.F) {
	f.Add(".trivyignore", "# r\n# owner: o\nCVE-2024-0001 exp:2027-01-31\n")
	f.Add(".trivyignore.yaml", "vulnerabilities:\n- id: CVE-2024-0001\n  statement: s\n  owner: o\n  expired_at: 2027-01-31\n")
	f.Add(".grype.yaml", "ignore:\n- vulnerability: CVE-2024-0001\n  reason: r\n  owner: o\n  expires: 2027-01-31\n")
	f.Fuzz(func(t *testing.T, name, src string) {
		got, err := ignorefile.Import(name, []byte(src))
		if err != nil {
			return
		}
		pol, err := policy.Parse("p.yaml", append([]byte("version: 1\nvulnerabilities: {max: {critical: 0}}\n"), got...))
		if err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		for _, e := range pol.Exceptions() {
			if e.Reason == "" || e.Owner == "" || e.Expires.IsZero() {
				t.Errorf("%+v", e)
			}
		}
	})
}
