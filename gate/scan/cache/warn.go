package cache

import "sync"

// warnings reports the first problem of a cache. A broken cache fails for every
// layer of every image, and what comes later mostly follows from the first.
type warnings struct {
	tell  func(string)
	first sync.Once
}

func newWarnings(tell func(string)) *warnings { return &warnings{tell: tell} }

func (w *warnings) once(text string) {
	w.first.Do(func() { w.tell(text) })
}
