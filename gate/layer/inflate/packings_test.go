package inflate

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// plains are contents of all sorts.
func plains() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var text bytes.Buffer
	for text.Len() < 200_000 {
		fmt.Fprintf(&text, "%s %d\n", strings.Repeat("word", r.IntN(4)), r.IntN(5000))
	}
	far := append(bytes.Clone(noise[:32<<10]), noise[:32<<10]...) // a distance of 32768
	return map[string][]byte{
		"empty": nil, "byte": {7}, "zeros": make([]byte, 300_000), "noise": noise, "text": text.Bytes(),
		"far": far, "periods": periods(),
	}
}

// periods repeats patterns of every short length.
func periods() []byte {
	var b []byte
	for n := 1; n < 40; n++ {
		b = append(b, bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP")[:n], 700/n)...)
	}
	return b
}

// packings are what the compressors we know make of contents.
func packings(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for name, plain := range plains() {
		for level := stdgzip.HuffmanOnly; level <= stdgzip.BestCompression; level++ {
			all[fmt.Sprintf("%s, level %d", name, level)] = pack(t, plain, level)
			var buf bytes.Buffer
			w, err := gzip.NewWriterLevel(&buf, level)
			if err != nil {
				t.Fatal(err)
			}
			for len(plain) > 0 { // with a block boundary here and there
				n := min(len(plain), 50_000)
				_, _ = w.Write(plain[:n])
				_ = w.Flush()
				plain = plain[n:]
			}
			_ = w.Close()
			all[fmt.Sprintf("%s, klauspost's level %d", name, level)] = buf.Bytes()
		}
	}
	return all
}
