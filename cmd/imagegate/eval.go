package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/evidence"
)

// maxEvidence bounds a file of saved evidence.
const maxEvidence = 1 << 30

func (p *program) evalCommand() *cli.Command {
	return &cli.Command{
		Name:      "eval",
		Usage:     "judge saved evidence again, without network or scanner",
		ArgsUsage: "EVIDENCE...",
		Description: `Judges what imagegate check --evidence has saved, by the policy that check would
use. Exceptions, grace periods and ages count from now, not from the day of the
scan; advisories that came out since are not known.`,
		Flags:  append(policyFlags(), reportFlags()...),
		Action: p.eval,
	}
}

// eval is the command "eval".
func (p *program) eval(c *cli.Context) error {
	run, err := p.prepare(c)
	if err != nil {
		return err
	}
	if !c.Args().Present() {
		return usagef("imagegate eval needs a file of evidence").
			withHint("imagegate check IMAGE --evidence FILE writes one")
	}
	var images []evidence.Image
	var missing []gate.Result
	for _, path := range c.Args().Slice() {
		saved, err := readSaved(path)
		if err != nil {
			return err
		}
		images = append(images, saved.Images...)
		missing = append(missing, saved.Results()...)
	}
	g := &gate.Gate{Policy: run.policy, Now: func() time.Time { return run.started }}
	return p.report(c.Context, run, &gate.Run{
		Tool:     toolVersion(),
		Engine:   engineOf(images),
		Started:  run.started,
		Policy:   run.source,
		Database: databaseOf(images),
		Results:  append(g.Judge(c.Context, images), missing...),
		Notes:    []string{"judged from saved evidence: advisories that came out since it was collected are not known"},
	})
}

// readSaved reads a file of saved evidence. One that is not there is a mistake
// of the command line; any other trouble means that there is no evidence.
func readSaved(path string) (*gate.Saved, error) {
	data, err := readFileUpTo(path, maxEvidence)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("read evidence: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	saved, err := gate.ParseSaved(data)
	if err != nil {
		return nil, fmt.Errorf("read evidence %s: %w", path, err)
	}
	return saved, nil
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
