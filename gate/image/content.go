package image

import (
	"errors"
	"fmt"
	"io"
	"mime"
)

// Content is a document whose bytes are here.
type Content struct {
	Raw    []byte
	Digest string // of Raw
	// MediaType is what the registry's Content-Type header says, "" where
	// there is none.
	MediaType string
}

// NewContent hashes raw with the algorithm of the digest that is expected, and
// compares both digest and size. "" and 0 expect nothing.
func NewContent(raw []byte, digest string, size int64) (*Content, error) {
	c := &Content{Raw: raw, Digest: DigestOf(raw, digest)}
	if digest != "" && c.Digest != digest {
		return nil, &MismatchError{Want: digest, Got: c.Digest, Size: int64(len(raw))}
	}
	if size > 0 && int64(len(raw)) != size {
		return nil, Refuse("it has %d bytes, and its descriptor announces %d", len(raw), size)
	}
	return c, nil
}

// MismatchError says that content is not what its digest says.
type MismatchError struct {
	Want, Got string
	Size      int64 // of what came
}

// Error implements error.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("the content is not what its digest says: %d bytes with the digest %s came instead of %s", e.Size, e.Got, e.Want)
}

// ErrTooLong is the error of [ReadAll] for a body that is longer than its limit.
var ErrTooLong = errors.New("the answer is too long")

// ReadAll reads a body to its end. It returns [ErrTooLong] for a body that is
// longer than limit, even if the Content-Length header gives a smaller number.
func ReadAll(body io.Reader, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(body, limit+1))
	if int64(len(raw)) > limit {
		return nil, ErrTooLong
	}
	return raw, err
}

// MediaTypeOf reads a Content-Type header, "" where there is none.
func MediaTypeOf(header string) string {
	if header == "" {
		return ""
	}
	t, _, err := mime.ParseMediaType(header)
	if err != nil {
		return header
	}
	return t
}

// Refusal says that content is not accepted, and why.
type Refusal struct{ text string }

// Error implements error.
func (r *Refusal) Error() string { return r.text }

// Refuse returns a [Refusal].
func Refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }
