package main

import (
	"errors"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/diff"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

func diffCommand(p *program) *cli.Command {
	flags := []cli.Flag{
		&cli.StringSliceFlag{Name: "platform", Usage: "compare only `OS/ARCH[/VARIANT]` of an index; without it every runnable platform"},
		&cli.StringFlag{Name: "format", Value: "text", Usage: "print `NAME`: text (default), json, markdown or html"},
		&cli.BoolFlag{Name: "quiet", Usage: "print no progress and no warnings"},
	}
	return &cli.Command{
		Name:      "diff",
		Usage:     "compare two images: what is fixed, new and changed",
		ArgsUsage: "OLD NEW",
		Description: `Compares two images: findings that are fixed, new or staying, packages, size and
config. OLD and NEW are files of imagegate check --evidence, or images. Both are
judged by one policy. Two images are scanned with the same advisory database; files
can come from different ones, and then the comparison says which findings came with
the database. It decides nothing: the exit code is 0 when both could be compared.`,
		Flags:  slices.Concat(policyFlags(), flags, exploitedFlags(), givenFlags(), []cli.Flag{trustedRootFlag()}, workerFlags(), databaseFlags(), layerCacheFlags(), networkFlags()),
		Action: p.action(runDiff),
	}
}

// runDiff is the command "diff".
func runDiff(p *program, c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) != 2 {
		return usagef("imagegate diff compares two images, but %d were given", len(args)).
			WithHint("imagegate diff old.json registry.example.no/app:1.4.2")
	}
	write, ok := map[string]func(*diff.Document) ([]byte, error){
		"text":     func(d *diff.Document) ([]byte, error) { return diff.Text(d), nil },
		"markdown": func(d *diff.Document) ([]byte, error) { return diff.Markdown(d), nil },
		"html":     diff.HTML,
		"json":     nil,
	}[c.String("format")]
	if !ok {
		return usagef("flag --format: %q is no format", c.String("format")).WithHint("write text, json, markdown or html")
	}
	if !slices.ContainsFunc(args, func(arg string) bool { saved, err := isEvidence(arg); return err != nil || !saved }) {
		p.judges = materialSaved
	}
	run, err := prepare(p, c, args...)
	if err != nil {
		return err
	}
	if run.given, err = readGiven(p, c, run, true); err != nil {
		return err
	}
	sides, err := readSides(p, c, run, args)
	if err != nil {
		return err
	}
	d := &diff.Document{SchemaVersion: diff.SchemaVersion, Tool: toolVersion(), At: run.started, Policy: run.source.Path}
	d.Images, d.Unpaired = diff.Images(run.policy, sides[0].images, sides[1].images, run.started)
	for i, name := range []string{"old", "new"} {
		for _, m := range sides[i].missing {
			d.Unpaired = append(d.Unpaired, diff.Unpaired{Side: name, Reference: m.Ref, Reason: m.Err.Error()})
		}
	}
	if write == nil {
		err = p.printJSON(d)
	} else {
		var doc []byte
		if doc, err = write(d); err == nil {
			err = p.print("%s", doc)
		}
	}
	if err == nil && (len(d.Images) == 0 || len(sides[0].missing)+len(sides[1].missing) > 0) {
		return &outcomeError{policy.Undecided}
	}
	return err
}

// side is one side of a comparison.
type side struct {
	images  []evidence.Image
	missing []gate.Result // images that could not be seen
}

// readSides reads what is saved, and scans the images.
func readSides(p *program, c *cli.Context, run *setup, args []string) ([]side, error) {
	sides := make([]side, len(args))
	var refs []string
	for i, arg := range args {
		saved, err := isEvidence(arg)
		if err != nil {
			return nil, err
		}
		if !saved {
			refs = append(refs, arg)
			continue
		}
		all, err := readAllSaved(c.Context, []string{arg}, shard{}, nil)
		if err != nil {
			return nil, err
		}
		sides[i].images, sides[i].missing = splitSaved(all)
		for k := range sides[i].images {
			annotate(run.feeds, &sides[i].images[k])
			run.given.attach(&sides[i].images[k])
		}
	}
	if len(refs) == 0 {
		return sides, nil
	}
	results, err := scanImages(p, c, run, refs)
	if err != nil {
		return nil, err
	}
	for i, arg := range args {
		if slices.Contains(refs, arg) {
			sides[i] = sideFrom(results, arg)
		}
	}
	return sides, nil
}

// scanImages collects the evidence of images.
func scanImages(p *program, c *cli.Context, run *setup, refs []string) ([]gate.Result, error) {
	for _, ref := range refs {
		if err := checkPath(ref); err != nil {
			return nil, err
		}
		if _, err := image.ParseReference(ref); err != nil {
			return nil, usagef("%w", err)
		}
	}
	o, err := newScanOptions(p, c, run)
	if err != nil {
		return nil, err
	}
	defer o.connection.client.Close()
	finished, err := judgeImages(p, c, run, o, nil, slices.Compact(refs))
	if err != nil {
		return nil, err
	}
	return finished.Results, nil
}

func sideFrom(results []gate.Result, ref string) side {
	var s side
	for i := range results {
		switch r := &results[i]; {
		case r.Ref != ref:
		case r.Err != nil || r.Evidence == nil:
			if r.Err == nil {
				r.Err = errors.New("nothing was seen of it")
			}
			s.missing = append(s.missing, *r)
		default:
			s.images = append(s.images, *r.Evidence)
		}
	}
	return s
}

// isEvidence reports whether an argument is a file of saved evidence and not an
// image: a file of that name exists. Images on this machine have a prefix.
func isEvidence(arg string) (bool, error) {
	if source, _ := evidence.SourceOf(arg); source.Local() {
		return false, nil
	}
	info, err := os.Stat(arg)
	switch {
	case err != nil:
		return false, nil
	case info.IsDir():
		return false, nil // checkPath knows what to say
	case info.Mode().IsRegular() || info.Mode()&os.ModeNamedPipe != 0:
		return true, nil
	}
	return false, usagef("%s is neither a file nor a pipe", arg).WithHint("name a file of imagegate check --evidence, or an image")
}
