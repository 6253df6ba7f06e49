package dbtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
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

// Push pushes the advisory database in a cache directory to "repo:2" of a
// registry, as Trivy publishes its own.
func Push(r *registrytest.Reg, cacheDir, name string) (registrytest.Ref, error) {
	return push(r, filepath.Join(cacheDir, "db"), name, databaseLayerType, "db.tar.gz", databaseFile)
}

// PushJava does the same for the Java database.
func PushJava(r *registrytest.Reg, cacheDir, name string) (registrytest.Ref, error) {
	return push(r, filepath.Join(cacheDir, "java-db"), name, javaLayerType, "javadb.tar.gz", "trivy-java.db")
}

func push(r *registrytest.Reg, dir, name string, layer types.MediaType, title, file string) (registrytest.Ref, error) {
	if !strings.Contains(name, ":") {
		name += ":2"
	}
	img, err := DatabaseArtifact(dir, layer, title, file, metadataFile)
	if err != nil {
		return registrytest.Ref{}, err
	}
	return r.PushDatabase(img, name)
}

// DatabaseArtifact packs files of a directory as Trivy packs a database: one
// layer, with the title as an annotation of its descriptor.
func DatabaseArtifact(dir string, layer types.MediaType, title string, files ...string) (*imagetest.Parts, error) {
	var l imagetest.Layer
	for _, name := range files {
		body, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		l.Files = append(l.Files, imagetest.File{Path: name, Body: body})
	}
	blob := imagetest.NewBlob(l.Tar(), layer)
	blob.Annotations = map[string]string{"org.opencontainers.image.title": title}
	p := &imagetest.Parts{
		Config: &v1.ConfigFile{}, ConfigJSON: []byte("{}"), Blobs: []*imagetest.Blob{blob},
		Type: types.OCIManifestSchema1, ConfigType: databaseConfigType,
	}
	return p, p.SealManifest()
}
