//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	trivyjar "github.com/aquasecurity/trivy/pkg/dependency/parser/java/jar"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/manifest"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// oneArtifact is a Java database that knows org.example:thing.
type oneArtifact struct{}

func (oneArtifact) Exists(group, artifact string) (bool, error) {
	return group == "org.example" && artifact == "thing", nil
}

func (oneArtifact) SearchBySHA1(string) (trivyjar.Properties, error) {
	return trivyjar.Properties{}, trivyjar.ArtifactNotFoundErr
}

func (oneArtifact) SearchByArtifactID(string, string) (string, error) {
	return "", trivyjar.ArtifactNotFoundErr
}

// identify reads a jar as a layer does.
func identify(t *testing.T, body []byte) (found []string, gaps []wire.Gap) {
	t.Helper()
	l := &layer{}
	w := &jarWalk{ctx: t.Context(), client: oneArtifact{}, layer: l, file: "app/x.jar", left: minUnpacked}
	result := new(analyzer.AnalysisResult)
	if err := w.archive("app/x.jar", io.NewSectionReader(bytes.NewReader(body), 0, int64(len(body))), 1); err != nil {
		l.jarError("app/x.jar", "app/x.jar", err)
	} else {
		l.archives = w.archives
		pkgs, _, err := trivyjar.NewParser(oneArtifact{}, trivyjar.WithFilePath("app/x.jar"), trivyjar.WithSize(int64(len(body)))).Parse(context.Background(), bytes.NewReader(body))
		if err != nil {
			t.Logf("Trivy: %v", err)
		}
		if len(pkgs) > 0 {
			result.Applications = []ftypes.Application{{Type: ftypes.Jar, FilePath: "app/x.jar", Packages: pkgs}}
		}
		l.identifyJars(result)
	}
	if len(result.Applications) > 1 {
		t.Errorf("%d applications for one file, of which Trivy's applier keeps one", len(result.Applications))
	}
	for _, app := range result.Applications {
		for _, p := range app.Packages {
			found = append(found, p.Name+"@"+p.Version+" "+p.FilePath)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), l.gaps
}

type zipped map[string]string

func (z zipped) bytes(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	var names []string
	for name := range z {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, z[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const pomProperties = "META-INF/maven/g/a/pom.properties"

func TestIdentifyJars(t *testing.T) {
	const manifestText = "Manifest-Version: 1.0\r\nImplementation-Title: thing\r\nImplementation-Version: 2\r\nImplementation-Vendor-Id: org.example\r\n"
	inner := string(zipped{pomProperties: "groupId=g\nartifactId=a\nversion=1\n"}.bytes(t))
	for _, test := range []struct {
		name string
		jar  zipped
		want []string
		gaps int // of jars that cannot be read
	}{
		{"as Maven writes it", zipped{pomProperties: "groupId=g\nartifactId=a\nversion=1\n"}, []string{"g:a@1 app/x.jar"}, 0},
		{"as Java also reads it", zipped{pomProperties: "groupId: g\nartifactId a\nversion = 1\n"}, []string{"g:a@1 app/x.jar"}, 0},
		{"two readings", zipped{pomProperties: "groupId=g\nartifactId=a\nversion=1\nversion = 2\n"}, []string{"g:a@1 app/x.jar", "g:a@2 app/x.jar"}, 0},
		{"not for Java", zipped{pomProperties: `version=\u1`}, nil, 1},
		{"impossible", zipped{pomProperties: "groupId=g\nartifactId=a b\nversion=1\n"}, []string{"g:a b@1 app/x.jar"}, 1},
		{"a manifest", zipped{"META-INF/MANIFEST.MF": manifestText}, []string{"org.example:thing@2 app/x.jar"}, 0},
		{"a manifest in small letters", zipped{"META-INF/MANIFEST.MF": strings.ToLower(manifestText)}, []string{"org.example:thing@2 app/x.jar"}, 0},
		{"a manifest under another name", zipped{"Meta-Inf/Manifest.mf": manifestText}, []string{"org.example:thing@2 app/x.jar"}, 0},
		{"another manifest behind it", zipped{"META-INF/MANIFEST.MF": manifestText, "x/MANIFEST.MF": "Implementation-Title: other\n"}, []string{"org.example:thing@2 app/x.jar"}, 0},
		{"an attribute twice", zipped{"META-INF/MANIFEST.MF": manifestText + "implementation-version: 3\r\n"}, []string{"org.example:thing@2 app/x.jar", "org.example:thing@3 app/x.jar"}, 0},
		{"an attribute of a file", zipped{"META-INF/MANIFEST.MF": manifestText + "\r\nName: x\r\nimplementation-version: 3\r\n"}, []string{"org.example:thing@2 app/x.jar"}, 0},
		{"a pom.xml only", zipped{"META-INF/maven/g/a/pom.xml": "<project><groupId>g</groupId><artifactId>a</artifactId><parent><version>7</version></parent></project>"}, []string{"g:a@7 app/x.jar"}, 0},
		{"a pom.xml with a placeholder", zipped{"META-INF/maven/g/a/pom.xml": "<project><groupId>g</groupId><artifactId>a</artifactId><version>${v}</version></project>"}, nil, 0},
		{"a pom.xml beside", zipped{pomProperties: "groupId=g\nartifactId=a\nversion=1\n", "META-INF/maven/g/a/pom.xml": "<project><groupId>g</groupId><artifactId>a</artifactId><version>9</version></project>"}, []string{"g:a@1 app/x.jar"}, 0},
		{"an inner jar", zipped{"lib/y.jar": inner}, []string{"g:a@1 app/x.jar/lib/y.jar"}, 0},
		{"an inner jar in capitals", zipped{"lib/y.JAR": inner}, []string{"g:a@1 app/x.jar/lib/y.JAR"}, 0},
		{"an inner jar by its content", zipped{"lib/y": inner}, []string{"g:a@1 app/x.jar/lib/y"}, 0},
		{"an inner jar whose name leaves the archive", zipped{"../../y.jar": inner}, []string{"g:a@1 app/x.jar/y.jar"}, 0},
		{"an inner jar that is none", zipped{"lib/y.JAR": "PK"}, nil, 1},
		{"an inner file that is no jar", zipped{"lib/y.docx": "PK\x03\x04 and no more of an archive"}, nil, 0},
	} {
		found, gaps := identify(t, test.jar.bytes(t))
		gaps = slices.DeleteFunc(gaps, func(g wire.Gap) bool { return g.Kind == evidence.GapUnidentifiedJars })
		if !slices.Equal(found, test.want) || len(gaps) != test.gaps {
			t.Errorf("%s: found %q, gaps %+v", test.name, found, gaps)
		}
	}
}

func TestJarsThatCostTooMuch(t *testing.T) {
	deep := zipped{"a": "b"}.bytes(t)
	for range maxArchiveDepth {
		deep = zipped{"a.jar": string(deep)}.bytes(t)
	}
	wide := zipped{"a": "b"}.bytes(t)
	for range 5 {
		z := zipped{}
		for i := range 10 {
			z[fmt.Sprint(i, ".jar")] = string(wide)
		}
		wide = z.bytes(t)
	}
	large := zipped{"META-INF/LICENSE": strings.Repeat("x", 1+minUnpacked/costOfLicense)}.bytes(t)
	for name, jar := range map[string][]byte{"100 deep": deep, "10000 archives": wide, "unpack": large} {
		found, gaps := identify(t, jar)
		if len(found) > 0 || len(gaps) != 1 || !strings.Contains(gaps[0].Detail, name) || gaps[0].Kind != evidence.GapScannerErrors {
			t.Errorf("found %q, gaps %+v; want one about %s", found, gaps, name)
		}
	}
}

// Whatever Java reads in a pom.properties is found. (This is no fuzz test, for which
// Go would compile Trivy once more.)
func TestPomPropertiesAtRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"groupId", "artifactId", "version", "g", "a", "1", "=", ":", " ", "\t", "\n", "\n", "\r", "\r\n", "\\", "\\u0031", "\\u00", "#", "!", "\f", "\x00"}
	read := 0
	for range 3000 {
		var b strings.Builder
		for _, key := range words[:3] {
			b.WriteString(key + "=1")
			for range random.IntN(5) {
				b.WriteString(words[random.IntN(len(words))])
			}
			b.WriteString("\n")
		}
		text := b.String()
		found, gaps := identify(t, zipped{pomProperties: text}.bytes(t))
		c, err := manifest.ReadPomProperties([]byte(text))
		switch {
		case err != nil:
			if !slices.ContainsFunc(gaps, func(g wire.Gap) bool { return g.Kind == evidence.GapScannerErrors }) {
				t.Errorf("nothing says that %q is unreadable: %v", text, err)
			}
		case c.Complete():
			if read++; !slices.Contains(found, c.Group+":"+c.Artifact+"@"+c.Version+" app/x.jar") {
				t.Errorf("%q: found %q, not %+v", text, found, c)
			}
		}
	}
	if read < 500 {
		t.Errorf("only %d of the files could be read", read)
	}
}
