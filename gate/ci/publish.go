package ci

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report"
)

// summaryLimit is what GitHub takes as the summary of one step. It drops the
// whole of a longer one.
const summaryLimit = 1 << 20

// summaryLeast is the room below which a summary is not worth beginning.
const summaryLeast = 2000

// Options say what is published beside the run itself.
type Options struct {
	// Stdout is where annotations go; the runner reads them there. nil for none.
	Stdout io.Writer
	// ExitCode is the exit code that the program is going to end with.
	ExitCode int
	// Outputs are the report files that were written.
	Outputs []report.Output
	// Report is handed to the writers of summary and annotations.
	Report report.Options
}

// Publish tells the CI system about run: on GitHub the step's outputs, the job
// summary and annotations; elsewhere there is nothing that a program publishes
// by itself. Everything is tried; the error joins what could not be done, and
// is meant for a warning.
func (e Environment) Publish(run *gate.Run, o Options) error {
	if e.System != GitHub {
		return nil
	}
	o.Report.PolicyDir = cmp.Or(o.Report.PolicyDir, e.Workspace)
	return errors.Join(e.writeOutputs(run, o), e.writeSummary(run, o.Report), annotate(run, o))
}

func (e Environment) writeOutputs(run *gate.Run, o Options) error {
	if e.Outputs == "" {
		return errors.New("step outputs were not written: GITHUB_OUTPUT is not set")
	}
	var b bytes.Buffer
	err := Outputs(&b, run, o)
	if err == nil {
		err = appendTo(e.Outputs, b.Bytes())
	}
	if err != nil {
		return fmt.Errorf("step outputs were not written: %w", err)
	}
	return nil
}

// writeSummary appends to the job summary. What earlier commands of the step
// wrote counts against the same limit.
func (e Environment) writeSummary(run *gate.Run, o report.Options) error {
	if e.Summary == "" {
		return errors.New("the job summary was not written: GITHUB_STEP_SUMMARY is not set")
	}
	room := summaryLimit - fileSize(e.Summary) - 1
	if room < summaryLeast {
		return fmt.Errorf("the job summary was not written: %s is full already (GitHub takes 1 MiB per step)", e.Summary)
	}
	o.MaxBytes = room
	var b bytes.Buffer
	err := write(&b, "markdown", run, o)
	if err == nil {
		err = appendTo(e.Summary, append(b.Bytes(), '\n'))
	}
	if err != nil {
		return fmt.Errorf("the job summary was not written: %w", err)
	}
	return nil
}

func annotate(run *gate.Run, o Options) error {
	if o.Stdout == nil {
		return nil
	}
	if err := write(o.Stdout, "github", run, o.Report); err != nil {
		return fmt.Errorf("annotations were not written: %w", err)
	}
	return nil
}

func write(w io.Writer, format string, run *gate.Run, o report.Options) error {
	f, err := report.Lookup(format)
	if err != nil {
		return err
	}
	return f.Write(w, run, o)
}

// fileSize is the size of a file, 0 when there is none yet.
func fileSize(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return int(min(info.Size(), summaryLimit))
}

// appendTo appends to one of the runner's files with a single write. The runner
// makes these files; another
// process put there anything that is not a plain file.
func appendTo(path string, content []byte) error {
	info, err := os.Lstat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
