package image

import (
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// A document never chooses an image of this machine, whatever its image is called.
func TestNamedInDocument(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"nginx:1.29.1", "nginx:1.29.1"},
		{"docker:24", "docker.io/library/docker:24"},
		{"docker:24-dind", "docker.io/library/docker:24-dind"},
		{"docker", "docker"},
		{"podman:5", "docker.io/library/podman:5"},
		{"oci:1", "docker.io/library/oci:1"},
		{"tar:1", "docker.io/library/tar:1"},
		{"archive:2", "docker.io/library/archive:2"},
		{"registry.example.no/docker:24", "registry.example.no/docker:24"},
		{"registry.example.no:5000/a/tar:1", "registry.example.no:5000/a/tar:1"},
		{"", ""}, {" nginx", ""}, {"nginx ", ""}, {"oci:./dir", ""}, {"tar:-", ""}, {"docker:../../x", ""}, {"oci:dir:tag", ""},
		{"https://registry.example.no/app", ""}, {"Nginx:1", ""}, {"{{ .Values.image }}", ""}, {"REPLACE_ME", ""}, {"a@sha256:12", ""},
	} {
		got, err := NamedInDocument(tc.in)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("NamedInDocument(%q) = %q, %v; want %q", tc.in, got, err, tc.want)
		}
	}
}

func FuzzNamedInDocument(f *testing.F) {
	for _, s := range []string{"nginx", "docker:24", "oci:x", "tar:-", "docker:x/y", "podman:a@sha256:b", "docker:docker:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := NamedInDocument(s)
		if err != nil {
			return
		}
		parsed, err := ParseReference(ref)
		if err != nil || parsed.Source != evidence.SourceRegistry {
			t.Fatalf("NamedInDocument(%q) = %q, which is from %q (%v)", s, ref, parsed.Source, err)
		}
	})
}
