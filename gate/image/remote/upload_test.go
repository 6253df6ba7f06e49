package remote

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imagegate/imagegate/gate"
)

// large pushes an image with one layer of a size, and returns its digest.
func (r *writable) large(t *testing.T, path string, size int64) string {
	t.Helper()
	repo, err := name.NewRepository(r.host + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := random.Image(size, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := ggcr.Write(repo.Tag("1"), img); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// An upload that breaks in the middle of a blob begins anew, and what has arrived
// already is not sent again.
func TestUploadThatBreaksInTheMiddle(t *testing.T) {
	source, target := newWritable(t, true), newWritable(t, true)
	digest := source.large(t, "team/app", 8<<20)
	var broken atomic.Int64
	target.before = func(_ http.ResponseWriter, q *http.Request) bool {
		if q.Method != http.MethodPatch {
			return false
		}
		start := make([]byte, 1<<20)
		if n, err := io.ReadFull(q.Body, start); err == nil && broken.Add(1) <= 2 {
			panic(http.ErrAbortHandler)
		} else {
			q.Body = io.NopCloser(io.MultiReader(strings.NewReader(string(start[:n])), q.Body))
		}
		return false
	}
	client := newClient(t, nil)
	from, to := repository(t, client, source.host+"/team/app"), repository(t, client, target.host+"/released/app")
	if err := promoted(t.Context(), from, to, digest); err != nil {
		t.Fatal(err)
	}
	if n := target.count(http.MethodPatch, ""); n != 4 { // the config, and three times the layer
		t.Errorf("%d uploads, want 4", n)
	}
}

// A token that expires in the middle of a promotion is renewed, also when a request with
// a body finds that out: the body cannot be sent twice, so the upload begins anew.
func TestTokenExpiresInTheMiddle(t *testing.T) {
	for _, refused := range []string{"POST /v2/released/", "PATCH /v2/", "PUT /v2/released/app/blobs/", "PUT /v2/released/app/manifests/"} {
		for name, times := range map[string]int64{"once": 1, "always": 1 << 30} {
			t.Run(refused+name, func(t *testing.T) {
				t.Parallel()
				source, target := newWritable(t, true), newWritable(t, true)
				digest := source.large(t, "team/app", 1<<20)
				var left atomic.Int64
				left.Store(times)
				target.before = func(w http.ResponseWriter, q *http.Request) bool {
					switch {
					case q.URL.Path == "/token":
						_, _ = io.WriteString(w, `{"token":"secret-token"}`)
						return true
					case q.Header.Get("Authorization") == "", strings.HasPrefix(q.Method+" "+q.URL.Path, refused) && left.Add(-1) >= 0:
						w.Header().Set("WWW-Authenticate", `Bearer realm="`+target.server.URL+`/token",service="here"`)
						w.WriteHeader(http.StatusUnauthorized)
						return true
					}
					return false
				}
				client := newClient(t, nil)
				from, to := repository(t, client, source.host+"/team/app"), repository(t, client, target.host+"/released/app")
				err := promoted(t.Context(), from, to, digest)
				switch {
				case times == 1 && err != nil:
					t.Error(err)
				case times > 1 && (err == nil || !strings.Contains(err.Error(), "401 Unauthorized")):
					t.Errorf("%v, want 401", err)
				}
			})
		}
	}
}

// A refused write says what the account or the registry lacks.
func TestCuresOfRefusedWrites(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusForbidden: "may push to", http.StatusMethodNotAllowed: "takes no writes", http.StatusRequestEntityTooLarge: "client_max_body_size", http.StatusInsufficientStorage: "quota",
	} {
		source, target := newWritable(t, true), newWritable(t, true)
		digest := source.large(t, "team/app", 1000)
		target.before = func(w http.ResponseWriter, q *http.Request) bool {
			if q.Method == http.MethodGet || q.Method == http.MethodHead {
				return false
			}
			w.WriteHeader(status)
			return true
		}
		client := newClient(t, nil)
		err := promoted(t.Context(), repository(t, client, source.host+"/team/app"), repository(t, client, target.host+"/released/app"), digest)
		if fault, ok := errors.AsType[*gate.Fault](err); !ok || !strings.Contains(fault.Hint, want) {
			t.Errorf("%d: %v, %+v", status, err, fault)
		}
	}
}
