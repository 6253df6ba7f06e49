package main

import (
	"context"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/policy/evidence"
)

func evalCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "eval",
		Usage:     "judge saved evidence again, without network or scanner",
		ArgsUsage: "EVIDENCE...",
		Description: `Judges what imagegate check --evidence has saved, by the policy that check would
use. Exceptions, grace periods and ages count from now, not from the day of the
scan; advisories that came out since are not known. Each EVIDENCE is a file that
may hold many images.

Evidence that was sealed (check --evidence --seal) is compared with its seal, FILE.sigstore.json. A
seal of a trusted signer says that the file is what a check collected.

With --at the images are judged as if it were another day. Every report says that
this is hypothetical, and nothing is published to the CI system.`,
		Flags:  slices.Concat(policyFlags(), momentFlags(), exploitedFlags(), cacheFlags(), givenFlags(), []cli.Flag{shardFlag(), timeoutFlag()}, sealedFlags(), trustFlags(), reportFlags()),
		Action: p.judging(materialSaved, runEval),
	}
}

// runEval is the command "eval".
func runEval(p *program, c *cli.Context) error {
	run, err := prepare(p, c, c.Args().Slice()...)
	if err != nil {
		return err
	}
	if !c.Args().Present() {
		return usagef("imagegate eval needs a file of evidence").
			WithHint("imagegate check IMAGE --evidence FILE writes one")
	}
	if run.given, err = readGiven(p, c, run, false); err != nil {
		return err
	}
	g := &gate.Gate{Policy: run.policy, Given: run.given.attach, Now: func() time.Time { return run.started }}
	out := &gate.Run{Tool: toolVersion(), Started: run.started, Policy: run.source, Saved: true, Hypothetical: run.hypothetical}
	paths := c.Args().Slice()
	sealed, err := readSeals(c, trustedSealers(run.policy), paths)
	if err != nil {
		return err
	}
	out.SealedBy = sealed.by
	var release *saved.Release
	onRelease := func(path string) func(*saved.Release) error {
		return func(r *saved.Release) error {
			if len(paths) > 1 || run.shard.count > 0 {
				return errMixed(path)
			}
			release = r
			return nil
		}
	}
	var all []savedImage
	switch {
	case sealed.any():
		all, _, err = sealed.images(c.Context, paths, onRelease)
	case streams(run):
		return evalStream(c.Context, p, g, out, run.feeds, paths)
	default:
		// All images are kept for the report, so there is little to collect: looking for
		// it would take a twentieth of the processor time.
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(400)
		}
		all, err = readAllSaved(c.Context, paths, run.shard, onRelease)
	}
	if err != nil {
		return err
	}
	all, run.share = share(run.shard, all, func(s *savedImage) string { return s.ref })
	run.tellShare()
	images, missing := splitSaved(all)
	var used used
	for i := range images {
		used.add(images[i].Scan)
		annotate(run.feeds, &images[i])
	}
	out.Engine, out.Database = used.engine(), used.database()
	out.Results = append(g.Judge(c.Context, images), missing...)
	out.Release = judgeSaved(c.Context, g, release, out.Results)
	return p.report(c.Context, run, out)
}

// judgeSaved judges the documents of a file with its images, which are in results.
func judgeSaved(ctx context.Context, g *gate.Gate, r *saved.Release, results []gate.Result) *gate.Release {
	if r == nil {
		return nil
	}
	return g.JudgeRelease(ctx, &r.Documents, r.Alone, results)
}

// used collects the scanners and databases that images were scanned with.
type used struct {
	engines   []string             // each once, at most two
	databases []*evidence.Database // each once, at most two
}

func (u *used) add(s *evidence.Scan) {
	if s == nil {
		return
	}
	if len(u.engines) < 2 && !slices.Contains(u.engines, s.Engine) {
		u.engines = append(u.engines, s.Engine)
	}
	if s.Database != nil && len(u.databases) < 2 && !slices.ContainsFunc(u.databases, func(d *evidence.Database) bool {
		return d.Digest == s.Database.Digest && d.FileSHA256 == s.Database.FileSHA256
	}) {
		u.databases = append(u.databases, s.Database)
	}
}

// engine returns the scanner of all images, "" when there are several or none.
func (u *used) engine() string {
	if len(u.engines) == 1 {
		return u.engines[0]
	}
	return ""
}

// database returns the database of all images, nil when there are several or none.
func (u *used) database() *evidence.Database {
	if len(u.databases) == 1 {
		return u.databases[0]
	}
	return nil
}
