package scan

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/store"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/gate/scan/worker"
	"github.com/imagegate/imagegate/policy/evidence"
)

// image is one image being scanned.
type image struct {
	scanner *Scanner
	target  *gate.Target
	need    evidence.Need
	budget  *layer.Budget
	charged []bool // layers whose bytes the budget has counted while they were read

	jars    bool // some layer has one
	lazy    bool // some layer can be unpacked by a table of contents
	notes   []string
	javaErr error
	// contents are those of the layers, from the bottom.
	contents []*layer.Contents
}

func newImage(s *Scanner, t *gate.Target, need evidence.Need) *image {
	return &image{scanner: s, target: t, need: need, budget: layer.NewBudget(s.opt.Limits), charged: make([]bool, len(t.Layers))}
}

// scan collects the layers, merges them, and has a worker match what is in them
// with the advisories.
func (im *image) scan(ctx context.Context) (*evidence.Scan, error) {
	all, err := im.layers(ctx)
	if err != nil {
		return nil, err
	}
	if err := im.scanner.Open(ctx); err != nil {
		return nil, err
	}
	if im.jars = slices.ContainsFunc(all, func(l *store.Layer) bool { return l.Jars }); im.jars && im.wantsJava() {
		_, im.javaErr = im.scanner.databases.openJava(ctx)
	}
	var scan *evidence.Scan
	// An image that has all its layers comes before images that begin: once it is
	// finished, its memory is free.
	err = im.scanner.pool.Do(ctx, math.MaxInt64, func(w *worker.Worker) error {
		if err := im.match(w, all); err != nil {
			return err
		}
		facts, err := im.merge(all) // while the worker matches
		if err != nil {
			return err
		}
		report, err := w.Report(executables(facts))
		if err != nil {
			return err
		}
		im.scanner.documents.keep(im.target.Image.ID(), report.Documents)
		scan = im.assemble(w.Engine(), facts, report)
		return nil
	})
	return scan, err
}

// merge puts the layers on top of each other.
func (im *image) merge(all []*store.Layer) (*layer.Facts, error) {
	tree := layer.NewTree(im.scanner.opt.Limits)
	for i, l := range all {
		im.contents = append(im.contents, l.Contents)
		if !im.charged[i] {
			stats := l.Contents.Stats()
			stats.Compressed = im.target.Layers[i].Size // it may have been read in another form
			if err := im.budget.Known(stats); err != nil {
				return nil, im.layerFault(i, err)
			}
		}
		if err := tree.Merge(im.spec(i), l.Contents); err != nil {
			return nil, im.layerFault(i, err)
		}
		if b := l.Find(im.blob(i)); b != nil && b.ChunkedTOC {
			im.lazy = true
			im.notes = append(im.notes, fmt.Sprintf("layer %d has a zstd:chunked table of contents; the archive was judged, and some runtimes unpack by that table instead", i+1))
		}
	}
	return tree.Finish(), nil
}

// spec is what manifest and config say about the i-th layer.
func (im *image) spec(i int) layer.Spec {
	b := &im.target.Layers[i]
	return layer.Spec{Index: i, Digest: b.Digest, DiffID: b.DiffID, MediaType: b.MediaType, Size: b.Size, CreatedBy: im.createdBy(i)}
}

func (im *image) createdBy(i int) string {
	if c := im.target.Image.Config; c != nil && i < len(c.Layers) {
		return c.Layers[i].CreatedBy
	}
	return ""
}

// match sends the analyses of all layers to w, which begins to match them with
// the advisories.
func (im *image) match(w *worker.Worker, all []*store.Layer) error {
	s, t := im.scanner, im.target
	begin := wire.Begin{Name: t.Image.Reference.Asked, Need: im.need, Now: s.opt.Now()}
	if begin.Documents = s.opt.Documents; len(begin.Documents) > 0 {
		// What is in no registry has no package URL: that would need the address of
		// a registry, and Trivy's writers would fail on a path in its place.
		if !t.Image.Reference.Source.Local() {
			begin.Digest = t.Image.Digest
		}
	}
	if im.need.Has(evidence.NeedSecrets) || len(begin.Documents) > 0 {
		begin.Config = t.RawConfig
	}
	if err := w.BeginImage(begin); err != nil {
		return err
	}
	for i, l := range all {
		b := &t.Layers[i]
		head := wire.Layer{Digest: b.Digest, DiffID: b.DiffID, CreatedBy: cut(im.createdBy(i))}
		if err := w.Layer(head, l.Analysis); err != nil {
			return err
		}
	}
	return w.Match()
}

// maxCreatedBy is how much of a line of the history the worker is told. It is
// for people to read.
const maxCreatedBy = 16 << 10

func cut(text string) string {
	if len(text) > maxCreatedBy {
		return text[:maxCreatedBy]
	}
	return text
}

func (im *image) wantsJava() bool { return im.need.Has(evidence.NeedJava) }
