package manifests

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// asKubectl reads one document as kubectl does.
func asKubectl(document []byte) (any, error) {
	var v any
	j, err := yaml.YAMLToJSONStrict(document)
	if err == nil {
		err = json.Unmarshal(j, &v)
	}
	return v, err
}

// asHere reads one document, and reports whether it was understood.
func asHere(document []byte) (values []any, understood bool) {
	r := &reader{file: "m.yaml"}
	r.documents(document, func(v *value) {
		var got any
		if err := json.Unmarshal(v.json(), &got); err != nil {
			panic(err)
		}
		values = append(values, got)
	})
	return values, len(r.problems) == 0
}

// scalars are written in ways that YAML 1.1 and 1.2 read differently.
var scalars = []string{
	"n", "y", "N", "Y", "yes", "Yes", "YES", "yEs", "on", "On", "oN", "off", "no", "No", "true", "True", "TRUE", "tRue", "false", "~", "null", "Null", "NULL", "",
	"0755", "0o755", "0x10", "0b11", "1_000", "1__0", "+5", "-0", "08", "09.5", "1e3", "1E3", ".5", "0.0", "1:20", "2001-01-01", "2001-01-01T00:00:00Z", "'yes'", "\"no\"", "!!str yes",
	"!!str 5", "!!int 5", "!!bool true", "12", "-12", "1.5", "|\n  yes", ">\n  5", "'0'", "0", "9223372036854775807", "-9223372036854775808", "=", "<", "a b", "\"a\\u00e9\\n\"", "'a''b'",
}

// A scalar is what kubectl takes it for: privileged: yes is privileged.
func TestScalarsAsKubectl(t *testing.T) {
	for _, s := range scalars {
		document := []byte("a: " + s + "\n")
		want, err := asKubectl(document)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		got, understood := asHere(document)
		if !understood || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("%q is %v, and kubectl takes it for %v", s, got, want)
		}
	}
}

// Every document that is understood is what kubectl takes it for.
func FuzzAsKubectl(f *testing.F) {
	for _, s := range scalars {
		f.Add([]byte("a: " + s + "\n"))
	}
	f.Add([]byte("a: &x {b: 1}\nc: *x\nd: {<<: *x, b: 2}\ne: [*x, *x]\n"))
	f.Add([]byte("<<: [{a: 1}, {a: 2, b: 3}]\nb: 4\n"))
	f.Add([]byte(oneContainer("    securityContext: {privileged: yes}\n")))
	f.Fuzz(func(t *testing.T, document []byte) {
		got, understood := asHere(document)
		// The tag ! alone is not to be seen in what the parser returns. It makes text
		// of a scalar, so that the API server refuses it where it is no text.
		if !understood || len(got) != 1 || strings.Contains(string(document), "---") || strings.Contains(string(document), "!") {
			return
		}
		want, err := asKubectl(document)
		if err != nil {
			return // refusing less than kubectl harms nothing: it is judged, and cannot be applied
		}
		if fmt.Sprint(got[0]) != fmt.Sprint(want) {
			t.Errorf("%q is %v, and kubectl takes it for %v", document, got[0], want)
		}
	})
}

// No bytes end in a panic, and bytes that hold anything are evidence or a problem.
func FuzzParse(f *testing.F) {
	f.Add([]byte(oneContainer("    securityContext: {privileged: true}\n")))
	f.Add([]byte("apiVersion: v1\nkind: List\nitems: [{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {template: {spec: {containers: [{name: a, image: b}]}}}}]\n"))
	f.Add([]byte("apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: p}\nspec: {template: {spec: {containers: [{name: c, image: a}]}}}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("{{ if }}\n--- # x\n--- {a: b}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := Parse("m.yaml", data, Options{Templates: map[string]string{"argoproj.io/Rollout": "spec.template"}})
		if p := problems(r); strings.Contains(p, "panic") {
			t.Error(p)
		}
		d := r.Documents[0]
		for _, p := range d.Problems {
			if p.At.File != "m.yaml" || p.At.Line < 1 || p.At.Column < 1 || p.Message == "" {
				t.Errorf("a problem without place or words: %+v", p)
			}
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}
