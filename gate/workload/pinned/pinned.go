// Package pinned writes documents again with a digest behind the names of their
// images. Every other byte stays what it is.
package pinned

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Pin is one image of a document and the digest that was judged.
type Pin struct {
	At evidence.Place // of its name
	// Image is the name that is expected there; a variable of a Compose file or of a
	// Dockerfile may stand for it. "" expects nothing.
	Image  string
	Digest string // sha256:...
}

// PlaceError says that a name cannot be pinned where it is written.
type PlaceError struct {
	At  evidence.Place
	Why string
}

func (e *PlaceError) Error() string {
	return fmt.Sprintf("%s: the digest cannot be written behind the image: %s", e.At, e.Why)
}

// insertion is text to put into a document.
type insertion struct {
	offset int
	text   string
}

// insert puts texts into data.
func insert(data []byte, all []insertion) []byte {
	slices.SortFunc(all, func(a, b insertion) int { return cmp.Compare(a.offset, b.offset) })
	var out []byte
	last := 0
	for _, i := range all {
		out = append(append(out, data[last:i.offset]...), i.text...)
		last = i.offset
	}
	return append(out, data[last:]...)
}

// unique drops pins that are written twice: two containers can share one name by
// an anchor. Two digests for one place are an error.
func unique(pins []Pin) ([]Pin, error) {
	var out []Pin
	for _, p := range pins {
		i := slices.IndexFunc(out, func(o Pin) bool { return o.At == p.At })
		switch {
		case i < 0:
			out = append(out, p)
		case out[i].Digest != p.Digest || out[i].Image != p.Image:
			return nil, &PlaceError{p.At, fmt.Sprintf("it stands for %s and for %s", out[i].Digest, p.Digest)}
		}
	}
	return out, nil
}
