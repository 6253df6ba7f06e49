package report

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/evidence"
)

// OwnFormats are the formats that this package renders itself. SBOMFormats of
// materials are the scanner's documents, and not every run has one.
func OwnFormats() []Format {
	return slices.DeleteFunc(Formats(), func(f Format) bool { return slices.Contains(sbomFormats, f.Name) })
}

func TestBills(t *testing.T) {
	const one, two = "sha256:1111", "sha256:2222"
	result := func(digest string) gate.Result {
		return gate.Result{Evidence: &evidence.Image{Digest: digest}}
	}
	docs := map[string]map[string][]byte{
		one: {"cyclonedx": []byte(`{"name":"` + "a\u202eb" + `"}`)},
		two: {"cyclonedx": []byte(`{}`)},
	}
	tests := []struct {
		name    string
		results []gate.Result
		want    string // part of the document, or of the error
		fails   bool
	}{
		{"one image", []gate.Result{result(one)}, `{"name":"a`, false},
		{"the same image twice", []gate.Result{result(one), result(one)}, `{"name":"a`, false},
		{"one image and one that could not be read", []gate.Result{result(one), {}}, `{"name":"a`, false},
		{"two images", []gate.Result{result(one), result(two)}, "describes one image", true},
		{"none", []gate.Result{{}}, "no image was read", true},
	}
	f, err := Lookup("cyclonedx")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			err := f.Write(&b, &gate.Run{Results: tt.results, Documents: docs}, Options{})
			got := b.String()
			if tt.fails {
				if err == nil {
					t.Fatalf("wrote %q", got)
				}
				got = err.Error()
			} else if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got, tt.want) || strings.Contains(got, "\u202e") {
				t.Errorf("got %q, want %q in it and no bidirectional control", got, tt.want)
			}
		})
	}
}

func TestBillsAreAskedForOnce(t *testing.T) {
	var outputs []Output
	for _, s := range []string{"text", "spdx=a", "cyclonedx=b", "spdx=c"} {
		o, err := ParseOutput(s)
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, o)
	}
	if got := SBOMFormats(outputs); !slices.Equal(got, []string{"cyclonedx", "spdx"}) {
		t.Errorf("SBOMFormats = %v", got)
	}
}
