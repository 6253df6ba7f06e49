package layer

import "hash/maphash"

// maxUnindexed is how many entries of a directory are searched one by one.
const maxUnindexed = 16

// entries are those of one directory. A map from name to node would take five
// times the memory: the name is in the node already.
type entries struct {
	// list is in the order in which they came, but for removals. The order does not
	// depend on the seed, so that reports do not.
	list []*node
	// slots is a hash table with open addressing. A slot has one more than a place in
	// the list, or one of the two values below. It is nil while the list is short.
	slots []int32
	taken int // slots that are not free
	// pruned is one more than the last layer whose whiteouts have emptied this
	// directory. A layer that repeats a whiteout a million times must not cause a
	// million walks.
	pruned int32
}

const (
	slotFree    = 0
	slotRemoved = -1
)

// find returns the place of a name in the list and its slot, or -1 and the slot for
// it.
func (d *entries) find(seed maphash.Seed, name string) (at, slot int) {
	if d.slots == nil {
		for i, n := range d.list {
			if n.name == name {
				return i, -1
			}
		}
		return -1, -1
	}
	mask := len(d.slots) - 1
	slot = int(maphash.String(seed, name)) & mask
	for d.slots[slot] != slotFree {
		if at := int(d.slots[slot]) - 1; at >= 0 && d.list[at].name == name {
			return at, slot
		}
		slot = (slot + 1) & mask
	}
	return -1, slot
}

// add adds a node whose name is not there.
func (d *entries) add(seed maphash.Seed, n *node) {
	d.list = append(d.list, n)
	switch {
	case d.slots == nil && len(d.list) <= maxUnindexed:
	case 4*(d.taken+1) > 3*len(d.slots):
		d.index(seed)
	default:
		d.place(seed, len(d.list)-1)
	}
}

// index makes the table anew, twice as large as the list at least.
func (d *entries) index(seed maphash.Seed) {
	size := 2 * maxUnindexed
	for size < 2*len(d.list) {
		size *= 2
	}
	d.slots, d.taken = make([]int32, size), 0
	for at := range d.list {
		d.place(seed, at)
	}
}

// place puts an entry of the list, which the table does not have, into a free slot.
func (d *entries) place(seed maphash.Seed, at int) {
	_, slot := d.find(seed, d.list[at].name)
	d.slots[slot] = int32(at + 1)
	d.taken++
}

// remove removes a node, whose place the last one of the list takes.
func (d *entries) remove(seed maphash.Seed, n *node) {
	at, slot := d.find(seed, n.name)
	last := len(d.list) - 1
	if d.slots != nil {
		_, moved := d.find(seed, d.list[last].name)
		d.slots[moved] = int32(at + 1)
		d.slots[slot] = slotRemoved
	}
	d.list[at] = d.list[last]
	d.list[last] = nil
	d.list = d.list[:last]
}

// prune reports whether the whiteouts of layer have yet to empty the directory, and
// that they do so now.
func (d *entries) prune(layer int32) bool {
	if d == nil || d.pruned == layer+1 {
		return false
	}
	d.pruned = layer + 1
	return true
}
