package main

import (
	"archive/tar"
	"io"
	"math"
	"math/rand/v2"
	"path"
	"time"
)

// layerWriter writes the tar stream of one layer. The same seed gives the same
// bytes. After the first error it writes nothing more.
type layerWriter struct {
	*material
	tar      *tar.Writer
	packed   *counter // compressed bytes that have left the compressor
	dice     *rand.Rand
	dirs     map[string]bool
	files    int
	unpacked int64
	err      error
}

// counter counts what passes through.
type counter struct {
	io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// epoch is the time of all files and configs.
func epoch() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC) }

func (w *layerWriter) header(h *tar.Header) {
	if h.ModTime, h.Format = epoch(), tar.FormatGNU; w.err == nil {
		w.err = w.tar.WriteHeader(h)
	}
}

// short reports whether fewer than so many packed bytes are written.
func (w *layerWriter) short(packed int64) bool { return w.err == nil && w.packed.n < packed }

// dir writes a directory and its parents, once.
func (w *layerWriter) dir(name string) {
	if name == "." || w.dirs[name] {
		return
	}
	w.dir(path.Dir(name))
	w.dirs[name] = true
	w.header(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
}

// file writes a regular file.
func (w *layerWriter) file(name string, mode int64, body []byte) {
	w.dir(path.Dir(name))
	w.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(body))})
	w.files++
	w.unpacked += int64(len(body))
	if w.err == nil {
		_, w.err = w.tar.Write(body)
	}
}

func (w *layerWriter) text(name, body string) { w.file(name, 0o644, []byte(body)) }

// link writes a symbolic link.
func (w *layerWriter) link(name, target string) {
	w.dir(path.Dir(name))
	w.header(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
}

// prose is n bytes of source text, machine n bytes of machine code.
func (w *layerWriter) prose(n int) []byte   { return cut(w.material.text, n, w.dice) }
func (w *layerWriter) machine(n int) []byte { return cut(w.code, n, w.dice) }

// cut returns n bytes of pool from a place the dice choose.
func cut(pool []byte, n int, dice *rand.Rand) []byte {
	n = min(n, len(pool))
	at := dice.IntN(len(pool) - n + 1)
	return pool[at : at+n]
}

// size draws a file size: many small files, few large ones, as in real trees.
func (w *layerWriter) size(median, most int) int {
	return min(most, max(16, int(float64(median)*math.Exp(1.2*w.dice.NormFloat64()))))
}
