package disguise

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// isDecisive tells files that findings come from.
func isDecisive(name string) bool {
	base := path.Base(name)
	return isDatabase(name) || base == "package.json" || base == "METADATA" || base == "run" ||
		strings.HasSuffix(base, ".gemspec") || strings.HasSuffix(base, ".jar")
}

// archiveTransforms use differences between tar readers. Some leave the
// decisive file in a place where every reader must find it.
func archiveTransforms() []Transform {
	return []Transform{
		{Name: "tar-end-before-file", apply: splitTar},
		rawTar("tar-end-first", func(b []byte, _ int) []byte { return append(make([]byte, 1024), b...) }),
		rawTar("tar-trailing-data", func(b []byte, _ int) []byte { return append(b, "and something after the end"...) }),
		rawTar("tar-trailing-archive", func(b []byte, _ int) []byte { return append(b, b...) }),
		rawTar("tar-cut-in-header", func(b []byte, at int) []byte { return b[:at+100] }),
		rawTar("tar-cut-in-body", func(b []byte, at int) []byte { return b[:at+520] }),
		rawTar("tar-no-end", func(b []byte, _ int) []byte { return bytes.TrimRight(b, "\x00") }),
		rawTar("tar-bad-checksum", func(b []byte, at int) []byte { b[at+148] ^= 1; return b }),
		rawHeader("tar-type-contiguous", func(h []byte) { h[156] = '7' }),
		rawHeader("tar-type-sparse", func(h []byte) { h[156] = 'S' }),
		rawHeader("tar-type-unknown", func(h []byte) { h[156] = 'Q' }),
		rawHeader("tar-type-volume", func(h []byte) { h[156] = 'V' }),
		rawHeader("tar-type-nul", func(h []byte) { h[156] = 0 }),
		rawHeader("tar-name-after-nul", func(h []byte) {
			if end := bytes.IndexByte(h[:100], 0); end > 0 && end < 95 {
				copy(h[end+1:], "x")
			}
		}),
		rawHeader("tar-size-huge", func(h []byte) { copy(h[124:136], "77777777777\x00") }),
		rawHeader("tar-size-negative", func(h []byte) { copy(h[124:136], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf0") }),
		rename("tar-escape", func(name string, dice *rand.Rand) string {
			return pick(dice, "../", "../../", "a/../../", "/../", "./../") + name
		}),
		rename("tar-absolute", func(name string, _ *rand.Rand) string { return "/" + name }),
		rename("tar-unclean", func(name string, dice *rand.Rand) string {
			return pick(dice, "./", "//", ".//./", "x/../", strings.Repeat("./", 80)) + name
		}),
		insert("tar-duplicate-before", isDatabase, func(e imagetest.Entry) (before, after []imagetest.Entry) {
			return []imagetest.Entry{with(e, "\n")}, nil
		}),
		insert("tar-duplicate-after", isDatabase, func(e imagetest.Entry) (before, after []imagetest.Entry) {
			return nil, []imagetest.Entry{with(e, "\n")}
		}),
		insert("tar-duplicate-unclean", isDatabase, func(e imagetest.Entry) (before, after []imagetest.Entry) {
			d := with(e, "\n")
			d.Header.Name = "./" + d.Header.Name
			return nil, []imagetest.Entry{d}
		}),
		insert("tar-whiteout-beside", isDecisive, func(e imagetest.Entry) (before, after []imagetest.Entry) {
			return nil, []imagetest.Entry{named(e, imagetest.Whiteout(e.Clean()).Path)}
		}),
		insert("tar-opaque-beside", isDecisive, func(e imagetest.Entry) (before, after []imagetest.Entry) {
			return nil, []imagetest.Entry{named(e, imagetest.Opaque(path.Dir(e.Clean())).Path)}
		}),
		insert("tar-invalid-whiteout", isDecisive, func(e imagetest.Entry) (before, after []imagetest.Entry) {
			return []imagetest.Entry{named(e, path.Dir(e.Clean())+"/.wh.")}, []imagetest.Entry{named(e, ".wh...")}
		}),
		insert("tar-link-over-file", isDatabase, func(e imagetest.Entry) (before, after []imagetest.Entry) {
			l := named(e, e.Header.Name)
			l.Header.Typeflag, l.Header.Linkname = tar.TypeSymlink, "/dev/null"
			return nil, []imagetest.Entry{l}
		}),
	}
}

// with is the same entry with another body.
func with(e imagetest.Entry, text string) imagetest.Entry {
	return imagetest.Entry{Header: e.Header, Body: []byte(text)}
}

// named is an empty file under another name.
func named(e imagetest.Entry, name string) imagetest.Entry {
	h := tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, ModTime: e.Header.ModTime}
	return imagetest.Entry{Header: h}
}

// insert puts entries around the decisive one, in the same layer.
func insert(name string, match func(string) bool, around func(imagetest.Entry) (before, after []imagetest.Entry)) Transform {
	return Transform{Name: name, apply: func(p *imagetest.Parts, _ *rand.Rand) error {
		f, err := p.Find(match)
		if err != nil {
			return err
		}
		e := f.Entries[f.Index]
		before, after := around(e)
		var out []imagetest.Entry
		out = append(out, f.Entries[:f.Index]...)
		out = append(out, before...)
		out = append(out, e)
		out = append(out, after...)
		return p.Rewrite(f.Layer, append(out, f.Entries[f.Index+1:]...))
	}, once: onceContent}
}

// rename changes how the decisive file's path is written.
func rename(name string, change func(string, *rand.Rand) string) Transform {
	return Transform{Name: name, apply: func(p *imagetest.Parts, dice *rand.Rand) error {
		f, err := p.Find(isDecisive)
		if err != nil {
			return err
		}
		f.Entries[f.Index].Header.Name = change(f.Path(), dice)
		f.Entries[f.Index].Header.PAXRecords = nil
		return p.Rewrite(f.Layer, f.Entries)
	}}
}

// splitTar ends the archive before the decisive file, and goes on.
func splitTar(p *imagetest.Parts, _ *rand.Rand) error {
	f, err := p.Find(isDecisive)
	if err != nil {
		return err
	}
	rest := f.Entries[f.Index:]
	if err := p.Rewrite(f.Layer, f.Entries[:f.Index]); err != nil {
		return err
	}
	first := p.Blobs[f.Layer].Unpacked
	if err := p.Rewrite(f.Layer, rest); err != nil {
		return err
	}
	return p.Replace(f.Layer, joined(first, p.Blobs[f.Layer].Unpacked))
}

// rawTar changes the bytes of the archive that holds the decisive file; at is
// where that file's header begins.
func rawTar(name string, change func(b []byte, at int) []byte) Transform {
	return Transform{Name: name, apply: func(p *imagetest.Parts, _ *rand.Rand) error {
		f, err := p.Find(isDecisive)
		if err != nil {
			return err
		}
		// Written anew, so that the header is a plain one at a known place.
		f.Entries[f.Index].Header.PAXRecords = nil
		f.Entries[f.Index].Header.ModTime = f.Entries[f.Index].Header.ModTime.Truncate(1e9)
		if err := p.Rewrite(f.Layer, f.Entries); err != nil {
			return err
		}
		whole := bytes.Clone(p.Blobs[f.Layer].Unpacked)
		at := headerOf(whole, f.Entries[f.Index].Header.Name)
		if at < 0 || at+1024 > len(whole) {
			return imagetest.ErrNoFile
		}
		return p.Replace(f.Layer, change(whole, at))
	}}
}

// headerOf finds the block whose name field is name.
func headerOf(archive []byte, name string) int {
	want := append([]byte(name), 0)
	for at := 0; at+512 <= len(archive); at += 512 {
		if bytes.HasPrefix(archive[at:], want) && string(archive[at+257:at+262]) == "ustar" {
			return at
		}
	}
	return -1
}

// rawHeader changes the decisive file's header and makes its checksum right.
func rawHeader(name string, change func(h []byte)) Transform {
	return rawTar(name, func(b []byte, at int) []byte {
		h := b[at : at+512]
		change(h)
		copy(h[148:156], "        ")
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
		return b
	})
}
