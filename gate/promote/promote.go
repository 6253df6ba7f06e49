// Package promote copies exactly what was judged from one repository to another:
// all platforms, attestations, signatures and other referrers. The copy goes by
// digest, is compared byte for byte, and the tag is set last.
//
// The package knows no network. A repository is an interface, so that every fault
// can be made in a test at every request.
package promote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrNotFound is returned by a [Repository] for a manifest, tag or blob that it
// does not have.
var ErrNotFound = errors.New("not found")

// Descriptor describes a document or blob, as in the OCI image specification.
type Descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// Manifest is a manifest or index, byte for byte. Its digest is that of Raw.
type Manifest struct {
	Descriptor
	Raw []byte `json:"-"`
}

// Repository is a repository that is read. All methods return [ErrNotFound] for
// what is not there, and never bytes that do not have the digest asked for.
type Repository interface {
	// Name is the registry and the repository: "registry.example.no/shop/app".
	Name() string
	Manifest(ctx context.Context, digest string) (Manifest, error)
	// Tag returns the manifest that the tag names now.
	Tag(ctx context.Context, tag string) (Manifest, error)
	// Referrers lists the manifests whose subject is digest, complete and in any
	// order. A repository without any returns none and no error.
	Referrers(ctx context.Context, digest string) ([]Descriptor, error)
	HasBlob(ctx context.Context, d Descriptor) (bool, error)
	OpenBlob(ctx context.Context, d Descriptor) (io.ReadCloser, error)
}

// Target is a repository that is written.
type Target interface {
	Repository
	// CopyBlob brings a blob of another repository here: mounted where the registry
	// can, else uploaded and verified.
	CopyBlob(ctx context.Context, d Descriptor, from Repository) error
	// PutManifest stores a manifest under its digest, and lists it as a referrer
	// where the registry has no API for that.
	PutManifest(ctx context.Context, m Manifest) error
	// PutTag lets a tag name a manifest.
	PutTag(ctx context.Context, tag string, m Manifest) error
	// ListsInTags reports whether the registry has no API for referrers, so that
	// their list is a tag: of two jobs that change it at the same time one loses.
	ListsInTags(ctx context.Context) (bool, error)
}

// Attachments says what goes along with an image beside its platforms.
type Attachments string

// What goes along.
const (
	AttachmentsAll  Attachments = "all"  // referrers and the tags of cosign
	AttachmentsNone Attachments = "none" // nothing
)

// Absent is the value of [Options.IfTarget] for a tag that must not exist.
const Absent = "absent"

// Options are the wishes for one promotion.
type Options struct {
	Attachments Attachments // "" is all
	// IfTarget is [Absent] or the digest that every tag must name before it is
	// set; "" asks nothing.
	IfTarget string
	// Record is attached to the image at the target for every tag that moves; nil
	// attaches none.
	Record *Record
	// Jobs bounds how many blobs are copied at once; less than 1 means 4.
	Jobs int
	// Observe is called for every step. It may be nil.
	Observe func(Event)
	// BeforeTags is called when everything but the tags is at the target, to attach
	// what must be there before them. Its error ends the promotion. It may be nil.
	BeforeTags func(ctx context.Context) error
	// Wait waits between two attempts; nil sleeps. Tests do not wait.
	Wait func(ctx context.Context, d time.Duration) error
}

// Event is one step of a promotion, for people to watch.
type Event struct {
	What  string // "blob", "manifest", "tag"
	Name  string // digest or tag
	Bytes int64
	Done  int // of all
	All   int
}

// Promotion is a finished plan of what to copy where.
type Promotion struct {
	source Repository
	target Target
	o      Options
	Plan   Plan
	nodes  []*node // children before parents
	cosign []tagged
	wrote  bool // something was written to the target
	// RecordProblem is why no record could be attached, "" when none was to be or all
	// are there. The image is complete without: only a later rollback needs the record.
	RecordProblem string
}

// Plan is what a promotion copies, for people and programs.
type Plan struct {
	Source string   `json:"source"` // repository
	Target string   `json:"target"` // repository
	Digest string   `json:"digest"` // of the image or index that was judged
	Nodes  []Node   `json:"nodes"`  // manifests, children before parents
	Blobs  int      `json:"blobs"`  // to be there: all
	Bytes  int64    `json:"bytes"`  // of all blobs together
	Tags   []TagSet `json:"tags"`
	Gone   []Gone   `json:"gone,omitempty"`
}

// Gone is a manifest that the source lists as a referrer of Subject and no longer has.
// It cannot be copied.
type Gone struct {
	Digest  string `json:"digest"`
	Subject string `json:"subject"`
}

// Node is a manifest that goes along, and why.
type Node struct {
	Descriptor
	Why    string `json:"why"`
	Parent string `json:"parent,omitempty"` // digest of the manifest that it belongs to
}

// TagSet is a tag and what it names before and after.
type TagSet struct {
	Name   string `json:"name"`
	Before string `json:"before"` // digest; "" when the tag did not exist
	After  string `json:"after"`  // digest
	// Merge is true for a tag of cosign whose signatures are joined with those that
	// the target has.
	Merge bool `json:"merge,omitempty"`
}

// Incomplete is why a promotion did not finish, and what the target looks like.
type Incomplete struct {
	Err error
	// Step says what was being done.
	Step string
	// State says what a person finds at the target now.
	State string
}

// Error says what failed and what the state of the target is.
func (e *Incomplete) Error() string { return fmt.Sprintf("%s: %v; %s", e.Step, e.Err, e.State) }

// Unwrap returns the cause.
func (e *Incomplete) Unwrap() error { return e.Err }
