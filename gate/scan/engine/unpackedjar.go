//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	trivyjar "github.com/aquasecurity/trivy/pkg/dependency/parser/java/jar"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/manifest"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// unpackedJarAnalyzer asks for the metadata of archives that were unpacked into a
// directory, which Java runs as well. Trivy does not look for it. What is in the files
// is read by unpackedJar, because it takes several of them to say what an archive is.
type unpackedJarAnalyzer struct{}

func init() { analyzer.RegisterAnalyzer(unpackedJarAnalyzer{}) }

const typeUnpackedJar analyzer.Type = "unpacked-jar"

// Required implements Trivy's analyzer.
func (unpackedJarAnalyzer) Required(file string, _ os.FileInfo) bool {
	_, ok := manifest.UnpackedJar(file)
	return ok
}

// Analyze implements Trivy's analyzer.
func (unpackedJarAnalyzer) Analyze(context.Context, analyzer.AnalysisInput) (*analyzer.AnalysisResult, error) {
	return nil, nil
}

// Type implements Trivy's analyzer.
func (unpackedJarAnalyzer) Type() analyzer.Type { return typeUnpackedJar }

// Version implements Trivy's analyzer.
func (unpackedJarAnalyzer) Version() int { return 1 }

// unpackedJar reads one file of the metadata of an archive that was unpacked.
func (l *layer) unpackedJar(e *wire.Entry, c content) {
	if _, ok := manifest.UnpackedJar(e.Name); !ok {
		return
	}
	base := path.Base(e.Name)
	if strings.HasPrefix(base, "pom.") && (c.bytes == nil || len(c.bytes) > maxJarMetadata) {
		l.jarError(e.Name, e.Name, fmt.Errorf("it has %d bytes, more than %d", e.Size, maxJarMetadata))
		return
	}
	switch base {
	case "pom.properties":
		found, err := manifest.ReadPomProperties(c.bytes)
		if err != nil && manifest.InTestsOfJava(e.Name) {
			l.skipped = append(l.skipped, e.Name)
			return
		}
		if err != nil {
			l.jarError(e.Name, e.Name, err)
			return
		}
		if r := jarResult(e.Name, found); r != nil {
			l.main.byName[e.Name].own = r
			put(&l.unpackedNamed, e.Name, true)
		}
	case "pom.xml":
		if found, err := manifest.ReadPom(bytes.NewReader(c.bytes)); err == nil {
			put(&l.unpackedPoms, e.Name, found)
		}
	default:
		// Behind its first section, a signed jar has a hash of each class.
		put(&l.unpackedClaims, e.Name, claimOf(manifest.ReadJarManifest(c.bytes[:min(len(c.bytes), maxJarMetadata)])))
	}
}

func jarResult(file string, c manifest.Coordinates) *analyzer.AnalysisResult {
	if !c.Complete() {
		return nil
	}
	p := trivyjar.Properties{GroupID: c.Group, ArtifactID: c.Artifact, Version: c.Version, FilePath: file}.Package()
	return &analyzer.AnalysisResult{Applications: []ftypes.Application{{Type: ftypes.Jar, FilePath: file, Packages: ftypes.Packages{p}}}}
}

// unpackedJars adds what needs all files of the layer: a pom.xml counts where no
// pom.properties beside it has all coordinates, and a manifest that calls the archive by
// a name where Maven left nothing.
func (l *layer) unpackedJars(r *analyzer.AnalysisResult) {
	described := map[string]bool{}
	for file := range l.unpackedNamed {
		root, _ := manifest.UnpackedJar(file)
		described[root] = true
	}
	for _, file := range slices.Sorted(maps.Keys(l.unpackedPoms)) {
		found := jarResult(file, l.unpackedPoms[file])
		if found != nil && !l.unpackedNamed[path.Join(path.Dir(file), "pom.properties")] {
			r.Merge(found)
			root, _ := manifest.UnpackedJar(file)
			described[root] = true
		}
	}
	for _, file := range slices.Sorted(maps.Keys(l.unpackedClaims)) {
		root, _ := manifest.UnpackedJar(file)
		if claim := strings.TrimSpace(l.unpackedClaims[file]); claim != "" && !described[root] {
			l.gap(file, evidence.Gap{
				Kind: evidence.GapUnidentifiedJars, Subject: file, Path: file,
				Detail: fmt.Sprintf("an unpacked jar was compared with no advisory: it has no metadata of Maven, and %.100q in its manifest is not enough", claim),
				Cure:   "leave the jar packed, or build it with the metadata of Maven",
			})
		}
	}
}
