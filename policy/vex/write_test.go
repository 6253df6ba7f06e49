package vex_test

import (
	"strings"
	"testing"
	"time"

	openvex "github.com/openvex/go-vex/pkg/vex"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/vex"
)

func draft() *vex.Draft {
	return &vex.Draft{Author: "shop", Tooling: "test", Time: time.Date(2026, 6, 1, 12, 0, 0, 1, time.UTC), Claims: []vex.Claim{
		{Vulnerability: "CVE-2026-0002", Package: "pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1", Justification: "component_not_present", Impact: "minizip <is> not built", Notes: "exception until 2026-07-01"},
		{Vulnerability: "CVE-2026-0001", Package: "pkg:npm/%40a/lodash@4.17.15", Images: []string{"registry.example.no:5000/shop/app", "registry.example.no/shop/web"}, Justification: "vulnerable_code_not_in_execute_path"},
		{Vulnerability: "CVE-2026-0001", Package: "pkg:npm/%40a/lodash@4.17.15", Images: []string{"registry.example.no/shop/web", "registry.example.no:5000/shop/app"}, Justification: "vulnerable_code_not_in_execute_path"},
	}}
}

// What is written is what our reader and the library of the OpenVEX project read.
func TestWrite(t *testing.T) {
	raw, err := vex.Write(draft())
	if err != nil {
		t.Fatal(err)
	}
	d, err := vex.Parse(raw)
	if err != nil || len(d.Statements) != 2 || d.Author != "shop" {
		t.Fatalf("%v, %+v of\n%s", err, d, raw)
	}
	lodash := vex.PackageOf(&evidence.Package{PURL: "pkg:npm/%40a/lodash@4.17.15"})
	for image, want := range map[string]vex.Match{"registry.example.no:5000/shop/app": vex.Matches, "registry.example.no/shop/web": vex.Matches, "registry.example.no/shop/app": vex.OtherProduct} {
		if got := d.Statements[0].Match(&evidence.Image{Reference: evidence.Reference{Name: image}}, lodash); got != want {
			t.Errorf("%s: %d, want %d", image, got, want)
		}
	}
	theirs, err := openvex.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	for i := range theirs.Statements {
		if err := theirs.Statements[i].Validate(); err != nil {
			t.Errorf("%v of\n%s", err, raw)
		}
	}
	if len(theirs.Matches("CVE-2026-0001", "pkg:oci/web?repository_url=registry.example.no/shop/web", []string{"pkg:npm/%40a/lodash@4.17.15"})) != 1 {
		t.Errorf("the library of OpenVEX finds no statement in\n%s", raw)
	}
}

// The ids stay as they are while the claims do.
func TestIDsAreStable(t *testing.T) {
	ids := func(d *vex.Draft) (document string, statements []string) {
		raw, err := vex.Write(d)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := openvex.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range doc.Statements {
			statements = append(statements, s.ID)
		}
		return doc.ID, statements
	}
	first, all := ids(draft())
	later := draft()
	later.Time = later.Time.AddDate(0, 1, 0)
	if again, _ := ids(later); again != first || !strings.HasPrefix(first, "urn:uuid:") {
		t.Errorf("%s and %s", first, again)
	}
	renewed := draft()
	renewed.Claims[0].Notes = "exception until 2026-09-01"
	again, same := ids(renewed)
	if again == first || strings.Join(same, " ") != strings.Join(all, " ") || all[0] == all[1] {
		t.Errorf("%s %q and %s %q", first, all, again, same)
	}
}

// A document that our reader would refuse is not written.
func TestNothingIsWrittenThatIsRefused(t *testing.T) {
	for name, change := range map[string]func(*vex.Draft){
		"no claim":         func(d *vex.Draft) { d.Claims = nil },
		"no author":        func(d *vex.Draft) { d.Author = " " },
		"no justification": func(d *vex.Draft) { d.Claims[0].Justification = "" },
		"no purl":          func(d *vex.Draft) { d.Claims[0].Package = "pkg:" },
		"no id":            func(d *vex.Draft) { d.Claims[0].Vulnerability = "" },
	} {
		d := draft()
		change(d)
		if raw, err := vex.Write(d); err == nil && name != "no justification" { // which has an impact statement
			t.Errorf("%s:\n%s", name, raw)
		}
	}
}
