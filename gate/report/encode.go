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
	w   io.Writer
	key string // of the list, which is a member of the document
	n   int    // elements written
}

// begin writes document, in which the list is empty, up to the list.
func (l *listWriter) begin(document any) error {
	before, _, err := l.cut(document)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.w, "%s\n  %q: [", before, l.key)
	return err
}

// cut encodes document and returns what is before and after the list.
func (l *listWriter) cut(document any) (before, after []byte, err error) {
	b, err := encodeJSON(document)
	if err != nil {
		return nil, nil, err
	}
	// Names from outside are inside strings, which have no line break.
	before, after, ok := bytes.Cut(b, fmt.Appendf(nil, "\n  %q: [],\n", l.key))
	if !ok {
		return nil, nil, fmt.Errorf("internal error: the report has no empty list of %s", l.key)
	}
	return before, after, nil
}

// write writes a result of encodeElement, which can be in pieces: every second one is
// a text that other elements have too.
func (l *listWriter) write(element ...[]byte) error {
	separator := ",\n    "
	if l.n == 0 {
		separator = "\n    "
	}
	l.n++
	if _, err := io.WriteString(l.w, separator); err != nil {
		return err
	}
	shared, ok := l.w.(SharedWriter)
	for i, piece := range element {
		write := l.w.Write
		if ok && i%2 == 1 {
			write = shared.WriteShared
		}
		if _, err := write(piece); err != nil {
			return err
		}
	}
	return nil
}

// end writes document, in which the list is empty, from the list on. Its members
// before the list are those of begin.
func (l *listWriter) end(document any) error {
	_, after, err := l.cut(document)
	if err != nil {
		return err
	}
	end := "\n  ],\n"
	if l.n == 0 {
		end = "],\n"
	}
	_, err = fmt.Fprintf(l.w, "%s%s", end, after)
	return err
}
