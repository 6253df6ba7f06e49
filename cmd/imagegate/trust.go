package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/proof"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	maxKey  = 64 << 10
	maxRoot = 16 << 20
)

// trustFlags say whose signatures are believed.
func trustFlags() []cli.Flag {
	return cmdline.Group("Trust",
		&cli.StringSliceFlag{Name: "key", Usage: "believe signatures of the public key in `FILE` (PEM)"},
		&cli.StringFlag{Name: "certificate-identity", Usage: "believe signatures of the identity `PATTERN`, as a certificate names it; * matches within a part of a path, ** across"},
		&cli.StringFlag{Name: "certificate-identity-regexp", Usage: "believe signatures of identities that match `REGEXP` as a whole"},
		&cli.StringFlag{Name: "certificate-oidc-issuer", Usage: "of the identity: the `URL` of the issuer that has to have confirmed it"},
		trustedRootFlag(),
	)
}

func trustedRootFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "trusted-root", Usage: "believe the certificate authorities, logs and timestamp authorities of `FILE` (trusted_root.json), and ask no network\nfor those of the public Sigstore"}
}

// signersOf reads the flags of trustFlags.
func signersOf(c *cli.Context) ([]prove.Signer, error) {
	var signers []prove.Signer
	for _, path := range c.StringSlice("key") {
		pem, err := input.ReadFile(c.Context, path, maxKey)
		if err != nil {
			return nil, fileError("read the public key", err)
		}
		signers = append(signers, prove.Signer{Name: path, Key: pem})
	}
	identity, pattern, issuer := c.String("certificate-identity"), c.String("certificate-identity-regexp"), c.String("certificate-oidc-issuer")
	switch {
	case identity != "" && pattern != "":
		return nil, usagef("flags --certificate-identity and --certificate-identity-regexp exclude each other")
	case (identity != "" || pattern != "") && issuer == "":
		return nil, usagef("an identity without its issuer proves nothing: anyone can have any name from an issuer of their own").
			WithHint("add --certificate-oidc-issuer, for GitHub https://token.actions.githubusercontent.com, for GitLab https://gitlab.com")
	case identity == "" && pattern == "" && issuer != "":
		return nil, usagef("flag --certificate-oidc-issuer needs an identity").WithHint("add --certificate-identity: everybody at GitHub has the same issuer")
	case issuer != "":
		signers = append(signers, prove.Signer{Name: identity + pattern, Identity: identity, IdentityRegexp: pattern, Issuer: issuer})
	}
	return signers, nil
}

// rootsOf reads the files of --trusted-root.
func rootsOf(c *cli.Context) ([]*prove.Root, error) {
	roots, _, err := trustedRoots(c)
	return roots, err
}

// trustedRoots reads the files of --trusted-root, and says which they are: nil for
// none. Each file is read once: what is hashed is what is believed.
func trustedRoots(c *cli.Context) ([]*prove.Root, *evidence.TrustedRoot, error) {
	var roots []*prove.Root
	sum := sha256.New()
	files := c.StringSlice("trusted-root")
	for _, path := range files {
		raw, err := input.ReadFile(c.Context, path, maxRoot)
		if err != nil {
			return nil, nil, fileError("read the trusted root", err)
		}
		some, err := prove.ParseRoots(raw)
		if err != nil {
			return nil, nil, usagef("flag --trusted-root: %s: %w", path, err)
		}
		roots = append(roots, some...)
		sum.Write(raw)
	}
	if len(roots) == 0 {
		return nil, nil, nil
	}
	root := &evidence.TrustedRoot{Source: strings.Join(files, ", "), SHA256: "sha256:" + hex.EncodeToString(sum.Sum(nil))}
	root.Newest, root.Ended = prove.Period(roots)
	return roots, root, nil
}

// fetchRoots fetches the trusted root of the public instance of Sigstore.
func fetchRoots(ctx context.Context, conn *connection) ([]*prove.Root, error) {
	roots, err := prove.FetchRoots(ctx, prove.Mirror{Transport: conn.client.Direct()})
	if err != nil {
		return nil, &gate.Fault{Err: err, Hint: "without a network, or with an instance of your own, name a file: --trusted-root FILE"}
	}
	return roots, nil
}

// verifierOf makes the verifier that believes the signers.
func verifierOf(signers []prove.Signer, roots []*prove.Root) (*prove.Verifier, error) {
	v, err := prove.NewVerifier(signers, roots...)
	if err != nil {
		return nil, usagef("%w", err)
	}
	return v, nil
}

// verifierWithRoots makes the verifier that believes the signers. It fetches trusted
// roots if an identity is among the signers and no root was given.
func verifierWithRoots(signers []prove.Signer, roots []*prove.Root, fetch func() ([]*prove.Root, error)) (*prove.Verifier, error) {
	v, err := verifierOf(signers, roots)
	if err != nil || !v.NeedsRoot() {
		return v, err
	}
	if roots, err = fetch(); err != nil {
		return nil, err
	}
	return verifierOf(signers, roots)
}

// notInRegistry is the mistake of a reference to which nothing can be attached.
func notInRegistry(ref, hint string) error {
	return usagef("%s is not in a registry: nothing can be attached to it", ref).WithHint("%s", hint)
}

// trustedSealers are the signers whose seals on evidence count: those whose decisions
// do.
func trustedSealers(p *policy.Policy) []prove.Signer {
	return proof.SignersOf(p.Signers(policy.ForDecision))
}

// trustText says in one line who a signature is from.
func trustText(v *prove.Verified) string {
	if v.Issuer != "" {
		return fmt.Sprintf("%s (%s)", v.By, v.Issuer)
	}
	return fmt.Sprintf("%s (key %s)", v.Signers[0], v.By)
}
