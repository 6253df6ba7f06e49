package gate_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest"
	"github.com/imagegate/imagegate/policy/evidence"
)

const benchmarkImages = 200

func benchmarkEvidence(tb testing.TB, n int) []evidence.Image {
	tb.Helper()
	images, err := gatetest.Evidence(n)
	if err != nil {
		tb.Fatal(err)
	}
	return images
}

// fullForm is the first form of a file of evidence.
func fullForm(tb testing.TB, images ...evidence.Image) []byte {
	tb.Helper()
	b, err := json.MarshalIndent(gate.Saved{SchemaVersion: 1, Images: images}, "", " ")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func tableForm(tb testing.TB, images ...evidence.Image) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := (&gate.Saved{Images: images}).Write(&b); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// Reading evidence, in both forms, from a file for each image and from one
// for all.
func BenchmarkSavedReader(b *testing.B) {
	images := benchmarkEvidence(b, benchmarkImages)
	for form, write := range map[string]func(testing.TB, ...evidence.Image) []byte{"full": fullForm, "table": tableForm} {
		b.Run("form="+form+"/files=each", func(b *testing.B) {
			var files [][]byte
			for i := range images {
				files = append(files, write(b, images[i]))
			}
			benchmarkFiles(b, files)
		})
		b.Run("form="+form+"/files=one", func(b *testing.B) {
			benchmarkFiles(b, [][]byte{write(b, images...)})
		})
	}
}

func benchmarkFiles(b *testing.B, files [][]byte) {
	size := 0
	for _, f := range files {
		size += len(f)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		r := gate.NewSavedReader()
		for _, f := range files {
			if _, err := r.Parse(f); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(benchmarkImages*float64(b.N)/b.Elapsed().Seconds(), "images/s")
}
