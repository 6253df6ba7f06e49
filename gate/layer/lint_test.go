package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"path"
	"strings"
	"testing"
)

// lintCases are single entries: accepted under a name, or refused.
var lintCases = []struct {
	name string
	item item
	as   string // Name
	kind Type
	want string // error
}{
	{"plain file", file1("etc/motd", "x"), "etc/motd", File, ""},
	{"dot slash", file1("./etc/motd", "x"), "etc/motd", File, ""},
	{"absolute", file1("/etc/motd", "x"), "etc/motd", File, ""},
	{"double slash", file1("etc//motd", "x"), "etc/motd", File, ""},
	{"dots inside", file1("lib/../etc/./motd", "x"), "etc/motd", File, ""},
	{"name beginning with dots", file1("..data/x", "x"), "..data/x", File, ""},
	{"three dots", file1("a/.../x", "x"), "a/.../x", File, ""},
	{"root directory", dir("."), "", Dir, ""},
	{"directory", dir("etc"), "etc", Dir, ""},
	{"backslash is a character", file1(`a\..\..\b`, "x"), `a\..\..\b`, File, ""},
	{"newline is a character", file1("a\nb", "x"), "a\nb", File, ""},
	{"symlink out of the root is resolved inside", symlink("a", "../../../etc"), "a", Symlink, ""},
	{"device", device("dev/null"), "dev/null", Device, ""},
	{"fifo", item{name: "f", kind: tar.TypeFifo}, "f", Fifo, ""},
	{"hard link", hardlink("a", "./b"), "a", Hardlink, ""},
	{"whiteout", file1("etc/.wh.motd", ""), "etc/motd", Whiteout, ""},
	{"whiteout in the root", file1(".wh.etc", ""), "etc", Whiteout, ""},
	{"whiteout as AUFS made it", hardlink("etc/.wh.motd", ".wh..wh.aufs"), "etc/motd", Whiteout, ""},
	{"opaque", file1("etc/.wh..wh..opq", ""), "etc", Opaque, ""},
	{"opaque root", file1(".wh..wh..opq", ""), "", Opaque, ""},
	{"whiteout of a hidden file", file1("etc/.wh..bashrc", ""), "etc/.bashrc", Whiteout, ""},
	{"whiteout of three dots", file1("etc/.wh....", ""), "etc/...", Whiteout, ""},
	{"wh inside a name", file1("etc/a.wh.b", "x"), "etc/a.wh.b", File, ""},

	{"escape", file1("../x", "x"), "", 0, "escapes"},
	{"escape later", file1("a/../../x", "x"), "", 0, "escapes"},
	{"absolute escape", file1("/../x", "x"), "", 0, "escapes"},
	{"escape and back", file1("../root/x", "x"), "", 0, "escapes"},
	{"escaping directory", dir(".."), "", 0, "escapes"},
	{"escaping whiteout", file1("../.wh.x", ""), "", 0, "escapes"},
	{"escaping link", symlink("../x", "y"), "", 0, "escapes"},
	{"file in place of the root", file1("./.", "x"), "", 0, "root directory"},
	{"link in place of the root", symlink("./.", "x"), "", 0, "root directory"},
	{"whiteout without a name", file1("etc/.wh.", ""), "", 0, "without a name"},
	{"whiteout of the directory", file1("etc/.wh..", ""), "", 0, "without a name"},
	{"whiteout of the parent", file1("etc/.wh...", ""), "", 0, "without a name"},
	{"directory as whiteout", dir("etc/.wh.motd"), "", 0, "not a file"},
	{"symlink as whiteout", symlink("etc/.wh.motd", "x"), "", 0, "not a file"},
	{"device as whiteout", device("etc/.wh.motd"), "", 0, "not a file"},
	{"file below a whiteout", file1("etc/.wh.a/b", "x"), "", 0, "name of a whiteout"},
	{"file below an opaque marker", file1("etc/.wh..wh..opq/b", "x"), "", 0, "name of a whiteout"},
	{"AUFS hard links", file1(".wh..wh.plnk/1.2", "x"), "", 0, "name of a whiteout"},
	{"AUFS file", file1(".wh..wh.aufs", ""), "", 0, "AUFS"},
	{"hard link that escapes", hardlink("a", "../b"), "", 0, "escapes"},
	{"hard link to itself", hardlink("a", "./a"), "", 0, "itself"},
	{"hard link to the root", hardlink("a", "/"), "", 0, "itself"},
	{"symlink to nothing", symlink("a", ""), "", 0, "to nothing"},
	{"contiguous file", item{name: "a", kind: tar.TypeCont}, "", 0, "type '7'"},
	{"vendor type", item{name: "a", kind: 'V'}, "", 0, "type 'V'"},
	{"long component", file1(strings.Repeat("a", 256), "x"), "", 0, "more than 255"},
	{"longest component", file1(strings.Repeat("a", 255), "x"), strings.Repeat("a", 255), File, ""},
	{"path limit", file1(strings.Repeat("aa/", 1400)+"a", "x"), "", 0, "path-length"},
	{"link limit", symlink("a", strings.Repeat("aa/", 1400)), "", 0, "path-length"},
}

func TestLint(t *testing.T) {
	for _, tt := range lintCases {
		t.Run(tt.name, func(t *testing.T) {
			seen, err := readPlain(t, tarOf(t, tt.item), DefaultLimits())
			if !matches(err, tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if tt.want != "" {
				if len(seen) > 0 {
					t.Errorf("a refused entry was handed over: %+v", seen[0])
				}
				return
			}
			if len(seen) != 1 || seen[0].Name != tt.as || seen[0].Type != tt.kind || seen[0].Raw != tt.item.name {
				t.Errorf("got %+v, want %q of type %d", seen, tt.as, tt.kind)
			}
		})
	}
}

// TestLintRaw: archives that archive/tar does not write.
func TestLintRaw(t *testing.T) {
	good := tarOf(t, file1("a", "hello"))
	body := good[: len(good)-1024 : len(good)-1024]
	zeros := func(n int) []byte { return make([]byte, n) }
	for _, tt := range []struct {
		name  string
		plain []byte
		want  string
	}{
		{"good", good, ""},
		{"empty archive", zeros(1024), ""},
		{"nothing at all", nil, ""},
		{"zeros after the end", append(bytes.Clone(good), zeros(10240)...), ""},
		{"no end marker, as runtimes accept", body, ""},
		{"half an end marker", append(bytes.Clone(body), zeros(512)...), ""},
		{"data after the end", append(bytes.Clone(good), "more"...), "after the end"},
		{"an archive after the end", append(bytes.Clone(good), good...), "after the end"},
		{"data far after the end", append(append(bytes.Clone(good), zeros(1<<20)...), 1), "after the end"},
		{"one zero block, then an entry", append(append(bytes.Clone(body), zeros(512)...), good...), "no valid tar"},
		{"cut in the body", good[:514], "no valid tar"},
		{"cut in the header", good[:100], "no valid tar"},
		{"cut in the last padding, as runtimes accept", body[:len(body)-1], ""},
		{"text", []byte(strings.Repeat("not a tar archive ", 100)), "no valid tar"},
		{"broken checksum", append([]byte("x"), good[1:]...), "no valid tar"},
		{"global header with a comment", global(t, map[string]string{"comment": "by git archive"}), ""},
		{"global header with a path", global(t, map[string]string{"path": "etc/passwd"}), "global header"},
		{"GNU sparse", setType(t, tar.TypeGNUSparse), "sparse"},
		{"PAX sparse", paxSparse(), "sparse"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := readPlain(t, tt.plain, DefaultLimits()); !matches(err, tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func global(t *testing.T, records map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: records}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// setType makes a GNU header with the given type flag.
func setType(t *testing.T, flag byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeReg, Format: tar.FormatGNU, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b := buf.Bytes()
	b[156] = flag
	fixChecksum(b[:512])
	return b
}

func fixChecksum(h []byte) {
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	digits := []byte("000000\x00 ")
	for i := 5; i >= 0; i-- {
		digits[i] = byte('0' + sum&7)
		sum >>= 3
	}
	copy(h[148:156], digits)
}

// paxSparse is a file in the PAX 1.0 sparse format, written by hand.
func paxSparse() []byte {
	records := "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n23 GNU.sparse.name=abc\n26 GNU.sparse.realsize=10\n"
	block := func(name string, flag byte, size int) []byte {
		h := make([]byte, 512)
		copy(h, name)
		copy(h[100:], "0000644\x00")
		copy(h[124:], "00000000000\x00")
		for i, n := 134, size; n > 0; i, n = i-1, n>>3 {
			h[i] = byte('0' + n&7)
		}
		copy(h[136:], "00000000000\x00")
		h[156] = flag
		copy(h[257:], "ustar\x0000")
		fixChecksum(h)
		return h
	}
	pad := func(s string) []byte { return append([]byte(s), make([]byte, 512-len(s))...) }
	b := append(block("x", tar.TypeXHeader, len(records)), pad(records)...)
	b = append(b, block("GNUSparseFile.0/abc", tar.TypeReg, 512)...)
	b = append(b, pad("1\n0\n0\n")...)
	return append(b, make([]byte, 1024)...)
}

// FuzzRead checks, for all bytes, that Read returns without a panic, passes only
// clean names to visit, and accepts only archives that archive/tar reads to the
// end.
func FuzzRead(f *testing.F) {
	for _, tt := range lintCases {
		f.Add(tarOf(f, tt.item))
	}
	f.Add(paxSparse())
	f.Add(gzipOf(f, tarOf(f, file1("a", "b"))))
	f.Add(zstdOf(f, tarOf(f, file1("a", "b"))))
	f.Fuzz(func(t *testing.T, stored []byte) {
		l := Limits{BlobSize: 1 << 20, LayerSize: 4 << 20, ImageSize: 4 << 20, Ratio: 200, Entries: 1000, PathLength: 4096, FileSize: 1 << 20}
		rec := NewRecorder(l)
		plain := stored // right for archives that are not compressed
		s := specOf(0, stored, plain, typeGzip)
		stats, err := Read(context.Background(), bytes.NewReader(stored), s, NewBudget(l), func(e *Entry, body io.Reader) error {
			if e.Name != "" && (path.Clean("/"+e.Name) != "/"+e.Name || strings.HasPrefix(e.Name, "..") && path.Clean(e.Name) == "..") {
				t.Errorf("name %q is not clean", e.Name)
			}
			return rec.Visit(e, body)
		})
		if err != nil {
			return
		}
		tree := NewTree(l)
		if err := tree.Merge(s, parsed(t, rec.Finish(stats))); err == nil {
			tree.Finish()
		}
		r := tar.NewReader(bytes.NewReader(plain))
		for {
			if _, err := r.Next(); err == io.EOF {
				return
			} else if err != nil {
				t.Fatalf("accepted what archive/tar refuses: %v", err)
			}
		}
	})
}
