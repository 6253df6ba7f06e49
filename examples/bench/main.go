// Command bench measures imagegate beside Trivy's own command line of the same
// version: same images, same database, same registry on loopback, in turn, A B A
// B. It makes the images itself, so that everybody measures the same ones.
//
//	make bench                            # everything
//	make bench BENCH_ONLY=slim,fat-cold   # some rows
//	make bench-curve                      # how time and memory grow
//	make bench-docs                       # both, and write docs/performance.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// options are the flags.
type options struct {
	gate, trivy, crane, database, dir string
	layout, extra, only, write        string
	runs                              int
	curve, make, serve                bool
}

func main() {
	log.SetFlags(log.Ltime)
	log.SetPrefix("bench: ")
	o := parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		stop()
		log.Fatal(err)
	}
}

func parse() (o options) {
	flag.StringVar(&o.gate, "gate", "../../bin/imagegate", "the imagegate `binary`")
	flag.StringVar(&o.trivy, "trivy", "", "the Trivy `binary`; built from this module when empty")
	flag.StringVar(&o.crane, "crane", "", "the crane `binary`; built from this module when empty")
	flag.StringVar(&o.database, "cache-dir", "", "a Trivy cache `directory` with a database (required)")
	flag.StringVar(&o.dir, "dir", "", "keep images, programs and results in `directory` (default: imagegate-bench in the user's cache)")
	flag.StringVar(&o.layout, "layout", "", "an OCI image layout `directory` with more images")
	flag.StringVar(&o.extra, "extra", "", "`names` of images of -layout to measure, with commas")
	flag.StringVar(&o.only, "only", "", "measure only rows or curves whose id contains one of these `texts`, with commas")
	flag.StringVar(&o.write, "write", "", "put the tables of everything measured so far into this `file`, between its marks")
	flag.IntVar(&o.runs, "n", 5, "counted runs of each program")
	flag.BoolVar(&o.curve, "curve", false, "measure the growth curves instead of the rows")
	flag.BoolVar(&o.make, "make", false, "only make the images")
	flag.BoolVar(&o.serve, "serve", false, "be the registry of the layouts given as arguments (used by the program itself)")
	flag.Parse()
	return o
}

func (o options) run(ctx context.Context) error {
	if o.serve {
		return serve(flag.Args())
	}
	images, err := o.imageDir()
	if err != nil {
		return err
	}
	if o.make {
		return o.makeImages(images)
	}
	if o.database == "" {
		return errors.New("-cache-dir is required: a directory with db/ and java-db/ (go run ./examples/testdb DIR makes a small one)")
	}
	// Images are made in another process, so that the memory this takes does
	// not count for the process that forks.
	if err := o.again(ctx, "-make"); err != nil {
		return err
	}
	b, err := o.setUp(ctx, images)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	defer b.registry.stop()
	defer b.stopTarget()
	return o.measure(ctx, b)
}

// imageDir is the directory of the images, with all that their bytes depend on
// in its name.
func (o *options) imageDir() (string, error) {
	if o.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		o.dir = filepath.Join(cache, "imagegate-bench")
	}
	return filepath.Join(o.dir, fmt.Sprintf("images-%d-%s-%s", generation, strings.ReplaceAll(runtime.Version(), ":", "-"), runtime.GOARCH)), nil
}

func (o options) makeImages(dir string) error {
	s, err := openStore(dir)
	if err != nil {
		return err
	}
	if o.curve {
		return s.make(curveImages())
	}
	return s.make(benchImages())
}

// again runs this program with one more flag.
func (o options) again(ctx context.Context, flag string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{flag, "-dir", o.dir}
	if o.curve {
		args = append(args, "-curve")
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// setUp builds the peers and starts the registry.
func (o options) setUp(ctx context.Context, images string) (*bench, error) {
	b := &bench{gate: o.gate, trivy: o.trivy, crane: o.crane, database: o.database, layouts: []string{images}, runs: o.runs}
	if o.layout != "" {
		b.layouts = append(b.layouts, o.layout)
	}
	var err error
	for _, p := range []struct {
		binary *string
		pkg    string
	}{{&b.trivy, trivyPackage}, {&b.crane, cranePackage}} {
		if *p.binary == "" {
			if *p.binary, err = buildPeer(ctx, o.dir, p.pkg); err != nil {
				return nil, err
			}
		}
	}
	// Beside the images: /tmp is often memory, and memory is measured.
	if b.work, err = os.MkdirTemp(o.dir, "work-"); err != nil {
		return nil, err
	}
	if err = b.prepare(ctx); err == nil {
		b.registry, err = startRegistry(b.layouts...)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.work))
	}
	return b, nil
}

// measure measures what was asked for and adds it to what is known.
func (o options) measure(ctx context.Context, b *bench) error {
	known := results{file: filepath.Join(o.dir, "results.json")}
	if err := known.load(b); err != nil {
		return err
	}
	log.Printf("%d runs of each, load %.1f, %s", b.runs, load(), known.Machine)
	if o.curve {
		if err := b.measureCurves(ctx, curves(), o.only, known.keepCurve); err != nil {
			return err
		}
	} else {
		rows, err := b.rows(strings.FieldsFunc(o.extra, func(r rune) bool { return r == ',' }))
		if err != nil {
			return err
		}
		if err := b.measureRows(ctx, rows, o.only, known.keep); err != nil {
			return err
		}
	}
	all := known.tables()
	for _, name := range []string{"machine", "wall", "cost", "traffic", "rate", "floor", "curves"} {
		if all[name] != notMeasured {
			fmt.Println(all[name])
		}
	}
	if o.write == "" {
		return nil
	}
	return known.write(o.write, all)
}
