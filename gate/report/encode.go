package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/imagegate/imagegate/gate/report/safe"
)

// encoder encodes values for a file or a log: indented, lines after the first by
// prefix too, and without any character or command that could do harm there.
type encoder struct {
	doc    []byte // the value encoded last, until the next
	prefix string
	room   bytes.Buffer
	wide   []byte
	json   *json.Encoder
}

func newEncoder(prefix string) *encoder {
	e := &encoder{prefix: prefix}
	e.json = json.NewEncoder(&e.room)
	e.json.SetEscapeHTML(false)
	return e
}

func (e *encoder) encode(v any) error {
	e.room.Reset()
	if err := e.json.Encode(v); err != nil {
		return err
	}
	// Room for all at once: growing by and by would touch twice the memory.
	if need := e.room.Len() + e.room.Len()/3; cap(e.wide) < need {
		e.wide = make([]byte, 0, need)
	}
	e.wide = appendIndented(e.wide[:0], e.room.Bytes(), e.prefix)
	e.doc = safe.JSON(e.wide)
	return nil
}

// encodeJSON encodes one document.
func encodeJSON(v any) ([]byte, error) {
	e := newEncoder("")
	if err := e.encode(v); err != nil {
		return nil, err
	}
	return e.doc, nil
}

// listWriter writes a document whose longest list is not in memory as a whole.
type listWriter struct {
	w             io.Writer
	before, after []byte
	n             int
}

// newListWriter returns the writer of frame, a document in which the list under
// key stands empty and is not the last.
func newListWriter(w io.Writer, frame []byte, key string) (*listWriter, error) {
	// Names from outside stand in strings, which hold no line break.
	before, after, ok := bytes.Cut(frame, fmt.Appendf(nil, "\n  %q: [],\n", key))
	if !ok {
		return nil, fmt.Errorf("internal error: the report has no empty list of %s", key)
	}
	return &listWriter{w: w, before: fmt.Appendf(before[:len(before):len(before)], "\n  %q: [", key), after: after}, nil
}

// write writes an element that was encoded with a prefix of four spaces.
func (l *listWriter) write(element []byte) error {
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
	_, err := l.w.Write(bytes.TrimSuffix(element, []byte("\n")))
	return err
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
