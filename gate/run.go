package gate

import (
	"time"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Run is a finished run: everything a report can be written from.
type Run struct {
	Tool    string // "imagegate 0.1.0"
	Engine  string // "trivy 0.74.0"
	Started time.Time
	Policy  PolicySource
	// Database is the advisory database of the run, nil when none was used.
	Database *evidence.Database
	Results  []Result
	// Release is what became of the documents, nil when none were given.
	Release *Release
	// Saved is true when the images were judged by evidence from files, which
	// can have been edited.
	Saved bool
	// SealedBy is the trusted signer who sealed those files, "" when not all of them
	// are sealed. What is sealed was not edited.
	SealedBy string
	// Hypothetical is true when Started is not the time of the clock but one that
	// the user asked about. What such a run says holds for no image today.
	Hypothetical bool
	// Shard is the share of a list of images that was judged, nil for all of it.
	Shard *Shard
	// Promotion is what the run copied, nil when nothing was to be copied.
	Promotion *Promotion
	// Documents holds bills of materials by manifest digest and format.
	Documents map[string]map[string][]byte
	// Notes are remarks about the run: files and variables that were seen and
	// deliberately not followed.
	Notes []string
}

// Outcome is the decision of the whole run: of all images, and of the documents.
func (r *Run) Outcome() policy.Decision { return outcome(r.Results, r.Release) }

// Revoke takes back every pass, because err happened after the images were
// judged: a run without an exit code of 0 must not report a pass.
func (r *Run) Revoke(err error) {
	err = &Fault{Phase: PhaseReport, Err: err}
	revoke(r.Results, err)
	r.Release.revoke(err)
}

// PolicySource tells which policy judged.
type PolicySource struct {
	Path   string // "built-in default 1" without a file
	SHA256 string // of the file's bytes, hex
	// Digest is the hash over all that applies, sha256:...: the file, its bases and
	// the built-in policy. Parts are those, the one at the bottom first.
	Digest string
	Parts  []policy.Part
	// Unasked lists the main questions that the policy does not ask of every image.
	Unasked []string
}

// Shard is one of the shares that a list of images was dealt out into. Only all
// of them together are a verdict about the list.
type Shard struct {
	Index  int // from 1
	Count  int
	Listed int // images in the whole list
	Images int // images in this share
	// Borrowed is true when nothing fell to this share, and its images are those
	// of one reference that another one judges as well.
	Borrowed bool
}
