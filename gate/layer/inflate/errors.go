package inflate

import (
	"compress/flate"
	"compress/gzip"
	"fmt"
	"io"
)

// The errors are those of compress/gzip and compress/flate, for errors.Is and
// errors.As, and say what they do not: what is wrong and where. Errors of the
// source come as they are.

// badHeader is the error of what is no gzip header, or of a wrong one.
func (i *input) badHeader(what string) error {
	return fmt.Errorf("%w: %s at byte %d", gzip.ErrHeader, what, i.offset())
}

// badSum is the error of a member that is not what was compressed.
func (i *input) badSum() error {
	return fmt.Errorf("%w: what came out does not fit the trailer before byte %d", gzip.ErrChecksum, i.offset())
}

// corrupt is the error of data that no compressor writes.
func (i *input) corrupt(what string) error {
	return fmt.Errorf("gzip: %s: %w", what, flate.CorruptInputError(i.offset()))
}

// short is the error of input that ends where it should not.
func (i *input) short() error {
	if i.ended == io.EOF {
		return fmt.Errorf("gzip: %w after byte %d", io.ErrUnexpectedEOF, i.total)
	}
	return i.ended
}
