package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// maxBaseline limits the size of a file of evidence that is a baseline.
const maxBaseline = 256 << 20

func baselineFlag() cli.Flag {
	return &cli.StringFlag{Name: "baseline", Usage: "let findings pass that `IMAGE|EVIDENCE` has too, within what the section baseline of the policy allows"}
}

// baselines are the baselines of a run, by platform.
type baselines map[string]*evidence.Baseline

// of returns the baseline for an image, nil where there is none of its platform.
func (b baselines) of(img *evidence.Image) *evidence.Baseline { return b[img.Platform] }

// readBaseline reads what --baseline names. Images are scanned only by commands that can
// scan.
func readBaseline(p *program, c *cli.Context, run *setup, scans bool) (baselines, error) {
	name := c.String("baseline")
	if name == "" {
		return nil, nil
	}
	isFile, err := isEvidence(name)
	if err != nil {
		return nil, err
	}
	var all []*evidence.Baseline
	switch {
	case isFile:
		all, err = baselineFile(c, name)
	case scans:
		all, err = baselineImage(p, c, run, name)
	default:
		return nil, usagef("flag --baseline: %s is no file, and this command scans no image", name).WithHint("name a file of imagegate check --evidence")
	}
	if err != nil {
		return nil, err
	}
	if !run.policy.TakesBaseline() && len(all) > 0 {
		return nil, noBaselineSection(all)
	}
	lacking, err := sealBaseline(c, run.policy, name, all)
	if err != nil {
		return nil, err
	}
	out := baselines{}
	for _, b := range all {
		switch other := out[b.Image.Platform]; {
		case !run.policy.BaselineAllowed(b) && b.SHA256 != "":
			return nil, usagef("flag --baseline: the policy does not name the file %s%s", name, lacking).
				WithHint("if it is the one that was agreed on, add its hash to baseline.files: %s", b.SHA256)
		case !run.policy.BaselineAllowed(b):
			return nil, usagef("flag --baseline: the policy does not name the image %s", b.Source).
				WithHint("if it is the one that was agreed on, add its digest to baseline.digests: %s", b.Image.Digest)
		case other != nil:
			return nil, usagef("flag --baseline: %s has two images for %s: %s and %s", name, b.Image.Platform, other.Image.Reference.Asked, b.Image.Reference.Asked).
				WithHint("name a baseline with one image")
		}
		out[b.Image.Platform] = b
	}
	return out, nil
}

// sealBaseline notes who has sealed the file, where the policy takes sealed baselines and
// does not name the file by its hash. What it returns says why the seal is not enough.
func sealBaseline(c *cli.Context, pol *policy.Policy, path string, all []*evidence.Baseline) (lacking string, err error) {
	if !pol.SealsBaselines() || len(all) == 0 || all[0].SHA256 == "" || pol.BaselineAllowed(all[0]) {
		return "", nil
	}
	verifier, err := sealVerifier(c, pol)
	if err != nil {
		return "", err
	}
	seal, lacking, err := sealOf(c.Context, verifier, path, "sha256:"+all[0].SHA256)
	switch {
	case err != nil:
		return "", err
	case seal == nil:
		return ", and it is not sealed: " + lacking, nil
	}
	for _, b := range all {
		b.SignedBy = seal.signers
	}
	r := &all[0].Image.Reference
	return fmt.Sprintf("; it is sealed by %s and of %s, which baseline.signed-by and baseline.image do not both take", seal.by, cmp.Or(r.JudgedFrom, r.Name)), nil
}

// noBaselineSection is the answer to a baseline that the policy does not ask for.
func noBaselineSection(all []*evidence.Baseline) error {
	b := all[0]
	name := "digests: [\"" + b.Image.Digest + "\"]"
	if b.SHA256 != "" {
		name = "files: [" + b.SHA256 + "]"
	}
	return usagef("flag --baseline: the policy has no section baseline").
		WithHint("add baseline: {ceiling: {%s}, until: 2027-03-31, %s} to the policy, with an end of your own; the ceiling is what the baseline has, and smaller numbers are better", ceilingOf(all), name)
}

// ceilingOf writes the most findings of each severity that an image of the baseline has.
func ceilingOf(all []*evidence.Baseline) string {
	most := map[evidence.Severity]int{}
	for _, b := range all {
		counts := map[evidence.Severity]int{}
		if b.Image.Scan == nil {
			continue
		}
		for i := range b.Image.Scan.Findings {
			sev := cmp.Or(b.Image.Scan.Findings[i].Severity, evidence.SeverityUnknown)
			counts[sev]++
			most[sev] = max(most[sev], counts[sev])
		}
	}
	var parts []string
	for _, sev := range evidence.Severities() {
		if most[sev] > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", sev, most[sev]))
		}
	}
	if len(parts) == 0 {
		return "high: 0"
	}
	return strings.Join(parts, ", ")
}

// baselineFile reads a file once, so that the bytes that are hashed are those that are
// read.
func baselineFile(c *cli.Context, path string) ([]*evidence.Baseline, error) {
	raw, err := input.ReadFile(c.Context, path, maxBaseline)
	if err != nil {
		return nil, fileError("read the baseline", err)
	}
	sum := sha256.Sum256(raw)
	var all []*evidence.Baseline
	missing, err := saved.NewReader().Read(strings.NewReader(string(raw)), func(img *evidence.Image) error {
		all = append(all, &evidence.Baseline{Source: path, SHA256: hex.EncodeToString(sum[:]), Image: img})
		return nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the baseline %s: %w", path, err)
	case len(missing) > 0:
		return nil, fmt.Errorf("the baseline %s lacks an image that could not be seen: %s", path, missing[0].Reference)
	}
	return all, nil
}

// baselineImage scans an image, with the database of the run.
func baselineImage(p *program, c *cli.Context, run *setup, ref string) ([]*evidence.Baseline, error) {
	results, err := scanImages(p, c, run, []string{ref})
	if err != nil {
		return nil, err
	}
	var all []*evidence.Baseline
	for i := range results {
		r := &results[i]
		if r.Err != nil || r.Evidence == nil {
			return nil, &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("the baseline %s could not be scanned: %w", ref, r.Err)}
		}
		all = append(all, &evidence.Baseline{Source: ref, Image: r.Evidence})
	}
	return all, nil
}
