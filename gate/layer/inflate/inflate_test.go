package inflate

import (
	"bytes"
	stdgzip "compress/gzip"
	"io"
	"testing"
)

func TestSamples(t *testing.T) {
	for name, packed := range samples(t) {
		r, _ := stdgzip.NewReader(bytes.NewReader(packed))
		want, err := io.ReadAll(r)
		if err != nil { t.Fatal(err) }
		z, err := NewReader(bytes.NewReader(packed))
		if err != nil { t.Fatal(err) }
		got, err := io.ReadAll(z)
		if err != nil || !bytes.Equal(got, want) {
			i := 0
			for i < len(got) && i < len(want) && got[i] == want[i] { i++ }
			t.Fatalf("%s: %v, differ at %d of %d/%d", name, err, i, len(got), len(want))
		}
	}
}
