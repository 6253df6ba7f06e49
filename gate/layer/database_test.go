package layer

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// textCases are dpkg and apk databases: the packages that count, and whether
// the database is to be believed.
var textCases = []struct {
	name    string
	kind    DatabaseType
	text    string
	ids     string // space-separated
	problem string
}{
	{"dpkg", TypeDpkg, "Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nStatus: hold ok installed\nVersion: 2\n", "a@1 b@2", ""},
	{"distroless has no status", TypeDpkg, "Package: a\nVersion: 1\n", "a@1", ""},
	{"several blank lines", TypeDpkg, "\n\nPackage: a\nVersion: 1\n\n\n\nPackage: b\nVersion: 1", "a@1 b@1", ""},
	{"continuation lines", TypeDpkg, "Package: a\nVersion: 1\nDescription: x\n y\n .\n Package: z\n", "a@1", ""},
	{"removed, configuration left", TypeDpkg, "Package: a\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: b\nVersion: 1\n", "b@1", ""},
	{"purged", TypeDpkg, "Package: a\nStatus: purge ok not-installed\n", "", ""},
	{"never installed", TypeDpkg, "Package: a\nStatus: unknown ok not-installed\n", "", ""},
	{"half installed counts", TypeDpkg, "Package: a\nStatus: install reinstreq half-installed\nVersion: 1\n", "a@1", ""},
	{"wanted away but still there", TypeDpkg, "Package: a\nStatus: deinstall ok installed\nVersion: 1\n", "a@1", ""},
	{"only the want", TypeDpkg, "Package: a\nStatus: deinstall\nVersion: 1\n", "a@1", ""},
	{"two architectures of one version", TypeDpkg, "Package: a\nArchitecture: amd64\nVersion: 1\n\nPackage: a\nArchitecture: i386\nVersion: 1\n", "a@1", ""},
	{"twice", TypeDpkg, "Package: a\nArchitecture: amd64\nVersion: 1\n\nPackage: a\nArchitecture: amd64\nVersion: 2\n", "a@1 a@2", "twice"},
	{"no blank line between", TypeDpkg, "Package: a\nVersion: 1\nPackage: b\nVersion: 2\n", "a@1 b@2", `two "package" fields`},
	{"two statuses", TypeDpkg, "Package: a\nStatus: deinstall ok config-files\nStatus: install ok installed\nVersion: 1\n", "a@1", `two "status" fields`},
	{"line without colon", TypeDpkg, "Package: a\nno colon line\nVersion: 1\n", "a@1", "no field"},
	{"no name", TypeDpkg, "Version: 1\n", "", "without a package name"},
	{"no version", TypeDpkg, "Package: a\nStatus: install ok installed\n", "a@", "without a version"},
	{"cut off", TypeDpkg, "Package: a\nVersion: 1\n\nPackage: b\nStatus: install ok inst", "a@1 b@", "without a version"},
	{"other case", TypeDpkg, "PACKAGE: a\nversion: 1\nextends: none\n", "a@1", ""},
	{"binary", TypeDpkg, "\x00\x01\x02\xff\n", "", "no field"},
	{"carriage returns", TypeDpkg, "Package: a\r\nVersion: 1\r\n\r\nPackage: b\r\nVersion: 1\r\n", "a@1 b@1", ""},
	{"begins in the middle", TypeDpkg, " x\nPackage: a\nVersion: 1\n", "a@1", "continuation"},
	{"huge line", TypeDpkg, "Package: a\nVersion: 1\n\nPackage: b\nVersion: " + strings.Repeat("1", maxLine) + "\n", "a@1 b@", "without a version"},

	{"apk", TypeApk, "C:Q1x=\nP:a\nV:1-r0\n\nP:b\nV:2\nF:bin\nR:b\n\n", "a@1-r0 b@2", ""},
	{"apk without a last blank line", TypeApk, "P:a\nV:1\n\nP:b\nV:2", "a@1 b@2", ""},
	{"apk twice", TypeApk, "P:openssl\nV:99\n\nP:openssl\nV:1.1.1\n", "openssl@1.1.1 openssl@99", "twice"},
	{"apk without a blank line", TypeApk, "P:a\nV:1\nP:b\nV:2\n", "a@1 b@2", "two names"},
	{"apk no name", TypeApk, "V:1\n", "", "without a package name"},
	{"apk no version", TypeApk, "P:a\n", "a@", "without a version"},
	{"apk NUL in the origin", TypeApk, "P:a\nV:1\no:a\x00\n", "a@1", "control characters"},
	{"apk space behind the name", TypeApk, "P:a \nV:1\n", "a @1", "white space"},
	{"dpkg name in capitals", TypeDpkg, "Package: Zlib1g\nStatus: install ok installed\nVersion: 1\n", "Zlib1g@1", "small letters"},
	{"apk odd line", TypeApk, "P:a\nV:1\nx\n", "a@1", "no field"},
	{"apk line behind which Trivy stops", TypeApk, "P:a\nV:1\nD:" + strings.Repeat("x", scannerLine) + "\n\nP:b\nV:1\n", "a@1 b@1", "silently stops"},
	{"apk binary", TypeApk, "\x00\x01\x02\n", "", "no field"},
}

func TestTextDatabases(t *testing.T) {
	for _, tt := range textCases {
		t.Run(tt.name, func(t *testing.T) {
			path := dpkgStatus
			if tt.kind == TypeApk {
				path = "lib/apk/db/installed"
			}
			f := facts(t, []item{file1(path, tt.text)})
			if len(f.Databases) != 1 {
				t.Fatalf("databases: %+v", f.Databases)
			}
			d := f.Databases[0]
			if got := strings.Join(d.IDs, " "); got != tt.ids && tt.name != "huge line" || d.Count != len(d.IDs) || d.Type != tt.kind {
				t.Errorf("%s, %d of type %s; want %s", got, d.Count, d.Type, tt.ids)
			}
			if !strings.Contains(d.Problem, tt.problem) || (tt.problem == "") != (d.Problem == "") {
				t.Errorf("problem %q, want %q", d.Problem, tt.problem)
			}
			if hasGap(f, string(gapPackageDatabase), path) != (tt.problem != "" || tt.ids == "") {
				t.Errorf("gaps %+v", f.Gaps)
			}
		})
	}
}

func hasGap(f *Facts, kind, subject string) bool {
	for _, g := range f.Gaps {
		if string(g.Kind) == kind && (subject == "" || g.Subject == subject) {
			return true
		}
	}
	return false
}

// berkeley writes a Berkeley DB hash file with n packages on n hash pages, plus
// RPM's counter.
func berkeley(order binary.ByteOrder, n int, pageType byte) []byte {
	const size = 512
	b := make([]byte, size*(2*n+1))
	order.PutUint32(b[12:], bdbMagic)
	order.PutUint32(b[20:], size)
	b[25] = bdbMetaHash
	order.PutUint32(b[32:], uint32(2*n))
	for i := range n {
		page := b[size*(1+2*i):]
		page[25] = pageType
		order.PutUint16(page[20:], 4)
		for item, at := range []uint16{500, 480, 470, 460} {
			order.PutUint16(page[bdbHeader+2*item:], at)
		}
		page[480] = bdbOffPage // a package
		page[460] = 1          // the counter
		b[size*(2+2*i)+25] = 7 // its overflow page
	}
	return b
}

// ndb writes an NDB file with n packages.
func ndb(n int) []byte {
	b := make([]byte, ndbPage+n*16)
	copy(b, "RpmP")
	b[12] = 1
	for i := 2; i < ndbPage/ndbSlot; i++ {
		slot := b[i*ndbSlot:]
		copy(slot, "Slot")
		if i < n+2 {
			binary.LittleEndian.PutUint32(slot[4:], uint32(i))
			binary.LittleEndian.PutUint32(slot[8:], uint32(ndbPage/16+i-2))
			binary.LittleEndian.PutUint32(slot[12:], 1)
		}
	}
	return b
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func edit(b []byte, f func(b []byte)) []byte {
	b = bytes.Clone(b)
	f(b)
	return b
}

func TestCountRPM(t *testing.T) {
	small, deep := testdata(t, "rpmdb-small.sqlite"), testdata(t, "rpmdb-deep.sqlite")
	bdb, nd := berkeley(binary.LittleEndian, 5, bdbHash), ndb(9)
	for _, tt := range []struct {
		name string
		b    []byte
		want int // -1 is an error
	}{
		{"sqlite of one leaf", small, 7},
		{"sqlite of several levels", deep, 180},
		{"sqlite without rows", testdata(t, "rpmdb-empty.sqlite"), 0},
		{"sqlite cut in half", deep[:len(deep)/2], -1},
		{"sqlite cut at a page", deep[:len(deep)-512], -1},
		{"sqlite with one byte more", append(bytes.Clone(small), 0), -1},
		{"only the header", small[:100], -1},
		{"only the magic", small[:16], -1},
		{"sqlite with a strange page size", edit(small, func(b []byte) { b[16] = 3 }), -1},
		{"sqlite in UTF-16", edit(small, func(b []byte) { b[59] = 2 }), -1},
		{"sqlite table renamed", bytes.ReplaceAll(small, []byte("Packages"), []byte("Pakkages")), -1},
		{"sqlite root page overwritten", edit(small, func(b []byte) { clear(b[4096:8192]) }), -1},
		{"sqlite schema page overwritten", edit(small, func(b []byte) { clear(b[100:4096]) }), -1},
		{"Berkeley", bdb, 5},
		{"Berkeley, big endian", berkeley(binary.BigEndian, 5, bdbHash), 5},
		{"Berkeley, unsorted pages", berkeley(binary.LittleEndian, 5, bdbHashOld), 5},
		{"Berkeley, empty", berkeley(binary.LittleEndian, 0, bdbHash), 0},
		{"Berkeley cut in half", bdb[:len(bdb)/2], -1},
		{"Berkeley cut in the first page", bdb[:50], -1},
		{"Berkeley encrypted", edit(bdb, func(b []byte) { b[24] = 1 }), -1},
		{"Berkeley b-tree", edit(bdb, func(b []byte) { b[25] = 9 }), -1},
		{"Berkeley page size", edit(bdb, func(b []byte) { b[20] = 1 }), -1},
		{"Berkeley odd items", edit(bdb, func(b []byte) { b[512+20] = 3 }), -1},
		{"Berkeley many items", edit(bdb, func(b []byte) { b[512+21] = 255 }), -1},
		{"Berkeley item outside", edit(bdb, func(b []byte) { b[512+bdbHeader+3] = 255 }), -1},
		{"NDB", nd, 9},
		{"NDB without packages", ndb(0), 0},
		{"NDB cut in the slots", nd[:2000], -1},
		{"NDB cut before a package", nd[:len(nd)-16], -1},
		{"NDB bad slot", edit(nd, func(b []byte) { b[64] = 'x' }), -1},
		{"NDB version", edit(nd, func(b []byte) { b[4] = 1 }), -1},
		{"NDB endless", edit(nd, func(b []byte) { b[15] = 255 }), -1},
		{"random", bytes.Repeat([]byte("8 KiB random "), 600), -1},
		{"a byte", []byte("x"), -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := countRPM(bytes.NewReader(tt.b), int64(len(tt.b)))
			if (err != nil) != (tt.want < 0) || err == nil && n != tt.want {
				t.Errorf("%d, %v; want %d", n, err, tt.want)
			}
			f := facts(t, []item{file1("var/lib/rpm/Packages", string(tt.b))})
			if d := f.Databases; len(d) != 1 || (d[0].Problem != "") != (tt.want < 0) {
				t.Errorf("%+v, want %d", d, tt.want)
			}
			if hasGap(f, string(gapPackageDatabase), "") != (tt.want <= 0) {
				t.Errorf("gaps %+v", f.Gaps)
			}
		})
	}
}

// TestCountRealRPM counts the databases of real systems that come with
// go-rpmdb, whose own tests say how many packages they hold.
func TestCountRealRPM(t *testing.T) {
	out, err := exec.Command("go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "github.com/knqyf263/go-rpmdb").Output()
	dir := filepath.Join(strings.TrimSpace(string(out)), "pkg", "testdata")
	if _, statErr := os.Stat(dir); err != nil || statErr != nil {
		t.Skip("go-rpmdb is not in the module cache")
	}
	for path, want := range realRPM {
		f, err := os.Open(filepath.Join(dir, filepath.FromSlash(path)))
		if err != nil {
			t.Error(err)
			continue
		}
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := countRPM(f, st.Size()); n != want || err != nil {
			t.Errorf("%s: %d packages, %v; want %d", path, n, err, want)
		}
		f.Close()
	}
}

// TestManifestRPM: Azure Linux's distroless images list packages in a text file.
func TestManifestRPM(t *testing.T) {
	line := "a\t1-2\t0\t0\tMicrosoft\t(none)\t1\tx86_64\t0\ta-1-2.src.rpm\n"
	for text, want := range map[string]int{line: 1, line + line: 2, line + "broken\n": -1, line + "\n": -1} {
		f := facts(t, []item{file1(rpmManifest, text)})
		if d := f.Databases[0]; want >= 0 && d.Count != want || (d.Problem == "") != (want >= 0) {
			t.Errorf("%q: %+v, want %d", text, d, want)
		}
	}
}

// TestFileSizeLimit: a database too large to read is a gap, not an empty one.
func TestFileSizeLimit(t *testing.T) {
	l := DefaultLimits()
	l.FileSize = 10
	rec, tree := NewRecorder(l), NewTree(l)
	e := &Entry{Name: dpkgStatus, Type: File, Size: 24}
	if err := rec.Visit(e, strings.NewReader("Package: a\nVersion: 1\n\n\n")); err != nil {
		t.Fatal(err)
	}
	if err := tree.Merge(Spec{DiffID: "x"}, rec.Finish(Stats{})); err != nil {
		t.Fatal(err)
	}
	if f := tree.Finish(); !strings.Contains(f.Databases[0].Problem, "--limit file-size=") || !hasGap(f, string(gapPackageDatabase), dpkgStatus) {
		t.Errorf("%+v", f)
	}
}

// FuzzTextDatabase: never a panic, and never fewer packages than there are
// names at the start of a line.
func FuzzTextDatabase(f *testing.F) {
	for _, tt := range textCases {
		if len(tt.text) < 1000 {
			f.Add(tt.kind == TypeApk, []byte(tt.text))
		}
	}
	f.Fuzz(func(t *testing.T, apk bool, text []byte) {
		rec, tree := NewRecorder(DefaultLimits()), NewTree(DefaultLimits())
		path, prefix := dpkgStatus, "Package: "
		if apk {
			path, prefix = "lib/apk/db/installed", "P:"
		}
		e := &Entry{Name: path, Type: File, Size: int64(len(text))}
		if err := rec.Visit(e, bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if err := tree.Merge(Spec{}, parsed(t, rec.Finish(Stats{Entries: 1}))); err != nil {
			t.Fatal(err)
		}
		d := tree.Finish().Databases[0]
		names := make(map[string]bool)
		for line := range strings.SplitSeq(string(text), "\n") {
			if name, ok := strings.CutPrefix(line, prefix); ok && name != "" && strings.TrimSpace(name) == name {
				names[name] = true
			}
		}
		if d.Problem != "" || strings.Contains(strings.ToLower(string(text)), "status") {
			return
		}
		for name := range names {
			if !slices.ContainsFunc(d.IDs, func(id string) bool { return strings.HasPrefix(id, name+"@") }) {
				t.Errorf("%q does not count: %v", name, d.IDs)
			}
		}
	})
}

// FuzzCountRPM: never a panic, and never more packages than fit.
func FuzzCountRPM(f *testing.F) {
	f.Add(testdata(f, "rpmdb-small.sqlite"))
	f.Add(testdata(f, "rpmdb-empty.sqlite"))
	f.Add(berkeley(binary.LittleEndian, 2, bdbHash))
	f.Add(berkeley(binary.BigEndian, 2, bdbHash))
	f.Add(ndb(3))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, _ := countRPM(bytes.NewReader(b), int64(len(b)))
		if n < 0 || n > max(len(b), 1)*65536/512 {
			t.Errorf("%d packages in %d bytes", n, len(b))
		}
	})
}

var realRPM = map[string]int{
	"centos5-plain/Packages": 110, "centos6-devtools/Packages": 263, "centos6-many/Packages": 326, "centos6-plain/Packages": 129,
	"centos7-devtools/Packages": 264, "centos7-httpd24/Packages": 225, "centos7-many/Packages": 396, "centos7-plain/Packages": 144,
	"centos7-python35/Packages": 344, "centos8-modularitylabel/Packages": 518, "libuuid/Packages": 1, "ubi8-s390x/Packages": 183,
	"sle15-bci/Packages.db": 35, "cbl-mariner-2.0/rpmdb.sqlite": 129, "fedora35-plus-mongo/rpmdb.sqlite": 142, "fedora35/rpmdb.sqlite": 138,
}
