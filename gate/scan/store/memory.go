package store

import (
	"container/list"
	"sync"
)

// memory keeps layers for the images that follow in the same run: the most
// recently used ones, and no more of them than its limit allows.
type memory struct {
	limit int64

	mu    sync.Mutex
	used  int64
	byID  map[ID]*list.Element
	order list.List // of *kept, most recently used first
}

type kept struct {
	id    ID
	layer *Layer
	cost  int64
}

// get returns what is known of a layer, nil for nothing.
func (m *memory) get(id ID) *Layer {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.byID[id]
	if e == nil {
		return nil
	}
	m.order.MoveToFront(e)
	return e.Value.(*kept).layer
}

// put replaces what is known of a layer.
func (m *memory) put(id ID, l *Layer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.byID[id]; e != nil {
		m.remove(e)
	}
	if m.byID == nil {
		m.byID = map[ID]*list.Element{}
	}
	cost := l.cost()
	m.byID[id] = m.order.PushFront(&kept{id, l, cost})
	m.used += cost
	for m.used > m.limit && m.order.Len() > 1 {
		m.remove(m.order.Back())
	}
}

func (m *memory) remove(e *list.Element) {
	k := m.order.Remove(e).(*kept)
	delete(m.byID, k.id)
	m.used -= k.cost
}
