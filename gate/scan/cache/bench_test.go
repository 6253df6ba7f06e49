package cache

import (
	"context"
	"fmt"
	"testing"
)

// The size of an analysis is between that of a layer with a program and that
// of a distribution's whole package list.
func benchmark(b *testing.B, place string, o Options) {
	for _, size := range []int{10 << 10, 300 << 10, 3 << 20} {
		data := dataOf(1, size)
		s := mustOpen(b, place, o)
		b.Run(fmt.Sprintf("Put/%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := s.Put(context.Background(), keyOf(i%64), data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("Get/%dKiB", size>>10), func(b *testing.B) {
			if err := s.Put(context.Background(), keyOf(1), data); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Get(context.Background(), keyOf(1), saves); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDirectory(b *testing.B) { benchmark(b, b.TempDir(), Options{}) }

func BenchmarkDirectoryWithSecret(b *testing.B) { benchmark(b, b.TempDir(), Options{Key: testSecret}) }

func BenchmarkRedis(b *testing.B) { benchmark(b, startRedis(b).url(), Options{Key: testSecret}) }
