package registrytest

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ServeHTTP answers one request.
func (r *Reg) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	kind := r.kindOf(q)
	rec := &statusWriter{ResponseWriter: w}
	// The request counts from now on: a client that has read the whole answer
	// may ask for the list before this function returns.
	asked := &Request{kind, q.Method, q.URL.RequestURI(), 0, q.Header.Get("Authorization")}
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		asked.Status = rec.status
	}()
	r.mu.Lock()
	r.requests = append(r.requests, asked)
	fault, broken := r.faults[kind]
	r.mu.Unlock()
	if broken {
		ctx, cancel := r.untilClosed(q.Context())
		defer cancel()
		fault.Serve(rec, q.WithContext(ctx), http.HandlerFunc(r.answer))
		return
	}
	r.answer(rec, q)
}

// untilClosed is a context that also ends when the registry does, so that a
// fault that stalls cannot keep Close waiting.
func (r *Reg) untilClosed(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	go func() {
		select {
		case <-r.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// answer answers as a registry should.
func (r *Reg) answer(w http.ResponseWriter, q *http.Request) {
	if r.auth != nil && !r.auth.admit(w, q, r.Host) {
		return
	}
	repo, class, name := split(q.URL.Path)
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		r.behind.ServeHTTP(w, q)
		return
	}
	r.mu.Lock()
	h, here := r.resolve(repo, name), r.repo(repo)
	doc, isDoc := here.documents[h]
	blob, isBlob := here.blobs[h]
	r.mu.Unlock()
	switch {
	case class == "manifests" && isDoc:
		w.Header().Set("Content-Type", string(doc.mediaType))
		w.Header().Set("Docker-Content-Digest", h.String())
		http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(doc.body))
	case class == "blobs" && isBlob:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Docker-Content-Digest", h.String())
		http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(blob))
	default:
		r.behind.ServeHTTP(w, q)
	}
}

// resolve returns the digest of a tag or a digest. The caller holds the lock.
func (r *Reg) resolve(repo, name string) v1.Hash {
	if h, err := v1.NewHash(name); err == nil {
		return h
	}
	return r.tags[repo+":"+name]
}

// kindOf tells what a request is for, from what was pushed.
func (r *Reg) kindOf(q *http.Request) Kind {
	if q.URL.Path == "/v2/" || q.URL.Path == "/v2" {
		return KindPing
	}
	if q.URL.Path == tokenPath {
		return KindToken
	}
	repo, class, name := split(q.URL.Path)
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.resolve(repo, name)
	if kind, ok := r.repo(repo).kinds[h]; ok && (class == "manifests" || class == "blobs") {
		return kind
	}
	return KindOther
}

// split splits "/v2/some/repo/manifests/tag" into its parts.
func split(path string) (repo, class, name string) {
	parts := strings.Split(strings.TrimPrefix(path, "/v2/"), "/")
	if len(parts) < 3 {
		return "", "", ""
	}
	n := len(parts)
	return strings.Join(parts[:n-2], "/"), parts[n-2], parts[n-1]
}

// statusWriter remembers the status for the log.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (s *statusWriter) WriteHeader(status int) {
	s.status = cmp.Or(s.status, status)
	s.ResponseWriter.WriteHeader(status)
}

// Write makes an implied status explicit.
func (s *statusWriter) Write(b []byte) (int, error) {
	s.status = cmp.Or(s.status, http.StatusOK)
	return s.ResponseWriter.Write(b)
}

// Unwrap gives http.ResponseController access to the connection.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
