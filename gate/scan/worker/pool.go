// Package worker runs the scan workers: how many there are, what they are told
// and what they answer.
//
// A worker is a process that parses what an image author wrote, so it may crash,
// hang or answer anything. Each of these ends in an error of the one image that
// it works for; the next image gets a new worker.
package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/findings"
	"github.com/imagegate/imagegate/gate/scan/process"
)

// Options say how to run workers. Command, TempDir and Databases are required.
type Options struct {
	// Command is the worker's command line.
	Command []string
	// Ahead is a process that was started with Command already, nil for none. It
	// becomes the first worker.
	Ahead *process.Process
	// TempDir is where each worker gets a directory of its own.
	TempDir string
	// Databases is the directory with the advisory databases.
	Databases string
	// Jobs is how many workers work at once. 1 if 0.
	Jobs int
	// Memory bounds each worker, in bytes. No limit if 0.
	Memory int64
}

// Pool lends workers. It is safe for concurrent use.
type Pool struct {
	opt   Options
	queue *queue // one slot for each worker

	known findings.Known // the advisories in reports

	mu    sync.Mutex
	ahead *process.Process // becomes the first worker
	idle  []*Worker
}

// NewPool returns a pool. No process is started before the first Do.
func NewPool(o Options) *Pool {
	return &Pool{opt: o, queue: newQueue(max(1, o.Jobs)), ahead: o.Ahead}
}

// Wait waits for its turn and runs work, which needs no worker. Of several
// callers that wait, the one with the largest weight is first.
func (p *Pool) Wait(ctx context.Context, weight int64, work func() error) error {
	if err := p.queue.acquire(ctx, weight); err != nil {
		return err
	}
	defer p.queue.release(weight)
	return work()
}

// Do waits for its turn as Wait does and lends work a worker. A worker whose
// work failed is ended: its conversation stopped anywhere.
func (p *Pool) Do(ctx context.Context, weight int64, work func(*Worker) error) error {
	return p.Wait(ctx, weight, func() error { return p.lend(ctx, work) })
}

func (p *Pool) lend(ctx context.Context, work func(*Worker) error) error {
	w, err := p.worker()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, w.terminate)
	err = guarded(func() error { return work(w) })
	if stop(); err == nil {
		err = context.Cause(ctx) // the end of ctx may have killed the worker
	}
	if err != nil {
		w.kill()
		if cause := context.Cause(ctx); cause != nil {
			return cause // what the worker says then is only the consequence
		}
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, w)
	return nil
}

// guarded turns a panic of work into an error here, where the worker is known:
// its process would outlive a panic that is caught further up.
func guarded(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = gate.Panicked(gate.PhaseScan, p)
		}
	}()
	return work()
}

// worker returns an idle worker that still runs, or starts one.
func (p *Pool) worker() (*Worker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		w := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if w.alive() {
			return w, nil
		}
		w.kill()
	}
	return p.start()
}

// start starts a worker and tells it where the databases are. It does not wait
// for the answer: what is sent meanwhile is read later.
func (p *Pool) start() (*Worker, error) {
	w, err := p.spawn()
	if err != nil {
		return nil, &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("start the scan worker: %w", err)}
	}
	if err := w.open(p.opt.Databases); err != nil {
		return nil, err
	}
	return w, nil
}

// spawn takes the process that was started ahead, or starts one, and gives it a
// directory of its own.
func (p *Pool) spawn() (*Worker, error) {
	dir, err := os.MkdirTemp(p.opt.TempDir, "worker-")
	if err != nil {
		return nil, err
	}
	started := p.ahead
	if p.ahead = nil; started == nil {
		if started, err = process.Start(p.opt.Command); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	return newWorker(started, dir, p.opt.Memory, &p.known), nil
}

// Close ends the workers. No work may be under way.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.ahead; a != nil {
		a.Kill()
		_ = a.Wait()
		a.Close()
	}
	for _, w := range p.idle {
		w.kill()
	}
	p.idle, p.ahead = nil, nil
}
