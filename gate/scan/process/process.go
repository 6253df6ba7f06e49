// Package process starts a scan worker: the same program once more, which inherits
// nothing but three pipes.
//
// It imports as little as it can. A program's packages are initialised in the
// order of their imports, so this one is ready long before the last of Trivy's,
// and a worker can be started while the program itself still starts.
package process

import (
	"errors"
	"os"
)

// Command is the hidden first argument that makes the program a worker.
const Command = "__worker"

// Process is a worker that was started.
type Process struct {
	In       *os.File // where it reads from
	Out, Err *os.File // where it writes to
	process  *os.Process
}

// Start starts argv as a worker, in a process group of its own. It sees no
// environment variable but those of a short list, and works in the root directory
// until it gets one of its own.
func Start(argv []string) (*Process, error) {
	var pipes [6]*os.File
	for i := 0; i < len(pipes); i += 2 {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, errors.Join(err, closeAll(pipes[:i]))
		}
		widen(w)
		pipes[i], pipes[i+1] = r, w
	}
	in, out, stderr := pipes[:2], pipes[2:4], pipes[4:]
	attr := &os.ProcAttr{Dir: firstDir, Env: environment(), Files: []*os.File{in[0], out[1], stderr[1]}, Sys: isolated()}
	process, err := start(argv, attr)
	if err != nil {
		return nil, errors.Join(err, closeAll(pipes[:]))
	}
	_ = closeAll([]*os.File{in[0], out[1], stderr[1]})
	return &Process{In: in[1], Out: out[0], Err: stderr[0], process: process}, nil
}

func closeAll(files []*os.File) error {
	var err error
	for _, f := range files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// Wait waits for the end of the process. The error says how it ended, nil for
// exit code 0.
func (p *Process) Wait() error {
	state, err := p.process.Wait()
	if err != nil {
		return err
	}
	if !state.Success() {
		return errors.New(state.String())
	}
	return nil
}

// Close closes our ends of the pipes.
func (p *Process) Close() { _ = closeAll([]*os.File{p.In, p.Out, p.Err}) }

// Kill kills the process and every process that it has started, without waiting.
func (p *Process) Kill() { kill(p.process) }

// environment returns the variables that a worker inherits. It is a list of allowed
// names, so that a worker gets no TRIVY_*, proxy, token or credential variable.
func environment() []string {
	env := []string{"TZ=UTC", "LC_ALL=C", "GOTRACEBACK=single",
		// Trivy's packages allocate 20 MiB before main begins, which Go's collector
		// would walk through again and again. The worker sets another value when it begins.
		"GOGC=400"}
	for _, name := range []string{"SystemRoot", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
