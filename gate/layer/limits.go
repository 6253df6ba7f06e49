package layer

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limits bounds what an image may cost. A limit of zero allows nothing: use
// [DefaultLimits].
type Limits struct {
	BlobSize   int64 // compressed bytes of one layer
	LayerSize  int64 // uncompressed bytes of one layer
	ImageSize  int64 // uncompressed bytes of all layers
	Ratio      int64 // uncompressed to compressed bytes, after the first RatioFrom
	Entries    int64 // archive entries of all layers
	PathLength int64 // bytes of one path or link target
	FileSize   int64 // bytes of one file that has to be parsed as a whole
}

// RatioFrom is the uncompressed size from which Limits.Ratio is watched. Small
// layers of zeros are harmless and common.
const RatioFrom = 100 << 20

// DefaultLimits are far above honest images: the largest on Docker Hub with
// machine-learning frameworks have layers of about 10 GiB.
func DefaultLimits() Limits {
	return Limits{
		BlobSize: 10 << 30, LayerSize: 20 << 30, ImageSize: 20 << 30, Ratio: 200,
		Entries: 2_000_000, PathLength: 4096, FileSize: 512 << 20,
	}
}

// limitField is the name of one limit on the command line.
type limitField struct {
	name  string
	bytes bool // the value is a size: 512MiB, 20GiB
	value *int64
}

func (l *Limits) fields() []limitField {
	return []limitField{
		{"blob-size", true, &l.BlobSize},
		{"layer-size", true, &l.LayerSize},
		{"image-size", true, &l.ImageSize},
		{"ratio", false, &l.Ratio},
		{"entries", false, &l.Entries},
		{"path-length", false, &l.PathLength},
		{"file-size", true, &l.FileSize},
	}
}

// Names lists the names that [Limits.Set] knows.
func (l *Limits) Names() []string {
	fields := l.fields()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

// Set changes the limit called name. Sizes may carry a unit: KiB, MiB, GiB, TiB.
func (l *Limits) Set(name, value string) error {
	for _, f := range l.fields() {
		if f.name != name {
			continue
		}
		n, err := parseQuantity(value, f.bytes)
		if err != nil {
			return fmt.Errorf("limit %s: %w", name, err)
		}
		*f.value = n
		return nil
	}
	return fmt.Errorf("unknown limit %q (use %s)", name, strings.Join(l.Names(), ", "))
}

func parseQuantity(s string, bytes bool) (int64, error) {
	digits, shift := s, 0
	if bytes {
		for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
			if rest, ok := strings.CutSuffix(s, unit); ok {
				digits, shift = rest, 10*(i+1)
			}
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n == 0 || n > math.MaxInt64>>shift {
		if bytes {
			return 0, fmt.Errorf("%q is not a size above zero (write bytes, or for example 512MiB)", s)
		}
		return 0, fmt.Errorf("%q is not a number above zero", s)
	}
	return int64(n) << shift, nil
}

// LimitError says that an image was not read further because it costs more
// than is allowed. It is no verdict on the image.
type LimitError struct {
	Name  string // as Limits.Set takes it
	Limit int64
	What  string // what is too large: "the layer's uncompressed size"
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s is over the limit of %s; if the image is to be trusted, raise it with --limit %s=VALUE", e.What, e.amount(), e.Name)
}

// amount writes the limit as Limits.Set would take it.
func (e *LimitError) amount() string {
	var l Limits
	for _, f := range l.fields() {
		if f.name != e.Name || !f.bytes {
			continue
		}
		for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
			if size := int64(1) << (40 - 10*i); e.Limit >= size && e.Limit%size == 0 {
				return strconv.FormatInt(e.Limit/size, 10) + unit
			}
		}
	}
	return strconv.FormatInt(e.Limit, 10)
}
