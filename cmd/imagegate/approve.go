package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/progress"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/proof"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy/evidence"
)

func approveCommand(p *program) *cli.Command {
	flags := slices.DeleteFunc(signFlags(), func(f cli.Flag) bool { return f.Names()[0] == "verifier-id" })
	return &cli.Command{
		Name:      "approve",
		Usage:     "sign that a person approves an image under a policy",
		ArgsUsage: "IMAGE...",
		Description: `Signs that you approve each IMAGE under the policy that applies, and attaches that to
the image. A policy asks for it with approvals: [{by: [NAME], at-least: 2}]. The
approval names the digest of the image and the digest of all that applies of the
policy. When either changes, it no longer counts. Nothing is judged.`,
		Flags: slices.Concat(policyFlags(), []cli.Flag{
			&cli.StringFlag{Name: "reason", Usage: "say `WHY` in the approval"},
		}, flags, []cli.Flag{timeoutFlag(), cacheFlags()[0]}, networkFlags()),
		Action: p.action(runApprove),
	}
}

// runApprove is the command "approve".
func runApprove(p *program, c *cli.Context) error {
	refs := c.Args().Slice()
	if len(refs) == 0 {
		return usagef("imagegate approve needs an image").
			WithHint("imagegate approve registry.example.no/shop/app@sha256:... --policy imagegate.yaml --sign-key my.key")
	}
	var parsed []evidence.Reference
	for _, ref := range refs {
		r, err := image.ParseReference(ref)
		if err != nil {
			return usagef("%w", err)
		}
		if r.Source != evidence.SourceRegistry {
			return notInRegistry(ref, "push it to a registry first")
		}
		parsed = append(parsed, r)
	}
	_, source, err := choosePolicy(p, c, c.String("policy"), demands{c.String("require-policy-digest"), c.String("require-base-policy")})
	if err != nil {
		return err
	}
	conn, err := connect(p, c, progress.New(p.stderr, false, p.env.get))
	if err != nil {
		return err
	}
	defer func() { _ = conn.client.Close() }()
	open, err := signingOf(p, c, conn)
	if err != nil {
		return err
	}
	signing, err := open(c.Context)
	if err != nil {
		return err
	}
	for _, ref := range parsed {
		digest, err := approve(c.Context, conn, signing, ref, source.Digest, c.String("reason"), p.now())
		if err != nil {
			return &gate.Fault{Phase: gate.PhaseProve, Err: fmt.Errorf("approve %s: %w", ref.Asked, err)}
		}
		if _, err := fmt.Fprintf(p.stdout, "approved %s@%s under the policy %s, %s\n", terminal(ref.Name), digest, terminal(source.Path), source.Digest); err != nil {
			return err
		}
	}
	return nil
}

// approve signs and attaches an approval. It returns the digest that the reference
// names.
func approve(ctx context.Context, conn *connection, signing *prove.Signing, ref evidence.Reference, policyDigest, reason string, now time.Time) (string, error) {
	repo, err := conn.client.Repository(ref.Asked)
	if err != nil {
		return "", err
	}
	var m promote.Manifest
	if ref.Digest != "" {
		m, err = repo.Manifest(ctx, ref.Digest)
	} else {
		m, err = repo.Tag(ctx, image.TagOf(ref))
	}
	if err != nil {
		return "", err
	}
	s, err := proof.Approval(ref.Name, m.Digest, policyDigest, reason)
	if err != nil {
		return "", err
	}
	bundle, err := signing.Sign(ctx, s)
	if err != nil {
		return "", err
	}
	return m.Digest, prove.Attach(ctx, repo, m.Descriptor, bundle, prove.Places{Referrer: true}, now)
}
