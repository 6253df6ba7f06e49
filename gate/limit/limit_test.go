package limit_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/limit"
)

type limits struct {
	layers, size int64
	wait         time.Duration
}

func (l *limits) table() limit.Table {
	return limit.Table{{Name: "layers", Count: &l.layers}, {Name: "size", Bytes: &l.size}, {Name: "wait", Duration: &l.wait}}
}

func TestSet(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        limits
		mistake     string
	}{
		{"layers", "12", limits{layers: 12}, ""},
		{"size", "2GiB", limits{size: 2 << 30}, ""},
		{"size", "500MB", limits{size: 500e6}, ""},
		{"size", "7", limits{size: 7}, ""},
		{"wait", "90s", limits{wait: 90 * time.Second}, ""},
		{"layers", "0", limits{}, "number above zero"},
		{"layers", "1KiB", limits{}, "number above zero"},
		{"layers", "-1", limits{}, "number above zero"},
		{"layers", "9223372036854775808", limits{}, "number above zero"},
		{"size", "0", limits{}, "512MiB"},
		{"size", "2G\n", limits{}, `"2G\n"`},
		{"wait", "90", limits{}, "90s"},
		{"wait", "-1s", limits{}, "90s"},
		{"depth", "1", limits{}, "layers, size, wait"},
	} {
		var got limits
		err := got.table().Set(c.name, c.value)
		if got != c.want || (err == nil) != (c.mistake == "") || err != nil && !strings.Contains(err.Error(), c.mistake) {
			t.Errorf("Set(%q, %q) = %v, limits %+v, want %+v and %q", c.name, c.value, err, got, c.want, c.mistake)
		}
	}
}

func TestFill(t *testing.T) {
	got, defaults := limits{layers: 3, wait: -1}, limits{layers: 1, size: 2, wait: 4}
	got.table().Fill(defaults.table())
	if want := (limits{layers: 3, size: 2, wait: 4}); got != want {
		t.Errorf("Fill = %+v, want %+v", got, want)
	}
}

// What Text writes is what Set reads.
func TestText(t *testing.T) {
	var l limits
	if err := l.table().Set("size", l.table().Text("size", 20<<30)); err != nil || l.size != 20<<30 {
		t.Errorf("size is %d, %v", l.size, err)
	}
	if got := l.table().Text("layers", 1024); got != "1024" {
		t.Errorf("a number is written as %q", got)
	}
	if got := l.table().Names(); !slices.Equal(got, []string{"layers", "size", "wait"}) {
		t.Errorf("Names = %q", got)
	}
}
