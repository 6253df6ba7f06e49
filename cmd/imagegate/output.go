package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/ci"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/policy"
)

// report writes everything that was asked for and returns the outcome. All is
// written before the outcome is looked at, and nothing that is written can
// change a denial. A pass that could not be reported is no verdict: whoever
// reads the reports would not know what the exit code says.
func (p *program) report(ctx context.Context, s *setup, run *gate.Run) error {
	if run.Shard = s.share; run.Shard != nil {
		run.Notes = append(run.Notes, shardNote(run.Shard))
	}
	var failures []error
	if s.evidence != "" {
		if err := report.WriteFile(s.evidence, func(w io.Writer) error { return saved.Write(w, run.Results) }); err != nil {
			failures = append(failures, fmt.Errorf("save the evidence: %w", err))
		}
	}
	for _, o := range s.outputs {
		if err := p.write(o, s, run); err != nil {
			failures = append(failures, err)
		}
	}
	for _, err := range failures {
		p.complain(err)
	}
	err := verdictError(ctx, run.Outcome(), failures)
	p.publish(s, run, exitCode(err))
	return err
}

// verdictError turns the outcome into what exitCode understands.
func verdictError(ctx context.Context, outcome policy.Decision, failures []error) error {
	switch {
	case outcome == policy.Denied:
		return &outcomeError{outcome}
	case len(failures) > 0:
		return &toldError{errors.Join(failures...)}
	case outcome != policy.Passed:
		return &outcomeError{outcome}
	case ctx.Err() != nil: // a run that was told to end while it reported is no pass
		return fmt.Errorf("cancelled: %w", context.Cause(ctx))
	}
	return nil
}

// publish tells the CI system. What it cannot be told stands in the log: the
// verdict and the reports that were asked for are there already.
func (p *program) publish(s *setup, run *gate.Run, code int) {
	o := ci.Options{Stdout: p.stdout, ExitCode: code, Outputs: s.outputs, Report: p.reportOptions(s)}
	for _, out := range s.outputs {
		switch {
		case out.Format.Name == "github":
			o.Stdout = nil // the annotations are there already
		case out.Path == "" && !out.Format.Stdout && o.Stdout != nil:
			o.Stdout = p.stderr // the runner reads both, and stdout belongs to the document
		}
	}
	if err := s.ci.Publish(run, o); err != nil {
		for line := range strings.Lines(err.Error()) {
			s.progress.Warn(strings.TrimSpace(line))
		}
	}
}

func (p *program) reportOptions(s *setup) report.Options {
	return report.Options{Now: s.started, PolicyDir: s.ci.Workspace, DefaultBranchImage: s.ci.DefaultBranchImage}
}

// write writes one report.
func (p *program) write(o report.Output, s *setup, run *gate.Run) error {
	options := p.reportOptions(s)
	if o.Path != "" {
		return report.WriteFile(o.Path, func(w io.Writer) error {
			return o.Format.Write(w, run, options)
		})
	}
	if f, ok := p.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		options.Color = s.color && p.env.get("TERM") != "dumb"
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			options.Width = columns
		}
	}
	var doc bytes.Buffer
	if err := o.Format.Write(&doc, run, options); err != nil {
		return err
	}
	if err := p.writeFolded(o.Format, s, doc.Bytes()); err != nil {
		return fmt.Errorf("write %s report to standard output: %w", o.Format.Name, err)
	}
	return nil
}

// writeFolded writes a document to standard output. In GitLab's log the text
// becomes a section that can be folded away; GitHub would fold it at once, and
// nobody would see the reasons.
func (p *program) writeFolded(f *report.Format, s *setup, doc []byte) error {
	end := func() error { return nil }
	if s.ci.System == ci.GitLab && f.Name == "text" {
		var err error
		if end, err = s.ci.Section(p.stdout, "imagegate", "imagegate: verdict", p.now); err != nil {
			return err
		}
	}
	_, err := p.stdout.Write(doc)
	return errors.Join(err, end())
}
