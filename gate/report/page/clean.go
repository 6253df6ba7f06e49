package page

import (
	"reflect"

	"github.com/imagegate/imagegate/gate/report/safe"
)

// clean returns a copy of the document in which every string went through
// [safe.Terminal]. It walks the whole document, so that no field can be forgotten.
func clean(d *Document) *Document {
	return cleaned(reflect.ValueOf(d)).Interface().(*Document)
}

func cleaned(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.String:
		out.SetString(safe.Terminal(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(cleaned(v.Elem()))
		}
	case reflect.Interface:
		if !v.IsNil() {
			out.Set(cleaned(v.Elem()))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		}
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			out.Index(i).Set(cleaned(v.Index(i)))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			out.Field(i).Set(cleaned(v.Field(i)))
		}
	default:
		out.Set(v)
	}
	return out
}
