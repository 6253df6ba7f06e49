package gatetest

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
)

// errNotApplicable is what a transformation returns when the image has nothing
// that it could hide.
var errNotApplicable = errors.New("the transformation does not apply to this image")

// entry is one entry of a tar archive, read.
type entry struct {
	header tar.Header
	body   []byte
}

// clean is the entry's path as a runtime sees it.
func (e entry) clean() string { return strings.TrimPrefix(path.Clean("/"+e.header.Name), "/") }

// entries reads a layer. Layers that a transformation has already made
// unreadable are left alone.
func (b *Blob) entries() ([]entry, error) {
	unpacked, err := readAll(b.Uncompressed)
	if err != nil {
		return nil, errNotApplicable
	}
	var out []entry
	for r := tar.NewReader(bytes.NewReader(unpacked)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, errNotApplicable
		}
		body, err := io.ReadAll(r)
		if err != nil {
			return nil, errNotApplicable
		}
		out = append(out, entry{*h, body})
	}
}

// rewrite writes entries as the new content of layer i.
func (p *Parts) rewrite(i int, entries []entry) error {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := e.header
		h.Size, h.Format = int64(len(e.body)), tar.FormatUnknown
		if h.Typeflag != tar.TypeReg {
			h.Size = 0
		}
		if err := w.WriteHeader(&h); err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
		if h.Size > 0 {
			if _, err := w.Write(e.body); err != nil {
				return err
			}
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return p.Replace(i, buf.Bytes())
}

// place is where the topmost version of a file stands.
type place struct {
	layer, index int
	entries      []entry // of that layer
}

func (f place) path() string { return f.entries[f.index].clean() }
func (f place) body() []byte { return f.entries[f.index].body }

// find returns the topmost regular file that matches. Whiteouts are not
// followed: what an earlier transformation has hidden may be hidden again.
func (p *Parts) find(match func(string) bool) (place, error) {
	for i, b := range slices.Backward(p.Blobs) {
		entries, err := b.entries()
		if err != nil {
			continue
		}
		for j, e := range entries {
			if e.header.Typeflag == tar.TypeReg && len(e.body) > 0 && match(e.clean()) {
				return place{i, j, entries}, nil
			}
		}
	}
	return place{}, errNotApplicable
}

// isDatabase tells the package databases.
func isDatabase(name string) bool {
	switch name {
	case apkFile, dpkgFile, rpmFile, "usr/lib/apk/db/installed", "var/lib/rpm/Packages", "var/lib/rpm/Packages.db",
		"usr/lib/sysimage/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/Packages.db":
		return true
	}
	return path.Dir(name) == dpkgFile+".d" && !strings.HasSuffix(name, ".md5sums")
}

func isText(name string) bool { return isDatabase(name) && !strings.Contains(name, "rpm") }
func isDpkg(name string) bool { return isDatabase(name) && strings.Contains(name, "dpkg") }
func isAPK(name string) bool  { return isDatabase(name) && strings.Contains(name, "apk") }
func isRPM(name string) bool  { return isDatabase(name) && strings.Contains(name, "rpm") }

// replaceBody gives a found file another body, in a new layer or where it
// stands, as the dice say.
func (p *Parts) replaceBody(f place, body []byte, dice *rand.Rand) error {
	if dice.IntN(2) == 0 {
		return p.AddLayer(Files(File{Path: f.path(), Body: body}))
	}
	f.entries[f.index].body = body
	return p.rewrite(f.layer, f.entries)
}
