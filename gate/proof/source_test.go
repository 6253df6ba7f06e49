package proof

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
)

var sources = map[string][2]string{
	"git+https://github.com/acme/app@refs/tags/v1":            {"github.com/acme/app", "refs/tags/v1"},
	"https://github.com/acme/app.git#refs/heads/main:dir":     {"github.com/acme/app", "refs/heads/main"},
	"https://github.com/acme/app":                             {"github.com/acme/app", ""},
	"https://github.com/acme/app/":                            {"github.com/acme/app", ""},
	"git@github.com:acme/app.git":                             {"github.com/acme/app", ""},
	"ssh://git@github.com/acme/app.git#main":                  {"github.com/acme/app", "main"},
	"https://user:secret@GitLab.example.no:8443/a/b/c@refs/x": {"gitlab.example.no:8443/a/b/c", "refs/x"},
	"https://github.com@evil.example/acme/app":                {"evil.example/acme/app", ""},
	"https://github.com/acme/../evil/app":                     {odd + "github.com/acme/../evil/app", ""},
	"https://github.com/acme//app":                            {odd + "github.com/acme//app", ""},
	"https://github.com/acme%2Fapp":                           {odd + "github.com/acme%2Fapp", ""},
	"https://github.com/acme/app?x=y":                         {odd + "github.com/acme/app?x=y", ""},
	"https://github.com/ac me/app":                            {odd + "github.com/ac me/app", ""},
	"local":                                                   {"local", ""},
	"":                                                        {"", ""},
}

func TestSources(t *testing.T) {
	for uri, want := range sources {
		if source, ref := sourceOf(uri); source != want[0] || ref != want[1] {
			t.Errorf("%q: %q, %q, want %q", uri, source, ref, want)
		}
	}
}

func TestImagesAmongDependencies(t *testing.T) {
	const hash = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	for uri, want := range map[string]string{
		"pkg:docker/debian@12?platform=linux%2Famd64":                                                        "debian:12 sha256:" + hash,
		"pkg:docker/registry.example.no/base/debian@12":                                                      "registry.example.no/base/debian:12 sha256:" + hash,
		"pkg:docker/localhost%3A5000/base@1":                                                                 "localhost:5000/base:1 sha256:" + hash,
		"pkg:docker/debian@sha256%3A" + strings.Repeat("b", 64):                                              "debian sha256:" + strings.Repeat("b", 64),
		"pkg:oci/debian@sha256%3A" + strings.Repeat("b", 64) + "?repository_url=r.no%2Fbase%2Fdebian&tag=12": "r.no/base/debian:12 sha256:" + strings.Repeat("b", 64),
		"pkg:docker/base/debian?repository_url=r.no":                                                         "r.no/debian sha256:" + hash,
		"pkg:npm/lodash@4":            "",
		"https://github.com/acme/app": "",
		"pkg:docker/":                 "",
	} {
		ref, digest, ok := imageOf(resource{URI: uri, Digest: map[string]string{"sha256": hash}})
		if got := ref + " " + digest; ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %v, want %q", uri, got, ok, want)
		}
	}
}

// An approval that is written is read again, and one that names nothing is not written.
func TestApprovalIsReadAgain(t *testing.T) {
	digest := "sha256:" + strings.Repeat("c", 64)
	s, err := Approval(repository, otherImage, digest, "reviewed")
	if err != nil || !s.About(otherImage) {
		t.Fatalf("%+v, %v", s, err)
	}
	if a, err := readApproval(s); err != nil || a.Policy != digest || a.Reason != "reviewed" {
		t.Errorf("%+v, %v", a, err)
	}
	for _, odd := range []string{"", "sha256:x", "sha512:" + strings.Repeat("c", 64)} {
		if _, err := Approval(repository, otherImage, odd, ""); err == nil {
			t.Errorf("an approval under the policy %q", odd)
		}
	}
}

// FuzzStatement asks that no predicate makes a reader panic, and that no source has a
// form in which two readers could see two repositories.
func FuzzStatement(f *testing.F) {
	for uri := range sources {
		for _, p := range []map[string]any{v1("b", uri, "refs/tags/v1"), v02("b", uri, resource{URI: "pkg:docker/debian@12"})} {
			raw, _ := json.Marshal(p)
			f.Add(raw, true)
			f.Add(raw, false)
		}
	}
	f.Add([]byte(`{"policy":{"digest":{"sha256":"x"}}}`), true)
	f.Fuzz(func(t *testing.T, raw []byte, newer bool) {
		s := &prove.Statement{PredicateType: policy.ProvenanceV02, Predicate: raw}
		if newer {
			s.PredicateType = policy.ProvenanceV1
		}
		p, d, err := readProvenance(s)
		if err == nil {
			for _, source := range p.Sources {
				if strings.HasPrefix(source, odd) {
					continue
				}
				if strings.Contains(source, "://") || strings.Contains(source, "..") || strings.Contains(source, "//") || strings.ContainsAny(source, "@ \n#") {
					t.Errorf("source %q", source)
				}
			}
			for _, r := range d.all {
				imageOf(r)
			}
		}
		if a, err := readApproval(s); err == nil && len(a.Policy) != len("sha256:")+64 {
			t.Errorf("policy %q", a.Policy)
		}
	})
}
