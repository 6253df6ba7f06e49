// Package spool keeps a report until it may be printed.
package spool

import (
	"bufio"
	"io"
	"os"
)

// inMemory limits what a spool keeps in memory.
const inMemory = 64 << 20

// Spool keeps a report in a temporary file, but for texts that it has many times: a
// thousand images have the same few thousand advisories, which are most of their report.
type Spool struct {
	limit  int // of kept
	file   *os.File
	out    *bufio.Writer
	err    error // the first
	parts  []part
	begun  int64 // bytes in the file since the last part
	texts  [][]byte
	places map[*byte]int32 // of texts
	kept   int
}

// part is some bytes of the file, and one of the texts behind them.
type part struct {
	bytes int64
	text  int32
}

// New returns a spool that writes to a file without content.
func New(file *os.File) *Spool {
	return &Spool{limit: inMemory, file: file, out: bufio.NewWriterSize(file, 64<<10), places: map[*byte]int32{}}
}

// Write implements [io.Writer]. It keeps an error and does not return it: a report that
// cannot be written must not hide a denial, so the judging goes on.
func (s *Spool) Write(b []byte) (int, error) {
	if s.err == nil {
		_, s.err = s.out.Write(b)
		s.begun += int64(len(b))
	}
	return len(b), nil
}

// WriteShared writes a text that does not change any more.
func (s *Spool) WriteShared(text []byte) (int, error) {
	if len(text) == 0 {
		return 0, nil
	}
	place, known := s.places[&text[0]]
	switch {
	case known && len(s.texts[place]) == len(text):
	case known || s.kept+len(text) > s.limit:
		return s.Write(text)
	default:
		place = int32(len(s.texts))
		s.texts, s.kept = append(s.texts, text), s.kept+len(text)
		s.places[&text[0]] = place
	}
	s.parts = append(s.parts, part{s.begun, place})
	s.begun = 0
	return len(text), nil
}

// End completes the file, and returns why it could not be written.
func (s *Spool) End() error {
	if s.err == nil {
		s.err = s.out.Flush()
	}
	return s.err
}

// CopyTo writes the report.
func (s *Spool) CopyTo(w io.Writer) error {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in, out := bufio.NewReaderSize(s.file, 64<<10), bufio.NewWriterSize(w, 64<<10)
	for _, p := range s.parts {
		if _, err := io.CopyN(out, in, p.bytes); err != nil {
			return err
		}
		if _, err := out.Write(s.texts[p.text]); err != nil {
			return err
		}
	}
	if _, err := io.CopyN(out, in, s.begun); err != nil {
		return err
	}
	return out.Flush()
}
