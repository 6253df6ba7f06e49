package pkgdb

import (
	"slices"
	"strings"
	"testing"
)

const status = `Package: python3-urllib3
Status: install ok installed
Maintainer: Debian Python Team <team+python@tracker.debian.org>
Source: python-urllib3 (1.26.12-1)
Version: 1.26.12-1+deb12u1
Conffiles:
 /etc/x/package.json 0123456789abcdef0123456789abcdef
 /etc/y/package.json 0123456789abcdef0123456789abcdef obsolete
 /etc/z/package.json newconffile
Description: x
 /etc/not/package.json 0123456789abcdef0123456789abcdef

Package: gone
Status: deinstall ok config-files
Version: 1

Package: built-by-fpm
Version: 0:2.0
Vendor: ACME
`

func TestReadDpkg(t *testing.T) {
	packages, err := ReadDpkg(strings.NewReader(status))
	if err != nil || len(packages) != 2 {
		t.Fatalf("got %+v, %v", packages, err)
	}
	p := packages[0]
	want := []File{{"etc/x/package.json", "md5:0123456789abcdef0123456789abcdef"}}
	if p.Name != "python3-urllib3" || p.Source != "python-urllib3" || p.Version != "1.26.12-1+deb12u1" || p.Sign != "" || !slices.Equal(p.Files, want) {
		t.Errorf("got %+v", p)
	}
	if p := packages[1]; p.Version != "2.0" || p.Source != "built-by-fpm" || p.Sign == "" {
		t.Errorf("got %+v", p)
	}
}

func TestReadSums(t *testing.T) {
	sums, err := ReadSums(strings.NewReader("d41d8cd98f00b204e9800998ecf8427e  usr/lib/python3/dist-packages/a b/METADATA\n" +
		"D41D8CD98F00B204E9800998ECF8427E  usr/bin/x\n" + "d41d8cd98f00b204e9800998ecf8427e usr/bin/y\n" +
		"d41d8cd98f00b204e9800998ecf8427e  usr/share/doc/x/copyright\n"))
	if err != nil || len(sums.Files) != 1 || sums.Files[0].Path != "usr/lib/python3/dist-packages/a b/METADATA" || sums.Sign != "" {
		t.Errorf("got %+v, %v", sums, err)
	}
	sums, err = ReadSums(strings.NewReader("d41d8cd98f00b204e9800998ecf8427e  opt/google/chrome/chrome\n"))
	if err != nil || !strings.Contains(sums.Sign, "/opt") {
		t.Errorf("got %+v, %v", sums, err)
	}
}

func TestReadAPK(t *testing.T) {
	packages, err := ReadAPK(strings.NewReader("P:py3-idna\nV:3.10-r0\no:py3-idna\nm:A <a@b.c>\nF:usr/lib\nR:no-hash.jar\nF:usr/lib/python3.12\nR:METADATA\na:0:0:644\nZ:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\nR:other.jar\nZ:Q2xx\n\nP:b\nV:1\n"))
	if err != nil || len(packages) != 2 {
		t.Fatalf("got %+v, %v", packages, err)
	}
	want := []File{{"usr/lib/python3.12/METADATA", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"}}
	if p := packages[0]; p.Source != "py3-idna" || !slices.Equal(p.Files, want) {
		t.Errorf("got %+v", p)
	}
}

func TestThirdParty(t *testing.T) {
	const debian = "Debian Maintainers <x@lists.debian.org>"
	for _, test := range []struct {
		name    string
		p       Package
		family  string
		known   bool
		foreign bool
	}{
		{"Debian's own", Package{Version: "1-1+deb12u1", Origin: debian}, "debian", false, false},
		{"a subdomain", Package{Origin: "X <x@alioth-lists.debian.net>"}, "debian", false, false},
		{"a domain that ends alike", Package{Origin: "X <x@notdebian.org>"}, "debian", false, true},
		{"a developer's own address, known source", Package{Origin: "X <x@example.org>"}, "debian", true, false},
		{"an address that the list has", Package{Origin: "Marco d'Itri <md@linux.it>"}, "debian", false, false},
		{"no maintainer", Package{}, "debian", false, true},
		{"Debian in the name only", Package{Origin: "x@debian.org ACME <p@acme.example>"}, "debian", false, true},
		{"a sign wins over the maintainer", Package{Origin: debian, Sign: "x"}, "debian", true, true},
		{"Ubuntu's own", Package{Origin: "Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>"}, "ubuntu", false, false},
		{"Rocky's own", Package{Origin: "Rocky Enterprise Software Foundation"}, "rocky", false, false},
		{"EPEL", Package{Origin: "Fedora Project"}, "rocky", true, true},
		{"no vendor", Package{}, "redhat", true, true},
		{"a key", Package{Key: true}, "rocky", false, false},
		{"apk has no vendors", Package{Origin: "X"}, "alpine", false, false},
		{"no distribution", Package{}, "none", false, false},
	} {
		if got := ThirdParty(&test.p, test.family, test.known); (got != "") != test.foreign {
			t.Errorf("%s: got %q", test.name, got)
		}
	}
}

func TestVersionsOfThirdParties(t *testing.T) {
	for version, foreign := range map[string]bool{
		"1.29.3-1~bookworm":                   true,
		"5:27.3.1-1~debian.12~bookworm":       true,
		"20.18.0-1nodesource1":                true,
		"16.4-1.pgdg120+2":                    true,
		"1:11.4.3+maria~deb12":                true,
		"8.3.12-1+0~2024+debian12~1.sury.org": true,
		"24.0.7-0ubuntu2~22.04.1":             false,
		"1.22.1-9+deb12u2":                    false,
		"2.36-9+deb12u8":                      false,
		"1.4.2":                               false,
		"2:1.2~bpo12+1":                       false,
		"1.0+jammydodger1":                    false,
	} {
		if got := versionSign(version); (got != "") != foreign {
			t.Errorf("%s: got %q", version, got)
		}
	}
}

func TestPlaces(t *testing.T) {
	for path, want := range map[string][3]bool{ // foreign, reserved, possible
		"usr/lib/python3/dist-packages/x/METADATA":       {false, true, true},
		"usr/lib/python3.12/site-packages/x/METADATA":    {false, true, true},
		"usr/lib64/python3.9/site-packages/x/METADATA":   {false, true, true},
		"usr/local/lib/python3/dist-packages/x/METADATA": {true, false, false},
		"usr/share/nodejs/x/package.json":                {false, true, true},
		"usr/share/gems/specifications/x.gemspec":        {false, true, true},
		"usr/lib64/gems/ruby/x":                          {false, true, true},
		"usr/local/share/gems/specifications/x.gemspec":  {true, false, false},
		"usr/lib/acme/node_modules/x/package.json":       {false, false, true},
		"usr/lib/python3.evil":                           {false, false, true},
		"usr/src/app/node_modules/x/package.json":        {false, false, false},
		"opt/x/METADATA":                                 {true, false, false},
		"app/usr/lib/python3/dist-packages/x":            {true, false, false},
	} {
		if got := [3]bool{Foreign(path), Reserved(path), Possible(path)}; got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

func TestHolds(t *testing.T) {
	for path, want := range map[string]bool{
		"usr/bin/docker": true, "usr/lib/x/libfoo.so.1.2": true, "usr/share/java/a.JAR": true, "usr/share/nodejs/x/package.json": true,
		"usr/share/doc/x/copyright": false, "usr/lib/python3/x.py": false, "usr/lib/x/": false, "usr/bin/a.out.2": true,
	} {
		if got := Holds(path); got != want {
			t.Errorf("%s: got %v", path, got)
		}
	}
}

// Nothing that a database may hold makes a reader fail otherwise than by an error,
// and every digest that is read is whole.
func FuzzReaders(f *testing.F) {
	f.Add(status)
	f.Add("P:a\nV:1\nF:usr/bin\nR:x\nZ:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\n\n")
	f.Add("d41d8cd98f00b204e9800998ecf8427e  usr/bin/x\n")
	f.Fuzz(func(t *testing.T, text string) {
		dpkg, _ := ReadDpkg(strings.NewReader(text))
		apk, _ := ReadAPK(strings.NewReader(text))
		sums, _ := ReadSums(strings.NewReader(text))
		files := sums.Files
		for _, p := range slices.Concat(dpkg, apk) {
			if p.Name == "" || p.Source == "" {
				t.Errorf("got %+v", p)
			}
			files = append(files, p.Files...)
		}
		for _, f := range files {
			if n := len(f.Digest); n != len("md5:")+32 && n != len("sha1:")+40 || !Holds(f.Path) {
				t.Errorf("got %+v", f)
			}
		}
	})
}
