package layer

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// tocText lists the entries of tocItems as stargz-snapshotter does.
const tocText = `{"version":1,"entries":[
{"name":"bin/","type":"dir"},
{"name":"bin/a","type":"reg","size":3,"digest":"sha256:x","chunkDigest":"sha256:y"},
{"name":"bin/a","type":"chunk","offset":2},
{"name":"bin/b","type":"symlink","linkName":"a"},
{"name":"bin/c","type":"hardlink","linkName":"bin/a"},
{"name":"dev/null","type":"char"},
{"name":"bin/.wh.old","type":"reg"}]}`

func tocItems(toc string) []item {
	return []item{
		dir("bin"), file1("bin/a", "abc"), symlink("bin/b", "a"), hardlink("bin/c", "bin/a"), device("dev/null"),
		file1("bin/.wh.old", ""), file1(tocName, toc),
	}
}

// TestTOC: runtimes that pull lazily mount what the table of contents lists.
func TestTOC(t *testing.T) {
	for name, tt := range map[string]struct {
		toc   string
		clean bool
	}{
		"equal":           {tocText, true},
		"other order":     {strings.Replace(tocText, `{"name":"bin/","type":"dir"},`, "", 1)[:len(tocText)-len(`{"name":"bin/","type":"dir"},`)-2] + `,{"name":"./bin","type":"dir"}]}`, true},
		"a file more":     {strings.Replace(tocText, `"entries":[`, `"entries":[{"name":"evil","type":"reg","size":9},`, 1), false},
		"a file less":     {strings.Replace(tocText, `{"name":"bin/b","type":"symlink","linkName":"a"},`, "", 1), false},
		"other size":      {strings.Replace(tocText, `"size":3`, `"size":4`, 1), false},
		"other link":      {strings.Replace(tocText, `"linkName":"a"`, `"linkName":"evil"`, 1), false},
		"other type":      {strings.Replace(tocText, `"type":"symlink"`, `"type":"hardlink"`, 1), false},
		"plain mode":      {strings.Replace(tocText, `"size":3`, `"size":3,"mode":420`, 1), true},
		"setuid":          {strings.Replace(tocText, `"size":3`, `"size":3,"mode":2541`, 1), false},
		"setuid link":     {strings.Replace(tocText, `"linkName":"bin/a"`, `"linkName":"bin/a","mode":2541`, 1), false},
		"capability":      {strings.Replace(tocText, `"size":3`, `"size":3,"xattrs":{"security.capability":"AQAAAgAgAAA="}`, 1), false},
		"other attribute": {strings.Replace(tocText, `"size":3`, `"size":3,"xattrs":{"user.x":"AQ=="}`, 1), true},
		"open directory":  {strings.Replace(tocText, `"type":"dir"`, `"type":"dir","mode":511`, 1), false},
		"open whiteout":   {strings.Replace(tocText, `bin/.wh.old","type":"reg"`, `bin/.wh.old","type":"reg","mode":438`, 1), true},
		"link of 777":     {strings.Replace(tocText, `"linkName":"a"`, `"linkName":"a","mode":511`, 1), true},
		"escaping name":   {strings.Replace(tocText, `"name":"bin/a"`, `"name":"../bin/a"`, 1), false},
		"cut off":         {tocText[:100], false},
		"no entries":      {`{"version":1}`, false},
		"entries no list": {`{"entries":3}`, false},
		"empty":           {"", false},
		"not JSON":        {"hello", false},
	} {
		f := facts(t, []item{dir("x")}, tocItems(tt.toc))
		if hasGap(f, string(gapHiddenFiles), tocName) == tt.clean {
			t.Errorf("%s: gaps %+v", name, f.Gaps)
		}
		if len(f.Notes) != 1 || !strings.HasPrefix(f.Notes[0], "layer 2 ") {
			t.Errorf("%s: notes %v", name, f.Notes)
		}
	}
}

// TestTOCOfPrograms: a table with the modes of the archive is clean.
func TestTOCOfPrograms(t *testing.T) {
	const toc = `{"version":1,"entries":[{"name":"su","type":"reg","size":1,"mode":2541},{"name":"d/","type":"dir","mode":511},{"name":"ping","type":"reg","mode":493,"xattrs":{"security.capability":"eA=="}}]}`
	items := func(su int64) []item {
		return []item{mode("su", su), modeDir("d", 0o777), {name: "ping", mode: 0o755, xattr: capabilities("x")}, file1(tocName, toc)}
	}
	if f := facts(t, items(0o4755)); hasGap(f, string(gapHiddenFiles), tocName) {
		t.Errorf("gaps %+v", f.Gaps)
	}
	if f := facts(t, items(0o755)); !hasGap(f, string(gapHiddenFiles), tocName) {
		t.Error("a program has the setuid bit in the table alone")
	}
}

// TestChunkedTOC checks that Read reports the table of contents of zstd:chunked.
// The table follows the archive, in a frame that decoders skip.
func TestChunkedTOC(t *testing.T) {
	plain := tarOf(t, file1("a", "b"))
	for _, chunked := range []bool{false, true} {
		stored := zstdOf(t, plain)
		if chunked {
			stored = append(stored, 0x50, 0x2a, 0x4d, 0x18, 8, 0, 0, 0)
			stored = append(stored, zstdChunked...)
		}
		for _, r := range []io.Reader{bytes.NewReader(stored), &dribble{stored}} {
			st, err := Read(context.Background(), r, specOf(0, stored, plain, typeZstd), NewBudget(DefaultLimits()), visitAll)
			if err != nil || st.ChunkedTOC != chunked || st.Compression != compressionZstd {
				t.Errorf("%+v, %v; want %v", st, err, chunked)
			}
		}
	}
}

func FuzzTOC(f *testing.F) {
	f.Add([]byte(tocText))
	f.Fuzz(func(t *testing.T, toc []byte) {
		rec := NewRecorder(DefaultLimits())
		if err := rec.Visit(&Entry{Name: tocName, Type: File, Size: int64(len(toc))}, bytes.NewReader(toc)); err != nil {
			t.Fatal(err)
		}
		parsed(t, rec.Finish(Stats{Entries: 1}))
	})
}

// TestTOCWithPostponedLinks: a link that is recorded as a file after the table is in
// the table where the archive has it.
func TestTOCWithPostponedLinks(t *testing.T) {
	for toc, clean := range map[string]bool{
		`{"entries":[{"name":"a","type":"reg"},{"name":"b","type":"hardlink","linkName":"a"}]}`: true,
		`{"entries":[{"name":"a","type":"reg"},{"name":"b","type":"hardlink","linkName":"c"}]}`: false,
		`{"entries":[{"name":"a","type":"reg"}]}`:                                               false,
		`{"entries":[{"name":"a","type":"reg"},{"name":"b","type":"reg"}]}`:                     false,
	} {
		rec := NewRecorder(DefaultLimits())
		visit := func(e *Entry, body string) {
			e.Type, e.Size = File, int64(len(body))
			if err := rec.Visit(e, strings.NewReader(body)); err != nil {
				t.Fatal(err)
			}
		}
		visit(&Entry{Name: "a"}, "")
		rec.Postpone(&Entry{Name: "b", Type: Hardlink, Linkname: "a"})
		visit(&Entry{Name: tocName}, toc)
		visit(&Entry{Name: "b"}, "")
		tree := NewTree(DefaultLimits())
		if err := tree.Merge(Spec{}, rec.Finish(Stats{Entries: 3})); err != nil {
			t.Fatal(err)
		}
		if hasGap(tree.Finish(), string(gapHiddenFiles), tocName) == clean {
			t.Errorf("%s: clean is %v", toc, !clean)
		}
	}
}
