package scan

import (
	"container/list"
	"sync"
)

// memory keeps what is known of layers for the images that follow in the same
// run, the most recently used ones and no more of them than its limit allows.
type memory struct {
	limit int64

	mu    sync.Mutex
	used  int64
	byID  map[layerID]*list.Element
	order list.List // of *kept, most recently used first
}

type kept struct {
	id    layerID
	known *known
	cost  int64
}

// get returns what is known of a layer, nil for nothing.
func (m *memory) get(id layerID) *known {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.byID[id]
	if e == nil {
		return nil
	}
	m.order.MoveToFront(e)
	return e.Value.(*kept).known
}

// put replaces what is known of a layer.
func (m *memory) put(id layerID, k *known) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.byID[id]; e != nil {
		m.remove(e)
	}
	if m.byID == nil {
		m.byID = map[layerID]*list.Element{}
	}
	cost := k.cost()
	m.byID[id] = m.order.PushFront(&kept{id, k, cost})
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
