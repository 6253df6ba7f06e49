package imagetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// refName is the annotation that names an image in a layout.
const refName = "org.opencontainers.image.ref.name"

// Named is an image or an index and the name it gets in a layout; "" gives it
// none.
type Named struct {
	Name string
	What any // v1.Image or v1.ImageIndex
}

// WriteOCILayout writes images to dir as an OCI image layout, blobs exactly as
// they claim to be.
func WriteOCILayout(dir string, images ...Named) error {
	files, err := layoutFiles(images)
	if err != nil {
		return err
	}
	for name, body := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, body, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// WriteOCIArchive writes the same as one tar file; gzip when the name ends so.
func WriteOCIArchive(file string, images ...Named) error {
	files, err := layoutFiles(images)
	if err != nil {
		return err
	}
	var entries []File
	for _, name := range sortedKeys(files) {
		entries = append(entries, File{Path: name, Body: files[name]})
	}
	return writeArchive(file, entries)
}

func layoutFiles(images []Named) (map[string][]byte, error) {
	files := map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	for _, n := range images {
		c, err := ContentOf(n.What)
		if err != nil {
			return nil, fmt.Errorf("layout entry %q: %w", n.Name, err)
		}
		for _, blobs := range []map[v1.Hash][]byte{c.Configs, c.Layers} {
			for h, body := range blobs {
				files["blobs/"+h.Algorithm+"/"+h.Hex] = body
			}
		}
		for h, d := range c.Documents {
			files["blobs/"+h.Algorithm+"/"+h.Hex] = d.Body
		}
		top := c.Documents[c.Top]
		d := v1.Descriptor{MediaType: top.MediaType, Size: int64(len(top.Body)), Digest: c.Top}
		if n.Name != "" {
			d.Annotations = map[string]string{refName: n.Name}
		}
		index.Manifests = append(index.Manifests, d)
	}
	raw, err := json.Marshal(index)
	files["index.json"] = raw
	return files, err
}

// savedImage is one entry of docker save's manifest.json.
type savedImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// WriteDockerTar writes img as `docker save` does before Docker 25: unpacked
// layers in folders of their own. A name ending in gz is compressed.
func WriteDockerTar(file string, img v1.Image, tags ...string) error {
	p, err := TakeApart(img)
	if err != nil {
		return err
	}
	saved := savedImage{Config: HashOf(p.ConfigJSON).Hex + ".json", RepoTags: tags, Layers: []string{}}
	entries := []File{{Path: saved.Config, Body: p.ConfigJSON}}
	for i, b := range p.Blobs {
		unpacked, err := readAll(b.Uncompressed)
		if err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
		name := fmt.Sprintf("%02d%s/layer.tar", i, b.ClaimDiff.Hex[2:])
		saved.Layers = append(saved.Layers, name)
		entries = append(entries, File{Path: name, Body: unpacked})
	}
	manifest, err := json.Marshal([]savedImage{saved})
	if err != nil {
		return err
	}
	return writeArchive(file, append(entries, File{Path: "manifest.json", Body: manifest}))
}

func writeArchive(file string, entries []File) error {
	body := Files(entries...).Tar()
	if strings.HasSuffix(file, "gz") {
		body = Compress(body, MediaTypeOCIGzip)
	}
	return os.WriteFile(file, body, 0o644)
}

// sortedKeys lists a map's keys in order: archives must not change from run to
// run.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
