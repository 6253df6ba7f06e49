package scan

import (
	"maps"
	"sync"
)

// documents keeps the bills of materials of all images.
type documents struct {
	mu   sync.Mutex
	kept map[string]map[string][]byte // manifest digest -> name -> document
}

// keep keeps the documents of one image.
func (d *documents) keep(digest string, made map[string]string) {
	if len(made) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept == nil {
		d.kept = map[string]map[string][]byte{}
	}
	d.kept[digest] = map[string][]byte{}
	for name, text := range made {
		d.kept[digest][name] = []byte(text)
	}
}

// all returns the documents by manifest digest and name.
func (d *documents) all() map[string]map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.kept)
}
