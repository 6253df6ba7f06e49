package policy

import (
	"fmt"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// setuidAt gives the image programs with the setuid bit, and says that there are
// more of them than are listed.
func setuidAt(more int, paths ...string) func(*evidence.Image) {
	return scan(func(s *evidence.Scan) {
		l := evidence.FileList{Count: len(paths) + more}
		for _, p := range paths {
			l.Files = append(l.Files, evidence.File{Path: p, Setuid: true})
		}
		s.Files = &evidence.Files{SetID: l}
	})
}

func TestFileRules(t *testing.T) {
	const none, sudo = "files: {setuid: {max: 0}}", "files: {setuid: {allow: [/usr/bin/sudo]}}"
	caps := scan(func(s *evidence.Scan) {
		s.Files.Capabilities = evidence.FileList{Count: 1, Files: []evidence.File{{Path: "usr/bin/ping", Capabilities: []string{"cap_net_raw"}}}}
	})
	open := scan(func(s *evidence.Scan) {
		s.Files.WorldWritable = evidence.FileList{Count: 2, Files: []evidence.File{{Path: "app/x"}, {Path: "srv", Dir: true}}}
	})
	runRuleCases(t, map[string]ruleCase{
		"none":                       {none, nil, ruleSetuid, ResultPass, "0 files with the setuid or setgid bit"},
		"one":                        {none, setuidAt(0, "usr/bin/su"), ruleSetuid, ResultFail, "usr/bin/su (setuid)"},
		"within the number":          {"files: {setuid: {max: 2}}", setuidAt(0, "a", "b"), ruleSetuid, ResultPass, "2 files"},
		"above the number":           {"files: {setuid: {max: 2}}", setuidAt(0, "a", "b", "c"), ruleSetuid, ResultFail, "3 files"},
		"allowed":                    {sudo, setuidAt(0, "usr/bin/sudo"), ruleSetuid, ResultPass, "1 of them allowed by path"},
		"beside the allowed":         {sudo, setuidAt(0, "usr/bin/sudo", "usr/bin/sudo2"), ruleSetuid, ResultFail, "usr/bin/sudo2"},
		"an allowed name elsewhere":  {sudo, setuidAt(0, "opt/usr/bin/sudo"), ruleSetuid, ResultFail, "opt/usr/bin/sudo"},
		"climbs":                     {"files: {setuid: {allow: [\"usr/bin/*\"]}}", setuidAt(0, "usr/bin/../../opt/x"), ruleSetuid, ResultFail, "opt/x"},
		"not collected":              {none, scan(func(s *evidence.Scan) { s.Files = nil }), ruleSetuid, ResultUndecided, "not collected"},
		"not asked for":              {none, scan(func(s *evidence.Scan) { s.Need &^= evidence.NeedFiles }), ruleSetuid, ResultUndecided, "modes of files"},
		"not scanned":                {none, noScanAt, ruleSetuid, ResultUndecided, "not scanned"},
		"missing is never a warning": {none + "\nlevels: {files.setuid: warn}", scan(func(s *evidence.Scan) { s.Files = nil }), ruleSetuid, ResultUndecided, ""},
		"warns":                      {none + "\nlevels: {files.setuid: warn}", setuidAt(0, "usr/bin/su"), ruleSetuid, ResultWarn, ""},
		"cut, and enough is seen":    {none, setuidAt(90_000, "a"), ruleSetuid, ResultFail, "90,001 files"},
		"cut, and all allowed":       {"files: {setuid: {allow: [a]}}", setuidAt(90_000, "a"), ruleSetuid, ResultUndecided, "lists only the first 1"},
		"cut, and all within":        {"files: {setuid: {max: 90000, allow: [a]}}", setuidAt(90_000, "a"), ruleSetuid, ResultPass, ""},
		"a count that is too small": {none, scan(func(s *evidence.Scan) {
			s.Files.SetID = evidence.FileList{Files: []evidence.File{{Path: "a", Setgid: true}}}
		}), ruleSetuid, ResultFail, "a (setgid)"},
		"capability":         {"files: {capabilities: {max: 0}}", caps, ruleCapabilities, ResultFail, "usr/bin/ping (cap_net_raw)"},
		"capability allowed": {"files: {capabilities: {allow: [\"**/ping\"]}}", caps, ruleCapabilities, ResultPass, ""},
		"no capability":      {"files: {capabilities: {max: 0}}", nil, ruleCapabilities, ResultPass, ""},
		"writable":           {"files: {world-writable: {max: 0, allow: [app/x]}}", open, ruleWorldWritable, ResultFail, "srv/"},
		"writable allowed":   {"files: {world-writable: {allow: [\"app/**\", srv]}}", open, ruleWorldWritable, ResultPass, ""},
		"excepted": {none + "\nexceptions: [{rule: files.setuid, images: [\"registry.example.no/shop/*\"], reason: x, expires: 2026-07-01}]",
			setuidAt(0, "usr/bin/su"), ruleSetuid, ResultWarn, ""},
		"requirement": {"files: {setuid: {max: {value: 0, control: \"CIS 4.8\"}}}", nil, ruleSetuid, ResultPass, "[CIS 4.8]"},
	})
}

func TestFileGlobs(t *testing.T) {
	for glob, ok := range map[string]bool{
		"usr/bin/sudo": true, "/usr/bin/sudo": true, "usr/bin/*": true, "opt/**": true, "**/sudo": true,
		"**": false, "**/*": false, "/**": false, "*/**": false, "usr/../bin": false, "usr/bin/": false, "./su": false, "": false,
	} {
		_, err := Parse("p", fmt.Appendf(nil, "version: 1\nfiles: {setuid: {allow: [%q]}}\n", glob))
		if (err == nil) != ok {
			t.Errorf("%s: %v", glob, err)
		}
	}
}

// A base that limits such files limits them whichever of its two keys it sets.
func TestFilesAboveABase(t *testing.T) {
	for _, c := range []struct {
		base, child string
		ok          bool
	}{
		{"files: {setuid: {max: 0}}\n", "files: {setuid: {allow: [usr/bin/su]}}\n", false},
		{"files: {setuid: {allow: [usr/bin/su]}}\n", "files: {setuid: {max: 1}}\n", false},
		{"files: {setuid: {allow: [usr/bin/su]}}\n", "files: {setuid: {max: 0}}\n", true},
		{"files: {setuid: {max: 3}}\n", "files: {setuid: {max: 2}}\n", true},
		{"config: {user: non-root}\n", "files: {setuid: {max: 5, allow: [a]}}\n", true},
		{"files: {setuid: {max: 0}}\n", "levels: {files.setuid: off}\n", false},
	} {
		if _, err := parseOn(c.base, c.child); (err == nil) != c.ok {
			t.Errorf("%q on %q: %v", c.child, c.base, err)
		}
	}
}
