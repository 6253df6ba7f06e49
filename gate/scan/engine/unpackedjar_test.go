//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"testing"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"

	"github.com/imagegate/imagegate/gate/scan/manifest"
)

// What says less than all coordinates hides nothing that is beside it.
func TestUnpackedJars(t *testing.T) {
	const dir = "app/META-INF/maven/g/a/"
	whole, part := manifest.Coordinates{Group: "g", Artifact: "a", Version: "1"}, manifest.Coordinates{Group: "g"}
	for name, test := range map[string]struct {
		named       bool // by a pom.properties
		pom         manifest.Coordinates
		found, gaps int
	}{
		"pom.properties":                    {true, whole, 0, 0}, // its package is the file's own result
		"pom.xml":                           {false, whole, 1, 0},
		"neither has all coordinates":       {false, part, 0, 1},
		"pom.properties, part of a pom.xml": {true, part, 0, 0},
	} {
		l := &layer{
			unpackedPoms:   map[string]manifest.Coordinates{dir + "pom.xml": test.pom},
			unpackedClaims: map[string]string{"app/META-INF/MANIFEST.MF": "shop 1.0"},
			unpackedNamed:  map[string]bool{dir + "pom.properties": test.named},
		}
		if !test.named {
			l.unpackedNamed = nil
		}
		r := new(analyzer.AnalysisResult)
		if l.unpackedJars(r); len(r.Applications) != test.found || len(l.gaps) != test.gaps {
			t.Errorf("%s: %d packages, gaps %v", name, len(r.Applications), l.gaps)
		}
	}
}
