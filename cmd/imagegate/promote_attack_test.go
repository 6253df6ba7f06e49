package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	writable "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// stage is a registry with images to promote, whose answers a test can change.
type stage struct {
	t    *testing.T
	host string
	dir  string

	mu     sync.Mutex
	asked  map[string]int // "METHOD path"
	before func(w http.ResponseWriter, q *http.Request, n int) bool
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir(), asked: map[string]int{}}
	behind := writable.New(writable.Logger(log.New(io.Discard, "", 0)), writable.WithReferrersSupport(true))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s.mu.Lock()
		key := q.Method + " " + q.URL.Path
		s.asked[key]++
		n, before := s.asked[key], s.before
		s.mu.Unlock()
		if before == nil || !before(w, q, n) {
			behind.ServeHTTP(w, q)
		}
	}))
	t.Cleanup(server.Close)
	s.host = strings.TrimPrefix(server.URL, "http://")
	policy := "version: 1\nextends: none\nconfig: {deny-ports: [22]}\n"
	if err := os.WriteFile(filepath.Join(s.dir, "imagegate.yaml"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stage) tag(ref string) name.Tag {
	s.t.Helper()
	tag, err := name.NewTag(s.host + "/" + ref)
	if err != nil {
		s.t.Fatal(err)
	}
	return tag
}

// push pushes an image that listens on a port, and returns its digest. The policy
// denies port 22.
func (s *stage) push(ref, port string) string {
	s.t.Helper()
	img := imagetest.Spec{Ports: []string{port}, Layers: []imagetest.Layer{{Files: []imagetest.File{{Path: "app", Body: []byte(ref + port)}}}}}.Image()
	if err := remote.Write(s.tag(ref), img); err != nil {
		s.t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		s.t.Fatal(err)
	}
	return digest.String()
}

// promote runs the program, and returns its exit code and what it printed.
func (s *stage) promote(args ...string) (int, string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "imagegate", append([]string{"promote", "--ci", "none", "--quiet", "--cache", "none", "--tmp-dir", s.dir, "--cache-dir", filepath.Join(s.dir, "cache")}, args...)...)
	cmd.Dir = s.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("%v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// names returns the digest that a tag names, "" for none.
func (s *stage) names(ref string) string {
	d, err := remote.Head(s.tag(ref))
	if err != nil {
		return ""
	}
	return d.Digest.String()
}

// A source tag that moves after it was judged does not change what is promoted.
func TestPromotedTagThatMoves(t *testing.T) {
	s := newStage(t)
	good := s.push("test/app:1", "8080/tcp")
	bad := s.push("test/bad:1", "22/tcp")
	other, err := remote.Get(s.tag("test/bad:1"))
	if err != nil {
		t.Fatal(err)
	}
	s.before = func(w http.ResponseWriter, q *http.Request, n int) bool {
		if q.Method != http.MethodGet || q.URL.Path != "/v2/test/app/manifests/1" || n == 1 {
			return false
		}
		w.Header().Set("Content-Type", string(other.MediaType))
		_, _ = w.Write(other.Manifest)
		return true
	}
	code, out := s.promote(s.host+"/test/app:1", s.host+"/prod/app:1")
	if got := s.names("prod/app:1"); code != exitPass || got != good || got == bad {
		t.Errorf("exit code %d, the tag names %s:\n%s", code, got, out)
	}
}

// A refused image leaves no tag, and none of it arrives.
func TestRefusedImageLeavesNothing(t *testing.T) {
	s := newStage(t)
	s.push("test/app:1", "22/tcp")
	code, out := s.promote(s.host+"/test/app:1", s.host+"/prod/app:1")
	if got := s.names("prod/app:1"); code != exitFail || got != "" {
		t.Errorf("exit code %d, the tag names %s:\n%s", code, got, out)
	}
	for key := range s.asked {
		if strings.Contains(key, "/prod/app/") && !strings.HasPrefix(key, "HEAD ") {
			t.Errorf("the target was asked: %s", key)
		}
	}
}

// Bytes that a registry serves after the image was judged are compared with what was
// judged: every document and blob at its second request.
func TestOtherBytesTheSecondTime(t *testing.T) {
	for _, class := range []string{"/manifests/sha256:", "/blobs/sha256:"} {
		s := newStage(t)
		s.push("test/app:1", "8080/tcp")
		evil := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[]}`)
		changed := 0
		s.before = func(w http.ResponseWriter, q *http.Request, n int) bool {
			if strings.HasPrefix(q.URL.Path, "/v2/prod/app/blobs/") { // this registry shares blobs between all repositories
				if q.URL.Query().Has("mount") {
					q.URL.RawQuery = ""
				}
				if q.Method == http.MethodHead {
					w.WriteHeader(http.StatusNotFound)
					return true
				}
			}
			// A manifest is asked for by its tag first, the config to be judged.
			second := n > 1 || class == "/manifests/sha256:"
			if q.Method != http.MethodGet || !strings.HasPrefix(q.URL.Path, "/v2/test/app"+class) || !second {
				return false
			}
			changed++
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			_, _ = w.Write(evil)
			return true
		}
		code, out := s.promote(s.host+"/test/app:1", s.host+"/prod/app:1")
		if got := s.names("prod/app:1"); code != exitNoVerdict || got != "" || changed == 0 {
			t.Errorf("%s: exit code %d, the tag names %q, %d answers were changed:\n%s", class, code, got, changed, out)
		}
		if !strings.Contains(out, "no tag of "+s.host+"/prod/app was changed") && !strings.Contains(out, "nothing was written") {
			t.Errorf("%s: the state of the target is not told:\n%s", class, out)
		}
	}
}

// Whoever may write to the source can attach anything: what is too much is told, and
// is no success.
func TestTooMuchIsAttached(t *testing.T) {
	s := newStage(t)
	s.push("test/app:1", "8080/tcp")
	subject, err := remote.Head(s.tag("test/app:1"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 101 {
		artifact := mutate.Subject(imagetest.Spec{Labels: map[string]string{"n": string(rune('a' + i))}}.Image(), *subject).(v1.Image)
		d, err := partial.Descriptor(artifact)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(s.tag("test/app:1").Digest(d.Digest.String()), artifact); err != nil {
			t.Fatal(err)
		}
	}
	code, out := s.promote(s.host+"/test/app:1", s.host+"/prod/app:1")
	if code != exitNoVerdict || s.names("prod/app:1") != "" || !strings.Contains(out, "more than 100 manifests refer to "+subject.Digest.String()) {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	code, out = s.promote("--attachments", "none", s.host+"/test/app:1", s.host+"/prod/app:1")
	if code != exitPass || s.names("prod/app:1") != subject.Digest.String() {
		t.Errorf("without attachments: exit code %d:\n%s", code, out)
	}
}

// The credentials of the source do not go to the target, nor the other way round.
func TestTwoRegistriesWithTheirOwnCredentials(t *testing.T) {
	source, target := newStage(t), newStage(t)
	digest := source.push("test/app:1", "8080/tcp")
	login := func(s *stage, user string) {
		s.before = func(w http.ResponseWriter, q *http.Request, _ int) bool {
			if name, password, _ := q.BasicAuth(); name == user && password == "of "+user {
				return false
			}
			if q.Header.Get("Authorization") != "" {
				t.Errorf("%s: foreign credentials at %s", user, q.URL.Path)
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
	}
	login(source, "reader")
	login(target, "releaser")
	config := `{"auths":{"` + source.host + `":{"username":"reader","password":"of reader"},"` + target.host + `":{"username":"releaser","password":"of releaser"}}}`
	if err := os.WriteFile(filepath.Join(source.dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", source.dir)
	code, out := source.promote(source.host+"/test/app:1", target.host+"/prod/app:1")
	target.before = nil
	if code != exitPass || target.names("prod/app:1") != digest {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// Eight promotions at once, each with a signature of its own and under a tag of its
// own, lose nothing, and one index is complete at the end.
func TestEightPromotionsAtOnce(t *testing.T) {
	s := newStage(t)
	digest := s.push("test/app:1", "8080/tcp")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if code, out := s.promote(s.host+"/test/app:1", s.host+"/prod/app:"+string(rune('a'+i)), s.host+"/prod/app:stable"); code != exitPass {
				t.Errorf("promotion %d: exit code %d:\n%s", i, code, out)
			}
		})
	}
	wg.Wait()
	for i := range 8 {
		if got := s.names("prod/app:" + string(rune('a'+i))); got != digest {
			t.Errorf("tag %d names %q", i, got)
		}
	}
}

// Of two targets, the report says which one has the image and which one was not tried.
func TestSecondTargetIsNotTried(t *testing.T) {
	s := newStage(t)
	digest := s.push("test/app:1", "8080/tcp")
	s.before = func(w http.ResponseWriter, q *http.Request, _ int) bool {
		if q.Method == http.MethodPut && strings.HasPrefix(q.URL.Path, "/v2/second/app/manifests/") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	code, out := s.promote(s.host+"/test/app:1", s.host+"/first/app:1", s.host+"/second/app:1", s.host+"/third/app:1")
	if code != exitNoVerdict || s.names("first/app:1") != digest || s.names("second/app:1")+s.names("third/app:1") != "" {
		t.Errorf("exit code %d, the tags name %q, %q, %q", code, s.names("first/app:1"), s.names("second/app:1"), s.names("third/app:1"))
	}
	for _, want := range []string{
		"promoted " + digest + " from " + s.host + "/test/app to " + s.host + "/first/app",
		"to " + s.host + "/second/app: copy the manifests", "no tag of " + s.host + "/second/app was changed",
		"to " + s.host + "/third/app: it was not tried",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the report does not say %q:\n%s", want, out)
		}
	}
}
