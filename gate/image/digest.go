package image

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"regexp"
	"strings"

	"github.com/imagegate/imagegate/policy/words"
)

var hexForm = regexp.MustCompile(`^[0-9a-f]+$`)

// digestLengths are the algorithms of the OCI image spec, with the number of
// hex digits of each.
var digestLengths = map[string]int{"sha256": 64, "sha512": 128}

// CheckDigest refuses everything but a whole digest in its one spelling: a
// digest that could be written in two ways would be two keys for one image.
func CheckDigest(s string) error {
	algorithm, digits, ok := strings.Cut(s, ":")
	want, known := digestLengths[algorithm]
	switch {
	case !ok || !known:
		return fmt.Errorf("%s is not a digest (write sha256: and 64 hex digits)", words.Quote(s))
	case !hexForm.MatchString(strings.ToLower(digits)):
		return fmt.Errorf("the digest %s has other characters than hex digits", words.Quote(s))
	case len(digits) != want:
		return fmt.Errorf("the digest %s has %d hex digits, and %s has %d (copy the whole digest)", words.Quote(s), len(digits), algorithm, want)
	case digits != strings.ToLower(digits):
		return fmt.Errorf("the digest has upper case letters (write %s)", strings.ToLower(s))
	}
	return nil
}

// NewHash returns the hash of a digest that [CheckDigest] accepted.
func NewHash(digest string) hash.Hash {
	if strings.HasPrefix(digest, "sha512:") {
		return sha512.New()
	}
	return sha256.New()
}

// DigestOf hashes b with the algorithm of the digest like, sha256 when that is
// empty.
func DigestOf(b []byte, like string) string {
	h := NewHash(like)
	h.Write(b)
	return SumOf(h, like)
}

// SumOf is the digest of what h has seen.
func SumOf(h hash.Hash, like string) string {
	algorithm := "sha256"
	if strings.HasPrefix(like, "sha512:") {
		algorithm = "sha512"
	}
	return algorithm + ":" + hex.EncodeToString(h.Sum(nil))
}
