package policy

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// FuzzParse asks that every input is either read as a policy or refused with
// positions, and that no policy passes evidence that lacks facts.
func FuzzParse(f *testing.F) {
	for src := range badPolicies() {
		f.Add([]byte(src))
	}
	for _, r := range Rules() {
		f.Add([]byte(exampleOf(r)))
	}
	files, _ := filepath.Glob("../examples/policies/*.yaml")
	for _, file := range append(files, "testdata/mistakes.yaml") {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := Parse("policy.yaml", src)
		if err != nil {
			var e *Error
			if p != nil || !errors.As(err, &e) || len(e.Diagnostics) == 0 {
				t.Fatalf("Parse = %v, %v", p, err)
			}
			for _, d := range e.Diagnostics {
				if d.Pos.Line < 1 || d.Pos.Column < 1 || d.Pos.File == "" || d.Msg == "" {
					t.Errorf("%+v has no place", d)
				}
			}
			return
		}
		for i, img := range hollowImages() {
			if p.Evaluate(img, noon()).Decision == Passed {
				t.Errorf("hollow image %d passes", i)
			}
		}
	})
}

// FuzzExtend asks that every policy on every base is either read or refused with
// positions, and that no policy above a pinned base passes an image that the base
// alone refuses.
func FuzzExtend(f *testing.F) {
	f.Add("config: {user: numeric}\n", "config: {user: numeric}\n", uint64(1))
	f.Add("open: [overrides]\nvulnerabilities: {max: {high: 2}}\n", "overrides: [{images: [\"**\"], config: {user: any}}]\n", uint64(2))
	f.Add("reference: {pin: version}\n", "levels: {config.user: {value: off, from: 2099-01-01}}\n", uint64(3))
	f.Fuzz(func(t *testing.T, base, child string, seed uint64) {
		p, err := parseOn(base, child)
		if err != nil {
			var e *Error
			if p != nil || !errors.As(err, &e) || len(e.Diagnostics) == 0 {
				t.Fatalf("parse = %v, %v", p, err)
			}
			return
		}
		alone, err := Parse("base.yaml", []byte("version: 1\nextends: default\n"+base))
		if err != nil {
			return // a base that builds on another one
		}
		img := randomImage(rand.New(rand.NewPCG(seed, 0)))
		opened := len(alone.open) > 0
		if !opened && p.Evaluate(img, noon()).Decision == Passed && alone.Evaluate(img, noon()).Decision != Passed {
			t.Errorf("an image passes that the base refuses")
		}
	})
}

// FuzzPackage asks that the matcher does not panic on any purl or range of an
// exception, or on any version in an image.
func FuzzPackage(f *testing.F) {
	for _, s := range []string{"lodash", "@angular/core", "pkg:npm/lodash@>=4.17.0 <4.17.21 || 5.0.0", "pkg:deb/debian/zlib1g@<1:1.2.14?arch=amd64",
		"pkg:rpm/redhat/openssl@<=3.0~rc1-1.el9", "pkg:apk/alpine/busybox@1.2.3-r1", "pkg:maven/org.apache/x@!=2.0"} {
		f.Add(s, "1.2.3", "pkg:npm/lodash@4.17.15")
	}
	f.Fuzz(func(t *testing.T, pkg, version, purl string) {
		m, err := parsePackage(pkg)
		if err != nil {
			return
		}
		if m.matches(&evidence.Package{}) {
			t.Errorf("%q matches a package without a name", pkg)
		}
		m.matches(&evidence.Package{Name: "x", Version: version, PURL: purl})
	})
}

// FuzzLicense asks that the reader does not panic on any licence expression, and
// that a policy which denies every licence refuses it.
func FuzzLicense(f *testing.F) {
	for _, s := range []string{"MIT", "MIT OR AGPL-3.0", "(MIT AND (X OR Y)) WITH Z", "((((", "AND", "GPL-2.0+"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s := &settings{}
		s.put(licenseDenyKey.path, &option[[]string]{value: []string{"*"}, set: true})
		j := &judge{s: s}
		if j.licenseFine(name) {
			t.Errorf("%q is fine although everything is denied", name)
		}
	})
}

// FuzzTag asks that a word that always moves is never one release.
func FuzzTag(f *testing.F) {
	for _, s := range []string{"latest", "1.2.3", "2024-01-31", "1-alpine3.19", "3f2a9bc"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		floating(tag, nil)
		if floating(tag+"-latest", nil) == "" {
			t.Errorf("%q is one release", tag+"-latest")
		}
	})
}
