package layer

import "sync/atomic"

// Budget counts the bytes and entries that the layers of one image have used so
// far. It is safe for concurrent use.
type Budget struct {
	limits  Limits
	size    atomic.Int64
	entries atomic.Int64
}

// NewBudget returns the counters for one image.
func NewBudget(l Limits) *Budget { return &Budget{limits: l} }

// blob refuses a blob by its announced size, before it is fetched.
func (b *Budget) blob(size int64) error {
	if size > b.limits.BlobSize {
		return &LimitError{"blob-size", b.limits.BlobSize, "the layer's compressed size"}
	}
	return nil
}

// Known accounts for a layer that is not read again, because what it holds is
// known already: it refuses what reading it would have refused.
func (b *Budget) Known(s Stats) error {
	if err := b.blob(s.Compressed); err != nil {
		return err
	}
	if err := b.add(s.Uncompressed, s.Uncompressed, s.Compressed); err != nil {
		return err
	}
	return b.count(int64(s.Entries))
}

// grow accounts for n more uncompressed bytes of a layer that has had out of
// them from in compressed bytes.
func (b *Budget) grow(n int, out, in int64) error { return b.add(int64(n), out, in) }

func (b *Budget) add(n, out, in int64) error {
	switch l := b.limits; {
	case out > l.LayerSize:
		return &LimitError{"layer-size", l.LayerSize, "the layer's uncompressed size"}
	case b.size.Add(n) > l.ImageSize:
		return &LimitError{"image-size", l.ImageSize, "the image's uncompressed size"}
	case out > l.RatioFrom && out/l.Ratio >= max(in, 1):
		return &LimitError{"ratio", l.Ratio, "the layer's compression ratio"}
	}
	return nil
}

// entry accounts for one more archive entry.
func (b *Budget) entry() error { return b.count(1) }

func (b *Budget) count(n int64) error {
	if b.entries.Add(n) > b.limits.Entries {
		return &LimitError{"entries", b.limits.Entries, "the image's number of files"}
	}
	return nil
}

// path refuses names that no file system takes.
func (b *Budget) path(name string) error {
	if int64(len(name)) > b.limits.PathLength {
		return &LimitError{"path-length", b.limits.PathLength, "the length of the path " + quote(name)}
	}
	return nil
}
