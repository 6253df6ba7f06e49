package compose

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/evidence"
)

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"services:\n  a:\n    image: a:${T:-1}\n    privileged: true\n",
		"include: [b.yaml]\nservices: {a: {extends: {file: b.yaml, service: b}, image: a}}\n",
		"x-a: &a {user: \"0\"}\nservices: {a: {<<: *a, image: a, volumes: [\"/var/run:/x\", \"v:/v\"]}}\nvolumes: {v: {}}\n",
		"services: {a: {build: ., ports: [\"1-2:3-4/udp\"], pre_start: [{image: x}]}}\njobs: {j: {image: j, triggers: {}}}\n",
		`{"services": {"a": {"image": "a", "network_mode": "service:a", "secrets": ["s"]}}, "secrets": {"s": {"file": "../x"}}}`,
		"services: {a: {provider: {type: x}}}\n", "a: !reset {}\n", "services: {a: null}\n", "services: !override\n  a: {image: x}\n",
	} {
		f.Add([]byte(s), "services: {b: {image: b}}\n")
	}
	f.Fuzz(func(t *testing.T, text []byte, other string) {
		dir, scratch := t.TempDir(), t.TempDir()
		for name, data := range map[string][]byte{"compose.yaml": text, "b.yaml": []byte(other)} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Read(t.Context(), filepath.Join(dir, "compose.yaml"), func() (string, error) { return scratch, nil })
		if err != nil {
			return
		}
		if left, _ := os.ReadDir(scratch); len(left) > 0 {
			t.Fatal("files were left behind")
		}
		clean := true
		for _, d := range r.Release.Documents {
			clean = clean && len(d.Problems) == 0
		}
		for _, u := range r.Release.Uses() {
			if (u.Ref == "") == (u.Problem == "") {
				t.Fatalf("an image has neither a reference nor a reason, or both: %+v", u.ImageName)
			}
			if u.Ref == "" {
				continue
			}
			if ref, err := image.ParseReference(u.Ref); err != nil || ref.Source != evidence.SourceRegistry {
				t.Fatalf("%q: %v %v", u.Ref, ref.Source, err)
			}
		}
		for _, w := range r.Release.Workloads {
			if clean && w.At.Line == 0 {
				t.Fatalf("%s has no place", w.ID())
			}
		}
	})
}

func FuzzSubstitute(f *testing.F) {
	for _, s := range []string{"a", "$A", "${A}", "${A:-b}", "${A-$B}", "${A:+x}$A", "$$A", "${A:?x}", "${A", "${A:-${B:-c}}${C}", "${S}${A-}"} {
		f.Add(s)
	}
	lookup := func(name string) (string, bool) { return "value", name == "S" }
	f.Fuzz(func(t *testing.T, text string) {
		replaced, unset, err := substitute(text, lookup)
		if err != nil || len(unset) > 0 {
			return
		}
		if marks := unsetMark.FindString(replaced); marks != "" && unsetMark.FindString(text) == "" {
			t.Fatalf("substitute(%q) = %q", text, replaced)
		}
	})
}
