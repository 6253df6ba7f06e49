package main

import (
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
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
may hold many images.`,
		Flags:  slices.Concat(policyFlags(), []cli.Flag{shardFlag(), timeoutFlag()}, reportFlags()),
		Action: p.action(runEval),
	}
}

// eval is the command "eval".
func runEval(p *program, c *cli.Context) error {
	run, err := prepare(p, c, c.Args().Slice()...)
	if err != nil {
		return err
	}
	if !c.Args().Present() {
		return usagef("imagegate eval needs a file of evidence").
			WithHint("imagegate check IMAGE --evidence FILE writes one")
	}
	all, err := readAllSaved(c.Context, c.Args().Slice(), run.shard)
	if err != nil {
		return err
	}
	all, run.share = share(run.shard, all, func(s *savedImage) string { return s.ref })
	run.tellShare()
	images, missing := apart(all)
	g := &gate.Gate{Policy: run.policy, Now: func() time.Time { return run.started }}
	results := append(g.Judge(c.Context, images), missing...)
	return p.report(c.Context, run, &gate.Run{
		Tool:     toolVersion(),
		Engine:   engineOf(images),
		Started:  run.started,
		Policy:   run.source,
		Database: databaseOf(images),
		Results:  results,
		Saved:    true,
	})
}

// engineOf returns the scanner that all images were scanned with, "" when there
// is no such thing.
func engineOf(images []evidence.Image) string {
	engine := ""
	for i := range images {
		scan := images[i].Scan
		switch {
		case scan == nil:
		case engine == "":
			engine = scan.Engine
		case engine != scan.Engine:
			return ""
		}
	}
	return engine
}

// databaseOf returns the database that all images were scanned with, nil when
// there is no such thing.
func databaseOf(images []evidence.Image) *evidence.Database {
	var database *evidence.Database
	for i := range images {
		scan := images[i].Scan
		switch {
		case scan == nil || scan.Database == nil:
		case database == nil:
			database = scan.Database
		case database.Digest != scan.Database.Digest || database.FileSHA256 != scan.Database.FileSHA256:
			return nil
		}
	}
	return database
}
