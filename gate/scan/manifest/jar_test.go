package manifest

import (
	"slices"
	"strings"
	"testing"
)

func TestReadJarManifest(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"plain", "Manifest-Version: 1.0\r\nImplementation-Title: a\r\n\r\nName: x\r\nImplementation-Title: b\r\n", "Implementation-Title=a Manifest-Version=1.0"},
		{"line ends", "A: 1\rB: 2\nC: 3\r\n\rD: 4", "A=1 B=2 C=3"},
		{"folded", "A: 1\r\n 2\r\n 3\r\nB: x\n  y\n", "A=123 B=x y"},
		{"in small letters", "implementation-version: 1\n", "implementation-version=1"},
		{"twice", "A: 1\nB: 2\na: 3\n", "B=2 a=3"},
		{"no space behind the colon", "A:1\nB: 2\n", "B=2"},
		{"no name", ": 1\nB: 2\n", "B=2"},
		{"a folded name", "Implementation-Ver\n sion: 2\n", "Implementation-Version=2"},
		{"no line end", "A: 1", "A=1"},
		{"empty", "", ""},
		{"nothing in the main section", "\nA: 1\n", ""},
	} {
		var got []string
		for _, a := range ReadJarManifest([]byte(test.text)) {
			got = append(got, a.Name+"="+a.Value)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: got %q", test.name, got)
		}
	}
}

// What is found is in the file, under the name by which it is found.
func FuzzReadJarManifest(f *testing.F) {
	f.Add("A: 1\r\n 2\rB: 3\n\nC: 4")
	f.Add("a: 1\nA: 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		flat := strings.NewReplacer("\r\n ", "", "\r ", "", "\n ", "").Replace(text)
		for key, a := range ReadJarManifest([]byte(text)) {
			if key != strings.ToLower(a.Name) || !strings.Contains(flat, a.Name+": "+a.Value) {
				t.Errorf("%q: %q (%q) is not in %q", a.Name, a.Value, key, text)
			}
		}
	})
}

// Archives are recognised by the name of their first entry.
func TestStartsLikeArchive(t *testing.T) {
	head := func(name string) string { return "PK\x03\x04" + strings.Repeat("\x00", 26) + name }
	for _, test := range []struct {
		head      string
		jar, yarn bool
	}{
		{head("META-INF/MANIFEST.MF"), true, false},
		{head("BOOT-INF/lib/a.jar"), true, false},
		{head("WEB-INF/web.xml"), true, false},
		{head("node_modules/lodash/package.json"), false, true},
		{head("node_modules/"), false, true},
		{head("node_modules"), false, false},
		{head("docs/a.txt"), false, false},
		{head("")[:20], false, false},
		{"", false, false},
		{"PK\x05\x06" + strings.Repeat("\x00", 26) + "META-INF/", false, false},
	} {
		if jar, yarn := StartsLikeJar([]byte(test.head)), startsLikeYarnArchive([]byte(test.head)); jar != test.jar || yarn != test.yarn {
			t.Errorf("%q: a jar: %t, of Yarn: %t", test.head, jar, yarn)
		}
	}
}

// Which files are handed to the worker, because a program may load packages from them.
func TestMayHoldPackages(t *testing.T) {
	head := func(name string) string { return "PK\x03\x04" + strings.Repeat("\x00", 26) + name }
	for _, test := range []struct {
		name, head string
		want       bool
	}{
		{"app/x", head("node_modules/a/package.json"), true},
		{"app/x", head("__main__.py"), true},
		{"app/x", head(".deps/flask.whl/"), true},
		{"app/x", head("site-packages/a.py"), true},
		{"app/x.pyz", head("a/b.py"), true},
		{"app/x.PEX", head("a/b.py"), true},
		{"app/x.pyz", "no archive", false},
		{"app/x", "#!/usr/bin/env python3\n", true},
		{"app/x.zip", head("a/b.py"), false},
		{"app/x", "", false},
	} {
		if got := MayHoldPackages(test.name, []byte(test.head)); got != test.want {
			t.Errorf("%s that begins with %q: %t", test.name, test.head, got)
		}
	}
}

// The finder finds an archive wherever the file is cut when it is written.
func TestArchiveFinder(t *testing.T) {
	file := func(name string) string {
		return "#!/bin/sh\nPK exec java\n" + "PK\x03\x04" + strings.Repeat("\x00", 26) + name
	}
	for _, test := range []struct {
		text     string
		any, jar bool
	}{
		{file("META-INF/MANIFEST.MF"), true, true},
		{file("BOOT-INF/"), true, true},
		{file("a") + file("META-INF/"), true, true},
		{file("site-packages/a.py"), true, false},
		{"#!/bin/sh\nexec java\n", false, false},
	} {
		for size := 1; size <= len(test.text); size++ {
			var f ArchiveFinder
			for b := []byte(test.text); len(b) > 0; b = b[min(size, len(b)):] {
				_, _ = f.Write(b[:min(size, len(b))])
			}
			if f.Any != test.any || f.Jar != test.jar {
				t.Fatalf("%q in pieces of %d: an archive: %t, a jar: %t", test.text, size, f.Any, f.Jar)
			}
		}
	}
}
