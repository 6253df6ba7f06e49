package gatetest

import (
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Reg is a registry on loopback that speaks plain HTTP. It can hold what no
// honest registry accepts, ask for credentials, and have faults.
//
// Reads are served from what was pushed by [Reg.Push]; everything else, such as
// an upload by the program under test, goes to go-containerregistry's own
// registry behind it.
type Reg struct {
	Host string // "127.0.0.1:41234"

	server *httptest.Server
	behind http.Handler
	auth   *Auth
	done   chan struct{} // closed by Close, so that stalled requests end

	mu       sync.Mutex
	content  content
	tags     map[string]v1.Hash // "repo:tag"
	faults   map[Kind]Fault
	requests []Request
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
		behind:  registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)),
		done:    make(chan struct{}),
		content: content{documents: map[v1.Hash]document{}, blobs: map[v1.Hash][]byte{}, kinds: map[v1.Hash]Kind{}},
		tags:    map[string]v1.Hash{},
		faults:  map[Kind]Fault{},
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
// blobs are served under the digests that are claimed for them.
func (r *Reg) Push(what any, name string) (Ref, error) {
	c, err := contentOf(what)
	if err != nil {
		return Ref{}, fmt.Errorf("push %s: %w", name, err)
	}
	return r.store(c, name)
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

func (r *Reg) store(c *content, name string) (Ref, error) {
	if repo, tag, ok := strings.Cut(name, ":"); !ok || repo == "" || tag == "" {
		return Ref{}, fmt.Errorf("push %q: name must be repo:tag", name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(r.content.documents, c.documents)
	maps.Copy(r.content.blobs, c.blobs)
	maps.Copy(r.content.kinds, c.kinds)
	r.tags[name] = c.top
	tagged := r.Host + "/" + name
	return Ref{Tagged: tagged, Pinned: tagged + "@" + c.top.String(), Digest: c.top}, nil
}

// SetBlob changes what is served for a digest, without changing the digest.
func (r *Reg) SetBlob(digest v1.Hash, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.content.blobs[digest] = body
}

// SetDocument serves body as the manifest or index called name, with any
// media type: the two need not fit.
func (r *Reg) SetDocument(name, mediaType string, body []byte) Ref {
	h := HashOf(body)
	kind := KindManifest
	if t := types.MediaType(mediaType); t.IsIndex() {
		kind = KindIndex
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.content.documents[h] = document{kind, types.MediaType(mediaType), body}
	r.content.kinds[h] = kind
	r.tags[name] = h
	tagged := r.Host + "/" + name
	return Ref{Tagged: tagged, Pinned: tagged + "@" + h.String(), Digest: h}
}

// Requests returns what was asked so far, oldest first.
func (r *Reg) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
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
