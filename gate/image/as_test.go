package image

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/evidence"
)

func TestParseAs(t *testing.T) {
	for _, tc := range []struct{ text, wrong string }{
		{"registry.example.no/web:1=oci:build:1", ""},
		{"web=registry.example.no/ci/web@sha256:" + strings.Repeat("a", 64), ""},
		{"service:web=oci:build", ""},
		{"docker:24=oci:build", ""},
		{"web", "is not REF=SOURCE"},
		{"=oci:x", "is not REF=SOURCE"},
		{"web=", "is not REF=SOURCE"},
		{"web=tar:x.tar", "neither an OCI image layout nor an image in a registry"},
		{"web=docker:x", "neither an OCI image layout nor an image in a registry"},
		{"Web:1=oci:x", "image reference"},
		{"oci:./dir=oci:x", "image reference"},
	} {
		a, err := ParseAs(tc.text)
		if err == nil && (a.Service == "") == (a.Ref == nil) {
			t.Errorf("ParseAs(%q): service %q and reference %v", tc.text, a.Service, a.Ref)
		}
		if (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
			t.Errorf("ParseAs(%q): %v, want %q", tc.text, err, tc.wrong)
		}
	}
}

// REF means the same image whatever spelling a document has for it, and no other.
func TestAsNames(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, tc := range []struct {
		as, ref string
		want    bool
	}{
		{"nginx:1", "docker.io/library/nginx:1", true},
		{"nginx", "nginx:latest", true},
		{"nginx:1", "nginx:1" + digest, true},
		{"nginx:1" + digest, "nginx:1" + digest, true},
		{"nginx" + digest, "nginx:1" + digest, true},
		{"nginx:1", "nginx:2", false},
		{"nginx:1", "nginx", false},
		{"nginx:1", "nginx" + digest, false},
		{"nginx:1" + digest, "nginx:1", false},
		{"nginx", "nginx" + digest, false},
		{"nginx:1", "registry.example.no/nginx:1", false},
		{"service:nginx", "nginx", false},
	} {
		a, err := ParseAs(tc.as + "=oci:x")
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Names(tc.ref); got != tc.want {
			t.Errorf("%s names %s: %v, want %v", tc.as, tc.ref, got, tc.want)
		}
	}
}

type fixedResolver map[string]*gate.Resolution

func (f fixedResolver) Resolve(_ context.Context, ref string) (*gate.Resolution, error) {
	if r := f[ref]; r != nil {
		return r, nil
	}
	return nil, errors.New("asked for " + ref)
}

func TestElsewhere(t *testing.T) {
	index, amd, arm := "sha256:"+strings.Repeat("a", 64), "sha256:"+strings.Repeat("b", 64), "sha256:"+strings.Repeat("c", 64)
	source := evidence.Reference{Asked: "oci:x", Source: evidence.SourceOCI, Name: "oci:x"}
	target := func(digest, platform string) gate.Target {
		return gate.Target{Image: evidence.Image{Reference: source, Digest: digest, IndexDigest: index, Platform: platform, Platforms: []string{"linux/amd64", "linux/arm64"}}}
	}
	inner := fixedResolver{"oci:x": {Reference: source, Digest: index, Targets: []gate.Target{target(amd, "linux/amd64"), target(arm, "linux/arm64")}}}
	at := func(ref string) (*gate.Resolution, error) {
		return Elsewhere(inner, map[string]string{ref: "oci:x"}).Resolve(t.Context(), ref)
	}
	r, err := at("registry.example.no/web:1")
	if err != nil || len(r.Targets) != 2 {
		t.Fatal(r, err)
	}
	got := r.Targets[0].Image.Reference
	if got.Asked != "registry.example.no/web:1" || got.Source != evidence.SourceRegistry || got.JudgedFrom != "oci:x" || got.Name != "registry.example.no/web" {
		t.Errorf("%+v", got)
	}
	if inner["oci:x"].Targets[0].Image.Reference.Asked != "oci:x" {
		t.Error("the resolution of the source was changed")
	}
	if r, err = at("web@" + index); err != nil || len(r.Targets) != 2 {
		t.Error("the digest of the index:", r, err)
	}
	if r, err = at("web@" + arm); err != nil || len(r.Targets) != 1 || r.Targets[0].Image.Platform != "linux/arm64" || r.Targets[0].Image.IndexDigest != "" {
		t.Error("the digest of a manifest:", r, err)
	}
	if _, err = at("web@sha256:" + strings.Repeat("d", 64)); err == nil || !strings.Contains(err.Error(), "names another image than") {
		t.Error("another digest:", err)
	}
	if _, err = Elsewhere(inner, nil).Resolve(t.Context(), "web"); err == nil || err.Error() != "asked for web" {
		t.Error("without a source:", err)
	}
}
