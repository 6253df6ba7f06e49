package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/ahead"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/gate/scan"
	"github.com/imagegate/imagegate/gate/scan/engine"
	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	defaultTimeout     = 15 * time.Minute
	defaultScanTimeout = 10 * time.Minute
	// imagesAhead is how many images are put together while the workers are busy
	// with others.
	imagesAhead = 2
)

func checkCommand(p *program) *cli.Command {
	flags := []cli.Flag{
		&cli.StringSliceFlag{Name: "platform", Usage: "judge only `OS/ARCH[/VARIANT]` of an index; without it every runnable platform"},
		&cli.StringFlag{Name: "images", Usage: "also judge the images in `FILE`: one on each line, # begins a comment, - is standard input"},
		shardFlag(),
		evidenceFlag(),
		&cli.BoolFlag{Name: "fail-fast", Usage: "stop at the first image that does not pass; names and configs are judged before any layer is fetched"},
	}
	flags = slices.Concat(policyFlags(), flags, givenFlags(), documentFlags(), proofFlags(), attestFlags(), exploitedFlags(), workerFlags(), reportFlags(), databaseFlags(), layerCacheFlags(), networkFlags())
	return &cli.Command{
		Name:      "check",
		Usage:     "judge images, and the documents of a release with theirs",
		ArgsUsage: "[IMAGE...]",
		Description: `Judges every IMAGE by one policy. An IMAGE is

` + sourcesHelp() + `
The policy is the file of --policy, otherwise of the variable IMAGEGATE_POLICY,
otherwise ./imagegate.yaml, otherwise the built-in policy (imagegate policy init prints it).`,
		Flags:  flags,
		Action: p.judging(materialImages, runCheck),
	}
}

// check is the command "check".
func runCheck(p *program, c *cli.Context) error {
	run, err := prepare(p, c, slices.Concat(localFiles(c.Args().Slice()), []string{c.String("images")}, documentFiles(c))...)
	if err != nil {
		return err
	}
	refs, err := imagesOf(p, c)
	if err != nil {
		return err
	}
	docs, err := readDocuments(p, c, run, refs)
	if err != nil {
		return err
	}
	if run.pinned, err = newPinnedOutput(c, docs, run.places()); err != nil {
		return err
	}
	refs = run.takeShare(refs)
	o, err := newScanOptions(p, c, run)
	if err != nil {
		return err
	}
	defer o.connection.client.Close()
	attester, err := newAttester(p, c, run, o.connection)
	if err != nil {
		return err
	}
	if err := attester.checkRefs(refs); err != nil {
		return err
	}
	if run.given, err = readGiven(p, c, run, true); err != nil {
		return err
	}
	finished, err := judgeImages(p, c, run, o, docs, refs)
	if err != nil {
		return err
	}
	if err := o.writePinned(c, run, docs, finished); err != nil {
		finished.Revoke(fmt.Errorf("the release passes, but its documents could not be pinned: %w", err))
	}
	attester.finish(c.Context, run, finished, "")
	return p.report(c.Context, run, finished)
}

// judgeImages scans and judges the images with what the command line asks for, and
// the documents with theirs. docs is nil without documents. The flags --platform and
// --fail-fast are unset for a command that does not have them.
func judgeImages(p *program, c *cli.Context, run *setup, o *scanOptions, docs *documents, refs []string) (*gate.Run, error) {
	resolver, err := o.resolver(c.StringSlice("platform"))
	if err != nil {
		return nil, err
	}
	scanner := &lazyScanner{feeds: run.feeds, open: sync.OnceValues(func() (*scan.Scanner, error) {
		return openScanner(p, o, report.SBOMFormats(run.outputs))
	})}
	switch {
	case !docs.needs(run.policy).Layers():
		ahead.Discard()
	case docs != nil:
		ahead.Start()
	}
	g := &gate.Gate{
		Policy: run.policy, Resolver: docs.resolver(resolver), Scanner: scanner, FailFast: c.Bool("fail-fast"),
		Given: run.given.attach,
		Now:   func() time.Time { return run.started }, Jobs: o.jobs + imagesAhead, Observe: run.progress.Observe,
	}
	if err := useProofs(c, run, o.connection, resolver, g); err != nil {
		return nil, err
	}
	run.progress.Expect(len(refs) + docs.images(g, refs))
	results, release := docs.check(c.Context, g, refs)
	scanner.close()
	o.closeStores()
	run.progress.Finish()
	return &gate.Run{
		Tool:      toolVersion(),
		Engine:    engine.Version(),
		Started:   run.started,
		Policy:    run.source,
		Database:  scanner.database(),
		Results:   results,
		Release:   release,
		Documents: scanner.documents(),
		Notes:     slices.Concat(implicitNotes(".", p.env), docs.remarks(), run.progress.Warnings()),
	}, nil
}

// imagesOf returns the images of the command line and of --images.
func imagesOf(p *program, c *cli.Context) ([]string, error) {
	refs := c.Args().Slice()
	if name := c.String("images"); name != "" {
		more, err := readImages(c.Context, p, name)
		if err != nil {
			return nil, err
		}
		refs = append(refs, more...)
	}
	if len(refs) == 0 && !namesDocuments(c) {
		return nil, usagef("imagegate check needs an image or a document").
			WithHint("imagegate check registry.example.no/app:1.4.2")
	}
	stdin := 0
	for _, name := range append(c.StringSlice(flagManifests), c.String("images"), c.String("policy")) {
		if name == "-" {
			stdin++
		}
	}
	for _, ref := range refs {
		// Here and not only when it is its turn: a typing mistake is one of the
		// command line, and nothing has been fetched yet.
		if err := checkPath(ref); err != nil {
			return nil, err
		}
		parsed, err := image.ParseReference(ref)
		if err != nil {
			return nil, usagef("%w", err)
		}
		if parsed.Name == image.StandardInput {
			stdin++
		}
	}
	if stdin > 1 {
		return nil, usagef("standard input would be read twice, and it can be read only once").
			WithHint("write one of the inputs to a file and name that")
	}
	return refs, nil
}

// sourcesHelp lists the forms of a reference, a line each.
func sourcesHelp() string {
	var b strings.Builder
	for _, s := range evidence.Sources() {
		fmt.Fprintf(&b, "  %-35s %s\n", s.Syntax(), s.Place())
	}
	return b.String()
}
