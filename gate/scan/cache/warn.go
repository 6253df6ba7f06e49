package cache

import "sync"

// warnings reports each kind of problem once: a broken cache fails for every layer
// of every image.
type warnings struct {
	tell func(string)
	mu   sync.Mutex
	told map[string]bool
}

func newWarnings(tell func(string)) *warnings {
	return &warnings{tell: tell, told: map[string]bool{}}
}

func (w *warnings) once(kind, text string) {
	w.mu.Lock()
	again := w.told[kind]
	w.told[kind] = true
	w.mu.Unlock()
	if !again {
		w.tell(text)
	}
}
