package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/gate/workload/pinned"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

const flagWritePinned = "write-pinned"

// pinnedOutput is what --write-pinned writes: the documents again, with every image
// pinned to the digest that was judged.
type pinnedOutput struct {
	path string
	// tree is true for a directory: of several files each is written under its own
	// name below it.
	tree    bool
	files   map[string][]byte // by name below the directory, "" for the one file
	staging string            // the directory before it has its name
}

// newPinnedOutput reads --write-pinned. It returns nil without the flag. written are the
// files that the run writes besides.
func newPinnedOutput(c *cli.Context, docs *documents, written []string) (*pinnedOutput, error) {
	path := c.String(flagWritePinned)
	if path == "" {
		if c.IsSet(flagWritePinned) {
			return nil, usagef("flag --%s: it names no file", flagWritePinned)
		}
		return nil, nil
	}
	if docs == nil {
		return nil, usagef("flag --%s: no document is given", flagWritePinned).WithHint("add --manifests, --compose or --dockerfile")
	}
	for _, other := range written {
		if place(other) == place(path) {
			return nil, usagef("flag --%s: a report is written to %s as well", flagWritePinned, path).WithHint("give the documents a place of their own")
		}
	}
	for _, dir := range c.StringSlice(flagManifests) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && below(path, dir) {
			return nil, usagef("flag --%s: %s is in the directory %s, whose manifests are read", flagWritePinned, path, dir).WithHint("name a place outside of it")
		}
	}
	out := &pinnedOutput{path: path, tree: len(docs.release.Documents) > 1 || docs.directory}
	if !out.tree {
		if err := checkPlaces([]string{path}); err != nil {
			return nil, err
		}
		return out, checkNotRead([]string{path}, documentFiles(c))
	}
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(filepath.Clean(path))); err != nil {
			return nil, usagef("flag --%s: %w", flagWritePinned, err)
		}
		return out, nil
	case err != nil:
		return nil, usagef("flag --%s: %w", flagWritePinned, err).WithHint("several documents are written into a new directory")
	case len(entries) > 0:
		return nil, usagef("flag --%s: the directory %s is not empty", flagWritePinned, path).WithHint("name a directory that is not there yet")
	}
	return out, nil
}

// below reports whether a path is in a directory and not the directory itself.
func below(path, dir string) bool {
	rel, err := filepath.Rel(place(dir), place(path))
	return err == nil && rel != "." && filepath.IsLocal(rel)
}

// prepare makes the pinned documents of a run that passed. Every digest is read back
// under the name that the document uses: what is deployed by that name and digest must
// be there.
func (o *pinnedOutput) prepare(ctx context.Context, docs *documents, resolver gate.Resolver, run *gate.Run) error {
	pins, err := pinsOf(ctx, docs.release, resolver, run.Results)
	if err != nil {
		return err
	}
	o.files = map[string][]byte{}
	names := treeNames(docs.release.Documents)
	for i := range docs.release.Documents {
		d := &docs.release.Documents[i]
		data, err := docs.bytesOf(ctx, d)
		if err != nil {
			return err
		}
		if d.Kind == evidence.DocumentDockerfile {
			data, err = pinned.Dockerfile(d.File, data, pins[d.File])
		} else {
			data, err = pinned.YAML(data, pins[d.File])
		}
		if err != nil {
			return err
		}
		name := names[i]
		if !o.tree {
			name = ""
		}
		if o.files[name] != nil {
			return fmt.Errorf("two documents would be written as %s: give them in one directory", name)
		}
		o.files[name] = data
	}
	return nil
}

// bytesOf returns the bytes of a document, which must be those that were judged.
func (d *documents) bytesOf(ctx context.Context, doc *evidence.Document) ([]byte, error) {
	data := d.stdin.Bytes()
	if doc.File != "-" {
		var err error
		if data, err = input.ReadFile(ctx, doc.File, doc.Size); err != nil {
			return nil, fmt.Errorf("read the document again: %w", err)
		}
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != doc.SHA256 {
		return nil, fmt.Errorf("%s changed after it was judged", doc.File)
	}
	return data, nil
}

// treeNames returns the names of files below their common directory.
func treeNames(documents []evidence.Document) []string {
	var names []string
	common := ""
	for i, d := range documents {
		name := filepath.Clean(d.File)
		if d.File == "-" {
			name = "stdin.yaml"
		}
		names = append(names, name)
		if dir := filepath.Dir(name); i == 0 {
			common = dir
		} else {
			for common != "." && dir != common && !strings.HasPrefix(dir, strings.TrimSuffix(common, string(filepath.Separator))+string(filepath.Separator)) {
				common = filepath.Dir(common)
			}
		}
	}
	for i, name := range names {
		if rel, err := filepath.Rel(common, name); err == nil && filepath.IsLocal(rel) {
			names[i] = rel
		} else {
			names[i] = filepath.Base(name)
		}
	}
	return names
}

// pinsOf returns what has to be written into each file.
func pinsOf(ctx context.Context, release *evidence.Release, resolver gate.Resolver, results []gate.Result) (map[string][]pinned.Pin, error) {
	pins := map[string][]pinned.Pin{}
	digests := map[string]string{}
	for _, u := range release.Uses() {
		judged := judgedAs(results, u.Ref)
		if u.Stage != nil && len(judged) == 0 {
			continue // the policy judges the names of a Dockerfile alone
		}
		if u.Image == "" {
			return nil, fmt.Errorf("%s: the service %s names no image, so there is nothing to write a digest behind (give it an image: beside build:)", u.At, u.Workload.Name)
		}
		digest := digests[u.Ref]
		if digest == "" {
			var err error
			if digest, err = readBack(ctx, resolver, u.Ref, judged); err != nil {
				return nil, err
			}
			digests[u.Ref] = digest
		}
		if !strings.Contains(u.Image, "@") {
			pins[u.At.File] = append(pins[u.At.File], pinned.Pin{At: u.At, Image: u.Image, Digest: digest})
		}
	}
	return pins, nil
}

// judgedAs returns the images that were judged of a reference.
func judgedAs(results []gate.Result, ref string) []*evidence.Image {
	var all []*evidence.Image
	for i := range results {
		if results[i].Ref == ref && results[i].Evidence != nil {
			all = append(all, results[i].Evidence)
		}
	}
	return all
}

// readBack returns the digest that was judged, after reading it under the name in the
// registry: an image that was judged from elsewhere must have been pushed, and a tag
// must not have moved.
func readBack(ctx context.Context, resolver gate.Resolver, ref string, judged []*evidence.Image) (string, error) {
	digest, err := judgedWhole(ref, judged)
	if err != nil {
		return "", err
	}
	found, err := resolver.Resolve(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("read %s back: %w", ref, err)
	}
	if found.Digest == digest {
		return digest, nil
	}
	for _, t := range found.Targets { // one platform of an index was judged
		if t.Image.Digest == digest {
			return digest, nil
		}
	}
	return "", fmt.Errorf("read %s back: it is %s now, and %s was judged", ref, found.Digest, digest)
}

// judgedWhole is the digest that stands for everything that was judged of a reference.
func judgedWhole(ref string, judged []*evidence.Image) (string, error) {
	if len(judged) == 0 {
		return "", fmt.Errorf("%s was not judged", ref)
	}
	first := judged[0]
	switch {
	case first.IndexDigest != "" && wholeIndex(judged):
		return first.IndexDigest, nil
	case len(judged) == 1 && first.Digest != "":
		return first.Digest, nil
	case first.Digest == "":
		return "", fmt.Errorf("%s has no digest", ref)
	}
	var have []string
	for _, img := range judged {
		have = append(have, img.Platform)
	}
	return "", fmt.Errorf("%s was judged for %s and not for all platforms of its index: no digest stands for these alone", ref, strings.Join(have, ", "))
}

// stage writes everything under temporary names.
func (o *pinnedOutput) stage(files *report.Files) error {
	if o == nil || o.files == nil {
		return nil
	}
	if !o.tree {
		return files.Add(o.path, content(o.files[""]))
	}
	var err error
	path := filepath.Clean(o.path)
	if o.staging, err = os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+".imagegate-"); err != nil {
		return fmt.Errorf("write the pinned documents: %w", err)
	}
	for name, data := range o.files {
		to := filepath.Join(o.staging, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o644)); err != nil {
			return fmt.Errorf("write the pinned documents: %w", err)
		}
	}
	return os.Chmod(o.staging, 0o755)
}

// commit gives a directory its name. A file has it by then.
func (o *pinnedOutput) commit() error {
	if o == nil || o.staging == "" {
		return nil
	}
	if err := os.Rename(o.staging, filepath.Clean(o.path)); err != nil {
		return fmt.Errorf("write the pinned documents: %w", err)
	}
	o.staging = ""
	return nil
}

// discard removes what has no name yet.
func (o *pinnedOutput) discard() {
	if o != nil && o.staging != "" {
		_ = os.RemoveAll(o.staging)
		o.staging = ""
	}
}

// writePinned makes the pinned documents, which are written with the reports.
func (o *scanOptions) writePinned(c *cli.Context, run *setup, docs *documents, finished *gate.Run) error {
	if run.pinned == nil || finished.Outcome() != policy.Passed {
		return nil
	}
	resolver, err := o.resolver(c.StringSlice("platform"))
	if err != nil {
		return err
	}
	return run.pinned.prepare(c.Context, docs, resolver, finished)
}
