package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/progress"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/proof"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/vex"
)

// readVEX reads a VEX document that a policy names, and looks who has signed it. What
// judges saved evidence does not need the file: it may be there.
func readVEX(p *program, c *cli.Context, path string, ask *policy.VEXRequest) ([]byte, error) {
	src, err := input.ReadFile(c.Context, path, vex.MaxSize)
	if errors.Is(err, fs.ErrNotExist) && p.judges == materialSaved {
		return nil, &policy.UnreadError{Err: err}
	}
	if err != nil || len(ask.Signers) == 0 {
		return src, err
	}
	bundle, err := input.ReadFile(c.Context, path+sealEnd, maxBundles)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		ask.Problem = "there is no file " + path + sealEnd
		return src, nil
	case err != nil:
		return nil, fmt.Errorf("its signature: %w", err)
	}
	roots, err := vexRoots(p, c, ask.Signers)
	if err != nil {
		ask.Problem = err.Error()
	}
	by, err := proof.FileSigner(src, bundle, path+sealEnd, ask.Signers, roots)
	if err != nil {
		if ask.Problem == "" {
			ask.Problem = err.Error()
		}
		return src, nil
	}
	ask.Signed = append(ask.Signed, *by)
	return src, nil
}

// vexRoots returns what confirms the identities among signers, none if they are keys.
// The root of the public Sigstore is fetched where the command would fetch it for the
// signatures of images.
func vexRoots(p *program, c *cli.Context, signers []policy.Signer) ([]*prove.Root, error) {
	if !slices.ContainsFunc(signers, func(s policy.Signer) bool { return s.Key == "" }) {
		return nil, nil
	}
	roots, err := rootsOf(c)
	if err != nil || len(roots) > 0 || c.Bool("offline") || p.judges != materialImages {
		return roots, err
	}
	conn, err := connect(p, c, progress.New(io.Discard, true, p.env.get))
	if err != nil {
		return nil, err
	}
	return fetchRoots(c.Context, conn)
}
