package image

import (
	"fmt"
	"time"

	"github.com/imagegate/imagegate/gate/limit"
)

// Limits bounds what a registry or an archive can cost us. A field of zero
// means the default, so that every limit has a value.
type Limits struct {
	ManifestSize  int64 // bytes of one manifest or index
	ConfigSize    int64 // bytes of one config
	BlobSize      int64 // bytes of one layer as stored
	IndexDepth    int64 // indexes within each other
	IndexChildren int64 // manifests of one reference's indexes together
	Layers        int64 // layers of one image
	Redirects     int64 // redirects of one request
	Requests      int64 // requests for one reference, beyond twelve for each document and layer
	Tries         int64 // attempts at one request
	ArchiveSize   int64 // uncompressed bytes of an image archive
	ArchiveFiles  int64 // entries of an image archive

	ConnectTimeout  time.Duration // for a connection, and for its TLS handshake
	IdleTimeout     time.Duration // between two bytes of an answer
	DocumentTimeout time.Duration // for one answer that is not a layer
	RetryAfter      time.Duration // longest pause that a registry may ask for
}

// DefaultLimits are well above what ordinary registries and images need. The
// limit of a manifest is that of containerd.
func DefaultLimits() Limits {
	return Limits{
		ManifestSize: 4 << 20, ConfigSize: 8 << 20, BlobSize: 10 << 30,
		IndexDepth: 2, IndexChildren: 100, Layers: 512,
		Redirects: 5, Requests: 20, Tries: 5,
		ArchiveSize: 40 << 30, ArchiveFiles: 100_000,
		ConnectTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second,
		DocumentTimeout: 2 * time.Minute, RetryAfter: time.Minute,
	}
}

// Table lists the limits with their names on the command line.
func (l *Limits) Table() limit.Table {
	return limit.Table{
		{Name: "manifest-size", Bytes: &l.ManifestSize},
		{Name: "config-size", Bytes: &l.ConfigSize},
		{Name: "blob-size", Bytes: &l.BlobSize},
		{Name: "index-depth", Count: &l.IndexDepth},
		{Name: "index-children", Count: &l.IndexChildren},
		{Name: "layers", Count: &l.Layers},
		{Name: "redirects", Count: &l.Redirects},
		{Name: "requests", Count: &l.Requests},
		{Name: "tries", Count: &l.Tries},
		{Name: "archive-size", Bytes: &l.ArchiveSize},
		{Name: "archive-files", Count: &l.ArchiveFiles},
		{Name: "connect-timeout", Duration: &l.ConnectTimeout},
		{Name: "idle-timeout", Duration: &l.IdleTimeout},
		{Name: "document-timeout", Duration: &l.DocumentTimeout},
		{Name: "retry-after", Duration: &l.RetryAfter},
	}
}

// Filled returns l with every zero replaced by its default.
func (l Limits) Filled() Limits {
	defaults := DefaultLimits()
	l.Table().Fill(defaults.Table())
	return l
}

// LimitError says that something was not read because it costs more than is
// allowed. It is no verdict on the image.
type LimitError struct {
	Name  string // as [limit.Table.Set] takes it
	What  string // what is too large: "the manifest"
	Limit int64
}

// Error implements error.
func (e *LimitError) Error() string {
	var l Limits
	return fmt.Sprintf("%s is over the limit of %s", e.What, l.Table().Text(e.Name, e.Limit))
}

// Hint is the cure of every exceeded limit.
func (e *LimitError) Hint() string {
	return fmt.Sprintf("if this is as it should be, raise the limit with --limit %s=VALUE", e.Name)
}
