package page

import (
	"reflect"
	"time"

	"github.com/imagegate/imagegate/gate/report/safe"
)

// cleaned walks the whole document, so that no field can be forgotten.
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
		if v.Type() == reflect.TypeFor[time.Time]() {
			return v // no text
		}
		for i := range v.NumField() {
			out.Field(i).Set(cleaned(v.Field(i)))
		}
	default:
		out.Set(v)
	}
	return out
}
