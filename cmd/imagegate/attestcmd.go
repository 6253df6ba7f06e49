package main

import (
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/prove"
)

func attestCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "attest",
		Usage:     "judge saved evidence again, sign the decision and attach it, without scanning",
		ArgsUsage: "EVIDENCE...",
		Description: `Does what imagegate check --attest does after the scan: for a run whose log, key
service or registry was away, or for a machine that has the key and no scanner. The
policy is applied again, as of now. The decision names the evidence by its hash, so
that a reader can tell it from one that was made right after the scan. Give it the
--baseline and --history that check had: without them more findings block.`,
		Flags:  slices.Concat(policyFlags(), givenFlags(), attachFlags(), signFlags(), []cli.Flag{timeoutFlag()}, sealedFlags(), trustFlags(), reportFlags(), networkFlags()),
		Action: p.judging(materialSaved, runAttest),
	}
}

// runAttest is the command "attest".
func runAttest(p *program, c *cli.Context) error {
	run, err := prepare(p, c, c.Args().Slice()...)
	if err != nil {
		return err
	}
	if !c.Args().Present() {
		return usagef("imagegate attest needs a file of evidence").WithHint("imagegate check IMAGE --evidence FILE writes one")
	}
	if run.given, err = readGiven(p, c, run, false); err != nil {
		return err
	}
	conn, err := connect(p, c, run.progress)
	if err != nil {
		return err
	}
	defer func() { _ = conn.client.Close() }()
	attester, err := attesterOf(p, c, run, conn)
	if err != nil {
		return err
	}
	sealed, err := readSeals(c, trustedSealers(run.policy), c.Args().Slice())
	if err != nil {
		return err
	}
	all, files, err := sealed.images(c.Context, c.Args().Slice(), nil) // a decision is about an image by itself
	if err != nil {
		return err
	}
	images, missing := splitSaved(all)
	var refs []string
	var used used
	for i := range images {
		if r := &images[i].Reference; r.JudgedFrom != "" {
			return usagef("%s was judged from %s: a decision cannot be signed about an image that was not where its name says", r.Asked, r.JudgedFrom).
				WithHint("push the image, check it by its name, and sign that")
		}
		refs = append(refs, images[i].Reference.Asked)
		used.add(images[i].Scan)
		images[i].VEX = run.policy.VEXInputs(&images[i]) // the decision names what it rests on
	}
	if err := attester.checkRefs(refs); err != nil {
		return err
	}
	for _, digest := range files {
		attester.input = append(attester.input, prove.Resource{Name: "saved evidence", Digest: map[string]string{"sha256": strings.TrimPrefix(digest, "sha256:")}})
	}
	g := &gate.Gate{Policy: run.policy, Given: run.given.attach, Now: func() time.Time { return run.started }}
	out := &gate.Run{
		Tool: toolVersion(), Started: run.started, Policy: run.source, Saved: true, SealedBy: sealed.by, Engine: used.engine(), Database: used.database(),
		Results: append(g.Judge(c.Context, images), missing...),
	}
	attester.finish(c.Context, run, out, "")
	return p.report(c.Context, run, out)
}
