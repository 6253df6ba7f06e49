package gatetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
)

// isDecisive tells files that findings come from.
func isDecisive(name string) bool {
	base := path.Base(name)
	return isDatabase(name) || base == "package.json" || base == "METADATA" || base == "run" ||
		strings.HasSuffix(base, ".gemspec") || strings.HasSuffix(base, ".jar")
}

// archiveTransforms use what tar readers disagree about. Some leave the
// decisive file where everyone must see it.
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
		insert("tar-duplicate-before", isDatabase, func(e entry) (before, after []entry) { return []entry{e.with("\n")}, nil }),
		insert("tar-duplicate-after", isDatabase, func(e entry) (before, after []entry) { return nil, []entry{e.with("\n")} }),
		insert("tar-duplicate-unclean", isDatabase, func(e entry) (before, after []entry) {
			d := e.with("\n")
			d.header.Name = "./" + d.header.Name
			return nil, []entry{d}
		}),
		insert("tar-whiteout-beside", isDecisive, func(e entry) (before, after []entry) {
			return nil, []entry{e.named(Whiteout(e.clean()).Path)}
		}),
		insert("tar-opaque-beside", isDecisive, func(e entry) (before, after []entry) {
			return nil, []entry{e.named(Opaque(path.Dir(e.clean())).Path)}
		}),
		insert("tar-invalid-whiteout", isDecisive, func(e entry) (before, after []entry) {
			return []entry{e.named(path.Dir(e.clean()) + "/.wh.")}, []entry{e.named(".wh...")}
		}),
		insert("tar-link-over-file", isDatabase, func(e entry) (before, after []entry) {
			l := e.named(e.header.Name)
			l.header.Typeflag, l.header.Linkname = tar.TypeSymlink, "/dev/null"
			return nil, []entry{l}
		}),
	}
}

// with is the same entry with another body.
func (e entry) with(text string) entry { return entry{e.header, []byte(text)} }

// named is an empty file under another name.
func (e entry) named(name string) entry {
	h := tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, ModTime: e.header.ModTime}
	return entry{h, nil}
}

// insert puts entries around the decisive one, in the same layer.
func insert(name string, match func(string) bool, around func(entry) (before, after []entry)) Transform {
	return Transform{Name: name, apply: func(p *Parts, _ *rand.Rand) error {
		f, err := p.find(match)
		if err != nil {
			return err
		}
		e := f.entries[f.index]
		before, after := around(e)
		var out []entry
		out = append(out, f.entries[:f.index]...)
		out = append(out, before...)
		out = append(out, e)
		out = append(out, after...)
		return p.rewrite(f.layer, append(out, f.entries[f.index+1:]...))
	}, once: onceContent}
}

// rename changes how the decisive file's path is written.
func rename(name string, change func(string, *rand.Rand) string) Transform {
	return Transform{Name: name, apply: func(p *Parts, dice *rand.Rand) error {
		f, err := p.find(isDecisive)
		if err != nil {
			return err
		}
		f.entries[f.index].header.Name = change(f.path(), dice)
		f.entries[f.index].header.PAXRecords = nil
		return p.rewrite(f.layer, f.entries)
	}}
}

// splitTar ends the archive before the decisive file, and goes on.
func splitTar(p *Parts, _ *rand.Rand) error {
	f, err := p.find(isDecisive)
	if err != nil {
		return err
	}
	rest := f.entries[f.index:]
	if err := p.rewrite(f.layer, f.entries[:f.index]); err != nil {
		return err
	}
	first := p.Blobs[f.layer].Unpacked
	if err := p.rewrite(f.layer, rest); err != nil {
		return err
	}
	return p.Replace(f.layer, joined(first, p.Blobs[f.layer].Unpacked))
}

// rawTar changes the bytes of the archive that holds the decisive file; at is
// where that file's header begins.
func rawTar(name string, change func(b []byte, at int) []byte) Transform {
	return Transform{Name: name, apply: func(p *Parts, _ *rand.Rand) error {
		f, err := p.find(isDecisive)
		if err != nil {
			return err
		}
		// Written anew, so that the header is a plain one at a known place.
		f.entries[f.index].header.PAXRecords = nil
		f.entries[f.index].header.ModTime = f.entries[f.index].header.ModTime.Truncate(1e9)
		if err := p.rewrite(f.layer, f.entries); err != nil {
			return err
		}
		whole := bytes.Clone(p.Blobs[f.layer].Unpacked)
		at := headerOf(whole, f.entries[f.index].header.Name)
		if at < 0 || at+1024 > len(whole) {
			return errNotApplicable
		}
		return p.Replace(f.layer, change(whole, at))
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
