package layer

import (
	"io/fs"
	"maps"
	"time"

	"github.com/imagegate/imagegate/policy/words"
)

// Spec is what the manifest and the config say about one layer. All of Digest,
// DiffID and Size are compared with the bytes.
type Spec struct {
	Index     int    // 0 is the bottom layer
	Digest    string // of the blob as stored, sha256:...
	DiffID    string // of the uncompressed archive, sha256:...
	MediaType string
	Size      int64 // of the blob as stored
	CreatedBy string
}

// Type is the kind of an [Entry].
type Type uint8

// The types of entries.
const (
	File     Type = iota + 1
	Dir           // a directory, merged with one of the same name below
	Symlink       // Linkname is its text
	Hardlink      // Linkname is the cleaned name of another entry
	Whiteout      // Name is removed from the layers below
	Opaque        // everything below Name ("" is the root) is removed from the layers below
	Device        // block or character device
	Fifo
)

// Entry is one entry of a layer that [Read] has accepted.
type Entry struct {
	// Name is clean: no leading slash, no "." or "..", no trailing slash. For a
	// whiteout it is what is removed, for Opaque the directory.
	Name string
	// Raw is the name as the archive has it.
	Raw      string
	Type     Type
	Mode     fs.FileMode
	Size     int64
	Linkname string
	UID, GID int
	ModTime  time.Time
	// Xattrs are the extended attributes, nil for most entries.
	Xattrs map[string]string
}

// Named returns the entry of a file under the name of a hard link to it. Runtimes
// give the file the mode and the attributes of the link, too, so the result has
// the rights of both.
func (e *Entry) Named(link *Entry) *Entry {
	named := *e
	named.Name, named.Raw = link.Name, link.Name
	named.Mode |= link.Mode & (fs.ModeSetuid | fs.ModeSetgid | worldWrite)
	if len(link.Xattrs) > 0 {
		named.Xattrs = maps.Clone(link.Xattrs)
		maps.Copy(named.Xattrs, e.Xattrs)
	}
	return &named
}

// Stats are the properties of a layer that [Read] has determined.
type Stats struct {
	Compression  string // "gzip", "zstd" or "none": by content, not by media type
	Compressed   int64
	Uncompressed int64
	Entries      int
	// ChunkedTOC is true when the blob ends with the table of contents of
	// zstd:chunked, which some runtimes read instead of the archive.
	ChunkedTOC bool
}

// quote makes a name from an image fit for a message.
func quote(name string) string { return words.Quote(name) }
