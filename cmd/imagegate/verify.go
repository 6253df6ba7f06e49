package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/imagegate/imagegate/cmd/imagegate/progress"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/image/local"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// verifyJobs is how many images are looked up at once.
const verifyJobs = 8

func verifyCommand(p *program) *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "verifier-id", Usage: "the decision must be of the verifier `URI`"},
		&cli.StringSliceFlag{Name: "resource", Usage: "the decision must be about `REPOSITORY` (default: the repository of IMAGE), for copies at a mirror"},
		&cli.StringFlag{Name: "require-policy-digest", Usage: "the policy with all that applied must have had the digest `DIGEST`"},
		&cli.StringFlag{Name: "require-base-policy", Usage: "the policy must have been, or have built on, the one with the SHA-256 hash `HASH`"},
		&cli.DurationFlag{Name: "max-age", Usage: "the decision must not be older than `DURATION`, such as 168h"},
		&cli.StringSliceFlag{Name: "bundle", Usage: "take the decisions from `FILE`, as --attest-file writes it, and not from the registry"},
		formatFlag(),
		timeoutFlag(),
	}
	return &cli.Command{
		Name:      "verify",
		Usage:     "verify the signed decision about an image, without scanning it",
		ArgsUsage: "IMAGE...",
		Description: `Looks up the signed decisions about each IMAGE that imagegate check --attest or
promote --attest made. Of those that a trusted signer has signed, the newest
decides. It needs neither scanner nor advisory database.

  0  every image has a decision that counts, and the newest says PASSED
  1  the newest decision of an image says FAILED
  2  an image has no decision that counts: none, of another signer, about another
     image or repository, by another policy, or too old`,
		Flags:  slices.Concat([]cli.Flag{trustPolicyFlag()}, trustFlags(), flags, []cli.Flag{cacheFlags()[0]}, networkFlags()),
		Action: p.action(runVerify),
	}
}

// verification is what the command line asks for.
type verification struct {
	verifier *prove.Verifier
	demand   prove.Demand
	bundles  []prove.Attachment    // nil looks into the registry
	offline  bool                  // the bundles are all that is looked at
	root     *evidence.TrustedRoot // nil when no file was named
	conn     *connection
	sources  map[evidence.Source]image.Source
}

// verified is the answer about one image.
type verified struct {
	ref      string
	digest   string
	decision *prove.Decision
	refused  []prove.Refusal
	skipped  []prove.Skipped
	err      error // why nothing is known
}

func (v *verified) outcome() policy.Decision {
	switch {
	case v.err != nil:
		return policy.Undecided
	case v.decision.Passed():
		return policy.Passed
	case v.decision.Failed():
		return policy.Denied
	}
	return policy.Undecided
}

func runVerify(p *program, c *cli.Context) error {
	refs := c.Args().Slice()
	if len(refs) == 0 {
		return usagef("imagegate verify needs an image").
			WithHint("imagegate verify registry.example.no/prod/app:1.4.2 --key gate.pub")
	}
	if err := checkFormat(c); err != nil {
		return err
	}
	w, err := verificationOf(p, c)
	if err != nil {
		return err
	}
	defer func() { _ = w.conn.client.Close() }()
	parsed := make([]evidence.Reference, len(refs))
	for i, ref := range refs {
		if parsed[i], err = image.ParseReference(ref); err != nil {
			return usagef("%w", err)
		}
		if parsed[i].Source != evidence.SourceRegistry && !w.offline {
			return notInRegistry(ref, "name the file with its decision: --bundle FILE")
		}
	}
	results := make([]verified, len(refs))
	var g errgroup.Group
	g.SetLimit(verifyJobs)
	for i := range refs {
		g.Go(func() error {
			results[i] = w.image(c.Context, parsed[i])
			return nil
		})
	}
	_ = g.Wait()
	if err := p.printVerified(c, w.root, results); err != nil {
		return err
	}
	return verdictError(summarize(results), nil)
}

// summarize returns the outcome of all: a denial outranks a missing decision.
func summarize(results []verified) policy.Decision {
	all := make([]gate.Result, len(results))
	for i := range results {
		all[i] = gate.Result{Err: results[i].err, Verdict: policy.Verdict{Decision: results[i].outcome()}}
	}
	return gate.Summarize(all)
}

func verificationOf(p *program, c *cli.Context) (*verification, error) {
	w := &verification{demand: prove.Demand{Verifier: c.String("verifier-id"), MaxAge: c.Duration("max-age"), Now: p.now()}}
	if w.demand.MaxAge < 0 {
		return nil, usagef("flag --max-age: %s is negative", w.demand.MaxAge)
	}
	if err := w.readDemand(c); err != nil {
		return nil, err
	}
	signers, err := signersOf(c)
	if err != nil {
		return nil, err
	}
	switch {
	case c.IsSet("policy") && len(signers) > 0:
		return nil, usagef("flag --policy says whose decisions count, and so do --key and --certificate-identity").WithHint("use one of them")
	case c.IsSet("policy"):
		if signers, err = w.byPolicy(p, c); err != nil {
			return nil, err
		}
	case len(signers) == 0:
		return nil, usagef("imagegate verify needs to know whose decisions count").
			WithHint("name a public key with --key FILE, an identity with --certificate-identity and --certificate-oidc-issuer, or a policy with --policy FILE")
	}
	var roots []*prove.Root
	if roots, w.root, err = trustedRoots(c); err != nil {
		return nil, err
	}
	if w.bundles, err = readBundles(c, c.StringSlice("bundle")); err != nil {
		return nil, err
	}
	w.offline = c.IsSet("bundle")
	if w.conn, err = connect(p, c, progress.New(p.stderr, false, p.env.get)); err != nil {
		return nil, err
	}
	fetch := func() ([]*prove.Root, error) { return fetchRoots(c.Context, w.conn) }
	if w.verifier, err = verifierWithRoots(signers, roots, fetch); err != nil {
		return nil, err
	}
	w.sources = local.Sources(local.Options{
		Limits: w.conn.imageLimits, Stdin: p.stdin, Getenv: p.env.get,
		TempDir: func() (string, error) { return p.tmp.Path(c.String("tmp-dir")) },
	})
	w.sources[evidence.SourceRegistry] = w.conn.client
	return w, nil
}

// readDemand reads the flags about the decision.
func (w *verification) readDemand(c *cli.Context) error {
	for flag, to := range map[string]*string{"require-policy-digest": &w.demand.Policy, "require-base-policy": &w.demand.BasePolicy} {
		if value := c.String(flag); value != "" {
			hash, err := parseHash("--"+flag, value)
			if err != nil {
				return err
			}
			*to = "sha256:" + hash
		}
	}
	for _, repository := range c.StringSlice("resource") {
		ref, err := image.ParseRegistryReference(repository)
		if err != nil {
			return usagef("flag --resource: %w", err)
		}
		w.demand.Resources = append(w.demand.Resources, prove.RepositoryURI(ref.Name))
	}
	return nil
}

// image returns the answer about one image.
func (w *verification) image(ctx context.Context, ref evidence.Reference) verified {
	out := verified{ref: ref.Asked}
	var platforms []string
	if out.digest, platforms, out.err = w.digests(ctx, ref); out.err != nil {
		return out
	}
	found, err := w.find(ctx, ref, out.digest)
	if out.err = err; err != nil {
		return out
	}
	demand := w.demand
	if len(demand.Resources) == 0 && ref.Source == evidence.SourceRegistry {
		demand.Resources = []string{prove.RepositoryURI(ref.Name)}
	}
	all, refused := w.verifier.VerifyAll(found.Attachments, out.digest)
	signed, skipped, err := w.platforms(ctx, ref, platforms)
	if out.err = err; err != nil {
		return out
	}
	decision, more := prove.DecideIndex(all, signed, demand)
	out.decision, out.refused, out.skipped = decision, append(refused, more...), append(found.Skipped, skipped...)
	switch {
	case decision == nil:
		out.err = prove.Why(found, out.refused)
	case decision.Refused != nil:
		out.err = fmt.Errorf("the newest decision decides nothing: %w", decision.Refused)
		out.refused = append(out.refused, *decision.Refused)
	}
	return out
}

// find returns what may be signed about a digest.
func (w *verification) find(ctx context.Context, ref evidence.Reference, digest string) (*prove.Found, error) {
	if w.offline {
		return &prove.Found{Attachments: w.bundles}, nil
	}
	repository, err := w.conn.client.Repository(ref.Asked)
	if err != nil {
		return nil, err
	}
	return prove.Find(ctx, repository, digest)
}

// platforms returns what trusted signers say about each platform of an index, and what is
// attached to the platforms and was not read.
func (w *verification) platforms(ctx context.Context, ref evidence.Reference, digests []string) ([][]prove.Verified, []prove.Skipped, error) {
	signed, unread := make([][]prove.Verified, len(digests)), make([][]prove.Skipped, len(digests))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(verifyJobs)
	for i, digest := range digests {
		g.Go(func() error {
			found, err := w.find(ctx, ref, digest)
			if err != nil {
				return err
			}
			all := slices.Clone(found.Attachments)
			for k := range all {
				all[k].Place += " of the platform " + digest
			}
			for _, s := range found.Skipped {
				unread[i] = append(unread[i], prove.Skipped{Place: s.Place + " of the platform " + digest, Reason: s.Reason})
			}
			signed[i], _ = w.verifier.VerifyAll(all, digest)
			return nil
		})
	}
	err := g.Wait()
	return signed, slices.Concat(unread...), err
}

// digests are what the reference names now, and the platforms where that is an index.
// A tag that moves meanwhile changes nothing: from here on only the digests count.
func (w *verification) digests(ctx context.Context, ref evidence.Reference) (string, []string, error) {
	if ref.Digest != "" && w.offline {
		return ref.Digest, nil, nil
	}
	root, err := w.sources[ref.Source].Open(ctx, ref)
	if err != nil {
		return "", nil, err
	}
	if closer, ok := root.From.(interface{ Close() error }); ok {
		defer func() { _ = closer.Close() }()
	}
	if root.Content == nil || root.Content.Digest == "" {
		return "", nil, errors.New("the image has no digest: a decision is about the digest of a manifest")
	}
	platforms, err := image.PlatformDigests(ctx, root, w.conn.imageLimits)
	return root.Content.Digest, platforms, err
}
