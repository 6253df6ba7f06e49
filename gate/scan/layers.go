package scan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Cache keeps what is known of layers from run to run. Its bytes are not
// trusted to be about the layer that was asked for, only to be what was once put
// in under the same key; see package cache. Any error means that there is
// nothing.
type Cache interface {
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, data []byte) error
}

// layers returns what is known of every layer of the image. Those that nobody
// has seen are read, side by side and the largest first.
func (im *image) layers(ctx context.Context) ([]*known, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	order := make([]int, len(im.target.Layers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return int(min(max(im.target.Layers[b].Size-im.target.Layers[a].Size, -1), 1))
	})
	all, failed := make([]*known, len(order)), make([]error, len(order))
	var wg sync.WaitGroup
	for _, i := range order {
		wg.Go(func() {
			all[i], failed[i] = guarded(func() (*known, error) { return im.layer(ctx, i) })
			if failed[i] != nil {
				cancel(errOtherLayer) // without this layer there is no verdict
			}
		})
	}
	wg.Wait()
	return all, firstCause(failed)
}

// errOtherLayer ends the reading of layers whose image cannot be judged any
// more.
var errOtherLayer = errors.New("another layer of the image could not be read")

// firstCause returns the first error that is not only the echo of another one.
func firstCause(errs []error) error {
	var echo error
	for _, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, errOtherLayer):
			echo = err
		default:
			return err
		}
	}
	return echo
}

// layer returns what is known of the i-th layer, from memory, from the cache,
// from an image that is reading it right now, or by reading it.
func (im *image) layer(ctx context.Context, i int) (*known, error) {
	s, b := im.scanner, &im.target.Layers[i]
	id := layerID{b.DiffID, im.need & wire.AnalysisNeeds}
	for {
		if k := s.memory.get(id); k != nil && k.blob(b) != nil && im.current(ctx, k) {
			im.seen(i, true)
			return k, nil
		}
		k, own, from, err := s.flights.do(ctx, id, im.source(i), func(ctx context.Context) (*known, error) {
			return im.obtain(ctx, i, id)
		})
		switch {
		case err == nil && k.blob(b) != nil:
			im.seen(i, !own || !im.charged[i])
			return k, nil
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil && (own || from == im.source(i) && !isLimit(err)):
			return nil, im.layerFault(i, err)
		}
		// Somebody else read another form of the layer, or could not read what
		// another manifest calls this layer, or not from another repository, or not
		// within the limits of another image: none of that is a fault of this
		// image's.
	}
}

// isLimit reports whether an image was too large. How much an image may hold is
// counted over all its layers.
func isLimit(err error) bool {
	var limit *layer.LimitError
	return errors.As(err, &limit)
}

// obtain gets one layer for everybody who waits for it.
func (im *image) obtain(ctx context.Context, i int, id layerID) (*known, error) {
	s, b := im.scanner, &im.target.Layers[i]
	k := s.memory.get(id)
	if k == nil {
		k = s.cached(ctx, id)
	}
	switch {
	case k == nil || !im.current(ctx, k):
		read, err := im.read(ctx, i)
		if err != nil {
			return nil, err
		}
		k = read
	case k.blob(b) != nil:
		s.memory.put(id, k)
		return k, nil
	default:
		// The archive is known and the blob is not: whether it holds that archive
		// is only the manifest's word.
		form, err := im.verify(ctx, i)
		if err != nil {
			return nil, err
		}
		k = k.with(form)
	}
	s.memory.put(id, k)
	if im.keeps(k) {
		s.store(ctx, id, k)
	}
	return k, nil
}

// current reports whether what is known of a layer was found with the Java
// database of this run, or without one if this run has none.
func (im *image) current(ctx context.Context, k *known) bool {
	if !k.Jars || !im.wantsJava() {
		return true
	}
	db, err := im.scanner.javaDatabase(ctx)
	if err != nil {
		return k.JavaDatabase == ""
	}
	return k.JavaDatabase == db.FileSHA256
}

// keeps reports whether a later run may use it: not where jars were left alone
// because there was no database, and not where an analyzer complained of the
// machine: a disk that was full once would else be a refusal for ever.
func (im *image) keeps(k *known) bool {
	return !k.doubtful && (!k.Jars || !im.wantsJava() || k.JavaDatabase != "")
}

// cached asks the cache, which may hold anything.
func (s *Scanner) cached(ctx context.Context, id layerID) *known {
	if s.opt.Cache == nil {
		return nil
	}
	key, err := s.cacheKey(id)
	if err != nil {
		return nil
	}
	b, err := s.opt.Cache.Get(ctx, key)
	if err != nil {
		return nil
	}
	k, err := parseKnown(b, id)
	if err != nil {
		return nil // it is read again and replaced
	}
	return k
}

// store writes to the cache while the run goes on; Close waits for it.
func (s *Scanner) store(ctx context.Context, id layerID, k *known) {
	if s.opt.Cache == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, busy := s.unsaved[id]; busy {
		s.unsaved[id] = k // what is learned later must not be overtaken
		return
	}
	if s.unsaved == nil {
		s.unsaved = map[layerID]*known{}
	}
	s.unsaved[id] = nil
	ctx = context.WithoutCancel(ctx)
	s.storing.Go(func() {
		for k := k; k != nil; k = s.nextUnsaved(id) {
			// A cache is no reason for no verdict, whatever happens in it.
			_, _ = guarded(func() (struct{}, error) { return struct{}{}, s.save(ctx, id, k) })
		}
	})
}

// nextUnsaved returns what has come to be known of a layer while it was saved.
func (s *Scanner) nextUnsaved(id layerID) *known {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.unsaved[id]
	if s.unsaved[id] = nil; k == nil {
		delete(s.unsaved, id)
	}
	return k
}

// save puts a layer into the cache, which says itself what is wrong with it.
func (s *Scanner) save(ctx context.Context, id layerID, k *known) error {
	key, err := s.cacheKey(id)
	if err != nil {
		return err
	}
	b, err := k.encode()
	if err != nil {
		return err
	}
	return s.opt.Cache.Put(ctx, key, b)
}

// cacheKey names everything that an analysis depends on: the archive, by its
// verified hash, the analyzers and what they look for, our own reading of the
// archive and its limits, and this build of the program.
func (s *Scanner) cacheKey(id layerID) (string, error) {
	analyzers, err := s.opt.Analyzers.Fingerprint(id.need)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(struct {
		DiffID, Analyzers, Build string
		Need                     evidence.Need
		Contents                 int
		Limits                   layer.Limits
	}{id.diffID, analyzers, s.opt.Build, id.need, layer.ContentsVersion, s.opt.Limits})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// seen tells who watches that a layer is done. known is true when it was not
// read for this image.
func (im *image) seen(i int, known bool) {
	im.scanner.observe(gate.Event{
		Image: im.target.Image.Reference.Asked, Platform: im.target.Image.Platform, Phase: gate.PhaseScan,
		Layer: im.target.Layers[i].Digest, Layers: len(im.target.Layers), LayerDone: true, Known: known,
	})
}
