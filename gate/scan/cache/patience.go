package cache

import (
	"context"
	"sync"
	"time"
)

const (
	// basePatience is how long even the smallest run waits for a server.
	basePatience = 40 * time.Millisecond
	// patienceShare is the part of a run that may be spent on waiting: a tenth.
	patienceShare = 10
)

// patience is how long a run waits for its cache in all, so that a server that is
// slow or hangs cannot cost much more than a run without it. It is a part of what
// the run takes, or would take without the cache, and all that the cache saves.
// Time in which several entries are waited for counts once.
type patience struct {
	mu       sync.Mutex
	started  time.Time
	expected time.Duration // what the entries that were asked for can save
	saved    time.Duration // what those that were found have saved
	spent    time.Duration
	waiting  int
	since    time.Time // of the first that waits
}

func newPatience() *patience { return &patience{started: time.Now()} }

// expect notes that an entry is asked for.
func (p *patience) expect(saves time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected += saves
}

// found notes that an entry was found.
func (p *patience) found(saves time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saved += saves
}

// left returns for how long a run may still wait.
func (p *patience) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	spent := p.spent
	if p.waiting > 0 {
		spent += now.Sub(p.since)
	}
	return basePatience + max(now.Sub(p.started), p.expected)/patienceShare + p.saved - spent
}

func (p *patience) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting++; p.waiting == 1 {
		p.since = time.Now()
	}
}

func (p *patience) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting--; p.waiting == 0 {
		p.spent += time.Since(p.since)
	}
}

// await waits for done. The error is that of ctx, or errLate when there is no
// patience left.
func (p *patience) await(ctx context.Context, done <-chan struct{}) error {
	p.enter()
	defer p.leave()
	for {
		select {
		case <-done:
			return nil
		default:
		}
		left := p.left()
		if left < time.Millisecond {
			return errLate
		}
		timer := time.NewTimer(left)
		select {
		case <-done:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C: // meanwhile there may be more of it
		}
		timer.Stop()
	}
}
