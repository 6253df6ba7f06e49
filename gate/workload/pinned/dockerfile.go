package pinned

import (
	"bytes"

	"github.com/imagegate/imagegate/gate/workload/dockerfile"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Dockerfile returns a Dockerfile with the digests behind the names of images. The
// result is read again: where anything but those names differs, it returns a
// [*PlaceError].
func Dockerfile(name string, data []byte, pins []Pin) ([]byte, error) {
	pins, err := unique(pins)
	if err != nil || len(pins) == 0 {
		return data, err
	}
	var insertions []insertion
	digests := map[evidence.Place]string{}
	for _, p := range pins {
		offset, ok := offsetOf(data, p.At.Line, p.At.Column)
		if !ok {
			return nil, &PlaceError{p.At, "its place is not in the file"}
		}
		end := bytes.IndexAny(data[offset:], " \t\r\n,'\"")
		if end < 0 {
			end = len(data) - offset
		}
		digests[evidence.Place{Line: p.At.Line, Column: p.At.Column}] = p.Digest
		insertions = append(insertions, insertion{offset + end, "@" + p.Digest})
	}
	out := insert(data, insertions)
	before, after := names(name, data), names(name, out)
	for i := range before {
		want := before[i].Image
		if d := digests[evidence.Place{Line: before[i].At.Line, Column: before[i].At.Column}]; d != "" {
			want += "@" + d
		}
		if len(after) != len(before) || after[i].Image != want || after[i].Problem != "" {
			return nil, &PlaceError{before[i].At, "the file would mean something else afterwards"}
		}
	}
	return out, nil
}

// names lists the images of a Dockerfile.
func names(file string, data []byte) []evidence.ImageName {
	var all []evidence.ImageName
	for _, u := range dockerfile.Parse(file, data, dockerfile.Options{}).Uses() {
		all = append(all, *u.ImageName)
	}
	return all
}
