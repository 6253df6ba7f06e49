//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"slices"
	"testing"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/wire"
)

// What the owner of a file reads is added to what Trivy has read. Where the owner
// reads nothing, there is a gap, unless Trivy has read nothing either and said so.
func TestCompareReadings(t *testing.T) {
	const composer = "v/composer/installed.json"
	for _, test := range []struct {
		name, file, text string
		trivy            []string // versions of a/b
		want             []string
		gaps             int
	}{
		{"the same", composer, `[{"name":"a/b","version":"1"}]`, []string{"1"}, []string{"1"}, 0},
		{"another", composer, `[{"name":"a/b","version":"1"},{"name":"a/b","version":"2"}]`, []string{"1"}, []string{"1", "2"}, 0},
		{"capitals", composer, `[{"name":"A/B","version":"1"}]`, []string{"1"}, []string{"1"}, 0},
		{"unreadable", composer, `[{"version":"1"}]`, []string{"1"}, []string{"1"}, 1},
		{"unreadable for Trivy too", composer, `[{"version":"1"}]`, nil, nil, 0},
		{"another kind of file", "v/composer.lock", `[{"name":"a/b","version":"2"}]`, []string{"1"}, []string{"1"}, 0},
	} {
		l := &layer{}
		l.read(&wire.Entry{Name: test.file, Size: int64(len(test.text))}, content{bytes: []byte(test.text)})
		r := new(analyzer.AnalysisResult)
		if test.trivy != nil {
			app := ftypes.Application{Type: ftypes.ComposerVendor, FilePath: test.file}
			for _, v := range test.trivy {
				app.Packages = append(app.Packages, ftypes.Package{Name: "a/b", Version: v})
			}
			r.Applications = []ftypes.Application{app}
		}
		l.compareReadings(r)
		var got []string
		for _, app := range r.Applications {
			for _, p := range app.Packages {
				got = append(got, p.Version)
			}
		}
		if !slices.Equal(got, test.want) || len(l.gaps) != test.gaps {
			t.Errorf("%s: got %q, gaps %+v", test.name, got, l.gaps)
		}
	}
	large := &layer{}
	large.read(&wire.Entry{Name: composer, Size: inMemory + 1}, content{})
	large.compareReadings(&analyzer.AnalysisResult{Applications: []ftypes.Application{{Type: ftypes.ComposerVendor, FilePath: composer}}})
	if len(large.gaps) != 1 {
		t.Errorf("a file that is too large to be read leaves %+v", large.gaps)
	}
}
