package registry

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Limits bounds what a registry or an archive can cost us. A field of zero
// stands for its default, so that no limit can be forgotten.
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

// DefaultLimits are well above what honest registries and images need: the
// manifest's is containerd's own.
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

// limitField is one limit by its name on the command line. Exactly one of the
// pointers is set.
type limitField struct {
	name     string
	bytes    bool // the number is a size
	number   *int64
	duration *time.Duration
}

func (l *Limits) fields() []limitField {
	return []limitField{
		{name: "manifest-size", bytes: true, number: &l.ManifestSize},
		{name: "config-size", bytes: true, number: &l.ConfigSize},
		{name: "blob-size", bytes: true, number: &l.BlobSize},
		{name: "index-depth", number: &l.IndexDepth},
		{name: "index-children", number: &l.IndexChildren},
		{name: "layers", number: &l.Layers},
		{name: "redirects", number: &l.Redirects},
		{name: "requests", number: &l.Requests},
		{name: "tries", number: &l.Tries},
		{name: "archive-size", bytes: true, number: &l.ArchiveSize},
		{name: "archive-files", number: &l.ArchiveFiles},
		{name: "connect-timeout", duration: &l.ConnectTimeout},
		{name: "idle-timeout", duration: &l.IdleTimeout},
		{name: "document-timeout", duration: &l.DocumentTimeout},
		{name: "retry-after", duration: &l.RetryAfter},
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

// Set changes the limit called name: sizes may carry a unit (512MiB), times
// must (90s).
func (l *Limits) Set(name, value string) error {
	for _, f := range l.fields() {
		if f.name != name {
			continue
		}
		if err := f.set(value); err != nil {
			return fmt.Errorf("limit %s: %w", name, err)
		}
		return nil
	}
	return fmt.Errorf("unknown limit %s (use %s)", quote(name), strings.Join(l.Names(), ", "))
}

func (f limitField) set(value string) error {
	if f.duration != nil {
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return fmt.Errorf("%s is not a time above zero (write for example 90s or 5m)", quote(value))
		}
		*f.duration = d
		return nil
	}
	digits, shift := value, 0
	if f.bytes {
		for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
			if rest, ok := strings.CutSuffix(value, unit); ok {
				digits, shift = rest, 10*(i+1)
			}
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n == 0 || n > math.MaxInt64>>shift {
		if f.bytes {
			return fmt.Errorf("%s is not a size above zero (write bytes, or for example 512MiB)", quote(value))
		}
		return fmt.Errorf("%s is not a number above zero", quote(value))
	}
	*f.number = int64(n) << shift
	return nil
}

// filled returns l with every zero replaced by its default.
func (l Limits) filled() Limits {
	defaults := DefaultLimits()
	from := defaults.fields()
	for i, f := range l.fields() {
		if f.number != nil && *f.number <= 0 {
			*f.number = *from[i].number
		}
		if f.duration != nil && *f.duration <= 0 {
			*f.duration = *from[i].duration
		}
	}
	return l
}

// LimitError says that something was not read because it costs more than is
// allowed. It is no verdict on the image.
type LimitError struct {
	Name  string // as [Limits.Set] takes it
	What  string // what is too large: "the manifest"
	Limit int64
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s is over the limit of %d", e.What, e.Limit)
}

// hint is the cure of every exceeded limit.
func (e *LimitError) hint() string {
	return fmt.Sprintf("if this is as it should be, raise the limit with --limit %s=VALUE", e.Name)
}
