package scan

import (
	"io"

	"github.com/imagegate/imagegate/gate"
)

// event is about the i-th layer.
func (im *image) event(i int, phase gate.Phase) gate.Event {
	return gate.Event{
		Image: im.target.Image.Reference.Asked, Platform: im.target.Image.Platform, Phase: phase,
		Layer: im.target.Layers[i].Digest, Layers: len(im.target.Layers),
	}
}

// observeDone tells that the i-th layer is done, and whether it was read for
// this image.
func (im *image) observeDone(i int) {
	e := im.event(i, gate.PhaseScan)
	e.LayerDone, e.Known = true, !im.charged[i]
	im.scanner.observe(e)
}

// progress counts the bytes of a blob and reports every megabyte of them, and
// the last.
type progress struct {
	r        io.Reader
	report   func(int64)
	n, until int64
}

// progress reports how much of the i-th layer was read from r.
func (im *image) progress(i int, r io.Reader) *progress {
	e := im.event(i, gate.PhaseFetch)
	e.Total = im.target.Layers[i].Size
	return &progress{r: r, report: func(n int64) {
		e := e
		e.Bytes = n
		im.scanner.observe(e)
	}}
}

// Read implements io.Reader.
func (p *progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.n += int64(n); p.n >= p.until || err != nil {
		p.report(p.n)
		p.until = p.n + 1<<20
	}
	return n, err
}
