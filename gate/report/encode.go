package report

import (
	"bytes"
	"encoding/json/jsontext"
	"fmt"
	"io"

	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/gate/strictjson"
)

// encodeJSON encodes a document for a file or a log: indented, and without any
// character or command that could do harm there.
func encodeJSON(v any) ([]byte, error) {
	b, err := strictjson.MarshalIndent(v)
	return safe.JSON(b), err
}

// encodeElement encodes v as encodeJSON does, as an element of a list that is a
// member of the document.
func encodeElement(v any) ([]byte, error) {
	b, err := strictjson.Marshal(v, jsontext.WithIndentPrefix("    "), jsontext.WithIndent("  "))
	return safe.JSON(b), err
}

// listWriter writes a document whose longest list is not in memory as a whole.
type listWriter struct {
	w             io.Writer
	before, after []byte
	n             int
}

// newListWriter returns the writer of frame, a document in which the list under
// key is empty and is not the last member.
func newListWriter(w io.Writer, frame []byte, key string) (*listWriter, error) {
	// Names from outside are inside strings, which have no line break.
	before, after, ok := bytes.Cut(frame, fmt.Appendf(nil, "\n  %q: [],\n", key))
	if !ok {
		return nil, fmt.Errorf("internal error: the report has no empty list of %s", key)
	}
	return &listWriter{w: w, before: fmt.Appendf(before[:len(before):len(before)], "\n  %q: [", key), after: after}, nil
}

// write writes a result of encodeElement, which can be in pieces.
func (l *listWriter) write(element ...[]byte) error {
	separator := ",\n    "
	if l.n == 0 {
		if _, err := l.w.Write(l.before); err != nil {
			return err
		}
		separator = "\n    "
	}
	l.n++
	if _, err := io.WriteString(l.w, separator); err != nil {
		return err
	}
	for _, piece := range element {
		if _, err := l.w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// end writes what follows the list.
func (l *listWriter) end() error {
	if l.n == 0 {
		_, err := fmt.Fprintf(l.w, "%s],\n%s", l.before, l.after)
		return err
	}
	_, err := fmt.Fprintf(l.w, "\n  ],\n%s", l.after)
	return err
}
