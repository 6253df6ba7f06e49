package cache

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

var testSecret = []byte("sixteen bytes or more of secret")

func sealers() map[string]*sealer {
	return map[string]*sealer{"hash": newSealer(nil), "MAC": newSealer(testSecret)}
}

func TestFramesComeBack(t *testing.T) {
	noise := make([]byte, 3<<20)
	rand.Read(noise)
	for name, s := range sealers() {
		for _, data := range [][]byte{{}, []byte("x"), dataOf(1, 3<<20), noise, make([]byte, MaxEntry)} {
			frame, err := s.seal(keyOf(1), data)
			if err != nil {
				t.Fatalf("%s: seal %d bytes: %v", name, len(data), err)
			}
			got, err := s.open(keyOf(1), frame)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %d bytes came back as %d, error %v", name, len(data), len(got), err)
			}
		}
		if _, err := s.seal(keyOf(1), make([]byte, MaxEntry+1)); !errors.Is(err, errLarge) {
			t.Errorf("%s: sealing too much: error %v, want %v", name, err, errLarge)
		}
	}
}

// The largest entry that does not compress fits into what a reader takes.
func TestLargestFrameIsAccepted(t *testing.T) {
	noise := make([]byte, MaxEntry)
	rand.Read(noise)
	s := newSealer(testSecret)
	frame, err := s.seal(keyOf(1), noise)
	if err != nil {
		t.Fatal(err)
	}
	if len(frame) > maxFrame {
		t.Errorf("the frame has %d bytes, and a reader takes %d", len(frame), maxFrame)
	}
	if got, err := s.open(keyOf(1), frame); err != nil || !bytes.Equal(got, noise) {
		t.Errorf("it does not come back: %v", err)
	}
}

// Every bit of a frame is under its seal.
func TestTamperedFramesAreRefused(t *testing.T) {
	for name, s := range sealers() {
		frame, err := s.seal(keyOf(1), dataOf(1, 400))
		if err != nil {
			t.Fatal(err)
		}
		for i := range frame {
			for bit := range 8 {
				bad := bytes.Clone(frame)
				bad[i] ^= 1 << bit
				if _, err := s.open(keyOf(1), bad); err == nil {
					t.Errorf("%s: bit %d of byte %d does not matter", name, bit, i)
				}
			}
		}
		for n := range len(frame) {
			if _, err := s.open(keyOf(1), frame[:n]); err == nil {
				t.Errorf("%s: the first %d of %d bytes are accepted", name, n, len(frame))
			}
		}
		if _, err := s.open(keyOf(1), append(bytes.Clone(frame), 0)); err == nil {
			t.Errorf("%s: a byte too many is accepted", name)
		}
	}
}

func TestFramesOfOthersAreRefused(t *testing.T) {
	hash, mac, other := newSealer(nil), newSealer(testSecret), newSealer([]byte("another secret of 16 and more"))
	seal := func(s *sealer) []byte {
		frame, err := s.seal(keyOf(1), []byte("data"))
		if err != nil {
			t.Fatal(err)
		}
		return frame
	}
	older := seal(hash)
	older[4]++
	for _, test := range []struct {
		name   string
		reader *sealer
		key    string
		frame  []byte
		want   error
	}{
		{"copied to another key", hash, keyOf(2), seal(hash), errForged},
		{"copied to another key, with a MAC", mac, keyOf(2), seal(mac), errForged},
		{"another secret", mac, keyOf(1), seal(other), errForged},
		{"no secret where one is needed", mac, keyOf(1), seal(hash), errForged},
		{"a secret where none is known", hash, keyOf(1), seal(mac), errForged},
		{"another version", hash, keyOf(1), older, errOlder},
		{"something else", hash, keyOf(1), bytes.Repeat([]byte("text "), 40), errShape},
		{"too large", hash, keyOf(1), make([]byte, maxFrame+1), errLarge},
		{"nothing", hash, keyOf(1), nil, errShape},
	} {
		if data, err := test.reader.open(test.key, test.frame); !errors.Is(err, test.want) {
			t.Errorf("%s: %q, error %v, want %v", test.name, data, err, test.want)
		}
	}
}

// forge makes a frame with a genuine seal around any size and payload.
func forge(s *sealer, key string, size uint64, payload []byte) []byte {
	frame := make([]byte, payloadAt, payloadAt+len(payload))
	copy(frame, frameMagic)
	frame[4], frame[5] = frameVersion, s.sealing()
	binary.BigEndian.PutUint64(frame[8:], size)
	frame = append(frame, payload...)
	copy(frame[sealAt:], s.sum(key, frame))
	return frame
}

// Without a secret, a seal is no proof: sizes may be false and payloads be bombs.
func TestHostilePayloadsAreRefused(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSealer(nil)
	bomb := enc.EncodeAll(make([]byte, 2*MaxEntry), nil)
	half := enc.EncodeAll(make([]byte, MaxEntry), nil)
	small := enc.EncodeAll([]byte("data"), nil)
	for name, frame := range map[string][]byte{
		"a bomb":            forge(s, keyOf(1), MaxEntry, bomb),
		"a bomb in halves":  forge(s, keyOf(1), MaxEntry, slices.Concat(half, half)),
		"a size beyond all": forge(s, keyOf(1), 1<<63, small),
		"less than said":    forge(s, keyOf(1), 5, small),
		"more than said":    forge(s, keyOf(1), 3, small),
		"not zstd":          forge(s, keyOf(1), 4, []byte("data")),
		"no payload":        forge(s, keyOf(1), 1, nil),
	} {
		if data, err := s.open(keyOf(1), frame); err == nil {
			t.Errorf("%s: accepted with %d bytes", name, len(data))
		}
	}
}

func FuzzOpenFrame(f *testing.F) {
	hash, mac := newSealer(nil), newSealer(testSecret)
	for _, s := range []*sealer{hash, mac} {
		frame, err := s.seal(keyOf(1), dataOf(1, 100))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame, false)
		f.Add(frame, true)
		f.Add(frame[:payloadAt], true)
	}
	f.Add([]byte(nil), false)
	f.Fuzz(func(t *testing.T, frame []byte, reseal bool) {
		if _, err := mac.open(keyOf(1), frame); err == nil && frame[5] != sealedByMAC {
			t.Errorf("accepted without a MAC: %x", frame)
		}
		if reseal && len(frame) >= payloadAt {
			frame = forge(hash, keyOf(1), binary.BigEndian.Uint64(frame[8:]), frame[payloadAt:])
		}
		data, err := hash.open(keyOf(1), frame)
		if err != nil {
			return
		}
		again, err := hash.seal(keyOf(1), data)
		if err != nil {
			t.Fatalf("what was opened cannot be sealed: %v", err)
		}
		if back, err := hash.open(keyOf(1), again); err != nil || !bytes.Equal(back, data) {
			t.Errorf("%d bytes do not come back: %v", len(data), err)
		}
	})
}
