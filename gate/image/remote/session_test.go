package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/pulltest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/image"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-3": 0, "x": 0, "99999999999999999999": math.MaxInt64, "4294967296": 1 << 32 * time.Second, "9223372037": math.MaxInt64,
		"Fri, 01 May 2026 12:00:30 GMT": 30 * time.Second, "Fri, 01 May 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	c := newClient(t, nil)
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for name, s := range map[string]struct {
		ctx   context.Context
		after time.Duration
		ok    bool
	}{
		"as asked":              {t.Context(), 3 * time.Second, true},
		"longer than we wait":   {t.Context(), 2 * time.Hour, false},
		"beyond the deadline":   {soon, 90 * time.Second, false},
		"within the deadline":   {soon, time.Second, true},
		"without being told so": {t.Context(), 0, true},
	} {
		wait, ok := c.waitFor(s.ctx, 1, &statusError{status: 429, after: s.after})
		if ok != s.ok || ok && s.after > 0 && wait != s.after || ok && s.after == 0 && (wait < firstPause || wait > 2*firstPause) {
			t.Errorf("%s: %s, %v", name, wait, ok)
		}
	}
}

// Many references at once need one ping, and one token for each repository.
func TestOnePingForAll(t *testing.T) {
	reg := registrytest.Registry(t, registrytest.WithAuth(registrytest.Auth{Token: "t"}))
	ref := reg.MustPush(t, pulltest.Image(), "app:1")
	other := reg.MustPush(t, pulltest.Image(), "other:1")
	r := newResolver(t, newClient(t, nil))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := pulltest.Pull(t.Context(), r, []string{ref.Tagged, other.Pinned}[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if pings, tokens := reg.Count(registrytest.KindPing), reg.Count(registrytest.KindToken); pings != 1 || tokens != 2 {
		t.Errorf("%d pings and %d tokens", pings, tokens)
	}
}

// An image costs one request for each of its parts, one ping for the registry,
// and one token for the repository.
func TestRequestsForAnImage(t *testing.T) {
	for name, auth := range map[string]registrytest.Auth{"without credentials": {}, "with a token": {Token: "t"}} {
		reg := registrytest.Registry(t)
		if name == "with a token" {
			reg = registrytest.Registry(t, registrytest.WithAuth(auth))
		}
		ref := reg.MustPush(t, pulltest.Image(), "app:1")
		if _, err := pulltest.Pull(t.Context(), newResolver(t, newClient(t, nil)), ref.Tagged); err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, q := range reg.Requests() {
			kinds = append(kinds, string(q.Kind))
		}
		want := []string{"ping", "manifest", "config", "layer"}
		if name == "with a token" {
			want = slices.Insert(want, 1, "token")
		}
		if !slices.Equal(kinds, want) {
			t.Errorf("%s: %v, want %v", name, kinds, want)
		}
	}
}

// A registry may ask for nothing at the ping and for a token later.
func TestTokenIsAskedForLate(t *testing.T) {
	for _, fault := range []string{"status-401-bare", "login-page"} {
		reg := registrytest.Registry(t, registrytest.WithAuth(registrytest.Auth{Token: "t"}))
		ref := reg.MustPush(t, pulltest.Image(), "app:1")
		reg.Inject(registrytest.KindPing, registrytest.FaultByName(fault))
		if _, err := pulltest.Pull(t.Context(), newResolver(t, newClient(t, nil)), ref.Tagged); err != nil {
			t.Errorf("%s: %v", fault, err)
		}
	}
}

// A token that runs out in the middle is renewed.
func TestTokenRunsOut(t *testing.T) {
	var current atomic.Int64
	image := pulltest.Image()
	reg := registrytest.Registry(t)
	reg.MustPush(t, image, "app:1")
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/token" {
			fmt.Fprintf(w, `{"access_token":"t%d"}`, current.Load())
			return
		}
		if q.Header.Get("Authorization") != fmt.Sprintf("Bearer t%d", current.Load()) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token",service="s",scope="repository:app:pull"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.Contains(q.URL.Path, "/manifests/") {
			defer current.Add(1)
		}
		reg.ServeHTTP(w, q)
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	if _, err := pulltest.Pull(t.Context(), newResolver(t, newClient(t, nil)), host+"/app:1"); err != nil {
		t.Fatal(err)
	}
}

func TestDatabaseArtifacts(t *testing.T) {
	image := pulltest.Image()
	image.ConfigType = "application/vnd.aquasec.trivy.config.v1+json"
	if err := image.SealManifest(); err != nil {
		t.Fatal(err)
	}
	reg := registrytest.Registry(t)
	ref := reg.MustPush(t, image, "db:2")
	c := newClient(t, nil)
	raw, mediaType, digest, err := c.Manifest(t.Context(), ref.Tagged)
	if err != nil || !bytes.Equal(raw, image.ManifestJSON) || mediaType != "application/vnd.oci.image.manifest.v1+json" || digest != ref.Digest.String() {
		t.Errorf("got %d bytes, %s, %s, %v", len(raw), mediaType, digest, err)
	}
	blob := image.Blobs[0]
	body, err := c.Blob(t.Context(), ref.Tagged, blob.ClaimHash.String(), int64(len(blob.Content)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	_ = body.Close()
	if err != nil || !bytes.Equal(got, blob.Content) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	for name, ref := range map[string]string{"file": "oci:x", "missing": reg.Host + "/db:3", "other content": reg.Host + "/db@" + "sha256:" + strings.Repeat("a", 64)} {
		_, _, _, err := c.Manifest(t.Context(), ref)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		var f *gate.Fault
		if errors.As(err, &f) && f.Phase != gate.PhaseDatabase {
			t.Errorf("%s: phase %s", name, f.Phase)
		}
	}
	_, err = c.Blob(t.Context(), ref.Tagged, "sha256:../x", 1)
	pulltest.CheckError(t, "malformed digest", err, "hex digits")
}

// References to a host that does not answer wait for it once, all together.
func TestOneWaitForAll(t *testing.T) {
	reg := registrytest.Registry(t)
	ref := reg.MustPush(t, pulltest.Image(), "app:1")
	reg.Inject(registrytest.KindPing, registrytest.FaultByName("stall-headers"))
	r := newResolver(t, newClient(t, func(o *Options) { o.Limits.IdleTimeout = 400 * time.Millisecond }))
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			_, err := r.Resolve(t.Context(), ref.Tagged)
			pulltest.CheckError(t, "stalled ping", err, "did not answer in time")
		})
	}
	wg.Wait()
	if asked, tries := reg.Count(registrytest.KindPing), int(image.DefaultLimits().Tries); asked > 2*tries {
		t.Errorf("the host was asked %d times, want those of one reference", asked)
	}
	reg.Heal()
	if _, err := r.Resolve(t.Context(), ref.Tagged); err != nil {
		t.Errorf("after the registry healed: %v", err)
	}
}
