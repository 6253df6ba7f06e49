package gatetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Media types of Trivy's database artifacts.
const (
	databaseConfigType types.MediaType = "application/vnd.aquasec.trivy.config.v1+json"
	databaseLayerType  types.MediaType = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"
	javaLayerType      types.MediaType = "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip"
)

// Database writes a database into a directory of the test and returns the
// cache directory.
func Database(t testing.TB, o DBOptions) string {
	t.Helper()
	dir := t.TempDir()
	if err := WriteDatabase(dir, o); err != nil {
		t.Fatal(err)
	}
	return dir
}

// PushDatabase pushes the advisory database in a cache directory to "repo:2"
// of the registry, as Trivy publishes its own.
func (r *Reg) PushDatabase(cacheDir, name string) (Ref, error) {
	return r.pushDatabase(filepath.Join(cacheDir, "db"), name, databaseLayerType, "db.tar.gz", databaseFile)
}

// PushJavaDatabase does the same for the Java database.
func (r *Reg) PushJavaDatabase(cacheDir, name string) (Ref, error) {
	return r.pushDatabase(filepath.Join(cacheDir, "java-db"), name, javaLayerType, "javadb.tar.gz", "trivy-java.db")
}

func (r *Reg) pushDatabase(dir, name string, layer types.MediaType, title, file string) (Ref, error) {
	if !strings.Contains(name, ":") {
		name += ":2"
	}
	img, err := DatabaseArtifact(dir, layer, title, file, metadataFile)
	if err != nil {
		return Ref{}, err
	}
	c, err := contentOf(img)
	if err != nil {
		return Ref{}, err
	}
	for h, kind := range c.kinds {
		switch kind {
		case KindManifest:
			c.kinds[h] = KindDatabaseManifest
		case KindLayer:
			c.kinds[h] = KindDatabase
		}
	}
	return r.store(c, name)
}

// DatabaseArtifact packs files of a directory as Trivy packs a database: one
// layer, with the title as an annotation of its descriptor.
func DatabaseArtifact(dir string, layer types.MediaType, title string, files ...string) (*Parts, error) {
	var l Layer
	for _, name := range files {
		body, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		l.Files = append(l.Files, File{Path: name, Body: body})
	}
	unpacked, err := l.Tar()
	if err != nil {
		return nil, err
	}
	blob, err := NewBlob(unpacked, layer)
	if err != nil {
		return nil, err
	}
	blob.Annotations = map[string]string{"org.opencontainers.image.title": title}
	p := &Parts{
		Config: &v1.ConfigFile{}, ConfigJSON: []byte("{}"), Blobs: []*Blob{blob},
		Type: types.OCIManifestSchema1, ConfigType: databaseConfigType,
	}
	return p, p.SealManifest()
}
