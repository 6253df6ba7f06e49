package gate

import (
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
// that was read, then reading would give that value and end behind them.
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
}

// The types with known values: both begin with the id.
var (
	findingType = reflect.TypeFor[evidence.Finding]()
	entryType   = reflect.TypeFor[savedEntry]()
)

const (
	// Shorter values are found among the shared strings.
	shortestKnown = 24
	// knownRoom bounds what is kept: 20,000 vulnerabilities of a usual size.
	knownRoom = 64 << 20
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
