//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	trivyjar "github.com/aquasecurity/trivy/pkg/dependency/parser/java/jar"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/manifest"
)

// maxJarMetadata is the largest metadata file in an archive that is read.
const maxJarMetadata = 4 << 20

// costOfLicense is how much more than reading a licence costs its classification,
// which Trivy does in every jar.
const costOfLicense = 64

// jarMetadata is what one archive says of itself.
type jarMetadata struct {
	walk *jarWalk
	name string

	java     bool
	unread   bool
	claim    string
	packages ftypes.Packages

	properties map[string]bool // the directories with a pom.properties
	poms       []*zip.File
	// own is the manifest that Java reads, and last the one that Trivy reads.
	own, last *zip.File
}

// add takes notice of one file of the archive.
func (m *jarMetadata) add(f *zip.File) error {
	dir, base := path.Split(f.Name)
	switch lower := strings.ToLower(base); {
	case strings.HasSuffix(base, ".class"):
		m.java = true
	case base == "pom.properties":
		if m.properties == nil {
			m.properties = map[string]bool{}
		}
		m.properties[dir] = true
		return m.pomProperties(f)
	case base == "pom.xml":
		m.poms = append(m.poms, f)
		return m.walk.spend(f, 1)
	case lower == "manifest.mf":
		if strings.EqualFold(dir, "META-INF/") {
			m.own = f
		}
		if base == "MANIFEST.MF" {
			m.last = f
		}
		return m.walk.spend(f, 1)
	case strings.Contains(lower, "licen") || strings.Contains(lower, "copyright"):
		return m.walk.spend(f, costOfLicense)
	}
	return nil
}

// pomProperties reads the file in which Maven writes what the archive is.
func (m *jarMetadata) pomProperties(f *zip.File) error {
	if err := m.walk.spend(f, 1); err != nil {
		return err
	}
	data, err := readInArchive(f)
	var c manifest.Coordinates
	if err == nil {
		c, err = manifest.ReadPomProperties(data)
	}
	if err != nil {
		m.unread = true
		m.walk.layer.jarError(m.walk.file, innerName(m.name, f.Name), err)
		return nil
	}
	m.found(c)
	return nil
}

func (m *jarMetadata) found(c manifest.Coordinates) {
	if c.Complete() {
		m.packages = append(m.packages, trivyjar.Properties{GroupID: c.Group, ArtifactID: c.Artifact, Version: c.Version, FilePath: m.name}.Package())
	}
}

// read reads what has to be read when all files of the archive are known.
func (m *jarMetadata) read() error {
	for _, f := range m.poms {
		// Trivy reads only the licences in it. Some tools do not write the
		// pom.properties beside it.
		dir, _ := path.Split(f.Name)
		if m.properties[dir] || !strings.HasPrefix(f.Name, "META-INF/maven/") {
			continue
		}
		if data, err := readInArchive(f); err == nil {
			if c, err := manifest.ReadPom(bytes.NewReader(data)); err == nil {
				m.found(c)
			}
		}
	}
	return m.manifest()
}

// manifest reads META-INF/MANIFEST.MF. Trivy reads the last file of the archive that
// is called MANIFEST.MF, in whatever directory it is, and knows the attributes only
// in their usual capitals. Where that makes a difference, Trivy gets a manifest in
// which there is none.
func (m *jarMetadata) manifest() error {
	if m.own == nil {
		return nil
	}
	data, err := readMainSection(m.own)
	if err != nil {
		m.unread = true
		m.walk.layer.jarError(m.walk.file, innerName(m.name, m.own.Name), err)
		return nil
	}
	found := manifest.ReadJarManifest(data)
	differs := m.own != m.last
	var b strings.Builder
	for _, name := range identifying {
		a, ok := found[strings.ToLower(name)]
		if ok && len(a.Value) < 1000 {
			fmt.Fprintf(&b, "%s: %s\n", name, a.Value)
			differs = differs || a.Name != name
		}
	}
	m.claim = claimOf(found)
	if !differs || b.Len() == 0 {
		return nil
	}
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	e, err := w.Create("META-INF/MANIFEST.MF")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(e, b.String()); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	// Without a name, Trivy does not guess from that.
	for _, p := range m.walk.trivy("", io.NewSectionReader(bytes.NewReader(buf.Bytes()), 0, int64(buf.Len()))) {
		p.FilePath = m.name
		m.packages = append(m.packages, p)
	}
	return nil
}

// identifying are the attributes of a manifest by which Trivy identifies an archive.
var identifying = []string{
	"Implementation-Version", "Implementation-Title", "Implementation-Vendor", "Implementation-Vendor-Id",
	"Specification-Version", "Specification-Title", "Specification-Vendor",
	"Bundle-Version", "Bundle-Name", "Bundle-SymbolicName",
}

// claimOf is what a manifest calls the archive, "" if it does not say it.
func claimOf(found map[string]manifest.JarAttribute) string {
	first := func(names ...string) string {
		for _, name := range names {
			if v := strings.TrimSpace(found[name].Value); v != "" {
				return v
			}
		}
		return ""
	}
	title := first("implementation-title", "specification-title", "bundle-name", "bundle-symbolicname", "automatic-module-name")
	if title == "" {
		return ""
	}
	return strings.TrimSpace(title + " " + first("implementation-version", "specification-version", "bundle-version"))
}

// readMainSection reads the part of a manifest that is about the whole archive. The
// rest of a signed archive's manifest has a hash of each class and can be large.
func readMainSection(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, maxJarMetadata))
	if err != nil {
		return nil, err
	}
	if f.UncompressedSize64 > uint64(len(data)) && !manifest.HasMainSection(data) {
		return nil, fmt.Errorf("its first section has more than %d bytes", maxJarMetadata)
	}
	return data, nil
}

// readInArchive reads one metadata file.
func readInArchive(f *zip.File) ([]byte, error) {
	if f.UncompressedSize64 > maxJarMetadata {
		return nil, fmt.Errorf("it has %d bytes, more than %d", f.UncompressedSize64, maxJarMetadata)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}
