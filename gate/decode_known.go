package gate

import (
	"math/bits"
	"reflect"

	"github.com/imagegate/imagegate/policy/evidence"
)

// knownValues remembers, for each vulnerability, how its texts stand in the
// files and what they mean. A thousand images have the same few thousand
// vulnerabilities, each with two kilobytes of text: comparing these bytes with
// those that were read before is many times faster than reading them again, and
// the memory for them is taken once.
//
// That is safe because only strings, lists and objects are kept, which end with
// a mark of their own: if a document goes on with the very bytes of a value
// that was read, then reading would give that value and end behind them. The
// same holds for the rest of an object, from a key to the closing brace.
type knownValues struct {
	byID map[string]*knownValue
	typ  reflect.Type
	room int // bytes that may still be kept
}

// knownValue is one vulnerability. The value of a field is valid where bytes
// of it are kept.
type knownValue struct {
	raw   []string // by field
	value reflect.Value
	tails []knownTail // at most maxTails
}

// knownTail is the rest of an object from one of its keys on.
type knownTail struct {
	raw   string
	after uint64        // the fields that stood before
	seen  uint64        // the fields in it
	value reflect.Value // with these fields and no other
	// whole is a pointer to the object with its id as well, when that is all that
	// stands before: an object that may be shared.
	whole reflect.Value
}

// The types with known values: both begin with the id.
var (
	findingType = reflect.TypeFor[evidence.Finding]()
	entryType   = reflect.TypeFor[savedEntry]()
)

const (
	// Shorter values are found among the shared strings.
	shortestKnown = 24
	// knownRoom bounds what is kept: 20,000 vulnerabilities of a usual size, by
	// field and as a whole.
	knownRoom = 128 << 20
	// onlyID is the set of the fields of an object of which the id has been read.
	onlyID = 1
	// maxTails is how many feeds may describe one id in their own ways.
	maxTails = 4
)

func newKnownValues(t reflect.Type) *knownValues {
	return &knownValues{byID: map[string]*knownValue{}, typ: t, room: knownRoom}
}

// of returns what is known of id, nil for no room.
func (k *knownValues) of(id string) *knownValue {
	if v := k.byID[id]; v != nil || k.room <= 0 {
		return v
	}
	v := &knownValue{raw: make([]string, k.typ.NumField()), value: reflect.New(k.typ).Elem()}
	k.byID[id] = v
	k.room -= len(id) + int(k.typ.Size())
	return v
}

// take sets field if data goes on with the bytes that are known for it, and
// returns how many these are.
func (v *knownValue) take(i int, data []byte, field reflect.Value) int {
	raw := v.raw[i]
	if raw == "" || len(data) < len(raw) || string(data[:len(raw)]) != raw {
		return 0
	}
	field.Set(v.value.Field(i))
	return len(raw)
}

// keep remembers what the bytes of a field mean.
func (k *knownValues) keep(v *knownValue, i int, raw []byte, field reflect.Value) {
	if len(raw) < shortestKnown || len(raw) > k.room || field.Kind() == reflect.Struct {
		return
	}
	switch raw[0] {
	case '"', '[', '{':
		k.room -= len(raw) - len(v.raw[i])
		v.raw[i] = string(raw)
		v.value.Field(i).Set(field)
	}
}

// tail returns the rest of an object that data goes on with, nil when it is not
// known. It holds none of the fields that the object has already: a key that
// stands twice must be found.
func (v *knownValue) tail(data []byte, seen uint64) *knownTail {
	for i := range v.tails {
		t := &v.tails[i]
		if len(data) >= len(t.raw) && string(data[:len(t.raw)]) == t.raw && t.seen&seen == 0 {
			return t
		}
	}
	return nil
}

// keepTail remembers the rest of an object, which has been read into object.
func (k *knownValues) keepTail(v *knownValue, t knownTail, raw []byte, object reflect.Value, fields []fieldReader) {
	size := len(raw) + int(k.typ.Size())
	if t.seen == 0 || len(v.tails) == maxTails || size > k.room {
		return
	}
	k.room -= size
	t.raw, t.value = string(raw), reflect.New(k.typ).Elem()
	copyFields(t.value, object, t.seen, fields)
	if t.after == onlyID {
		t.whole = reflect.New(k.typ)
		t.whole.Elem().Set(object)
	}
	v.tails = append(v.tails, t)
}

// copyFields copies the fields in set.
func copyFields(to, from reflect.Value, set uint64, fields []fieldReader) {
	for ; set != 0; set &= set - 1 {
		at := fields[bits.TrailingZeros64(set)].index
		to.Field(at).Set(from.Field(at))
	}
}
