package layer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// contentsOf records one layer of items.
func contentsOf(t testing.TB, items ...item) *Contents {
	t.Helper()
	plain := tarOf(t, items...)
	return recorded(t, bytes.NewReader(plain), specOf(0, plain, plain, typeTar), NewBudget(DefaultLimits()))
}

// manyKinds is a layer with something of everything that is recorded.
func manyKinds() []item {
	return slices.Concat(alpine(), debian(), rpmImage(rpmDir), tocItems(tocText), []item{
		file1(passwdPath, "root:x:0:0::/:\n"), file1(groupPath, ""), hardlink("app/x", "sbin/apk"), device("app/dev"),
		file1("a.jar", "PK1"), file1("b.jar", "PK1"), file1("c.jar", "PK1"), file1("d.jar", "PK2"), file1("e.jar", "PK2"),
		file1("opt/.wh..wh..opq", ""), file1("opt/.wh.old", ""), dir("opt"), file1("opt/type:x", ""),
		{name: "x", xattr: map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.overlay.x": "z"}},
		program("run.sh", "#!/bin/sh\n"), file1("app.exe", "MZ"), file1("x.dll", "MZ"), dir("."),
		file1("deep/er/and/deeper/a", ""), file1("deep/er/b", ""), file1("deep/er/and/c", ""), file1("deeper", ""),
		{name: "su", mode: 0o6755}, {name: "shared/", kind: '5', mode: 0o777}, {name: "su2", kind: '1', link: "su", mode: 0o4777},
		{name: "ping", mode: 0o755, xattr: capabilities(rawSocket)}, {name: "odd", xattr: capabilities("x")},
	})
}

func equalContents(t testing.TB, got, want *Contents) {
	t.Helper()
	opt := cmp.AllowUnexported(Contents{}, record{}, remark{}, mark{}, textFacts{}, listFacts{}, tocFacts{}, databaseFacts{}, pkg{})
	if diff := cmp.Diff(want, got, opt); diff != "" {
		t.Error(diff)
	}
}

// TestContentsRoundTrip: nothing is lost, and the same layer has the same bytes
// although every recorder has its own random key.
func TestContentsRoundTrip(t *testing.T) {
	for name, items := range map[string][]item{"empty": nil, "alpine": alpine(), "debian": debian(), "everything": manyKinds()} {
		c := contentsOf(t, items...)
		data, err := c.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		equalContents(t, parsed(t, c), c)
		for range 10 {
			again, err := contentsOf(t, items...).MarshalBinary()
			if err != nil || !bytes.Equal(again, data) {
				t.Errorf("%s: recorded again it has other bytes (%v)", name, err)
			}
		}
	}
}

// TestContentsDamaged: bytes that are not all there, or too many, are refused.
func TestContentsDamaged(t *testing.T) {
	data, err := contentsOf(t, manyKinds()...).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if _, err := ParseContents(data[:n]); err == nil {
			t.Errorf("accepted although cut off after %d of %d bytes", n, len(data))
		}
	}
	other := slices.Clone(data)
	other[len(codecMagic)]++
	for name, bad := range map[string][]byte{"longer": append(slices.Clone(data), 0), "of another version": other, "nothing": nil} {
		if _, err := ParseContents(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestContentsAltered: a byte that is another makes an error, or another layer,
// but never a panic.
func TestContentsAltered(t *testing.T) {
	base := contentsOf(t, alpine()...)
	data, err := contentsOf(t, slices.Concat(alpine(), debian(), tocItems(tocText))...).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for i, was := range data {
		for _, b := range []byte{0, was + 1, was - 1, was ^ 0x80, was ^ 0x10, 0xff} {
			data[i] = b
			survives(t, base, data)
		}
		data[i] = was
	}
}

// TestContentsNames: names that no layer has, or that could have been written
// shorter, are refused.
func TestContentsNames(t *testing.T) {
	for name, c := range map[string]*Contents{
		"a name that escapes":  {records: []record{{kind: File, rest: 4}}, text: "../x"},
		"an absolute name":     {records: []record{{kind: File, rest: 2}}, text: "/x"},
		"no name":              {records: []record{{kind: File}}},
		"shares too much":      {records: []record{{kind: File, rest: 3}, {kind: File, shared: 4, rest: 1}}, text: "a/bc"},
		"shares half a name":   {records: []record{{kind: File, rest: 4}, {kind: File, shared: 1, rest: 1}}, text: "ab/cd"},
		"shares too little":    {records: []record{{kind: File, rest: 3}, {kind: File, rest: 3}}, text: "a/ba/c"},
		"shares a base":        {records: []record{{kind: File, rest: 1}, {kind: File, shared: 1, rest: 1}}, text: "ab"},
		"text left":            {records: []record{{kind: File, rest: 1}}, text: "ab"},
		"text missing":         {records: []record{{kind: File, rest: 2}}, text: "a"},
		"link to nothing":      {records: []record{{kind: Symlink, rest: 1}}, text: "a"},
		"link that escapes":    {records: []record{{kind: Hardlink, rest: 1, link: 4}}, text: "a../b"},
		"file with a target":   {records: []record{{kind: File, rest: 1, link: 1}}, text: "ab"},
		"twin of nothing":      {records: []record{{kind: File, rest: 5, twin: 2}}, text: "a.jar"},
		"twin that was unread": {records: []record{{kind: File, rest: 1, twin: 1}}, text: "a"},
		"too deep":             {records: []record{{kind: File, rest: maxName + 1}}, text: strings.Repeat("a/", maxName/2) + "b"},
	} {
		c.stats.Entries = len(c.records)
		data, err := c.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseContents(data); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestContentsEntries: what a cache returns must account for all its entries.
func TestContentsEntries(t *testing.T) {
	c := contentsOf(t, alpine()...)
	c.stats.Entries = 1
	if _, err := c.MarshalBinary(); err == nil {
		t.Error("marshalled although there are more entries than Stats says")
	}
}

// TestMergeShared: trees of several images merge the same layers at once.
func TestMergeShared(t *testing.T) {
	layers := []*Contents{contentsOf(t, manyKinds()...), contentsOf(t, alpine()...)}
	var all [8]*Facts
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			tree := NewTree(DefaultLimits())
			for n, c := range layers {
				if err := tree.Merge(Spec{Index: n, DiffID: fmt.Sprint(n)}, c); err != nil {
					t.Error(err)
				}
			}
			all[i] = tree.Finish()
		})
	}
	wg.Wait()
	for _, f := range all[1:] {
		if diff := cmp.Diff(all[0], f); diff != "" {
			t.Error(diff)
		}
	}
}

// TestMergeOrder: a layer merged below one that was merged before would make
// whiteouts delete the wrong files.
func TestMergeOrder(t *testing.T) {
	tree, c := NewTree(DefaultLimits()), contentsOf(t, alpine()...)
	for _, tt := range []struct {
		index int
		ok    bool
	}{{0, true}, {2, true}, {2, false}, {1, false}, {3, true}} {
		if err := tree.Merge(Spec{Index: tt.index}, c); (err == nil) != tt.ok {
			t.Errorf("layer %d: %v", tt.index, err)
		}
	}
}

// TestMergeMemory: what one layer may hold, a hundred together may not.
func TestMergeMemory(t *testing.T) {
	big := strings.Repeat("#", maxAccounts)
	filler := contentsOf(t, file1(passwdPath, big))
	rest := contentsOf(t, debian()...)
	tree := NewTree(DefaultLimits())
	n := maxKept / maxAccounts
	for i := range n {
		if err := tree.Merge(Spec{Index: i}, filler); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.Merge(Spec{Index: n}, rest); err != nil {
		t.Fatal(err)
	}
	f := tree.Finish()
	for _, subject := range []string{dpkgStatus, libOSRelease, dpkgInfoDir + "/openssl.list"} {
		if !slices.ContainsFunc(f.Gaps, func(g gapEvidence) bool {
			return g.Subject == subject && (strings.Contains(g.Detail, problemTooMany) || strings.Contains(g.Detail, problemPackages))
		}) {
			t.Errorf("%s was forgotten unseen: %+v", subject, f.Gaps)
		}
	}
}

// TestBudgetKnown: a layer from a cache costs what reading it would.
func TestBudgetKnown(t *testing.T) {
	l := Limits{BlobSize: 1 << 30, LayerSize: 4 << 30, ImageSize: 6 << 30, Ratio: 10, Entries: 100, PathLength: 100, FileSize: 100}
	good := Stats{Compressed: 1 << 30, Uncompressed: 3 << 30, Entries: 50}
	for want, layers := range map[string][]Stats{
		"":           {good, good},
		"blob-size":  {{Compressed: 1<<30 + 1}},
		"layer-size": {{Compressed: 1 << 30, Uncompressed: 4<<30 + 1}},
		"image-size": {good, good, {Uncompressed: 1}},
		"ratio":      {{Compressed: 1 << 20, Uncompressed: 200 << 20}},
		"entries":    {{Entries: 60}, {Entries: 41}},
	} {
		b, err := NewBudget(l), error(nil)
		for i, s := range layers {
			if err = b.Known(s); err != nil && i < len(layers)-1 {
				t.Errorf("%s: layer %d: %v", want, i, err)
			}
		}
		limit, _ := err.(*LimitError)
		if want == "" && err != nil || want != "" && (limit == nil || limit.Name != want) {
			t.Errorf("got %v, want the limit %s", err, want)
		}
	}
}

// FuzzParseContents checks that ParseContents refuses bytes of any kind or
// returns contents that can be merged and are encoded to the same bytes.
func FuzzParseContents(f *testing.F) {
	for _, items := range [][]item{nil, alpine(), debian(), rpmImage(rpmDir), tocItems(tocText), manyKinds()} {
		data, err := contentsOf(f, items...).MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	base := contentsOf(f, slices.Concat(alpine(), debian())...)
	f.Fuzz(func(t *testing.T, data []byte) { survives(t, base, data) })
}

// survives parses foreign bytes and merges what comes of them with base.
func survives(t *testing.T, base *Contents, data []byte) {
	t.Helper()
	c, err := ParseContents(data)
	if err != nil {
		return
	}
	again, err := c.MarshalBinary()
	if err != nil || !bytes.Equal(again, data) {
		t.Fatalf("%x is written as %x (%v)", data, again, err)
	}
	equalContents(t, parsed(t, c), c)
	for _, layers := range [][]*Contents{{c}, {base, c}, {c, base, c}} {
		tree := NewTree(DefaultLimits())
		for i, c := range layers {
			if err := tree.Merge(Spec{Index: i}, c); err != nil {
				return
			}
		}
		tree.Finish()
	}
}
