package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/ahead"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/registry"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/gate/scan"
	"github.com/imagegate/imagegate/gate/scan/engine"
	"github.com/imagegate/imagegate/gate/scan/process"
	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	defaultTimeout     = 15 * time.Minute
	defaultScanTimeout = 10 * time.Minute
	// imagesAhead is how many images are put together while the workers are busy
	// with others.
	imagesAhead = 2
)

func (p *program) checkCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringSliceFlag{Name: "platform", Usage: "judge only `OS/ARCH[/VARIANT]` of an index; without it every runnable platform"},
		&cli.StringFlag{Name: "images", Usage: "also judge the images in `FILE`: one on each line, # begins a comment, - is standard input"},
		shardFlag(),
		&cli.StringFlag{Name: "evidence", Usage: "save what was seen in `FILE`, for imagegate eval"},
		&cli.BoolFlag{Name: "fail-fast", Usage: "stop at the first image that does not pass; names and configs are judged before any layer is fetched"},
		&cli.IntFlag{Name: "jobs", Usage: "let `N` scan workers work at once, each on one layer or image (default: what processors and memory allow)"},
		&cli.StringFlag{Name: "memory", Usage: "give each scan worker `SIZE` of memory, such as 2GiB (default: what the machine allows)"},
		&cli.DurationFlag{Name: "timeout", Value: defaultTimeout, Usage: "end the whole run after `DURATION` (default: 15m)"},
		&cli.DurationFlag{Name: "scan-timeout", Value: defaultScanTimeout, Usage: "end the scan of one image after `DURATION` (default: 10m)"},
	}
	flags = slices.Concat(policyFlags(), flags, reportFlags(), databaseFlags(), layerCacheFlags(), networkFlags())
	return &cli.Command{
		Name:      "check",
		Usage:     "judge images",
		ArgsUsage: "IMAGE...",
		Description: `Judges every IMAGE by one policy. An IMAGE is

  registry.example.no/app:1.4.2[@sha256:...]  in a registry
  oci:DIR[:TAG|@DIGEST]                       in an OCI image layout
  tar:FILE                                    in an archive of docker save or OCI

The policy is the file of --policy, else of the variable IMAGEGATE_POLICY, else
./imagegate.yaml, else the built-in default (imagegate policy init prints it).`,
		Flags:  flags,
		Action: p.check,
	}
}

// check is the command "check".
func (p *program) check(c *cli.Context) error {
	run, err := p.prepare(c)
	if err != nil {
		return err
	}
	refs, err := p.images(c)
	if err != nil {
		return err
	}
	refs = run.takeShare(refs)
	o, err := p.scanOptions(c, run)
	if err != nil {
		return err
	}
	ctx, cancel := p.deadline(c)
	defer cancel()

	resolver, err := o.resolver(c.StringSlice("platform"))
	if err != nil {
		return err
	}
	scanner := &lazyScanner{open: sync.OnceValues(func() (*scan.Scanner, error) {
		return p.openScanner(o, report.Bills(run.outputs))
	})}
	if !run.policy.Needs().Layers() {
		ahead.Discard()
	}
	g := &gate.Gate{
		Policy: run.policy, Resolver: resolver, Scanner: scanner, FailFast: c.Bool("fail-fast"),
		Now: func() time.Time { return run.started }, Jobs: o.jobs + imagesAhead, Observe: run.progress.observe,
	}
	run.progress.expect(len(refs))
	results := g.Check(ctx, refs)
	scanner.close()
	o.close()
	run.progress.finish()
	return p.report(ctx, run, &gate.Run{
		Tool:      toolVersion(),
		Engine:    engine.Version(),
		Started:   run.started,
		Policy:    run.source,
		Database:  scanner.database(),
		Results:   results,
		Documents: scanner.documents(),
		Notes:     append(implicitNotes(".", p.environ), run.progress.warnings()...),
	})
}

// images returns the images of the command line and of --images.
func (p *program) images(c *cli.Context) ([]string, error) {
	refs := c.Args().Slice()
	if name := c.String("images"); name != "" {
		more, err := p.readImages(name)
		if err != nil {
			return nil, err
		}
		refs = append(refs, more...)
	}
	if len(refs) == 0 {
		return nil, usagef("imagegate check needs an image").
			withHint("imagegate check registry.example.no/app:1.4.2")
	}
	for _, ref := range refs {
		// Here and not only when it is its turn: a typing mistake is one of the
		// command line, and nothing has been fetched yet.
		if _, err := registry.ParseReference(ref); err != nil {
			return nil, usagef("%w", err)
		}
	}
	return refs, nil
}

func (p *program) openScanner(o *scanOptions, bills []string) (*scan.Scanner, error) {
	root, err := p.tempDir(o.tempParent)
	if err != nil {
		return nil, &gate.Fault{Phase: gate.PhaseScan, Err: err, Hint: "name a directory that can be written to with --tmp-dir"}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("find this program to start workers: %w", err)}
	}
	return scan.New(scan.Options{
		TempDir:     root,
		Databases:   o.databases,
		Offline:     o.offline,
		MaxAge:      o.maxAge,
		Jobs:        o.jobs,
		Memory:      o.memory,
		Timeout:     o.scanTimeout,
		Limits:      o.connection.layerLimits,
		Command:     []string{self, process.Command},
		Ahead:       ahead.Take(),
		Analyzers:   new(engine.Selector),
		Cache:       o.layers,
		LayerMemory: o.layerMemory,
		Build:       buildID(self),
		Now:         p.now,
		Documents:   bills,
		Observe:     o.progress.observe,
	}), nil
}

// buildID names this build of the program for the layer cache. Two builds from
// a work tree can have the same version and still differ.
func buildID(self string) string {
	id := toolVersion() + " " + commit
	if info, err := os.Stat(self); err == nil && strings.Contains(id, "dev") {
		id += fmt.Sprintf(" %d %d", info.Size(), info.ModTime().UnixNano())
	}
	return id
}

// lazyScanner makes the scanner when it is needed: a policy that looks at names
// alone needs none.
type lazyScanner struct {
	open func() (*scan.Scanner, error)

	mu     sync.Mutex
	opened *scan.Scanner
	closed bool
}

// Scan implements [gate.Scanner].
func (l *lazyScanner) Scan(ctx context.Context, t *gate.Target, need evidence.Need) (*evidence.Scan, error) {
	s, err := l.get()
	if err != nil {
		return nil, err
	}
	return s.Scan(ctx, t, need)
}

func (l *lazyScanner) get() (*scan.Scanner, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.New("internal error: the scanner is closed")
	}
	s, err := l.open()
	if err == nil {
		l.opened = s
	}
	return s, err
}

func (l *lazyScanner) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.opened != nil {
		_ = l.opened.Close()
	}
}

// documents returns the bills of materials that were made.
func (l *lazyScanner) documents() map[string]map[string][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened == nil {
		return nil
	}
	return l.opened.Documents()
}

// database returns the advisory database that was used, nil when none was.
func (l *lazyScanner) database() *evidence.Database {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened == nil {
		return nil
	}
	return l.opened.Database()
}
