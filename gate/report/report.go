// Package report writes a finished run in the formats that people and CI
// systems read.
//
// No writer decides anything: the verdict is [gate.Run.Outcome]. It is final before
// the first writer is called, so the set of formats cannot change it.
// Every writer is a pure function of the run and the options: equal input gives
// equal bytes.
//
// Output is a trust boundary. All text that is not a constant of this package passes
// through an encoder of package safe, or through an encoder of its format, at
// the moment it is written.
package report

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/words"
)

// Format is one way to write a run.
type Format struct {
	Name      string // as on the command line
	Title     string // what it is for, one line of help
	Where     string // where it goes from here, one line of help
	Extension string // of files, with the dot
	// Stdout is true when people read the format on standard output. The others
	// are made for programs: they can be written there too, but belong in a file.
	Stdout bool

	write func(w io.Writer, run *gate.Run, o Options) error
}

// Formats returns every format, the most common ones first.
func Formats() []Format {
	return []Format{
		textFormat(),
		jsonFormat(),
		sarifFormat(),
		junitFormat(),
		gitlabFormat(),
		codeQualityFormat(),
		markdownFormat(),
		markdownCommentFormat(),
		cycloneDXFormat(),
		spdxFormat(),
		htmlFormat(),
		githubFormat(),
	}
}

// Lookup returns the format with that name.
func Lookup(name string) (*Format, error) {
	formats := Formats()
	for i := range formats {
		if formats[i].Name == name {
			return &formats[i], nil
		}
	}
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.Name
	}
	if near := words.Nearest(name, names); near != "" {
		return nil, fmt.Errorf("unknown output format %q: did you mean %q?", name, near)
	}
	return nil, fmt.Errorf("unknown output format %q (use one of %s)", name, strings.Join(names, ", "))
}

// Options are the wishes of one reader. The zero value is fit for a file.
type Options struct {
	// Color allows colours in the text format.
	Color bool
	// Width is the width of the terminal in columns; 0 means that there is none,
	// and tables are as wide as they need.
	Width int
	// PolicyDir is the root of the repository: positions in policy files are
	// written relative to it, and left out for files outside of it. With "" the
	// policy's path is taken as it is.
	PolicyDir string
	// Now is the moment of writing, from which ages are counted; the start of
	// the run when zero.
	Now time.Time
	// MaxRows is how many rows a table of the text format has before findings
	// are grouped by package; 0 means 25.
	MaxRows int
	// All lists every rule and every accepted finding in the text format.
	All bool
	// LeftOut gets a message for what a format left out because its reader has a limit, and
	// how to see it. It may be nil.
	LeftOut func(string)
	// MaxBytes bounds the Markdown formats; 0 means what their reader allows. A
	// job summary that another step has begun has less room.
	MaxBytes int
	// DefaultBranchImage is the name of the image on the default branch
	// (CS_DEFAULT_BRANCH_IMAGE), so that GitLab recognises findings when the
	// branch is part of the repository path.
	DefaultBranchImage string
}

// leaveOut tells what a format left out.
func (o *Options) leaveOut(format string, args ...any) {
	if o.LeftOut != nil {
		o.LeftOut(fmt.Sprintf(format, args...))
	}
}

// whole writes a document that is rendered as a whole: nothing is written when
// that fails.
func whole(render func(*gate.Run, Options) ([]byte, error)) func(io.Writer, *gate.Run, Options) error {
	return func(w io.Writer, run *gate.Run, o Options) error {
		doc, err := render(run, o)
		if err != nil {
			return err
		}
		_, err = w.Write(doc)
		return err
	}
}

// Write writes run to w. When it fails, what was written is of no use:
// [Files] leaves no such file.
func (f *Format) Write(w io.Writer, run *gate.Run, o Options) error {
	if run == nil {
		return errors.New("there is no run to report")
	}
	if o.Now.IsZero() {
		o.Now = run.Started
	}
	if err := f.write(w, run, o); err != nil {
		return fmt.Errorf("write %s report: %w", f.Name, err)
	}
	return nil
}
