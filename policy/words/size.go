package words

import (
	"fmt"
	"math"
	"regexp"
	"strconv"

	"github.com/dustin/go-humanize"
)

// SizeForm is the form of a size that [ParseSize] reads with a unit. It leaves
// out what people read in two ways: 2G, 2Gi, 1,5MB.
const SizeForm = `^([1-9][0-9]{0,8})\s?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$`

var (
	sizeForm  = regexp.MustCompile(SizeForm)
	bytesForm = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
)

// ParseSize reads a number of bytes above zero: 512MiB, 2GB or 1073741824. MB is
// a million bytes, MiB is 1,048,576 bytes.
func ParseSize(s string) (int64, error) {
	if bytesForm.MatchString(s) {
		// Not by ParseBytes, which computes with floating point numbers.
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
	}
	if sizeForm.MatchString(s) {
		if n, err := humanize.ParseBytes(s); err == nil && n <= math.MaxInt64 {
			return int64(n), nil
		}
	}
	return 0, fmt.Errorf("%s is not a size above zero (write a number and a unit, such as 512MiB or 2GB)", Quote(s))
}

// Size returns a number of bytes in decimal units, as registries and image
// sizes are given: "1.5 kB", "83 MB".
func Size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// BinarySize returns a number of bytes in binary units, as memory and disks are
// given: "1.5 KiB", "79 MiB".
func BinarySize(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// ExactSize returns a number of bytes without rounding, in the form that
// [ParseSize] reads: "20GiB", "1048577".
func ExactSize(n int64) string {
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if size := int64(1) << (40 - 10*i); n >= size && n%size == 0 && n/size < 1e9 { // ParseSize reads nine digits
			return strconv.FormatInt(n/size, 10) + unit
		}
	}
	return strconv.FormatInt(n, 10)
}
