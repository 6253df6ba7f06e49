package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// maxHistory is how many files of earlier evidence a run reads.
const maxHistory = 1000

func historyFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "history", Usage: "count from when sealed evidence of earlier runs first had a finding: `EVIDENCE`, or a directory of such files, for a policy\nwith deadlines: {clock: first-seen}"}
}

// history is what earlier runs saw, by image.
type history map[seenImage][]evidence.Earlier

// seenImage names what is the same image from run to run.
type seenImage struct{ name, platform string }

func (h history) of(img *evidence.Image) []evidence.Earlier {
	return h[seenImage{img.Reference.Name, img.Platform}]
}

// readHistory reads what --history names. A file that is not sealed by a trusted signer
// is refused: whoever can write it could say when a finding was first seen.
func readHistory(c *cli.Context, pol *policy.Policy) (history, error) {
	paths, err := historyFiles(c.StringSlice("history"))
	if err != nil || len(paths) == 0 {
		return nil, err
	}
	if !pol.TakesHistory() {
		return nil, usagef("flag --history: the policy does not count from when a finding was first seen").
			WithHint("add to its section deadlines: clock: first-seen, a ceiling, and signed-by; or leave out the flag")
	}
	verifier, err := sealVerifier(c, pol)
	if err != nil {
		return nil, err
	}
	out := history{}
	for _, path := range paths {
		if err := out.read(c, verifier, path); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sealVerifier believes the seals of the signers that the policy trusts.
func sealVerifier(c *cli.Context, pol *policy.Policy) (*prove.Verifier, error) {
	roots, err := rootsOf(c)
	if err != nil {
		return nil, err
	}
	return verifierOf(trustedSealers(pol), roots)
}

// historyFiles lists the files of arguments, and of directories among them.
func historyFiles(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil || !info.IsDir() {
			out = append(out, arg) // an error comes up again where the file is read
			continue
		}
		entries, err := os.ReadDir(arg)
		if err != nil {
			return nil, fileError("read the earlier evidence", err)
		}
		some := len(out)
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".json") && !strings.HasSuffix(e.Name(), sealEnd) {
				out = append(out, filepath.Join(arg, e.Name()))
			}
		}
		if len(out) == some {
			return nil, usagef("flag --history: the directory %s has no file of evidence, NAME.json", arg).WithHint("name the directory that imagegate check --evidence DIR/NAME.json --seal writes to")
		}
	}
	if len(out) > maxHistory {
		return nil, usagef("flag --history: %d files are more than %d", len(out), maxHistory).WithHint("keep the oldest ones that are younger than deadlines.ceiling, and one of each week")
	}
	return out, nil
}

// read adds a file. What is hashed is what is read. Only the findings are kept.
func (h history) read(c *cli.Context, verifier *prove.Verifier, path string) error {
	all, digests, err := readHashed(c.Context, []string{path}, nil)
	if err != nil {
		return err
	}
	seal, lacking, err := sealOf(c.Context, verifier, path, digests[0])
	switch {
	case err != nil:
		return err
	case seal == nil:
		return &gate.Fault{Err: fmt.Errorf("the earlier evidence %s is not sealed: %s", path, lacking), Hint: "collect it with imagegate check --evidence FILE --seal, or leave it out"}
	case seal.time.IsZero():
		return fmt.Errorf("the seal of the earlier evidence %s does not say when it was collected", path)
	}
	images, _ := splitSaved(all)
	for i := range images {
		img := &images[i]
		if img.Scan == nil {
			continue
		}
		key := seenImage{img.Reference.Name, img.Platform}
		kept := &evidence.Image{Reference: img.Reference, Platform: img.Platform, Scan: &evidence.Scan{Need: img.Scan.Need, Findings: slices.Clip(img.Scan.Findings)}}
		h[key] = append(h[key], evidence.Earlier{Source: path, SHA256: strings.TrimPrefix(digests[0], "sha256:"), Time: seal.time, SignedBy: seal.signers, Image: kept})
	}
	return nil
}
