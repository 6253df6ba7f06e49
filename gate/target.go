package gate

import (
	"context"
	"io"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Target is one image for one platform, pinned to a digest.
type Target struct {
	// Image holds the reference, the digests, the platform and the config. The
	// scan is still missing.
	Image evidence.Image
	// RawConfig is the config document, byte for byte, already verified.
	RawConfig []byte
	// Users are users to look up in the image besides its own: documents give them to
	// containers by name.
	Users []string
	// Layers are the image's layers, bottom first: one for each diffID.
	Layers []Blob
}

// Blob is the content of one layer that has not been read yet.
type Blob struct {
	Digest    string // of the bytes that Open yields
	DiffID    string // of the uncompressed tar, from the config
	MediaType string
	Size      int64 // of the bytes that Open yields, from the manifest
	// Open starts reading the blob as stored, compressed or not. Its bytes are
	// not verified: the reader must hash them to the end before it believes one
	// of them. Open may be called again after a failure.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Resolution is what one reference resolved to.
type Resolution struct {
	Reference evidence.Reference
	// Digest is what the reference resolved to: of an index or of a manifest.
	Digest string
	// Targets has one entry per platform to judge, never none.
	Targets []Target
	// Skipped lists the manifests of an index that are not judged.
	Skipped []evidence.Skipped
}

// Resolver resolves references to targets. It pins every target to a digest and
// reads no layer.
type Resolver interface {
	Resolve(ctx context.Context, ref string) (*Resolution, error)
}

// Scanner reads a target's layers and returns what is in them. It returns an
// error when a byte could not be verified or a layer could not be read to its
// end: part of the evidence is not enough for a verdict.
type Scanner interface {
	Scan(ctx context.Context, t *Target, need evidence.Need) (*evidence.Scan, error)
}

// Prover collects what others have signed about a target, and finds its base image.
// What it could not read is in the proof, and the policy decides what that means.
type Prover interface {
	Prove(ctx context.Context, t *Target, need evidence.ProofNeed) (*evidence.Proof, error)
}

// Decider finds the newest signed decision about a target, and says what it means for
// the image. There is no decision where none counts.
type Decider interface {
	Decide(ctx context.Context, t *Target) (policy.RuleResult, *evidence.Decision, error)
}

// Event is one step of progress, for people to watch.
type Event struct {
	Image    string // the reference as asked
	Platform string // "" before the platforms are known
	Phase    Phase
	// Layer is the digest of the layer that the event is about, "" for none, and
	// Layers how many the image has.
	Layer  string
	Layers int
	// LayerDone is true when all is known that the image needs of Layer, and
	// Known when it was not read for this image: it was kept from another image
	// or an earlier run.
	LayerDone, Known bool
	Bytes            int64 // read so far of Layer, or of the database
	Total            int64 // to read of it
	// Decision is what became of the image, in the done phase.
	Decision policy.Decision
}

// Phase names what is being done, in error messages and progress.
type Phase string

// The phases of a run.
const (
	PhaseDatabase Phase = "database"
	PhaseResolve  Phase = "resolve"
	PhaseFetch    Phase = "fetch"
	PhaseScan     Phase = "scan"
	PhaseProve    Phase = "prove"
	PhaseEvaluate Phase = "evaluate"
	PhasePromote  Phase = "promote"
	PhaseReport   Phase = "report"
	PhaseDone     Phase = "done"
)
