package spool

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// What comes out is what was written, in its order, whatever is shared.
func TestSpool(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	texts := make([][]byte, 20)
	for i := range texts {
		texts[i] = bytes.Repeat([]byte{byte('a' + i)}, random.IntN(200))
	}
	for _, limit := range []int{0, 1000, inMemory} {
		file, err := os.Create(filepath.Join(t.TempDir(), "report"))
		if err != nil {
			t.Fatal(err)
		}
		s := New(file)
		s.limit = limit
		var want, got bytes.Buffer
		shared := 0
		for range 1000 {
			text := texts[random.IntN(len(texts))]
			want.Write(text)
			if random.IntN(2) == 0 {
				_, _ = s.WriteShared(text)
				shared += len(text)
				continue
			}
			_, _ = s.Write(text)
		}
		if err := s.End(); err != nil {
			t.Fatal(err)
		}
		if err := s.CopyTo(&got); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("limit %d: %d bytes came out, want %d; %v", limit, got.Len(), want.Len(), err)
		}
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if limit == inMemory && info.Size() != int64(want.Len()-shared) {
			t.Errorf("the file has %d bytes, want %d", info.Size(), want.Len()-shared)
		}
		if s.kept > limit {
			t.Errorf("%d bytes are in memory, more than %d", s.kept, limit)
		}
		_ = file.Close()
	}
}

// A file that cannot be written ends nothing, and is told at the end.
func TestSpoolThatCannotBeWritten(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "report"))
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	s := New(file)
	for range 3 {
		if _, err := s.Write(make([]byte, 100_000)); err != nil {
			t.Errorf("a write ended with %v", err)
		}
	}
	if s.End() == nil {
		t.Error("the error is lost")
	}
}
