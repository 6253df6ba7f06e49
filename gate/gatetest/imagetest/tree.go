package imagetest

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// ErrNoFile says that an image has no such file, or no layer that can be read.
var ErrNoFile = errors.New("the image has no such file")

// Entry is one entry of a tar archive, read.
type Entry struct {
	Header tar.Header
	Body   []byte
}

// Clean is the entry's path as a runtime sees it.
func (e Entry) Clean() string { return strings.TrimPrefix(path.Clean("/"+e.Header.Name), "/") }

// Entries reads a layer. Layers that a transformation has already made
// unreadable are left alone.
func (b *Blob) Entries() ([]Entry, error) {
	unpacked, err := readAll(b.Uncompressed)
	if err != nil {
		return nil, ErrNoFile
	}
	var out []Entry
	for r := tar.NewReader(bytes.NewReader(unpacked)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, ErrNoFile
		}
		body, err := io.ReadAll(r)
		if err != nil {
			return nil, ErrNoFile
		}
		out = append(out, Entry{*h, body})
	}
}

// Rewrite writes entries as the new content of layer i.
func (p *Parts) Rewrite(i int, entries []Entry) error {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := e.Header
		h.Size, h.Format = int64(len(e.Body)), tar.FormatUnknown
		if h.Typeflag != tar.TypeReg {
			h.Size = 0
		}
		if err := w.WriteHeader(&h); err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
		if h.Size > 0 {
			if _, err := w.Write(e.Body); err != nil {
				return err
			}
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return p.Replace(i, buf.Bytes())
}

// Place is where the topmost version of a file is.
type Place struct {
	Layer, Index int
	Entries      []Entry // of that layer
}

// Path returns the cleaned path.
func (f Place) Path() string { return f.Entries[f.Index].Clean() }

// Body returns the content.
func (f Place) Body() []byte { return f.Entries[f.Index].Body }

// Find returns the topmost regular file that matches. Whiteouts are not
// followed: what an earlier transformation has hidden may be hidden again.
func (p *Parts) Find(match func(string) bool) (Place, error) {
	for i, b := range slices.Backward(p.Blobs) {
		entries, err := b.Entries()
		if err != nil {
			continue
		}
		for j, e := range entries {
			if e.Header.Typeflag == tar.TypeReg && len(e.Body) > 0 && match(e.Clean()) {
				return Place{i, j, entries}, nil
			}
		}
	}
	return Place{}, ErrNoFile
}
