package registrytest

import (
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// Reg is a registry on loopback that speaks plain HTTP. It can hold what a
// correct registry refuses, ask for credentials, and have faults.
//
// Reads are served from what was pushed by [Reg.Push]. Other requests, such as
// an upload by the program under test, go to go-containerregistry's own
// registry behind it.
type Reg struct {
	Host string // "127.0.0.1:41234"

	server *httptest.Server
	behind http.Handler
	auth   *Auth
	done   chan struct{} // closed by Close, so that stalled requests end

	mu       sync.Mutex
	repos    map[string]*content
	tags     map[string]v1.Hash // "repo:tag"
	faults   map[Kind]Fault
	requests []*Request
}

// Request is one request that the registry has answered.
type Request struct {
	Kind   Kind
	Method string
	Path   string // with query
	Status int    // 0 when the connection was cut before any status
	// Authorization is the header as it was sent.
	Authorization string
}

// String is the request in one line, for test failures.
func (r Request) String() string {
	return fmt.Sprintf("%s %s %s %d", r.Kind, r.Method, r.Path, r.Status)
}

// Ref is something that was pushed.
type Ref struct {
	Tagged string // "127.0.0.1:41234/app:1.0.0"
	Pinned string // "127.0.0.1:41234/app:1.0.0@sha256:..."
	Digest v1.Hash
}

// Registry starts a registry that ends with the test.
func Registry(t testing.TB, options ...Option) *Reg {
	t.Helper()
	r := NewRegistry(options...)
	t.Cleanup(r.Close)
	return r
}

// Option changes a registry.
type Option func(*Reg)

// NewRegistry starts a registry on a free port of 127.0.0.1.
func NewRegistry(options ...Option) *Reg {
	r := &Reg{
		behind: registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)),
		done:   make(chan struct{}),
		repos:  map[string]*content{},
		tags:   map[string]v1.Hash{},
		faults: map[Kind]Fault{},
	}
	for _, o := range options {
		o(r)
	}
	r.server = httptest.NewServer(r)
	r.Host = strings.TrimPrefix(r.server.URL, "http://")
	return r
}

// Close ends the registry and every request that is still waiting.
func (r *Reg) Close() {
	close(r.done)
	r.server.CloseClientConnections()
	r.server.Close()
}

// Push stores an image or an index under name, "repo:tag". Nothing is checked:
// blobs are served under the digests that are claimed for them. Push only
// refuses content that contradicts other content of the same repository,
// because a client could not address both. Push each image with false digests
// to a repository of its own.
func (r *Reg) Push(what any, name string) (Ref, error) {
	c, err := imagetest.ContentOf(what)
	if err != nil {
		return Ref{}, fmt.Errorf("push %s: %w", name, err)
	}
	return r.store(contentOf(c), c.Top, name)
}

// PushDatabase is Push for an artifact of a database, whose requests count as
// [KindDatabaseManifest] and [KindDatabase].
func (r *Reg) PushDatabase(artifact v1.Image, name string) (Ref, error) {
	all, err := imagetest.ContentOf(artifact)
	if err != nil {
		return Ref{}, fmt.Errorf("push %s: %w", name, err)
	}
	c := contentOf(all)
	for h, kind := range c.kinds {
		switch kind {
		case KindManifest:
			c.kinds[h] = KindDatabaseManifest
		case KindLayer:
			c.kinds[h] = KindDatabase
		}
	}
	return r.store(c, all.Top, name)
}

// MustPush is Push for tests.
func (r *Reg) MustPush(t testing.TB, what any, name string) Ref {
	t.Helper()
	ref, err := r.Push(what, name)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func (r *Reg) store(c *content, top v1.Hash, name string) (Ref, error) {
	repo, tag, ok := strings.Cut(name, ":")
	if !ok || repo == "" || tag == "" {
		return Ref{}, fmt.Errorf("push %q: name must be repo:tag", name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	into := r.repo(repo)
	if err := into.contradicts(c); err != nil {
		return Ref{}, fmt.Errorf("push %s: %w: push it to a repository of its own", name, err)
	}
	maps.Copy(into.documents, c.documents)
	maps.Copy(into.blobs, c.blobs)
	maps.Copy(into.kinds, c.kinds)
	r.tags[name] = top
	return r.ref(name, top), nil
}

// repo returns what a repository holds. The caller holds the lock.
func (r *Reg) repo(name string) *content {
	if r.repos[name] == nil {
		r.repos[name] = newContent()
	}
	return r.repos[name]
}

func (r *Reg) ref(name string, h v1.Hash) Ref {
	tagged := r.Host + "/" + name
	return Ref{Tagged: tagged, Pinned: tagged + "@" + h.String(), Digest: h}
}

// SetDocument serves body as the manifest or index called name, with any
// media type: the two need not fit. What it names must have been pushed to the
// same repository.
func (r *Reg) SetDocument(name, mediaType string, body []byte) Ref {
	h := imagetest.HashOf(body)
	d, kind := document{types.MediaType(mediaType), body}, KindManifest
	if d.mediaType.IsIndex() {
		kind = KindIndex
	}
	repo, _, _ := strings.Cut(name, ":")
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.repo(repo)
	c.documents[h], c.kinds[h] = d, kind
	r.tags[name] = h
	return r.ref(name, h)
}

// Requests returns what was asked so far, oldest first.
func (r *Reg) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Request, len(r.requests))
	for i, q := range r.requests {
		all[i] = *q
	}
	return all
}

// Count returns how many requests of a kind were made.
func (r *Reg) Count(k Kind) int {
	n := 0
	for _, q := range r.Requests() {
		if q.Kind == k {
			n++
		}
	}
	return n
}

// Forget empties the request log.
func (r *Reg) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = nil
}

// Inject puts a fault at every request of a kind, until Heal. What was pushed
// stays as it is.
func (r *Reg) Inject(k Kind, f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[k] = f
}

// Heal takes all faults away.
func (r *Reg) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.faults)
}
