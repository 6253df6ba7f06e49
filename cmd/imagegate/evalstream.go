package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"github.com/imagegate/imagegate/cmd/imagegate/spool"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/ci"
	"github.com/imagegate/imagegate/gate/exploited"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// streams reports whether eval can read, judge and write image by image: the only
// report is in JSON. The other formats begin with what all images come to.
func streams(s *setup) bool {
	return len(s.outputs) == 1 && s.outputs[0].Format.Name == "json" && s.outputs[0].Path == "" &&
		s.ci.System == ci.None && s.shard.count == 0
}

var _ report.SharedWriter = (*spool.Spool)(nil)

// evalStream is the command "eval" for a JSON report. The memory that it needs
// does not grow with the images but for a few words about each. The report is a
// temporary file until all files are read: one of them can turn out to be broken
// at its end.
func evalStream(ctx context.Context, p *program, g *gate.Gate, run *gate.Run, feeds *exploited.Feeds, paths []string) error {
	dir, err := p.tmp.Path("")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "report-")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	kept := spool.New(f)
	e := &evalStreamer{gate: g, run: run, feeds: feeds}
	err = report.WriteJSON(kept, run, e.results(ctx, paths))
	if e.err != nil {
		return e.err
	}
	if err = errors.Join(err, kept.End()); err == nil {
		err = p.printStream(ctx, kept, run.Outcome())
	}
	if err != nil {
		err = fmt.Errorf("write json report to standard output: %w", err)
		p.complain(err)
		return verdictError(run.Outcome(), []error{err})
	}
	return verdictError(run.Outcome(), nil)
}

// printStream copies a report to standard output, unless it says that images pass
// and the run was told to end.
func (p *program) printStream(ctx context.Context, s *spool.Spool, outcome policy.Decision) error {
	if outcome == policy.Passed && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := p.lifetime.print(); err != nil {
		return err
	}
	if err := s.CopyTo(p.stdout); err != nil {
		return err
	}
	return p.lifetime.decide()
}

var errStopped = errors.New("internal error: the writer of the report has stopped")

// evalStreamer judges images and keeps what the end of the report says of them.
type evalStreamer struct {
	gate  *gate.Gate
	run   *gate.Run
	feeds *exploited.Feeds
	used  used
	err   error // why no more images can be read
}

// results judges the images of the files. The images that were never seen come
// last.
func (e *evalStreamer) results(ctx context.Context, paths []string) iter.Seq[*gate.Result] {
	return func(yield func(*gate.Result) bool) {
		reader := saved.NewReader()
		var missing []gate.Result
		var release *saved.Release
		var together []evidence.Image // with documents, that are judged with all of them
		for _, path := range paths {
			reader.OnRelease = func(r *saved.Release) error {
				if release = r; len(paths) > 1 {
					return errMixed(path)
				}
				return nil
			}
			lost, err := visitSaved(ctx, path, reader, nil, func(img *evidence.Image) error {
				e.used.add(img.Scan)
				annotate(e.feeds, img)
				if release != nil {
					together = append(together, *img)
					return nil
				}
				r := e.gate.Judge(ctx, []evidence.Image{*img})[0]
				e.keep(&r)
				if !yield(&r) {
					return errStopped
				}
				return nil
			})
			if err != nil {
				e.err, e.run.Results = err, nil
				return
			}
			missing = append(missing, lost...)
		}
		judged := e.gate.Judge(ctx, together)
		missing = append(judged, missing...)
		e.run.Release = judgeSaved(ctx, e.gate, release, missing)
		for i := range missing {
			e.keep(&missing[i])
			if !yield(&missing[i]) {
				return
			}
		}
		e.run.Engine, e.run.Database = e.used.engine(), e.used.database()
	}
}

// keep keeps what decides the verdict of the run.
func (e *evalStreamer) keep(r *gate.Result) {
	e.run.Results = append(e.run.Results, gate.Result{Ref: r.Ref, Err: r.Err, Verdict: policy.Verdict{Decision: r.Judged().Decision}})
}
