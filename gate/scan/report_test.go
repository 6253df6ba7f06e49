package scan

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/gate/findings"
	"github.com/imagegate/imagegate/gate/scan/wire"
)

// Every field of a report arrives as it was sent, and is known to the decoder.
func TestReportArrives(t *testing.T) {
	want := new(wire.Report)
	fill(reflect.ValueOf(want).Elem())
	b, err := wire.EncodeReport(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.DecodeReport(b, new(findings.Known))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-sent +arrived):\n%s", diff)
	}
}

// fill sets v and all its fields and elements to values other than zero.
func fill(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)))
		return
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("a \"text\" with <&> and \u00e6\u2028")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(-7)
	case reflect.Uint:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(9.75)
	default:
		panic("a report has a field of the kind " + v.Kind().String())
	}
}
