package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imagegate/imagegate/gate/gatetest/pulltest"
	"github.com/imagegate/imagegate/gate/promote"
)

// writable is a registry that takes what is pushed, with go-containerregistry's
// own handler. It counts requests and may answer them otherwise.
type writable struct {
	host   string
	server *httptest.Server
	mu     sync.Mutex
	seen   []string // "METHOD path"
	// before may answer a request; it reports whether it did.
	before func(w http.ResponseWriter, q *http.Request) bool
}

func newWritable(t *testing.T, referrers bool) *writable {
	t.Helper()
	r := &writable{}
	behind := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(referrers))
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		r.seen = append(r.seen, q.Method+" "+q.URL.String())
		before := r.before
		r.mu.Unlock()
		if before == nil || !before(w, q) {
			behind.ServeHTTP(w, q)
		}
	}))
	t.Cleanup(r.server.Close)
	r.host = strings.TrimPrefix(r.server.URL, "http://")
	return r
}

func (r *writable) count(begin, part string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.seen {
		if strings.HasPrefix(s, begin) && strings.Contains(s, part) {
			n++
		}
	}
	return n
}

// signed pushes an index of two platforms, each with a referrer, and returns
// the index's digest.
func (r *writable) signed(t *testing.T, path string) string {
	t.Helper()
	repo, err := name.NewRepository(r.host + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	index, err := random.Index(5000, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := ggcr.WriteIndex(repo.Tag("1"), index); err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range manifest.Manifests {
		artifact, err := random.Image(300, 1)
		if err != nil {
			t.Fatal(err)
		}
		artifact = mutate.Subject(mutate.ConfigMediaType(artifact, "application/vnd.oci.empty.v1+json"), child).(v1.Image)
		digest, err := partial.Descriptor(artifact)
		if err != nil {
			t.Fatal(err)
		}
		if err := ggcr.Write(repo.Digest(digest.Digest.String()), artifact); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

func repository(t *testing.T, c *Client, ref string) *Repository {
	t.Helper()
	r, err := c.Repository(ref)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func promoted(ctx context.Context, from, to *Repository, digest string) error {
	p, err := promote.Prepare(ctx, from, digest, to, []string{"released"}, promote.Options{
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// An index with a signature on each child arrives whole, between registries with
// and without the API for referrers.
func TestPromotion(t *testing.T) {
	for _, c := range []struct{ source, target bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		t.Run(fmt.Sprintf("referrers %v to %v", c.source, c.target), func(t *testing.T) {
			source, target := newWritable(t, c.source), newWritable(t, c.target)
			digest := source.signed(t, "team/app")
			client := newClient(t, nil)
			from, to := repository(t, client, source.host+"/team/app"), repository(t, client, target.host+"/released/app")
			if err := promoted(t.Context(), from, to, digest); err != nil {
				t.Fatal(err)
			}
			got, err := to.Tag(t.Context(), "released")
			if err != nil || got.Digest != digest {
				t.Fatalf("the tag names %s, %v", got.Digest, err)
			}
			index, err := manifestsOf(got.Raw)
			if err != nil || len(index) != 2 {
				t.Fatalf("%d manifests, %v", len(index), err)
			}
			for _, child := range index {
				list, err := to.Referrers(t.Context(), child.Digest)
				if err != nil || len(list) != 1 {
					t.Errorf("%s has %d referrers, %v", child.Digest, len(list), err)
				}
			}
			if shared, err := to.ListsInTags(t.Context()); err != nil || shared == c.target {
				t.Errorf("lists in tags: %v, %v", shared, err)
			}
			uploads := target.count("PATCH", "")
			if err := promoted(t.Context(), from, to, digest); err != nil {
				t.Error(err)
			}
			if n := target.count("PATCH", ""); n != uploads {
				t.Errorf("the second promotion uploaded %d blobs", n-uploads)
			}
		})
	}
}

// Within one registry blobs are mounted, and the token is asked to allow that.
func TestPromotionMounts(t *testing.T) {
	reg := newWritable(t, true)
	digest := reg.signed(t, "team/app")
	uploads := reg.count("PATCH", "")
	var scopes []string
	reg.before = func(w http.ResponseWriter, q *http.Request) bool {
		switch {
		case q.URL.Path == "/token":
			scopes = append(scopes, strings.Join(q.URL.Query()["scope"], " "))
			fmt.Fprint(w, `{"token":"t"}`)
		case q.Header.Get("Authorization") != "Bearer t":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+reg.server.URL+`/token",service="s"`)
			w.WriteHeader(http.StatusUnauthorized)
		case q.Method == http.MethodHead && strings.Contains(q.URL.Path, "/released/app/blobs/"):
			w.WriteHeader(http.StatusNotFound) // this registry shares blobs between all repositories
		case q.URL.Query().Get("mount") != "":
			if q.URL.Query().Get("from") != "team/app" {
				return false
			}
			w.WriteHeader(http.StatusCreated)
		default:
			return false
		}
		return true
	}
	client := newClient(t, nil)
	from, to := repository(t, client, reg.host+"/team/app"), repository(t, client, reg.host+"/released/app")
	if err := promoted(t.Context(), from, to, digest); err != nil {
		t.Fatal(err)
	}
	if n := reg.count("PATCH", ""); n != uploads {
		t.Errorf("%d blobs were uploaded", n-uploads)
	}
	all := strings.Join(scopes, "\n")
	if !strings.Contains(all, "repository:released/app:push,pull") || !strings.Contains(all, "repository:team/app:pull") {
		t.Errorf("the scopes were %s", all)
	}
}

// What a registry answers to a write once is survived; a refusal is told with
// what was written and where, and without secrets.
func TestFaultsOfWrites(t *testing.T) {
	for at, begin := range map[string]string{"manifest": "PUT /v2/released/app/manifests/", "upload": "POST /v2/released/app/blobs/", "blob": "PATCH /v2/", "commit": "PUT /v2/released/app/blobs/"} {
		for name, c := range map[string]struct {
			status, times int
			wait, want    string
		}{
			"once busy":    {http.StatusServiceUnavailable, 1, "", ""},
			"once limited": {http.StatusTooManyRequests, 1, "1", ""},
			"refused":      {http.StatusForbidden, 100, "", "403 Forbidden, DENIED: no"},
			"broken":       {0, 1, "", ""},
		} {
			t.Run(at+"/"+name, func(t *testing.T) {
				t.Parallel()
				source, target := newWritable(t, true), newWritable(t, true)
				digest := source.signed(t, "team/app")
				var left atomic.Int64
				left.Store(int64(c.times))
				target.before = func(w http.ResponseWriter, q *http.Request) bool {
					if !strings.HasPrefix(q.Method+" "+q.URL.Path, begin) || left.Add(-1) < 0 {
						return false
					}
					if c.status == 0 {
						panic(http.ErrAbortHandler)
					}
					w.Header().Set("Retry-After", c.wait)
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"no"}]}`)
					return true
				}
				client := newClient(t, nil)
				from, to := repository(t, client, source.host+"/team/app"), repository(t, client, target.host+"/released/app")
				err := promoted(t.Context(), from, to, digest)
				pulltest.CheckError(t, name, err, c.want)
				if err != nil && !strings.Contains(err.Error(), target.host+"/released/app") {
					t.Errorf("%v does not name the repository", err)
				}
				if _, tag := to.Tag(t.Context(), "released"); (err != nil) != errors.Is(tag, promote.ErrNotFound) {
					t.Errorf("after %v the tag: %v", err, tag)
				}
			})
		}
	}
}

// A registry cannot have a blob, or credentials, sent to this machine under
// another name, nor stall an upload.
func TestUploadsStayAtTheirHost(t *testing.T) {
	spy := newCanary(t, nil)
	for name, location := range map[string]string{
		"by name": spy.byName() + "/upload", "with a password": strings.Replace(spy.URL, "http://", "http://u:p@", 1) + "/upload",
	} {
		reg, source := newWritable(t, true), newWritable(t, true)
		digest := source.signed(t, "team/app")
		reg.before = func(w http.ResponseWriter, q *http.Request) bool {
			if q.Method != http.MethodPost {
				return false
			}
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusAccepted)
			return true
		}
		client := newClient(t, nil)
		if err := promoted(t.Context(), repository(t, client, source.host+"/team/app"), repository(t, client, reg.host+"/a"), digest); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if n := len(spy.seen()); n > 0 {
		t.Errorf("the canary was asked %d times", n)
	}
	slow, source := newWritable(t, true), newWritable(t, true)
	digest := source.signed(t, "team/app")
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	slow.before = func(_ http.ResponseWriter, q *http.Request) bool {
		if q.Method == http.MethodPatch {
			<-over // the server sees no end of a request whose body it does not read
		}
		return false
	}
	client := newClient(t, func(o *Options) { o.Limits.IdleTimeout, o.Limits.Tries = 200*time.Millisecond, 1 })
	began := time.Now()
	err := promoted(t.Context(), repository(t, client, source.host+"/team/app"), repository(t, client, slow.host+"/a"), digest)
	if took := time.Since(began); err == nil || took > time.Minute {
		t.Errorf("%v after %s", err, took)
	}
}

// Bytes that do not have the digest are never the whole of a blob, and pages of
// referrers are followed within the repository only.
func TestRepositoryReads(t *testing.T) {
	reg := newWritable(t, true)
	digest := reg.signed(t, "team/app")
	r := repository(t, newClient(t, nil), reg.host+"/team/app")
	ctx := t.Context()
	index, err := r.Manifest(ctx, digest)
	if err != nil {
		t.Fatal(err)
	}
	children, _ := manifestsOf(index.Raw)
	pages, next := 0, ""
	reg.before = func(w http.ResponseWriter, q *http.Request) bool {
		if !strings.Contains(q.URL.Path, "/referrers/") {
			return false
		}
		pages++
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		if q.URL.Query().Get("page") == "" {
			w.Header().Set("Link", `<`+q.URL.Path+`?page=2>; rel="next"`)
		} else if next != "" {
			w.Header().Set("Link", `<`+next+`>; rel="next"`)
		}
		fmt.Fprintf(w, `{"schemaVersion":2,"manifests":[{"digest":%q,"size":1,"mediaType":"x"}]}`, digest)
		return true
	}
	if list, err := r.Referrers(ctx, children[0].Digest); err != nil || len(list) != 2 || pages != 2 {
		t.Errorf("%d referrers from %d pages, %v", len(list), pages, err)
	}
	// What cannot be followed is an error: signatures on those pages would be lost.
	for address, want := range map[string]string{
		"/v2/other/referrers/x?page=3": "not in the repository", "?page=2": "circle", "%zz": "not in the repository",
		"http://internal.invalid/v2/team/app/referrers/" + children[0].Digest + "?page=2": "circle",
	} {
		next = address
		_, err := r.Referrers(ctx, children[0].Digest)
		pulltest.CheckError(t, address, err, want)
	}
	child, err := r.Manifest(ctx, children[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	m, err := v1.ParseManifest(bytes.NewReader(child.Raw))
	if err != nil {
		t.Fatal(err)
	}
	d := promote.Descriptor{Digest: m.Layers[0].Digest.String(), Size: m.Layers[0].Size}
	if has, err := r.HasBlob(ctx, d); !has || err != nil {
		t.Errorf("has the blob: %v, %v", has, err)
	}
	if has, err := r.HasBlob(ctx, promote.Descriptor{Digest: "sha256:" + strings.Repeat("a", 64), Size: 1}); has || err != nil {
		t.Errorf("has a blob that is not there: %v, %v", has, err)
	}
	reg.before = func(w http.ResponseWriter, q *http.Request) bool {
		if strings.Contains(q.URL.Path, "/blobs/") {
			_, _ = w.Write(make([]byte, d.Size))
			return true
		}
		return false
	}
	body, err := r.OpenBlob(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(body)
	_ = body.Close()
	pulltest.CheckError(t, "other bytes", err, "not what its digest says")
	if _, err := r.Tag(ctx, "nothing"); !errors.Is(err, promote.ErrNotFound) {
		t.Errorf("a tag that is not there: %v", err)
	}
}

// A token server that gives no token for both repositories does not prevent the copy.
func TestMountWithoutToken(t *testing.T) {
	reg := newWritable(t, true)
	digest := reg.signed(t, "team/app")
	uploads := reg.count("PATCH", "")
	reg.before = func(w http.ResponseWriter, q *http.Request) bool {
		switch {
		case q.URL.Path == "/token" && len(q.URL.Query()["scope"]) > 1:
			w.WriteHeader(http.StatusForbidden)
		case q.URL.Path == "/token":
			fmt.Fprint(w, `{"token":"t"}`)
		case q.Header.Get("Authorization") != "Bearer t":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+reg.server.URL+`/token",service="s"`)
			w.WriteHeader(http.StatusUnauthorized)
		case q.Method == http.MethodHead && strings.Contains(q.URL.Path, "/released/app/blobs/"):
			w.WriteHeader(http.StatusNotFound) // this registry shares blobs between all repositories
		default:
			return false
		}
		return true
	}
	client := newClient(t, nil)
	if err := promoted(t.Context(), repository(t, client, reg.host+"/team/app"), repository(t, client, reg.host+"/released/app"), digest); err != nil {
		t.Fatal(err)
	}
	if reg.count("PATCH", "") == uploads {
		t.Error("nothing was uploaded")
	}
}

// GitLab's registry has no API for referrers and answers the tag of their list with
// the subject itself. Where the tag can be set, the list holds the referrers alone;
// where it cannot, the promotion says so.
func TestListThatIsTheSubject(t *testing.T) {
	for name, settable := range map[string]bool{"the tag can be set": true, "the tag cannot be set": false} {
		t.Run(name, func(t *testing.T) {
			source, target := newWritable(t, true), newWritable(t, false)
			digest := source.signed(t, "team/app")
			var mu sync.Mutex
			set := map[string]bool{}
			target.before = func(w http.ResponseWriter, q *http.Request) bool {
				at, hex, ok := strings.Cut(q.URL.Path, "/manifests/sha256-")
				if !ok || strings.Contains(hex, ".") {
					return false
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case q.Method == http.MethodPut && settable:
					set[hex] = true
				case q.Method == http.MethodPut:
					w.WriteHeader(http.StatusBadRequest)
					return true
				case !set[hex]:
					q.URL.Path = at + "/manifests/sha256:" + hex
				}
				return false
			}
			client := newClient(t, nil)
			from, to := repository(t, client, source.host+"/team/app"), repository(t, client, target.host+"/released/app")
			err := promoted(t.Context(), from, to, digest)
			if !settable {
				pulltest.CheckError(t, name, err, "--attachments none")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := to.Tag(t.Context(), "released")
			if err != nil {
				t.Fatal(err)
			}
			children, _ := manifestsOf(got.Raw)
			for _, c := range children {
				if list, err := to.Referrers(t.Context(), c.Digest); err != nil || len(list) != 1 {
					t.Errorf("%s has %d referrers, %v", c.Digest, len(list), err)
				}
			}
		})
	}
}

// A tag that should list what refers to an image, and names something else, is no empty
// list: the signatures would be lost without a word. The tag and the cure are named.
func TestDamagedListOfReferrers(t *testing.T) {
	for name, answer := range map[string]struct{ mediaType, body string }{
		"an image":     {"application/vnd.oci.image.manifest.v1+json", `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}`},
		"a wrong list": {"application/vnd.oci.image.index.v1+json", `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":"none"}`},
	} {
		t.Run(name, func(t *testing.T) {
			reg := newWritable(t, false)
			digest := reg.signed(t, "team/app")
			tag := strings.Replace(digest, ":", "-", 1)
			reg.before = func(w http.ResponseWriter, q *http.Request) bool {
				if !strings.HasSuffix(q.URL.Path, "/manifests/"+tag) {
					return false
				}
				w.Header().Set("Content-Type", answer.mediaType)
				_, _ = io.WriteString(w, answer.body)
				return true
			}
			list, err := repository(t, newClient(t, nil), reg.host+"/team/app").Referrers(t.Context(), digest)
			if len(list) > 0 {
				t.Errorf("%d referrers", len(list))
			}
			pulltest.CheckError(t, name, err, tag)
			pulltest.CheckError(t, name, err, "Delete the tag")
		})
	}
}
