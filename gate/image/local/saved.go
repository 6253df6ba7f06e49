package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// fileSaved is the list of images in an archive of docker save.
const fileSaved = "manifest.json"

// savedImage is one image of docker save.
type savedImage struct {
	Config   string
	RepoTags []string
	Layers   []string
	raw      []byte // of the config
	id       string // digest of the config
}

// inSaved opens an image in an archive of docker save. It has no manifest.
func inSaved(ctx context.Context, ref evidence.Reference, a *archive, limits *image.Limits) (*image.Root, error) {
	list, err := a.saved(limits)
	if err != nil {
		return nil, fault(ref.Name, fileSaved, err)
	}
	chosen, err := chooseSaved(ref, list)
	if err != nil {
		return nil, fault(ref.Name, fileSaved, err)
	}
	layers, store, err := a.layers(ctx, chosen, limits)
	if err != nil {
		return nil, fault(ref.Name, "image "+chosen.id, err)
	}
	return &image.Root{
		From:       &local{store: store, limits: limits, name: ref.Name},
		Name:       ref.Name,
		Descriptor: image.Descriptor{Digest: chosen.id},
		Saved:      &image.Saved{Config: chosen.raw, Layers: layers},
	}, nil
}

// saved reads the list of images and their configs.
func (a *archive) saved(limits *image.Limits) ([]savedImage, error) {
	raw, err := readIn(a, fileSaved, limits)
	if err != nil {
		return nil, err
	}
	var list []savedImage
	if err := strictjson.Unmarshal(raw, &list, strictjson.AllowUnknownKeys()); err != nil {
		return nil, err
	}
	if n := int64(len(list)); n > limits.IndexChildren {
		return nil, &image.LimitError{Name: "index-children", What: fmt.Sprintf("its number of images, %d,", n), Limit: limits.IndexChildren}
	}
	for i := range list {
		if err := a.readConfig(&list[i], limits); err != nil {
			return nil, fmt.Errorf("config of image %d: %w", i+1, err)
		}
	}
	return list, nil
}

var hexInName = regexp.MustCompile(`[0-9a-f]{64}`)

// readConfig reads an image's config. All known tools write its digest
// into its name. A name with another digest is an error.
func (a *archive) readConfig(s *savedImage, limits *image.Limits) error {
	f, size, err := a.open(s.Config)
	if err != nil {
		return err
	}
	defer f.Close()
	if size > limits.ConfigSize {
		return &image.LimitError{Name: "config-size", What: "its size", Limit: limits.ConfigSize}
	}
	if s.raw, err = image.ReadAll(f, limits.ConfigSize); err != nil {
		return err
	}
	s.id = image.DigestOf(s.raw, "")
	if named := hexInName.FindString(s.Config); named != "" && "sha256:"+named != s.id {
		return &image.MismatchError{Want: "sha256:" + named, Got: s.id, Size: size}
	}
	return nil
}

func chooseSaved(ref evidence.Reference, list []savedImage) (*savedImage, error) {
	var found []*savedImage
	var choices []string
	for i := range list {
		s := &list[i]
		choice := ref.Name + "@" + s.id
		if len(s.RepoTags) > 0 {
			choice += " (" + image.Printable(strings.Join(s.RepoTags, ", ")) + ")"
		}
		choices = append(choices, choice)
		tagged := ref.Tag == "" || slices.ContainsFunc(s.RepoTags, func(t string) bool { return strings.HasSuffix(t, ":"+ref.Tag) })
		same := slices.ContainsFunc(found, func(f *savedImage) bool { return f.id == s.id && slices.Equal(f.Layers, s.Layers) })
		if tagged && !same && (ref.Digest == "" || ref.Digest == s.id) {
			found = append(found, s)
		}
	}
	return one(ref, found, choices)
}

// savedStore finds the layers of an image by their digests.
type savedStore struct {
	archive *archive
	layers  map[string]*entry
}

func (s *savedStore) blob(digest string) (io.ReadCloser, int64, error) {
	e := s.layers[digest]
	r, err := s.archive.read(e)
	return r, e.size, err
}

// layers describes the layers of an image as they are stored. The digest of
// an uncompressed layer is its diffID; the reader of the layer verifies it. A
// compressed layer is hashed here.
func (a *archive) layers(ctx context.Context, s *savedImage, limits *image.Limits) ([]image.Descriptor, *savedStore, error) {
	if n := int64(len(s.Layers)); n > limits.Layers {
		return nil, nil, &image.LimitError{Name: "layers", What: fmt.Sprintf("its number of layers, %d,", n), Limit: limits.Layers}
	}
	diffIDs, err := image.DiffIDs(s.raw)
	if err != nil {
		return nil, nil, fmt.Errorf("config: %w", err)
	}
	if n := len(diffIDs); n != len(s.Layers) {
		return nil, nil, image.Refuse("its config has %d diff_ids, and %s lists %d layers", n, fileSaved, len(s.Layers))
	}
	store := &savedStore{archive: a, layers: map[string]*entry{}}
	list := []image.Descriptor{}
	for i, name := range s.Layers {
		e, err := a.find(name)
		if err != nil {
			return nil, nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
		if e.size > limits.BlobSize {
			return nil, nil, &image.LimitError{Name: "blob-size", What: fmt.Sprintf("the size of layer %d, %d bytes,", i+1, e.size), Limit: limits.BlobSize}
		}
		d := image.Descriptor{MediaType: layerTypeOf(e.head), Digest: diffIDs[i], Size: e.size}
		if d.MediaType != image.TypeLayer {
			if d.Digest, err = a.hash(ctx, e); err != nil {
				return nil, nil, fmt.Errorf("layer %d: %w", i+1, err)
			}
		}
		if other, twice := store.layers[d.Digest]; twice && other.size != e.size {
			return nil, nil, image.Refuse("layer %d: %s has two sizes, %d and %d bytes", i+1, d.Digest, other.size, e.size)
		}
		store.layers[d.Digest] = e
		list = append(list, d)
	}
	return list, store, nil
}

func layerTypeOf(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return image.TypeLayerGzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return image.TypeLayerZstd
	}
	return image.TypeLayer
}

func (a *archive) hash(ctx context.Context, e *entry) (string, error) {
	r, err := a.read(e)
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := image.NewHash("")
	if _, err := io.Copy(h, &untilDone{ctx: ctx, ReadCloser: r}); err != nil {
		return "", err
	}
	return image.SumOf(h, ""), nil
}

// listsNothing reports whether the archive's index is one without manifests. Docker
// 25 writes null there for an image that is saved by its ID, which only the list of
// docker save describes then.
func (a *archive) listsNothing(limits *image.Limits) (bool, error) {
	raw, err := readIn(a, fileIndex, limits)
	if err != nil {
		return false, err
	}
	var index image.Document
	if err := strictjson.Unmarshal(raw, &index, strictjson.AllowUnknownKeys()); err != nil {
		return false, fmt.Errorf("%s: %w", fileIndex, err)
	}
	if index.Manifests != nil && len(*index.Manifests) > 0 {
		return false, nil
	}
	none := []image.Descriptor{}
	index.Manifests = &none
	return index.Check() == nil, nil
}

// checkAgreement compares the two descriptions in an archive that docker save
// has written since version 25: one is read by old tools and one by new ones,
// and an image that differs between them is judged as one and run as the other.
func (a *archive) checkAgreement(ctx context.Context, limits *image.Limits) error {
	list, err := a.saved(limits)
	if err != nil {
		return fmt.Errorf("%s: %w", fileSaved, err)
	}
	top, err := readLayout(a, limits)
	if err != nil {
		return err
	}
	w := &manifests{from: &local{store: blobs{a}, limits: limits, name: "the archive"}, left: limits.IndexChildren, limits: limits}
	if err := w.walk(ctx, top, 0); err != nil {
		return err
	}
	for i := range list {
		if !slices.ContainsFunc(w.found, func(d *image.Document) bool { return a.same(&list[i], d) }) {
			return image.Refuse("%s describes an image (config %s) that %s does not: tools disagree about what is in it", fileSaved, list[i].id, fileIndex)
		}
	}
	return nil
}

// same reports whether a saved image is made of the same files as a manifest.
func (a *archive) same(s *savedImage, d *image.Document) bool {
	if d.Config.Digest != s.id || len(*d.Layers) != len(s.Layers) {
		return false
	}
	for i, name := range s.Layers {
		saved, err := a.find(name)
		if err != nil {
			return false
		}
		listed, err := a.find(blobPath((*d.Layers)[i].Digest))
		if err != nil || listed != saved {
			return false
		}
	}
	return true
}

// manifests collects the manifests of a layout that are there; docker save
// lists the platforms of an index that it has not got.
type manifests struct {
	from   *local
	limits *image.Limits
	left   int64
	found  []*image.Document
}

func (m *manifests) walk(ctx context.Context, list []image.Descriptor, depth int64) error {
	if depth > m.limits.IndexDepth {
		return &image.LimitError{Name: "index-depth", What: "the number of indexes within each other", Limit: m.limits.IndexDepth}
	}
	for i := range list {
		d := &list[i]
		if m.left--; m.left < 0 {
			return &image.LimitError{Name: "index-children", What: "the number of manifests in it", Limit: m.limits.IndexChildren}
		}
		if image.CheckDescriptor(d) != nil || !m.has(d) {
			continue
		}
		got, err := m.from.Document(ctx, image.KindManifest, d)
		if err != nil {
			return err
		}
		doc, err := image.ParseDocument(got.Raw, d.MediaType)
		switch {
		case err != nil: // an artifact beside the image
		case doc.IsIndex():
			if err := m.walk(ctx, *doc.Manifests, depth+1); err != nil {
				return err
			}
		default:
			m.found = append(m.found, doc)
		}
	}
	return nil
}

func (m *manifests) has(d *image.Descriptor) bool {
	r, _, err := m.from.store.blob(d.Digest)
	if err == nil {
		_ = r.Close()
	}
	return err == nil
}
