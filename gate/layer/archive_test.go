package layer

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// A file that the scanner opens because of its content stays known only under its
// literal name. When a link on that path is deleted, the file is still there, and
// nothing is known of it any more.
func TestArchiveThatTheScannerForgets(t *testing.T) {
	base := []item{dir("app"), symlink("link", "app")}
	for _, test := range []struct {
		name   string
		layers [][]item
		gap    string // the file that it names
	}{
		{"through a link that stays", [][]item{base, {file1("link/a.zip", "PK")}}, ""},
		{"through a link that is deleted", [][]item{base, {file1("link/a.zip", "PK")}, {file1(".wh.link", "")}}, "app/a.zip"},
		{"a script with an archive", [][]item{base, {program("link/a.zip", "#!/bin/sh\n")}, {file1(".wh.link", "")}}, "app/a.zip"},
		{"deleted with the link", [][]item{base, {file1("link/a.zip", "PK")}, {file1(".wh.link", ""), file1(".wh.app", "")}}, ""},
		{"a second name", [][]item{base, {file1("a.zip", "PK"), hardlink("b", "a.zip")}, {file1(".wh.a.zip", "")}}, ""},
		{"another file", [][]item{base, {file1("link/data", "PK")}, {file1(".wh.link", "")}}, ""},
	} {
		tree := NewTree(DefaultLimits())
		for i, items := range test.layers {
			plain := tarOf(t, items...)
			s, rec := specOf(i, plain, plain, typeTar), NewRecorder(DefaultLimits())
			stats, err := Read(context.Background(), bytes.NewReader(plain), s, NewBudget(DefaultLimits()), func(e *Entry, body io.Reader) error {
				err := rec.Visit(e, body)
				if strings.HasSuffix(e.Name, ".zip") && e.Type == File {
					rec.Archive()
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := tree.Merge(s, parsed(t, rec.Finish(stats))); err != nil {
				t.Fatal(err)
			}
		}
		got := ""
		for _, g := range tree.Finish().Gaps {
			got += g.Subject
		}
		if got != test.gap {
			t.Errorf("%s: gaps for %q, want %q", test.name, got, test.gap)
		}
	}
}
