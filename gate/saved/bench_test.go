package saved_test

import (
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/gatetest/evidencetest"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/policy/evidence"
)

const benchmarkImages = 200

func benchmarkEvidence(tb testing.TB, n int) []evidence.Image {
	tb.Helper()
	images := evidencetest.Evidence(n)
	return images
}

// Reading evidence from a file for each image and from one file for all.
func BenchmarkRead(b *testing.B) {
	images := benchmarkEvidence(b, benchmarkImages)
	b.Run("files=each", func(b *testing.B) {
		var files []string
		for i := range images {
			files = append(files, write(b, images[i:i+1]))
		}
		benchmarkFiles(b, files)
	})
	b.Run("files=one", func(b *testing.B) {
		benchmarkFiles(b, []string{write(b, images)})
	})
}

func benchmarkFiles(b *testing.B, files []string) {
	size := 0
	for _, f := range files {
		size += len(f)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		r := saved.NewReader()
		for _, f := range files {
			if _, err := r.Read(strings.NewReader(f), func(*evidence.Image) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(benchmarkImages*float64(b.N)/b.Elapsed().Seconds(), "images/s")
}
