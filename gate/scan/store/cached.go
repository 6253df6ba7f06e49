package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Cache keeps layers from run to run. Its bytes are not trusted to be about the
// layer that was asked for, only to be what was once put in under the same key;
// see package cache. Any error means that there is nothing.
type Cache interface {
	// Get is told about how long it takes to do without the entry.
	Get(ctx context.Context, key string, saves time.Duration) ([]byte, error)
	Put(ctx context.Context, key string, data []byte) error
	// Finish says that nothing is waited for but what is being put.
	Finish()
}

// readingTime estimates how long it takes to read a layer, with all processors
// at work: a layer has to be asked for, and its bytes inflated and analysed.
func readingTime(size int64) time.Duration {
	const eachLayer, bytesPerSecond = 3 * time.Millisecond, 100 << 20
	return eachLayer + time.Duration(float64(size)/bytesPerSecond*float64(time.Second))
}

// cached asks the cache, which may hold anything. It returns nil for nothing.
func (s *Store) cached(ctx context.Context, id ID, size int64) *Layer {
	if s.opt.Cache == nil {
		return nil
	}
	key, err := s.cacheKey(id)
	if err != nil {
		return nil
	}
	b, err := s.opt.Cache.Get(ctx, key, readingTime(size))
	if err != nil {
		return nil
	}
	l, err := parse(b, id)
	if err != nil {
		return nil // it is read again and replaced
	}
	return l
}

// saver writes layers to the cache while the run goes on.
type saver struct {
	mu      sync.Mutex
	pending map[ID]*Layer // layers that are being saved, and what to save next
	busy    sync.WaitGroup
}

func (v *saver) wait() { v.busy.Wait() }

// save has a layer written to the cache. Close waits for it.
func (s *Store) save(ctx context.Context, id ID, l *Layer) {
	if s.opt.Cache == nil {
		return
	}
	v := &s.saver
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, busy := v.pending[id]; busy {
		v.pending[id] = l // an older state must not be written after a newer one
		return
	}
	if v.pending == nil {
		v.pending = map[ID]*Layer{}
	}
	v.pending[id] = nil
	ctx = context.WithoutCancel(ctx)
	v.busy.Go(func() {
		for l := l; l != nil; l = v.next(id) {
			_ = s.write(ctx, id, l)
		}
	})
}

// next returns the state of a layer that became known while it was saved.
func (v *saver) next(id ID) *Layer {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.pending[id]
	if v.pending[id] = nil; l == nil {
		delete(v.pending, id)
	}
	return l
}

// write puts a layer into the cache, which itself reports what is wrong with it.
// A panic in it is returned as an error, because a cache must not prevent a verdict.
func (s *Store) write(ctx context.Context, id ID, l *Layer) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = gate.Panicked(gate.PhaseScan, p)
		}
	}()
	key, err := s.cacheKey(id)
	if err != nil {
		return err
	}
	b, err := l.encode()
	if err != nil {
		return err
	}
	return s.opt.Cache.Put(ctx, key, b)
}

// cacheKey names everything that an analysis depends on: the archive, by its
// verified hash, the analyzers and what they look for, our own reading of the
// archive and its limits, and this build of the program.
func (s *Store) cacheKey(id ID) (string, error) {
	analyzers, err := s.opt.Fingerprint(id.Need)
	if err != nil {
		return "", err
	}
	b, err := strictjson.Marshal(struct {
		DiffID, Analyzers, Build string
		Need                     evidence.Need
		Contents                 int
		Limits                   layer.Limits
	}{id.DiffID, analyzers, s.opt.Build, id.Need, layer.ContentsVersion, s.opt.Limits})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
