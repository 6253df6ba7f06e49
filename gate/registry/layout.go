package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/evidence"
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

// files is what a layout lies in: a directory or an archive.
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
		return nil, 0, refuse("%s is not a regular file", quote(path))
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

// layout resolves an oci: reference.
func (r *resolver) layout(ctx context.Context, ref evidence.Reference) (*gate.Resolution, error) {
	path := localPath(ref)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, &gate.Fault{Phase: gate.PhaseResolve, Err: fmt.Errorf("OCI layout: %w", err), Hint: "check the path after oci:"}
	case !info.IsDir():
		return nil, &gate.Fault{Phase: gate.PhaseResolve, Err: fmt.Errorf("OCI layout %s is not a directory", quote(path)), Hint: "for an archive write tar:FILE"}
	}
	return r.inLayout(ctx, ref, directory{path})
}

// inLayout resolves a reference to an image in a layout.
func (r *resolver) inLayout(ctx context.Context, ref evidence.Reference, in files) (*gate.Resolution, error) {
	n := &resolution{resolver: r, ref: ref, name: ref.Name}
	n.from = &local{store: blobs{in}, limits: &r.client.limits, name: ref.Name}
	list, err := readLayout(in, &r.client.limits)
	if err != nil {
		return nil, n.fault("image layout", err)
	}
	d, err := choose(ref, list)
	if err != nil {
		return nil, n.fault("image layout", err)
	}
	if err := checkDescriptor(d); err != nil {
		return nil, n.fault("manifest "+d.Digest, err)
	}
	root, err := n.from.describedDocument(ctx, kindManifest, d)
	if err != nil {
		return nil, err
	}
	return r.resolve(ctx, n, root, d)
}

// readLayout reads the list of a layout's images.
func readLayout(in files, limits *Limits) ([]descriptor, error) {
	raw, err := readIn(in, fileLayout, limits)
	if err != nil {
		return nil, err
	}
	var version struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := decodeStrict(raw, shape{"imageLayoutVersion": nil}, &version); err != nil {
		return nil, fmt.Errorf("%s: %w", fileLayout, err)
	}
	if version.Version != "1.0.0" {
		return nil, fmt.Errorf("%s: the layout has the version %s, and only 1.0.0 is known", fileLayout, quote(version.Version))
	}
	if raw, err = readIn(in, fileIndex, limits); err != nil {
		return nil, err
	}
	doc, err := parseDocument(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fileIndex, err)
	}
	if !doc.isIndex() {
		return nil, fmt.Errorf("%s: it is not an index", fileIndex)
	}
	return *doc.Manifests, nil
}

// readIn reads one document of a layout or archive.
func readIn(in files, path string, limits *Limits) ([]byte, error) {
	f, size, err := in.open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s: this is not an OCI image layout", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	if size > limits.ManifestSize {
		return nil, &LimitError{Name: "manifest-size", What: "the size of " + path, Limit: limits.ManifestSize}
	}
	raw, err := readAll(f, limits.ManifestSize)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return raw, nil
}

// choose finds the one image that a reference to a layout means.
func choose(ref evidence.Reference, list []descriptor) (*descriptor, error) {
	var found []*descriptor
	for i := range list {
		d := &list[i]
		if ref.Digest != "" && d.Digest != ref.Digest || ref.Tag != "" && !d.named(ref.Tag) {
			continue
		}
		if len(found) == 0 || found[0].Digest != d.Digest {
			found = append(found, d)
		}
	}
	var choices []string
	for i := range list {
		choices = append(choices, list[i].choice(ref))
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
		return nil, refuse("there is no image in it")
	case len(found) == 0:
		return nil, refuse("there is no such image in it; there are: %s", strings.Join(choices, ", "))
	case len(found) > 1:
		return nil, refuse("%d images in it are meant, and only one can be judged at a time; choose one of: %s", len(found), strings.Join(choices, ", "))
	}
	return found[0], nil
}

// named reports whether a descriptor carries a tag, by itself or at the end of
// a whole name.
func (d *descriptor) named(tag string) bool {
	for _, annotation := range []string{annotationName, annotationDocker} {
		name := d.Annotations[annotation]
		if name == tag || strings.HasSuffix(name, ":"+tag) {
			return true
		}
	}
	return false
}

// choice is how a user would ask for this image.
func (d *descriptor) choice(ref evidence.Reference) string {
	name := d.Annotations[annotationName]
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[i+1:]
	}
	if !tagForm.MatchString(name) {
		return ref.Name + "@" + printable(d.Digest)
	}
	return ref.Name + ":" + name + " (" + printable(d.Digest) + ")"
}
