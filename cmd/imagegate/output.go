package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/ci"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/policy"
)

// report writes everything that was asked for and returns the outcome. Nothing
// that is written can change a denial. A pass that could not be reported, or
// that came after the run was told to end, is taken back, and all reports are
// written without it: no report may contradict the exit code.
func (p *program) report(ctx context.Context, s *setup, run *gate.Run) error {
	if run.Shard = s.share; run.Shard != nil {
		run.Notes = append(run.Notes, shardNote(run.Shard))
	}
	failures := p.writeReports(ctx, s, run)
	if len(failures) > 0 && run.Outcome() == policy.Passed {
		run.Revoke(errors.Join(failures...))
		p.writeReports(ctx, s, run) // what failed once need not be told again
	}
	for _, err := range failures {
		p.complain(err)
	}
	err := runError(run, failures)
	p.publish(s, run, exitCode(err))
	return err
}

// writeReports writes all reports. While the outcome is a pass, it writes
// nothing that people can see unless everything can be written and the run was
// not told to end; from then on, no signal ends the run.
func (p *program) writeReports(ctx context.Context, s *setup, run *gate.Run) (failures []error) {
	var files report.Files
	defer files.Discard()
	fail := func(err error) {
		if err != nil {
			failures = append(failures, err)
		}
	}
	if s.evidence != "" {
		if err := files.Add(s.evidence, func(w io.Writer) error { return saved.WriteRun(w, run) }); err != nil {
			fail(fmt.Errorf("save the evidence: %w", err))
		}
	}
	if s.dotenv != "" {
		fail(files.Add(s.dotenv, func(w io.Writer) error { return ci.Dotenv(w, run) }))
	}
	var printed []document
	for _, o := range textLast(s.outputs) {
		if o.Path != "" {
			fail(files.Add(o.Path, func(w io.Writer) error { return o.Format.Write(w, run, p.reportOptions(s, run)) }))
			continue
		}
		doc, err := p.render(o.Format, s, run)
		printed = append(printed, document{o.Format, doc})
		fail(err)
	}
	defer s.pinned.discard()
	if run.Outcome() == policy.Passed {
		fail(s.pinned.stage(&files))
	}
	passed := run.Outcome() == policy.Passed || run.Excused() // the exit code will be 0
	if passed && ctx.Err() != nil {
		fail(fmt.Errorf("cancelled: %w", context.Cause(ctx)))
	}
	if passed && len(failures) > 0 {
		return failures
	}
	if err := p.lifetime.print(); err != nil {
		return append(failures, err)
	}
	// Devices are written before standard output: when one fails, no report that says
	// pass has been printed yet.
	failures = append(failures, files.WriteDevices()...)
	if passed && len(failures) > 0 {
		return failures
	}
	for _, d := range printed {
		fail(p.writeFolded(d.format, s, d.content))
	}
	if passed && len(failures) > 0 {
		return failures
	}
	if err := p.lifetime.decide(); err != nil {
		return append(failures, err)
	}
	failures = append(failures, files.Commit()...)
	if run.Outcome() == policy.Passed && len(failures) == 0 {
		fail(s.pinned.commit())
	}
	return failures
}

// document is a report for standard output.
type document struct {
	format  *report.Format
	content []byte
}

// runError turns a finished run into what exitCode understands. An image that fails
// and was promoted in an emergency is the only denial that ends with 0, and only when
// every report says so. Where that promotion did not finish, there is nothing to fix in
// the image, and the same run again may help: that is no verdict.
func runError(run *gate.Run, failures []error) error {
	if run.Unfinished() {
		return &outcomeError{policy.Undecided}
	}
	if !run.Excused() {
		return verdictError(run.Outcome(), failures)
	}
	if len(failures) > 0 {
		return &toldError{errors.Join(failures...)}
	}
	return nil
}

// verdictError turns the outcome into what exitCode understands.
func verdictError(outcome policy.Decision, failures []error) error {
	switch {
	case outcome == policy.Denied:
		return &outcomeError{outcome}
	case len(failures) > 0:
		return &toldError{errors.Join(failures...)}
	case outcome != policy.Passed:
		return &outcomeError{outcome}
	}
	return nil
}

// publish tells the CI system. Its errors are warnings in the log, because the
// verdict and the requested reports are written already.
func (p *program) publish(s *setup, run *gate.Run, code int) {
	o := ci.Options{Stdout: p.stdout, ExitCode: code, Outputs: s.outputs, Report: p.reportOptions(s, run)}
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

// reportOptions returns what the formats have to know. What they leave out is
// told at once, and becomes a note of the run.
func (p *program) reportOptions(s *setup, run *gate.Run) report.Options {
	return report.Options{
		Now: s.started, PolicyDir: s.ci.Workspace, DefaultBranchImage: s.ci.DefaultBranchImage, All: s.all,
		LeftOut: func(text string) {
			if !slices.Contains(run.Notes, text) {
				run.Notes = append(run.Notes, text)
				s.progress.Warn(text)
			}
		},
	}
}

// textLast moves the text to the end: it tells what other formats left out.
func textLast(outputs []report.Output) []report.Output {
	out := slices.Clone(outputs)
	isText := func(o report.Output) int {
		if o.Format.Name == "text" {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b report.Output) int { return cmp.Compare(isText(a), isText(b)) })
	return out
}

// render returns a report for standard output.
func (p *program) render(f *report.Format, s *setup, run *gate.Run) ([]byte, error) {
	options := p.reportOptions(s, run)
	if f, ok := p.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		options.Color = s.color && p.env.get("TERM") != "dumb"
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			options.Width = columns
		}
	}
	options.Color = options.Color || s.color && p.env.forcesColor()
	var doc bytes.Buffer
	err := f.Write(&doc, run, options)
	return doc.Bytes(), err
}

// writeFolded writes a document to standard output. In GitLab's log the text
// becomes a section that can be folded. GitHub would show the section folded, and
// hide the reasons.
func (p *program) writeFolded(f *report.Format, s *setup, doc []byte) error {
	end := func() error { return nil }
	var err error
	if s.ci.System == ci.GitLab && f.Name == "text" {
		end, err = s.ci.Section(p.stdout, "imagegate", "imagegate: verdict", p.now)
	}
	if err == nil {
		_, err = p.stdout.Write(doc)
		err = errors.Join(err, end())
	}
	if err != nil {
		return fmt.Errorf("write %s report to standard output: %w", f.Name, err)
	}
	return nil
}
