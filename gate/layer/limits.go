package layer

import (
	"fmt"

	"github.com/imagegate/imagegate/gate/limit"
)

// Limits bounds what an image may cost. A limit of zero allows nothing: use
// [DefaultLimits].
type Limits struct {
	BlobSize   int64 // compressed bytes of one layer
	LayerSize  int64 // uncompressed bytes of one layer
	ImageSize  int64 // uncompressed bytes of all layers
	Ratio      int64 // uncompressed to compressed bytes, after the first RatioFrom
	RatioFrom  int64 // uncompressed bytes of one layer from which Ratio counts
	Entries    int64 // archive entries of all layers
	PathLength int64 // bytes of one path or link target
	FileSize   int64 // bytes of one file that has to be parsed as a whole
}

// DefaultLimits are far above ordinary images: the largest on Docker Hub with
// machine-learning frameworks have layers of about 10 GiB. Layers of zeros are
// common below the floor of the ratio: useradd with a high number makes a sparse
// var/log/lastlog of 292 bytes for each number below it, which a layer holds as
// zeros.
func DefaultLimits() Limits {
	return Limits{
		BlobSize: 10 << 30, LayerSize: 20 << 30, ImageSize: 20 << 30, Ratio: 200, RatioFrom: 1 << 30,
		Entries: 2_000_000, PathLength: 4096, FileSize: 512 << 20,
	}
}

// Table lists the limits with their names on the command line.
func (l *Limits) Table() limit.Table {
	return limit.Table{
		{Name: "blob-size", Bytes: &l.BlobSize},
		{Name: "layer-size", Bytes: &l.LayerSize},
		{Name: "image-size", Bytes: &l.ImageSize},
		{Name: "ratio", Count: &l.Ratio},
		{Name: "ratio-from", Bytes: &l.RatioFrom},
		{Name: "entries", Count: &l.Entries},
		{Name: "path-length", Count: &l.PathLength},
		{Name: "file-size", Bytes: &l.FileSize},
	}
}

// LimitError is the error for an image that exceeds a limit. The rest of the image
// is not read. It is not a verdict on the image.
type LimitError struct {
	Name  string // as [limit.Table.Set] takes it
	Limit int64
	What  string // what is too large: "the layer's uncompressed size"
}

// Error implements error.
func (e *LimitError) Error() string {
	var l Limits
	return fmt.Sprintf("%s is over the limit of %s; if the image is to be trusted, raise it with --limit %s=VALUE", e.What, l.Table().Text(e.Name, e.Limit), e.Name)
}
