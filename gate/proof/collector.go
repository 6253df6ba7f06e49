package proof

import (
	"context"
	"fmt"
	"slices"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Options are the settings of a collector.
type Options struct {
	// Repository opens a repository by name: registry/repository.
	Repository func(name string) (promote.Repository, error)
	// Resolver finds base images.
	Resolver gate.Resolver
	// Roots returns what confirms identities, and where it comes from. It is asked
	// once, when the policy names an identity.
	Roots func(ctx context.Context) ([]*prove.Root, *evidence.TrustedRoot, error)
}

// Collector collects proofs. It implements [gate.Prover], and several goroutines may
// use it at once.
type Collector struct {
	o Options

	attached  shared[*prove.Found]     // by repository and digest
	manifests shared[*manifest]        // by repository and digest
	bases     shared[*gate.Resolution] // by reference
	verifiers shared[*prove.Verifier]  // by signers
	roots     shared[roots]
}

var _ gate.Prover = (*Collector)(nil)

// New returns a collector.
func New(o Options) *Collector { return &Collector{o: o} }

// roots are the trusted roots of a run.
type roots struct {
	all  []*prove.Root
	from *evidence.TrustedRoot
}

// trusted returns the trusted roots, none if no signer is an identity.
func (c *Collector) trusted(ctx context.Context, signers []evidence.AskedSigner) (roots, error) {
	if c.o.Roots == nil || !slices.ContainsFunc(signers, func(s evidence.AskedSigner) bool { return s.Key == "" }) {
		return roots{}, nil
	}
	return c.roots.get("", func() (r roots, err error) {
		r.all, r.from, err = c.o.Roots(ctx)
		return r, err
	})
}

// Prove implements [gate.Prover]. What cannot be read is a gap in the proof and no
// error: other attachments may be enough.
func (c *Collector) Prove(ctx context.Context, t *gate.Target, need evidence.ProofNeed) (*evidence.Proof, error) {
	img := &t.Image
	p := &evidence.Proof{Repository: img.Reference.Name, Attached: need.Attached}
	for _, s := range need.Signers {
		p.Asked = append(p.Asked, evidence.Signer{Key: s.Fingerprint, Identity: s.Identity, Issuer: s.Issuer})
	}
	w := &work{Collector: c, proof: p, img: img}
	if need.Base {
		p.Base = &evidence.BaseImage{Candidates: []evidence.BaseCandidate{}}
		w.fromLabels(img.Config)
	}
	if need.Attached {
		if err := w.attachments(ctx, need.Signers); err != nil {
			return nil, err
		}
	}
	if need.Base {
		w.provenBase(ctx, need.Bases)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// work is the collection for one image.
type work struct {
	*Collector
	proof *evidence.Proof
	img   *evidence.Image
	repo  promote.Repository
	base  candidates
}

func (w *work) gap(from, format string, args ...any) {
	w.proof.Gaps = append(w.proof.Gaps, evidence.Attachment{From: from, Reason: short(fmt.Sprintf(format, args...))})
}

// attachments collects what is attached to the image and to its index.
func (w *work) attachments(ctx context.Context, signers []evidence.AskedSigner) error {
	from, err := place(w.img.Reference)
	if err != nil {
		return err
	}
	w.proof.Repository = from.Name
	if from.Source != evidence.SourceRegistry || w.img.Digest == "" {
		w.gap(from.Name, "signatures and attestations are read from registries only: push the image, and check it there")
		return nil
	}
	trusted, err := w.trusted(ctx, signers)
	if err != nil {
		w.gap("trusted root", "it cannot be used: %v", err) // signatures with keys can
	}
	w.proof.Root = trusted.from
	v, err := w.verifiers.get(fmt.Sprintf("%q", signers), func() (*prove.Verifier, error) { return verifierOf(signers, trusted.all) })
	if err != nil {
		return fmt.Errorf("the signers of the policy cannot be used: %w", err)
	}
	if w.repo, err = w.o.Repository(from.Name); err != nil {
		return fmt.Errorf("attachments of %s: %w", from.Name, err)
	}
	for _, digest := range []string{w.img.Digest, w.img.IndexDigest} {
		if digest != "" {
			w.attachedTo(ctx, v, digest)
		}
	}
	w.embedded(ctx)
	return nil
}

// place is the reference that the image was read from: what is attached is there.
func place(ref evidence.Reference) (evidence.Reference, error) {
	if ref.JudgedFrom == "" {
		return ref, nil
	}
	from, err := image.ParseReference(ref.JudgedFrom)
	if err != nil {
		return from, fmt.Errorf("attachments of %s: %w", ref.JudgedFrom, err)
	}
	return from, nil
}

// verifierOf returns what compares signatures with the signers.
func verifierOf(signers []evidence.AskedSigner, roots []*prove.Root) (*prove.Verifier, error) {
	var all []prove.Signer
	for i, s := range signers {
		one := prove.Signer{Name: fmt.Sprintf("signer %d", i+1), Identity: s.Identity, Issuer: s.Issuer}
		if s.Key != "" {
			one.Key = []byte(s.Key)
		}
		all = append(all, one)
	}
	return prove.NewVerifier(all, roots...)
}

// find reads what is attached to a digest, once for all images.
func find(ctx context.Context, known *shared[*prove.Found], repo promote.Repository, digest string) (*prove.Found, error) {
	return known.get(repo.Name()+"@"+digest, func() (*prove.Found, error) { return prove.Find(ctx, repo, digest) })
}

// attachedTo verifies what is attached to a digest.
func (w *work) attachedTo(ctx context.Context, v *prove.Verifier, digest string) {
	found, err := find(ctx, &w.Collector.attached, w.repo, digest)
	if err != nil {
		w.gap(digest, "what is attached cannot be read: %v", err)
		return
	}
	for _, s := range found.Skipped {
		w.refuse(s.Place, s.Reason)
	}
	verified, refused := v.VerifyAll(found.Attachments, digest)
	for i := range refused {
		w.refuse(refused[i].Place, refused[i].Err.Error())
	}
	for i := range verified {
		w.add(&verified[i], digest)
	}
}

// maxListed bounds what the evidence lists of attachments that count for nothing.
const maxListed = 100

func (w *work) refuse(from, reason string) {
	if len(w.proof.Unverified) < maxListed {
		w.proof.Unverified = append(w.proof.Unverified, evidence.Attachment{From: from, Reason: short(reason)})
	}
}

// predicateSign is the type of the statement that cosign signs since version 3
// instead of a payload of its own. It says nothing beyond the digest.
const predicateSign = "https://sigstore.dev/cosign/sign/v1"

// add adds a signature or a statement whose signer is known.
func (w *work) add(v *prove.Verified, digest string) {
	by := signerOf(v)
	if v.Statement == nil || v.Statement.PredicateType == predicateSign {
		w.proof.Signatures = append(w.proof.Signatures, evidence.Signature{Subject: digest, Signers: []evidence.Signer{by}, From: v.Attachment.Place})
		return
	}
	w.statement(v.Statement, evidence.Statement{Subject: digest, Signers: []evidence.Signer{by}, From: v.Attachment.Place})
}

// signerOf is who made a signature.
func signerOf(v *prove.Verified) evidence.Signer {
	by := evidence.Signer{Identity: v.By, Issuer: v.Issuer}
	if v.Issuer == "" {
		by = evidence.Signer{Key: v.By}
	}
	if !v.Signed.IsZero() {
		by.Time = &v.Signed
	}
	return by
}
