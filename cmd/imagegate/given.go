package main

import (
	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/policy/evidence"
)

// given is what the command line gives to compare images with.
type given struct {
	base    baselines
	history history
}

func givenFlags() []cli.Flag { return cmdline.Group("Earlier evidence", baselineFlag(), historyFlag()) }

// givenFiles are the files that the flags name.
func givenFiles(c *cli.Context) []string {
	return append(c.StringSlice("history"), c.String("baseline"))
}

// readGiven reads what the flags name. Images are scanned only by commands that can scan.
func readGiven(p *program, c *cli.Context, run *setup, scans bool) (given, error) {
	var g given
	var err error
	if g.history, err = readHistory(c, run.policy); err != nil {
		return g, err
	}
	g.base, err = readBaseline(p, c, run, scans)
	return g, err
}

// attach tells an image what there is to compare it with.
func (g given) attach(img *evidence.Image) {
	img.Baseline, img.Earlier = g.base.of(img), g.history.of(img)
}
