package dbtest

import (
	"io"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
)

func TestDatabaseArtifact(t *testing.T) {
	r := registrytest.Registry(t)
	dir := Database(t, DBOptions{})
	ref, err := Push(r, dir, "trivy-db")
	if err != nil {
		t.Fatal(err)
	}
	if want := r.Host + "/trivy-db:2"; ref.Tagged != want {
		t.Errorf("pushed to %s, want %s", ref.Tagged, want)
	}
	parsed, err := name.ParseReference(ref.Tagged)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(parsed)
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Layers) != 1 || m.Layers[0].MediaType != databaseLayerType || m.Layers[0].Annotations["org.opencontainers.image.title"] != "db.tar.gz" ||
		m.Config.MediaType != databaseConfigType {
		t.Errorf("manifest %+v", m)
	}
	layers, _ := img.Layers()
	packed, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	if _, err := io.Copy(io.Discard, packed); err != nil {
		t.Error(err)
	}
	if r.Count(registrytest.KindDatabaseManifest) == 0 || r.Count(registrytest.KindDatabase) == 0 {
		t.Errorf("requests %v", r.Requests())
	}
	if _, err := PushJava(r, dir, "trivy-java-db:1"); err != nil {
		t.Error(err)
	}
}
