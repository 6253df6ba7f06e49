package inflate

import (
	"errors"
	"fmt"
	"io"
)

// The kinds of errors, as errors.Is finds them. A stream that ends too early is
// io.ErrUnexpectedEOF, and errors of the source come as they are.
var (
	// ErrHeader is what is no gzip header, at the start or behind a member.
	ErrHeader = errors.New("invalid header")
	// ErrChecksum is a member whose checksum or size is not that of its bytes.
	ErrChecksum = errors.New("invalid checksum")
	// ErrCorrupt is compressed data that no compressor writes.
	ErrCorrupt = errors.New("corrupt data")
)

// fail says what is wrong and how far the input was read.
func (i *input) fail(kind error, what string) error {
	return fmt.Errorf("gzip: %w: %s at byte %d", kind, what, i.offset())
}

func (i *input) corrupt(what string) error { return i.fail(ErrCorrupt, what) }

// short is the error of input that ends where it should not.
func (i *input) short() error {
	if i.ended == io.EOF {
		return fmt.Errorf("gzip: %w after byte %d", io.ErrUnexpectedEOF, i.total)
	}
	return i.ended
}
