package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// The files of an OCI image layout.
const (
	fileLayout = "oci-layout"
	fileIndex  = "index.json"
	dirBlobs   = "blobs/"

	annotationName = "org.opencontainers.image.ref.name"
	// annotationDocker is where docker save puts the whole name.
	annotationDocker = "io.containerd.image.name"
)

// files holds the files of a layout: a directory or an archive.
type files interface {
	// open opens a regular file by its slash-separated path, with its size. It
	// never leaves the layout.
	open(path string) (io.ReadCloser, int64, error)
}

// directory is a layout's directory. Every file is opened below it, so that no
// symbolic link leads out of it.
type directory struct{ path string }

func (d directory) open(path string) (io.ReadCloser, int64, error) {
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return nil, 0, err
	}
	defer root.Close()
	info, err := root.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, image.Refuse("%s is not a regular file", words.Quote(path))
	}
	f, err := root.Open(path)
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// blobs is a layout as a store.
type blobs struct{ files files }

func (b blobs) blob(digest string) (io.ReadCloser, int64, error) {
	return b.files.open(blobPath(digest))
}

func blobPath(digest string) string { return dirBlobs + strings.Replace(digest, ":", "/", 1) }

var _ = register(evidence.SourceOCI, openLayout)

// openLayout opens the image of an oci: reference.
func openLayout(ctx context.Context, ref evidence.Reference, o *Options) (*image.Root, error) {
	path := image.Path(ref)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, &gate.Fault{Phase: gate.PhaseResolve, Err: fmt.Errorf("OCI layout: %w", err), Hint: "check the path after oci:"}
	case !info.IsDir():
		return nil, &gate.Fault{Phase: gate.PhaseResolve, Err: fmt.Errorf("OCI layout %s is not a directory", words.Quote(path)), Hint: "for an archive write tar:FILE"}
	}
	return inLayout(ctx, ref, directory{path}, &o.Limits)
}

// inLayout opens an image in a layout.
func inLayout(ctx context.Context, ref evidence.Reference, in files, limits *image.Limits) (*image.Root, error) {
	list, err := readLayout(in, limits)
	if err != nil {
		return nil, fault(ref.Name, "image layout", err)
	}
	d, err := choose(ref, list)
	if err != nil {
		return nil, fault(ref.Name, "image layout", err)
	}
	if err := image.CheckDescriptor(d); err != nil {
		return nil, fault(ref.Name, "manifest "+d.Digest, err)
	}
	from := &local{store: blobs{in}, limits: limits, name: ref.Name}
	content, err := from.Document(ctx, image.KindManifest, d)
	if err != nil {
		return nil, err
	}
	return &image.Root{From: from, Name: ref.Name, Content: content, Descriptor: *d}, nil
}

// readLayout reads the list of a layout's images.
func readLayout(in files, limits *image.Limits) ([]image.Descriptor, error) {
	raw, err := readIn(in, fileLayout, limits)
	if err != nil {
		return nil, err
	}
	var version struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := strictjson.Unmarshal(raw, &version, strictjson.AllowUnknownKeys()); err != nil {
		return nil, fmt.Errorf("%s: %w", fileLayout, err)
	}
	if version.Version != "1.0.0" {
		return nil, fmt.Errorf("%s: the layout has the version %s, and only 1.0.0 is known", fileLayout, words.Quote(version.Version))
	}
	if raw, err = readIn(in, fileIndex, limits); err != nil {
		return nil, err
	}
	doc, err := image.ParseDocument(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fileIndex, err)
	}
	if !doc.IsIndex() {
		return nil, fmt.Errorf("%s: it is not an index", fileIndex)
	}
	return *doc.Manifests, nil
}

// readIn reads one document of a layout or archive.
func readIn(in files, path string, limits *image.Limits) ([]byte, error) {
	f, size, err := in.open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s: this is not an OCI image layout", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	if size > limits.ManifestSize {
		return nil, &image.LimitError{Name: "manifest-size", What: "the size of " + path, Limit: limits.ManifestSize}
	}
	raw, err := image.ReadAll(f, limits.ManifestSize)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return raw, nil
}

// choose finds the one image that a reference to a layout means.
func choose(ref evidence.Reference, list []image.Descriptor) (*image.Descriptor, error) {
	var found []*image.Descriptor
	for i := range list {
		d := &list[i]
		if ref.Digest != "" && d.Digest != ref.Digest || ref.Tag != "" && !isNamed(d, ref.Tag) {
			continue
		}
		if len(found) == 0 || found[0].Digest != d.Digest {
			found = append(found, d)
		}
	}
	var choices []string
	for i := range list {
		choices = append(choices, choice(&list[i], ref))
	}
	return one(ref, found, choices)
}

// one returns the only element, and otherwise says what there is to choose.
func one[T any](ref evidence.Reference, found []*T, choices []string) (*T, error) {
	const shown = 20
	if len(choices) > shown {
		choices = append(choices[:shown:shown], fmt.Sprintf("and %d more", len(choices)-shown))
	}
	switch {
	case len(choices) == 0:
		return nil, image.Refuse("there is no image in it")
	case len(found) == 0:
		return nil, image.Refuse("there is no such image in it; there are: %s", strings.Join(choices, ", "))
	case len(found) > 1:
		return nil, image.Refuse("%d images in it are meant, and only one can be judged at a time; choose one of: %s", len(found), strings.Join(choices, ", "))
	}
	return found[0], nil
}

// isNamed reports whether a descriptor carries a tag, by itself or at the end of
// a whole name.
func isNamed(d *image.Descriptor, tag string) bool {
	for _, annotation := range []string{annotationName, annotationDocker} {
		name := d.Annotations[annotation]
		if name == tag || strings.HasSuffix(name, ":"+tag) {
			return true
		}
	}
	return false
}

// choice is how a user would ask for this image.
func choice(d *image.Descriptor, ref evidence.Reference) string {
	name := d.Annotations[annotationName]
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[i+1:]
	}
	if image.CheckTag(name) != nil {
		return ref.Name + "@" + image.Printable(d.Digest)
	}
	return ref.Name + ":" + name + " (" + image.Printable(d.Digest) + ")"
}
