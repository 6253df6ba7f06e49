package cache

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A frame is an entry as it is stored, in either kind of cache:
//
//	magic    4 bytes "IGLC"
//	version  1 byte
//	sealing  1 byte: by SHA-256 or by HMAC-SHA-256
//	zero     2 bytes
//	size     8 bytes: of the data before compression
//	seal    32 bytes
//	payload  the data, compressed by zstd
//
// The seal is over all of the other bytes and over the key that the entry is
// stored under: without that, an entry that was copied to the key of another layer
// would be genuine.
const (
	frameMagic   = "IGLC"
	frameVersion = 1
	sealedByHash = 1
	sealedByMAC  = 2

	sealAt     = 16
	payloadAt  = sealAt + sha256.Size
	maxPayload = MaxEntry + MaxEntry/128 + 1024 // what zstd makes of data it cannot compress
	maxFrame   = payloadAt + maxPayload
)

var (
	// errOlder is a frame of another version of imagegate. That is usual and
	// nothing to warn of.
	errOlder = errors.New("it has another format")
	// errForged is a frame whose seal does not fit.
	errForged  = errors.New("it is damaged, or was written under another key or with another secret")
	errShape   = errors.New("it is no entry of a layer cache")
	errNoEntry = errors.New("there is no entry")
	errLarge   = fmt.Errorf("it is larger than %d MiB", MaxEntry>>20)
)

// sealer makes and opens frames.
type sealer struct {
	secret []byte // nil: frames are sealed by a plain hash
	coders func() (*zstd.Encoder, *zstd.Decoder)
}

func newSealer(secret []byte) *sealer {
	return &sealer{secret: secret, coders: sync.OnceValues(newCoders)}
}

// newCoders makes what compresses and decompresses, which takes memory and so
// waits until it is needed. Both have constant options and so cannot fail.
func newCoders() (*zstd.Encoder, *zstd.Decoder) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(MaxEntry), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic(err)
	}
	return enc, dec
}

func (s *sealer) sealing() byte {
	if s.secret != nil {
		return sealedByMAC
	}
	return sealedByHash
}

// name is what an entry is called in the cache. It depends on the secret and on
// the format, so that entries of different secrets and formats are kept side by
// side.
func (s *sealer) name(key string) string {
	h := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(h, "imagegate layer cache, name of an entry\x00%d\x00%s", frameVersion, key)
	return hex.EncodeToString(h.Sum(nil))
}

// sum is the seal of a frame under a key.
func (s *sealer) sum(key string, frame []byte) []byte {
	var h hash.Hash
	if s.secret != nil {
		h = hmac.New(sha256.New, s.secret)
	} else {
		h = sha256.New()
	}
	h.Write(frame[:sealAt])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(key))))
	h.Write([]byte(key))
	h.Write(frame[payloadAt:])
	return h.Sum(nil)
}

// seal makes the frame of data under key.
func (s *sealer) seal(key string, data []byte) ([]byte, error) {
	if len(data) > MaxEntry {
		return nil, errLarge
	}
	frame := make([]byte, payloadAt, payloadAt+len(data)/4+1024)
	copy(frame, frameMagic)
	frame[4], frame[5] = frameVersion, s.sealing()
	binary.BigEndian.PutUint64(frame[8:], uint64(len(data)))
	enc, _ := s.coders()
	frame = enc.EncodeAll(data, frame)
	copy(frame[sealAt:], s.sum(key, frame))
	return frame, nil
}

// open returns the data in a frame that was sealed under key. Nothing of the
// payload is looked at before the seal was found genuine.
func (s *sealer) open(key string, frame []byte) ([]byte, error) {
	switch {
	case len(frame) > maxFrame:
		return nil, errLarge
	case len(frame) < payloadAt || string(frame[:4]) != frameMagic:
		return nil, errShape
	case frame[4] != frameVersion:
		return nil, errOlder
	case frame[5] != s.sealing() || !hmac.Equal(frame[sealAt:payloadAt], s.sum(key, frame)):
		return nil, errForged
	}
	size := binary.BigEndian.Uint64(frame[8:])
	if size > MaxEntry {
		return nil, errLarge
	}
	// Without a secret anyone can make a genuine seal, so the size may be false: it
	// is trusted up to a usual ratio, and the decoder stops at MaxEntry.
	_, dec := s.coders()
	data, err := dec.DecodeAll(frame[payloadAt:], make([]byte, 0, min(size, uint64(len(frame))*64)))
	if err != nil {
		return nil, fmt.Errorf("decompress it: %w", err)
	}
	if uint64(len(data)) != size {
		return nil, fmt.Errorf("it has %d bytes instead of %d", len(data), size)
	}
	return data, nil
}
