package progress

import (
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy/words"
)

// work is what a run has done so far and what it is at, put together from its
// events.
type work struct {
	expected int // images to judge, 0 when unknown; grows as indexes are resolved
	judged   int // images that are done
	images   []*imageWork
	done     map[string]bool       // images that are, by reference and platform
	layers   map[string]*layerWork // by digest: images share them
	database gate.Event            // the last one about it
	told     bool                  // that the database is fetched
}

// imageWork is one image, or a reference that is still being resolved.
type imageWork struct {
	image, platform string
	phase           gate.Phase
	layers          int
	ready, known    int // layers of which all is known, and those that were not read
	read            map[string]bool
}

// layerWork is how far a layer has been read.
type layerWork struct{ bytes, total int64 }

// note takes in one event and returns the line that a log deserves for it: one
// for each image, when it has been judged.
func (w *work) note(e gate.Event) string {
	if e.Phase == gate.PhaseDatabase {
		w.database = e
		if w.told {
			return ""
		}
		w.told = true
		return "fetching the advisory database" + fromWhere(e)
	}
	key := e.Image + " " + e.Platform
	if e.Layer != "" && w.done[key] {
		// Others still wait for a layer that was begun for this image.
		return ""
	}
	img := w.image(e)
	img.phase = e.Phase
	img.layers = max(img.layers, e.Layers)
	if e.Layer != "" {
		w.layer(img, e)
	}
	if e.Phase != gate.PhaseDone {
		return ""
	}
	w.judged++
	w.forget(img)
	if w.done == nil {
		w.done = map[string]bool{}
	}
	w.done[key] = true
	return img.summary(e, w)
}

// image returns what is known of the event's image. What was a mere reference
// becomes its first platform.
func (w *work) image(e gate.Event) *imageWork {
	for _, img := range w.images {
		if img.image == e.Image && (img.platform == e.Platform || img.phase == gate.PhaseResolve) {
			img.platform = e.Platform
			return img
		}
	}
	if e.Platform != "" && w.expected > 0 {
		w.expected++ // another platform of a reference that counts as one so far
	}
	img := &imageWork{image: e.Image, platform: e.Platform, read: map[string]bool{}}
	w.images = append(w.images, img)
	return img
}

func (w *work) layer(img *imageWork, e gate.Event) {
	if e.LayerDone {
		img.ready++
		if e.Known {
			img.known++
		}
		return
	}
	if w.layers == nil {
		w.layers = map[string]*layerWork{}
	}
	img.read[e.Layer] = true
	w.layers[e.Layer] = &layerWork{e.Bytes, e.Total}
}

// forget takes an image that is done out of what is going on.
func (w *work) forget(img *imageWork) {
	for i := range w.images {
		if w.images[i] == img {
			w.images = append(w.images[:i], w.images[i+1:]...)
			return
		}
	}
}

// summary is the line about an image that has been judged.
func (img *imageWork) summary(e gate.Event, w *work) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", img.name(), e.Decision)
	if img.layers > 0 {
		fmt.Fprintf(&b, ", %s", words.Plural(img.layers, "layer"))
		if img.known > 0 {
			fmt.Fprintf(&b, " (%d known)", img.known)
		}
	}
	if n := w.readFor(img); n > 0 {
		fmt.Fprintf(&b, ", %s read", words.BinarySize(n))
	}
	return b.String()
}

// readFor is how much was fetched for one image.
func (w *work) readFor(img *imageWork) int64 {
	var n int64
	for digest := range img.read {
		n += w.layers[digest].bytes
	}
	return n
}

// status is one line about the whole run: how far it is, and what it waits for.
func (w *work) status() string {
	var parts []string
	if w.expected > 1 {
		parts = append(parts, fmt.Sprintf("%d of %s judged", w.judged, words.Plural(w.expected, "image")))
	}
	ready, layers := 0, 0
	for _, img := range w.images {
		ready, layers = ready+img.ready, layers+img.layers
	}
	if layers > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s", ready, words.Plural(layers, "layer")))
	}
	var bytes, total int64
	for _, l := range w.layers {
		bytes, total = bytes+l.bytes, total+l.total
	}
	if total > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s", words.BinarySize(bytes), words.BinarySize(total)))
	}
	if waits := w.waitsFor(); waits != "" {
		parts = append(parts, waits)
	}
	return strings.Join(parts, ", ")
}

// waitsFor names what has been going on for the longest time.
func (w *work) waitsFor() string {
	if d := w.database; d.Total > 0 && d.Bytes < d.Total {
		return "fetching the advisory database" + fromWhere(d) + fmt.Sprintf(", %s of %s", words.BinarySize(d.Bytes), words.BinarySize(d.Total))
	}
	if len(w.images) == 0 {
		return ""
	}
	img := w.images[0]
	switch {
	case img.phase == gate.PhaseResolve:
		return "resolving " + img.name()
	case img.layers > 0 && img.ready == img.layers:
		return "matching " + img.name()
	}
	return "scanning " + img.name()
}

func (img *imageWork) name() string {
	return safe.Terminal(strings.TrimSpace(img.image + " " + img.platform))
}

func fromWhere(e gate.Event) string {
	if e.Image == "" {
		return ""
	}
	return " from " + safe.Terminal(e.Image)
}
