package scan

import (
	"context"
	"fmt"

	"github.com/imagegate/imagegate/gate"
)

// withWorker waits for a slot and lends work a worker. A worker whose work
// failed stands somewhere in the middle of a conversation and is thrown away.
func (s *Scanner) withWorker(ctx context.Context, weight int64, work func(*worker) error) error {
	if err := s.slots.acquire(ctx, weight); err != nil {
		return err
	}
	defer s.slots.release()
	w, err := s.worker()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, w.terminate)
	// Caught here, where the worker is: it would live on without anybody's
	// knowing of it.
	_, err = guarded(func() (struct{}, error) { return struct{}{}, work(w) })
	if stop(); err == nil {
		err = context.Cause(ctx) // the worker may have been killed an instant ago
	}
	if err != nil {
		w.kill()
		if cause := context.Cause(ctx); cause != nil {
			return cause // what the worker says then is only the echo
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, w)
	return nil
}

// worker returns an idle worker that still lives, or starts one.
func (s *Scanner) worker() (*worker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.idle) > 0 {
		w := s.idle[len(s.idle)-1]
		s.idle = s.idle[:len(s.idle)-1]
		if w.alive() {
			return w, nil
		}
		w.kill()
	}
	return s.start()
}

// start starts a worker and tells it of the database. It does not wait for the
// answer: what is sent meanwhile is read later.
func (s *Scanner) start() (*worker, error) {
	w, err := s.spawn()
	if err != nil {
		return nil, &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("start the scan worker: %w", err)}
	}
	if err := w.open(s.cacheDir); err != nil {
		return nil, w.died(err)
	}
	return w, nil
}

// guarded turns a panic of f into an error: in a goroutine of its own it would
// end the program and take the verdicts on all other images with it.
func guarded[T any](f func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("internal error: panic: %v", p),
				Hint: "this is a defect of imagegate: please report it with the command that was run"}
		}
	}()
	return f()
}
