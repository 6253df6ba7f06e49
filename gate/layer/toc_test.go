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
