package expression

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/imagegate/imagegate/policy/evidence"
)

// variable is a name that expressions can use.
type variable struct {
	name, doc string
	typ       *cel.Type
	need      evidence.Need
	// of returns its value, and false when the evidence does not have it.
	of func(f *Facts) (any, bool)
}

// structure is a type of values that have fields.
type structure struct {
	name   string
	fields []field
}

// field is one of them. get returns false when its value is not known.
type field struct {
	name, doc string
	typ       *cel.Type
	get       func(o *object) (any, bool)
}

// of makes a field of the type T.
func of[T any](name string, typ *cel.Type, doc string, get func(*T) (any, bool)) field {
	return field{name: name, doc: doc, typ: typ, get: func(o *object) (any, bool) {
		v, ok := o.of.(*T)
		if !ok || v == nil {
			return nil, false
		}
		return get(v)
	}}
}

// always makes a field whose value is known whenever the structure is.
func always[T, V any](name string, typ *cel.Type, doc string, get func(*T) V) field {
	return of(name, typ, doc, func(v *T) (any, bool) { return get(v), true })
}

// moment makes a field for a time that may not be known.
func moment[T any](name, doc string, get func(*T) *time.Time) field {
	return of(name, cel.TimestampType, doc, func(v *T) (any, bool) {
		if t := get(v); t != nil && !t.IsZero() {
			return *t, true
		}
		return nil, false
	})
}

// object is a value of a structure. of is a pointer into the evidence.
type object struct {
	typ   *cel.Type
	of    any
	facts *Facts
}

// ConvertToNative implements ref.Val.
func (o *object) ConvertToNative(reflect.Type) (any, error) {
	return nil, errors.New("it has no other form")
}

// ConvertToType implements ref.Val.
func (o *object) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return o.typ
	}
	return types.NewErr("%s cannot be converted to %s", o.typ.TypeName(), t.TypeName())
}

// Equal implements ref.Val: values are equal when all that they say is.
func (o *object) Equal(other ref.Val) ref.Val {
	same, ok := other.(*object)
	o.facts.charge(1)
	return types.Bool(ok && reflect.DeepEqual(o.of, same.of))
}

// Type implements ref.Val.
func (o *object) Type() ref.Type { return o.typ }

// Value implements ref.Val. Fields are read from what it returns.
func (o *object) Value() any { return o }

// Get implements traits.Indexer, for values whose type is not known when the
// expression is compiled.
func (o *object) Get(index ref.Val) ref.Val {
	name, _ := index.(types.String)
	for _, s := range structures() {
		if s.name != o.typ.TypeName() {
			continue
		}
		if i := slices.IndexFunc(s.fields, func(f field) bool { return f.name == string(name) }); i >= 0 {
			v, err := o.read(&s.fields[i])
			if err != nil {
				return types.NewErr("%v", err)
			}
			return v
		}
	}
	return types.NewErr("%s has no field %q", o.typ.TypeName(), string(name))
}

// read returns the value of a field.
func (o *object) read(f *field) (ref.Val, error) {
	v, ok := f.get(o)
	if !ok {
		return nil, fmt.Errorf("%s.%s is not known", o.typ.TypeName(), f.name)
	}
	return o.facts.value(v), nil
}

// items is a list of structures before it is a value.
type items struct {
	typ *cel.Type
	of  []any // pointers into the evidence
}

func itemsOf[T any](typ *cel.Type, list []T) items {
	out := items{typ: typ, of: make([]any, len(list))}
	for i := range list {
		out.of[i] = &list[i]
	}
	return out
}

// value turns a part of evidence into a value of CEL, and charges for its size.
func (f *Facts) value(v any) ref.Val {
	switch v := v.(type) {
	case ref.Val:
		return v
	case string:
		f.charge(1 + len(v)/textUnit)
		return types.String(v)
	case items:
		f.charge(1 + len(v.of))
		all := make([]ref.Val, len(v.of))
		for i, of := range v.of {
			all[i] = &object{v.typ, of, f}
		}
		return &list{types.NewRefValList(types.DefaultTypeAdapter, all), f}
	case item:
		return &object{v.typ, v.of, f}
	case []string:
		f.charge(1 + size(v)/textUnit)
		return &list{types.NewStringList(types.DefaultTypeAdapter, v), f}
	case map[string]string:
		for key, value := range v {
			f.charge(1 + (len(key)+len(value))/textUnit)
		}
		return sorted(f, types.NewStringStringMap(types.DefaultTypeAdapter, v), v)
	case map[string]float64:
		f.charge(len(v))
		return sorted(f, types.NewDynamicMap(types.DefaultTypeAdapter, v), v)
	case time.Time:
		return types.Timestamp{Time: v.UTC()}
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}

// item is a structure before it is a value.
type item struct {
	typ *cel.Type
	of  any
}

func size(list []string) int {
	n := len(list) * textUnit
	for _, s := range list {
		n += len(s)
	}
	return n
}

// list is a list of evidence. Who looks at its items pays for it.
type list struct {
	traits.Lister
	facts *Facts
}

func (l *list) length() int {
	n, _ := l.Size().(types.Int)
	return int(n)
}

// Contains implements traits.Container.
func (l *list) Contains(v ref.Val) ref.Val {
	l.facts.charge(l.length())
	return l.Lister.Contains(v)
}

// Equal implements ref.Val.
func (l *list) Equal(v ref.Val) ref.Val {
	l.facts.charge(l.length())
	return l.Lister.Equal(v)
}

// Get implements traits.Indexer.
func (l *list) Get(index ref.Val) ref.Val {
	l.facts.charge(1)
	return l.Lister.Get(index)
}

// Iterator implements traits.Iterable.
func (l *list) Iterator() traits.Iterator { return &iterator{l.Lister.Iterator(), l.facts} }

// table is a map of evidence. Loops see its keys in order, so that the same image
// has the same answer.
type table struct {
	traits.Mapper
	keys *list
}

func sorted[V any](f *Facts, m traits.Mapper, of map[string]V) *table {
	keys := slices.Sorted(maps.Keys(of))
	return &table{m, &list{types.NewStringList(types.DefaultTypeAdapter, keys), f}}
}

// Iterator implements traits.Iterable.
func (t *table) Iterator() traits.Iterator { return t.keys.Iterator() }

type iterator struct {
	traits.Iterator
	facts *Facts
}

// Next implements traits.Iterator.
func (i *iterator) Next() ref.Val {
	i.facts.charge(1)
	return i.Iterator.Next()
}

// provider knows the structures.
type provider struct {
	*types.Registry
	fields map[string]map[string]*types.FieldType
	names  map[string][]string
}

func newProvider() *provider {
	p := &provider{Registry: types.NewEmptyRegistry(), fields: map[string]map[string]*types.FieldType{}, names: map[string][]string{}}
	for _, s := range structures() {
		p.fields[s.name] = map[string]*types.FieldType{}
		for _, f := range s.fields {
			p.names[s.name] = append(p.names[s.name], f.name)
			p.fields[s.name][f.name] = &types.FieldType{
				Type: f.typ,
				IsSet: func(target any) bool {
					o, ok := target.(*object)
					if ok {
						_, ok = f.get(o)
					}
					return ok
				},
				GetFrom: func(target any) (any, error) {
					o, ok := target.(*object)
					if !ok {
						return nil, fmt.Errorf("%s.%s is not known", s.name, f.name)
					}
					return o.read(&f)
				},
			}
		}
	}
	return p
}

// FindStructType implements types.Provider.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if p.fields[name] != nil {
		return types.NewTypeTypeWithParam(cel.ObjectType(name)), true
	}
	return nil, false
}

// FindStructFieldNames implements types.Provider.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	return p.names[name], p.names[name] != nil
}

// FindStructFieldType implements types.Provider.
func (p *provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	f, ok := p.fields[name][field]
	return f, ok
}

// NewValue implements types.Provider. Expressions look at evidence and make none.
func (p *provider) NewValue(name string, _ map[string]ref.Val) ref.Val {
	return types.NewErr("a %s cannot be made", name)
}
