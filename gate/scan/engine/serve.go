//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	xos "github.com/aquasecurity/trivy/pkg/x/os"

	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Serve is the worker's main function: it answers the parent on in and out
// until in ends, and returns the exit code of the process. No other code may write
// to out. Serve redirects os.Stdout, because Trivy's dependencies print to it.
func Serve(ctx context.Context, in io.Reader, out io.Writer) int {
	os.Stdout = os.Stderr
	logs := new(logs)
	slog.SetDefault(slog.New(&logHandler{logs: logs}))
	defer xos.Cleanup()
	// A larger heap costs as much in page faults as it saves in collections: 40 images
	// took the same processor time and 0.6 of the memory that they took with 600.
	debug.SetGCPercent(100)

	e := &engine{logs: logs, in: wire.NewReader(in), out: wire.NewWriter(out)}
	if err := e.open(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "imagegate worker:", err)
		return 2
	}
	for {
		switch err := e.next(ctx); {
		case errors.Is(err, io.EOF):
			return 0 // the parent has no more work
		case err != nil:
			// The conversation may have stopped anywhere: say why, and end. The
			// parent starts another worker.
			_ = e.out.JSON(wire.TypeFailure, wire.Failure{Message: sameWords(err.Error())})
			_ = e.out.Flush()
			return 2
		}
	}
}

// engine is the state that lives as long as the process.
type engine struct {
	in         *wire.Reader
	out        *wire.Writer
	logs       *logs
	parallel   int
	advisories *advisories
	details    details
	groups     map[evidence.Need]*groups
}

// open answers the parent's Open: it takes its limits and opens the database.
func (e *engine) open(ctx context.Context) error {
	var o wire.Open
	if err := e.expect(wire.TypeOpen, &o); err != nil {
		return err
	}
	e.parallel = max(1, o.Parallel)
	if err := settle(o.Dir); err != nil {
		return err
	}
	if o.Memory > 0 {
		// The soft limit makes the collector run before the hard limit ends the
		// process.
		debug.SetMemoryLimit(o.Memory * 4 / 5)
		if err := limitMemory(o.Memory); err != nil {
			return fmt.Errorf("limit memory: %w", err)
		}
	}
	ready := wire.Ready{Version: wire.Version, Engine: Version()}
	if o.CacheDir != "" {
		if err := e.openDatabase(ctx, o.CacheDir, &ready); err != nil {
			ready.Problem = err.Error()
		}
	}
	if err := e.out.JSON(wire.TypeReady, ready); err != nil {
		return err
	}
	return e.out.Flush()
}

// settle makes dir the only place where the worker leaves anything. It is done
// here and not by who starts the process, because that may be before there is
// such a place. Trivy asks for the temporary directory when it first needs one.
func settle(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.Chdir(dir); err != nil {
		return fmt.Errorf("private directory: %w", err)
	}
	for _, name := range []string{"HOME", "TMPDIR", "TMP", "TEMP"} {
		if err := os.Setenv(name, dir); err != nil {
			return fmt.Errorf("private directory: %w", err)
		}
	}
	return nil
}

func (e *engine) openDatabase(ctx context.Context, dir string, ready *wire.Ready) error {
	a, err := openDatabase(dir)
	if err != nil {
		return err
	}
	e.advisories, ready.Advisories = a, len(a.buckets)
	if ready.SelfTest, err = selfTest(ctx); err != nil {
		return err
	}
	if !ready.SelfTest {
		return fmt.Errorf("none of %d well-known vulnerable packages was found in the database: it is incomplete or not Trivy's", len(samples))
	}
	return nil
}

// expect reads one frame of type t into v.
func (e *engine) expect(t wire.Type, v any) error {
	got, payload, err := e.in.Next()
	if err != nil {
		return err
	}
	if got != t {
		return fmt.Errorf("frame %q instead of %q", got, t)
	}
	return strictjson.Unmarshal(payload, v)
}

// document reads one frame of type t and the document behind it into v.
func (e *engine) document(t wire.Type, v any) error {
	got, payload, err := e.in.Next()
	if err != nil {
		return err
	}
	if got != t {
		return fmt.Errorf("frame %q instead of %q", got, t)
	}
	return e.in.Document(payload, v)
}

// next does one piece of work. The error is io.EOF between two of them only.
func (e *engine) next(ctx context.Context) error {
	t, payload, err := e.in.Next()
	if err != nil {
		return err
	}
	switch t {
	case wire.TypeAnalyse:
		err = e.analyse(ctx, payload)
	case wire.TypeBegin:
		err = e.image(ctx, payload)
	default:
		return fmt.Errorf("frame %q between two pieces of work", t)
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the parent went away: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// image puts one image together from the analyses of its layers and reports on
// it.
func (e *engine) image(ctx context.Context, payload []byte) error {
	s := &session{engine: e}
	if err := e.in.Document(payload, &s.begin); err != nil {
		return err
	}
	if e.advisories == nil {
		return errors.New("no vulnerability database is open")
	}
	e.logs.reset()
	var err error
	if s.groups, err = e.groupsFor(s.begin.Need); err != nil {
		return err
	}
	report, err := s.read(ctx)
	if err != nil {
		return err
	}
	gaps, logs := versionGaps(e.logs.take(func(string) bool { return false }), s.detail)
	report.Gaps, report.Logs = append(report.Gaps, gaps...), append(s.logs, logs...)
	b, err := wire.EncodeReport(report)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return e.out.Sized(wire.TypeReport, b)
}

func (e *engine) groupsFor(need evidence.Need) (*groups, error) {
	return groupsIn(&e.groups, need, e.parallel)
}
