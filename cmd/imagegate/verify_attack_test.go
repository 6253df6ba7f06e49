package main

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/provetest"
)

// run runs a command of the program in the stage's directory.
func (s *stage) run(args ...string) (int, string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "imagegate", args...)
	cmd.Dir = s.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("%v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// An index that passed does not pass any more when one of its platforms failed later.
func TestVerifyOfAnIndexLooksAtItsPlatforms(t *testing.T) {
	s := newStage(t)
	key := provetest.NewKey(t)
	keyFile, pub := filepath.Join(s.dir, "gate.key"), filepath.Join(s.dir, "gate.pub")
	for name, content := range map[string][]byte{
		keyFile: key.Private, pub: key.Public, filepath.Join(s.dir, "strict.yaml"): []byte("version: 1\nextends: none\nconfig: {max-layers: 1}\n"),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	one := imagetest.Spec{Layers: []imagetest.Layer{{}}}.Image()
	two := imagetest.Spec{Platform: v1.Platform{OS: "linux", Architecture: "arm64"}, Layers: []imagetest.Layer{{}, {Files: []imagetest.File{{Path: "a", Body: []byte("a")}}}}}.Image()
	index := imagetest.Index(imagetest.For("linux/amd64", one), imagetest.For("linux/arm64", two), imagetest.Attestation(two))
	if err := remote.WriteIndex(s.tag("prod/app:1"), index); err != nil {
		t.Fatal(err)
	}
	bad, err := two.Digest()
	if err != nil {
		t.Fatal(err)
	}
	ref := s.host + "/prod/app"
	check := func(want int, args ...string) {
		t.Helper()
		args = append([]string{"check", "--ci", "none", "--quiet", "--cache", "none", "--attest", "--sign-key", keyFile}, args...)
		if code, out := s.run(args...); code != want {
			t.Fatalf("%v: exit code %d:\n%s", args, code, out)
		}
	}
	check(exitPass, ref+":1")
	for _, name := range []string{ref + ":1", ref + "@" + bad.String()} {
		if code, out := s.run("verify", "--key", pub, name); code != exitPass {
			t.Errorf("%s: exit code %d:\n%s", name, code, out)
		}
	}
	passed := s.referrersOf("prod/app", bad)
	check(exitFail, "-p", "strict.yaml", ref+"@"+bad.String())
	if code, out := s.run("verify", "--key", pub, ref+":1"); code != exitFail {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	// The newest decision is listed and gone. An older one counts, and it is said that not
	// everything was read.
	gone := map[string]bool{}
	for d := range s.referrersOf("prod/app", bad) {
		gone["/v2/prod/app/manifests/"+d] = !passed[d]
	}
	s.mu.Lock()
	s.before = func(w http.ResponseWriter, q *http.Request, _ int) bool {
		if gone[q.URL.Path] {
			http.NotFound(w, q)
		}
		return gone[q.URL.Path]
	}
	s.mu.Unlock()
	for _, name := range []string{ref + ":1", ref + "@" + bad.String()} {
		code, out := s.run("verify", "--key", pub, name)
		if code != exitPass || !strings.Contains(out, "a newer decision may have been there") || !strings.Contains(out, "its manifest is missing") {
			t.Errorf("%s: exit code %d:\n%s", name, code, out)
		}
	}
}

// referrersOf returns the digests that the registry lists for a manifest.
func (s *stage) referrersOf(repository string, digest v1.Hash) map[string]bool {
	s.t.Helper()
	index, err := remote.Referrers(s.tag(repository + ":1").Context().Digest(digest.String()))
	if err != nil {
		s.t.Fatal(err)
	}
	listed, err := index.IndexManifest()
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string]bool{}
	for _, d := range listed.Manifests {
		all[d.Digest.String()] = true
	}
	return all
}
