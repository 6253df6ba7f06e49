package database

import (
	"strings"
	"testing"
)

func TestParseRepository(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, test := range []struct {
		kind             Kind
		repository, want string // want is "" for an error
	}{
		{Vulnerability, "mirror.example.no/trivy-db", "mirror.example.no/trivy-db:2"},
		{Java, "mirror.example.no/trivy-java-db", "mirror.example.no/trivy-java-db:1"},
		{Vulnerability, "localhost:5000/trivy-db", "localhost:5000/trivy-db:2"},
		{Vulnerability, "mirror.example.no:443/a/b/trivy-db", "mirror.example.no:443/a/b/trivy-db:2"},
		{Vulnerability, "mirror.example.no/trivy-db:latest", "mirror.example.no/trivy-db:latest"},
		{Java, "mirror.example.no/trivy-java-db:2", "mirror.example.no/trivy-java-db:2"},
		{Vulnerability, "aquasec/trivy-db", "aquasec/trivy-db:2"},
		{Vulnerability, "mirror.example.no/trivy-db" + digest, "mirror.example.no/trivy-db" + digest},
		{Vulnerability, "mirror.example.no/trivy-db:2" + digest, "mirror.example.no/trivy-db:2" + digest},
		{Vulnerability, "", ""},
		{Vulnerability, "https://mirror.example.no/trivy-db", ""},
		{Vulnerability, "mirror.example.no/Trivy-DB", ""},
		{Vulnerability, "mirror.example.no/trivy-db:", ""},
		{Vulnerability, "mirror.example.no/trivy-db:a b", ""},
		{Vulnerability, " mirror.example.no/trivy-db", ""},
		{Vulnerability, "mirror.example.no/trivy-db@sha256:abc", ""},
		{Vulnerability, "mirror.example.no:port/trivy-db", ""},
		{0, "mirror.example.no/trivy-db", ""},
	} {
		got, err := ParseRepository(test.kind, test.repository)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s %q = %q, %v, want %q", test.kind, test.repository, got, err, test.want)
		}
	}
}

// Mirrors keep the layer, and change or drop the config: the layer decides.
func TestUpdateFromMirrors(t *testing.T) {
	for name, change := range map[string]func(m map[string]any){
		"config of an image":        configOf("application/vnd.oci.image.config.v1+json"),
		"config of a Docker image":  configOf("application/vnd.docker.container.image.v1+json"),
		"config of oras":            configOf("application/vnd.unknown.config.v1+json"),
		"empty config":              configOf("application/vnd.oci.empty.v1+json"),
		"config without media type": configOf(""),
		"no config":                 func(m map[string]any) { delete(m, "config") },
		"no media type":             func(m map[string]any) { delete(m, "mediaType") },
		"other keys": func(m map[string]any) {
			m["artifactType"], m["annotations"] = "application/vnd.example", map[string]string{"a": "b"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			srv.serve(t, next.layer(t), change)
			dir := t.TempDir()
			if _, err := newStore(t, dir, nil, srv.ref()).Update(t.Context(), Vulnerability); err != nil {
				t.Fatal(err)
			}
			if got := tree(t, dir)["db/trivy.db"]; got != string(next.content()) {
				t.Error("the database is not the one of the mirror")
			}
		})
	}
}

func configOf(mediaType string) func(m map[string]any) {
	return func(m map[string]any) { m["config"].(map[string]any)["mediaType"] = mediaType }
}
