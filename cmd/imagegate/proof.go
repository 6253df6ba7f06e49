package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/proof"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// proofFlags are those about signatures that the policy asks for.
func proofFlags() []cli.Flag {
	return cmdline.Group("Trust",
		&cli.BoolFlag{Name: "decision", Usage: "judge by the newest signed decision about the image that the policy trusts, and do not scan"},
		trustedRootFlag(),
	)
}

// useProofs gives the gate what collects signatures, attestations and base images,
// and, if that is asked for, what finds signed decisions. bases finds base images.
func useProofs(c *cli.Context, run *setup, conn *connection, bases gate.Resolver, g *gate.Gate) error {
	roots, root, err := trustedRoots(c)
	if err != nil {
		return err
	}
	fetch := func(ctx context.Context) ([]*prove.Root, *evidence.TrustedRoot, error) {
		switch {
		case len(roots) > 0:
			return roots, root, nil
		case c.Bool("offline"):
			return nil, nil, errors.New("it is not fetched with --offline: name a file with --trusted-root FILE")
		}
		fetched, err := fetchRoots(ctx, conn)
		if err != nil {
			return nil, nil, fmt.Errorf("%w; name a file with --trusted-root FILE", err)
		}
		return fetched, &evidence.TrustedRoot{Source: "the public instance of Sigstore"}, nil
	}
	repository := func(name string) (promote.Repository, error) { return conn.client.Repository(name) }
	g.Prover = proof.New(proof.Options{Repository: repository, Resolver: bases, Roots: fetch})
	d, asked, err := run.decisions(c)
	if err != nil || !asked {
		return err
	}
	v, err := verifierWithRoots(proof.SignersOf(d.SignedBy), roots, func() ([]*prove.Root, error) {
		fetched, _, err := fetch(c.Context)
		if err != nil {
			return nil, fmt.Errorf("the policy trusts decisions of an identity, which needs a trusted root: %w", err)
		}
		return fetched, nil
	})
	if err != nil {
		return err
	}
	g.Decider = &proof.Decider{Repository: repository, Verifier: v, Demand: proof.DemandOf(d, run.started)}
	return nil
}

// decisions returns whose decisions take the place of a scan, and whether any do. The
// flag asks for that, or a base policy that the caller demands. A file in the
// repository of the image cannot: whoever changes it could let an old decision, or
// one of their own, take the place of a scan.
func (s *setup) decisions(c *cli.Context) (policy.Decisions, bool, error) {
	required := strings.ToLower(strings.TrimPrefix(c.String("require-base-policy"), "sha256:"))
	signs := c.Bool("attest") && c.Command.Name == "check"
	switch {
	case c.Bool("decision") && signs:
		return policy.Decisions{}, false, usagef("flags --decision and --attest exclude each other: a decision that only repeats another one says nothing new").
			WithHint("leave out --decision, and judge the image again")
	case c.Bool("decision"):
	case signs || !s.policy.RestsOnDecisions(required, s.started): // the decision that others rest on comes from a scan
		return policy.Decisions{}, false, nil
	}
	d, ok := s.policy.Decisions(s.started)
	if !ok {
		return d, false, usagef("flag --decision: the policy %s does not say whose decisions count", s.source.Path).
			WithHint("add to it: decision: {signed-by: [NAME], max-age: 7d}, and the signer to trust")
	}
	if base := s.bindingBase(required); base != "" && !d.SaidBelow(s.policy, base) {
		return d, false, usagef("%s says whose decisions count, and builds on a base policy that does not", d.Position).
			WithHint("say it in the base policy: a policy above it can only be stricter, and a decision instead of a scan is not")
	}
	if d.Policy == "" && d.BasePolicy == "" {
		d.Policy = s.source.Digest
	}
	return d, true, nil
}

// bindingBase returns the hash of the base policy that the policy must not weaken: the
// one that the caller demands, otherwise the uppermost that is pinned.
func (s *setup) bindingBase(required string) string {
	if required != "" {
		return required
	}
	for i := len(s.source.Parts) - 1; i >= 0; i-- {
		if s.source.Parts[i].Pinned {
			return s.source.Parts[i].SHA256
		}
	}
	return ""
}

// trustPolicyFlag names a policy that says whose decisions count.
func trustPolicyFlag() cli.Flag {
	return &cli.StringFlag{Name: "policy", Aliases: []string{"p"}, Usage: "take the trusted signers, the verifier, the age and the policy of decisions from the sections trust and decision of the policy in `FILE`"}
}

// byPolicy reads what the policy of --policy says about decisions. Flags can only add
// to it.
func (w *verification) byPolicy(p *program, c *cli.Context) ([]prove.Signer, error) {
	path := c.String("policy")
	pol, err := readPolicy(p, c, path)
	if err != nil {
		return nil, err
	}
	d, ok := pol.Decisions(p.now())
	if !ok {
		return nil, usagef("flag --policy: %s does not say whose decisions count", path).
			WithHint("add to it: decision: {signed-by: [NAME], max-age: 7d}, and the signer to trust")
	}
	demand := proof.DemandOf(d, w.demand.Now)
	for _, pair := range []struct {
		flag        string
		here, there *string
	}{{"verifier-id", &w.demand.Verifier, &demand.Verifier}, {"require-policy-digest", &w.demand.Policy, &demand.Policy}, {"require-base-policy", &w.demand.BasePolicy, &demand.BasePolicy}} {
		switch {
		case *pair.here == "":
			*pair.here = *pair.there
		case *pair.there != "" && *pair.there != *pair.here:
			return nil, usagef("flag --%s: the policy %s asks for %s", pair.flag, path, *pair.there).WithHint("leave out the flag, or change the policy")
		}
	}
	if w.demand.MaxAge == 0 || demand.MaxAge < w.demand.MaxAge {
		w.demand.MaxAge = demand.MaxAge
	}
	return proof.SignersOf(d.SignedBy), nil
}
