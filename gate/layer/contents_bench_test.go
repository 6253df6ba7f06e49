package layer

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// fatLayers are the entries of an image of 50,000 files in as many layers as
// asked for, as a builder writes them: directories in order, a program or a file
// of a language among the others.
func fatLayers(layers int) [][]*Entry {
	const files, perDir = 50_000, 12
	all := make([][]*Entry, layers)
	for l := range all {
		for i := range files / layers {
			dir := fmt.Sprintf("usr/lib/python3/dist-packages/package%d/module%d", (l*files+i)/(10*perDir), i/perDir%10)
			if i%perDir == 0 {
				all[l] = append(all[l], &Entry{Name: dir, Type: Dir})
			}
			name := fmt.Sprintf("source_file_%d.py", i%perDir)
			switch i % 20 {
			case 0:
				name = fmt.Sprintf("lib%d.so", i)
			case 1:
				name = "METADATA"
			}
			all[l] = append(all[l], &Entry{Name: dir + "/" + name, Type: File, Size: 100, Mode: 0o644})
		}
	}
	return all
}

// record1 records entries with bodies like those of fatLayers.
func record1(b testing.TB, entries []*Entry) *Contents {
	r := NewRecorder(DefaultLimits())
	program, text := elfDyn+strings.Repeat("\x00", 100-len(elfDyn)), strings.Repeat("x", 100)
	body := strings.NewReader("")
	for _, e := range entries {
		var from io.Reader
		if e.Type == File {
			if body.Reset(text); strings.HasSuffix(e.Name, ".so") {
				body.Reset(program)
			}
			from = body
		}
		if err := r.Visit(e, from); err != nil {
			b.Fatal(err)
		}
	}
	return r.Finish(Stats{Entries: len(entries)})
}

func fatContents(b testing.TB, layers int) []*Contents {
	var all []*Contents
	for _, entries := range fatLayers(layers) {
		all = append(all, record1(b, entries))
	}
	return all
}

func BenchmarkRecord(b *testing.B) {
	entries := fatLayers(1)[0]
	b.ReportAllocs()
	for b.Loop() {
		record1(b, entries)
	}
}

func BenchmarkMarshal(b *testing.B) {
	c := fatContents(b, 1)[0]
	b.ReportAllocs()
	for b.Loop() {
		data, err := c.MarshalBinary()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(data)), "bytes")
	}
}

func BenchmarkParseContents(b *testing.B) {
	data, err := fatContents(b, 1)[0].MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseContents(data); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkMerge(b *testing.B, layers int, finish bool) {
	all := fatContents(b, layers)
	b.ReportAllocs()
	for b.Loop() {
		tree := NewTree(DefaultLimits())
		for i, c := range all {
			if err := tree.Merge(Spec{Index: i}, c); err != nil {
				b.Fatal(err)
			}
		}
		if finish {
			tree.Finish()
		}
	}
}

func BenchmarkMerge(b *testing.B) { benchmarkMerge(b, 1, false) }

// BenchmarkTree is what a warm run spends on an image besides reading the cache.
func BenchmarkTree(b *testing.B) {
	for _, layers := range []int{1, 8} {
		b.Run(fmt.Sprintf("layers=%d", layers), func(b *testing.B) { benchmarkMerge(b, layers, true) })
	}
	// The tree remembers the last directory. Here each entry is in another one.
	b.Run("scattered", func(b *testing.B) {
		var entries []*Entry
		for i := range 50_000 {
			entries = append(entries, &Entry{Name: fmt.Sprintf("usr/lib/python3/d%d/p%d/f%d.py", i%50, i%500, i), Type: File, Size: 100})
		}
		c := record1(b, entries)
		b.ReportAllocs()
		for b.Loop() {
			tree := NewTree(DefaultLimits())
			if err := tree.Merge(Spec{}, c); err != nil {
				b.Fatal(err)
			}
			tree.Finish()
		}
	})
}
