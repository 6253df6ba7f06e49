package remote

import (
	"hash"
	"io"
	"sync"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/promote"
)

// verifiedBlob compares what was read with the digest before it returns the last
// bytes: an upload of other bytes is never complete.
type verifiedBlob struct {
	io.ReadCloser
	descriptor promote.Descriptor
	sum        hash.Hash

	mu     sync.Mutex // net/http may still read when its request has failed already
	offset int64
	marks  []mark
}

// mark is the hash of the bytes before an offset, so that a blob can be read from
// there on and hashed as a whole all the same. The zero value is the begin of a blob.
type mark struct {
	offset int64
	sum    hash.Hash // is never written to
}

// markEvery is how many bytes are between two marks: as many are read again when an
// upload is resumed.
const markEvery = 4 << 20

// newVerifiedBlob is a blob from the last of the marks on. Its reader is still missing.
func newVerifiedBlob(d promote.Descriptor, marks []mark) *verifiedBlob {
	b := &verifiedBlob{descriptor: d, marks: marks, sum: image.NewHash(d.Digest)}
	if last := b.last(); last.sum != nil {
		b.sum, b.offset = cloneHash(last.sum), last.offset
	}
	return b
}

// Read implements [io.Reader].
func (b *verifiedBlob) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.sum.Write(p[:n])
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offset += int64(n)
	switch {
	case b.offset >= b.descriptor.Size || err == io.EOF:
		if got := image.SumOf(b.sum, b.descriptor.Digest); got != b.descriptor.Digest {
			return 0, &image.MismatchError{Want: b.descriptor.Digest, Got: got, Size: b.descriptor.Size}
		}
	case b.offset-b.last().offset >= markEvery:
		if sum := cloneHash(b.sum); sum != nil {
			b.marks = append(b.marks, mark{b.offset, sum})
		}
	}
	return n, err
}

func (b *verifiedBlob) last() mark {
	if len(b.marks) == 0 {
		return mark{}
	}
	return b.marks[len(b.marks)-1]
}

// marksBefore returns the marks up to an offset, none when not so much was read.
func (b *verifiedBlob) marksBefore(offset int64) []mark {
	b.mu.Lock()
	defer b.mu.Unlock()
	if offset > b.offset {
		return nil
	}
	n := len(b.marks)
	for n > 0 && b.marks[n-1].offset > offset {
		n--
	}
	return b.marks[:n:n]
}

// cloneHash returns nil where the hash cannot be cloned, as in some FIPS modes.
func cloneHash(h hash.Hash) hash.Hash {
	if cloner, ok := h.(hash.Cloner); ok {
		if clone, err := cloner.Clone(); err == nil {
			return clone
		}
	}
	return nil
}
