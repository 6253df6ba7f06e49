package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/promote"
)

// keeper is a registry that keeps what arrived of an upload that broke. Its uploads
// are its own; everything else is that of the registry behind it.
type keeper struct {
	*writable
	mu       sync.Mutex
	uploads  map[string][]byte
	breaks   []int // how many bytes of each PATCH arrive, -1 for all; others arrive whole
	breakPut int   // how many PUT break before they are read
	patches  []string
	arrived  int // bytes in all
	// status answers a question for the state of an upload, nil for as the
	// specification says.
	status func(w http.ResponseWriter, location string, have int)
	// rest answers a PATCH that goes on with an upload, nil for as the specification says.
	rest func(w http.ResponseWriter, q *http.Request) bool
	// careless stores what it has under any digest.
	careless bool
	stalls   chan struct{}     // what it waits for before it breaks; may be nil
	stored   map[string][]byte // by digest, when careless
}

func newKeeper(t *testing.T, breaks ...int) *keeper {
	k := &keeper{writable: newWritable(t, true), uploads: map[string][]byte{}, stored: map[string][]byte{}, breaks: breaks}
	k.before = k.serve
	return k
}

func (k *keeper) serve(w http.ResponseWriter, q *http.Request) bool {
	id := path.Base(q.URL.Path)
	k.mu.Lock()
	have, known := k.uploads[id]
	stored, ok := k.stored[id]
	k.mu.Unlock()
	switch {
	case q.Method == http.MethodPost:
		k.mu.Lock()
		id = fmt.Sprintf("upload-%d", len(k.uploads))
		k.uploads[id] = nil
		k.mu.Unlock()
		w.Header().Set("Location", q.URL.Path+id)
		w.WriteHeader(http.StatusAccepted)
	case ok:
		w.Header().Set("Content-Length", fmt.Sprint(len(stored)))
	case !known:
		return false
	case q.Method == http.MethodPatch:
		k.patch(w, q, id, len(have))
	case q.Method == http.MethodGet && k.status != nil:
		k.status(w, q.URL.Path, len(have))
	case q.Method == http.MethodGet:
		answerStatus(w, q.URL.Path, len(have))
	case q.Method == http.MethodPut:
		return k.put(w, q, have)
	}
	return true
}

func answerStatus(w http.ResponseWriter, location string, have int) {
	w.Header().Set("Location", location)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(have-1, 0)))
	w.WriteHeader(http.StatusNoContent)
}

func (k *keeper) patch(w http.ResponseWriter, q *http.Request, id string, have int) {
	at := q.Header.Get("Content-Range")
	if at != "" && k.rest != nil && k.rest(w, q) {
		return
	}
	k.mu.Lock()
	k.patches = append(k.patches, at)
	k.mu.Unlock()
	limit := int64(-1)
	if q.ContentLength > 1<<20 && len(k.breaks) > 0 { // the layer, not the config
		limit, k.breaks = int64(k.breaks[0]), k.breaks[1:]
	}
	body := io.Reader(q.Body)
	if limit >= 0 {
		body = io.LimitReader(body, limit)
	}
	got, _ := io.ReadAll(body)
	k.mu.Lock()
	k.arrived += len(got)
	k.uploads[id] = append(k.uploads[id], got...)
	k.mu.Unlock()
	if limit >= 0 && k.stalls != nil {
		<-k.stalls
	}
	if limit >= 0 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Location", q.URL.Path)
	w.WriteHeader(http.StatusAccepted)
}

// put stores an upload in the registry behind, which compares it with the digest.
func (k *keeper) put(w http.ResponseWriter, q *http.Request, have []byte) bool {
	if len(have) > 1<<20 && k.breakPut > 0 {
		k.breakPut--
		panic(http.ErrAbortHandler)
	}
	if k.careless && len(have) > 1<<20 {
		k.mu.Lock()
		k.stored[q.URL.Query().Get("digest")] = have
		k.mu.Unlock()
		w.WriteHeader(http.StatusCreated)
		return true
	}
	q.Body, q.ContentLength = io.NopCloser(bytes.NewReader(have)), int64(len(have))
	return false
}

// from promotes an image with one large layer from another registry.
func (k *keeper) from(t *testing.T, size int64, change func(*Options)) error {
	t.Helper()
	source := newWritable(t, true)
	return k.fromSource(t, source, source.large(t, "team/app", size), change)
}

func (k *keeper) fromSource(t *testing.T, source *writable, digest string, change func(*Options)) error {
	t.Helper()
	client := newClient(t, change)
	from, to := repository(t, client, source.host+"/team/app"), repository(t, client, k.host+"/released/app")
	err := promoted(t.Context(), from, to, digest)
	if _, tag := to.Tag(t.Context(), "released"); (tag == nil) != (err == nil) {
		t.Errorf("the tag: %v; the promotion: %v", tag, err)
	}
	return err
}

const mebi = 1 << 20

// An upload that breaks is resumed where the registry says that it has a part, and
// begins anew where it does not say so. Whatever it says, the whole arrives.
func TestUploadsAreResumed(t *testing.T) {
	const size = 20 * mebi
	part := func(text string) func(http.ResponseWriter, string, int) {
		return func(w http.ResponseWriter, location string, have int) {
			w.Header().Set("Location", location)
			if text != "" {
				w.Header().Set("Range", text)
			}
			w.WriteHeader(http.StatusNoContent)
		}
	}
	answers := func(status int) func(http.ResponseWriter, string, int) {
		return func(w http.ResponseWriter, _ string, _ int) { w.WriteHeader(status) }
	}
	source := newWritable(t, true)
	digest := source.large(t, "team/app", size)
	for name, c := range map[string]struct {
		breaks   []int
		breakPut int
		status   func(w http.ResponseWriter, location string, have int)
		rest     func(w http.ResponseWriter, q *http.Request) bool
		most     int // bytes that may arrive at most, in MiB
		wholes   int // how often the layer was sent from its begin
	}{
		"breaks late":             {breaks: []int{18 * mebi}, most: 20, wholes: 1},
		"breaks three times":      {breaks: []int{9 * mebi, 4 * mebi, 1 * mebi}, most: 20, wholes: 1},
		"the rest breaks at once": {breaks: []int{9 * mebi, 0, 0}, most: 20, wholes: 1},
		"breaks after all":        {breaks: []int{size}, most: 20, wholes: 1},
		"the end breaks":          {breakPut: 2, most: 20, wholes: 1},
		"breaks early":            {breaks: []int{1 * mebi}, most: 21, wholes: 2},
		"breaks at once":          {breaks: []int{0}, most: 20, wholes: 2},
		"range with a unit": {breaks: []int{18 * mebi}, most: 20, wholes: 1, status: func(w http.ResponseWriter, location string, have int) {
			part(fmt.Sprintf("bytes=0-%d", have-1))(w, location, have)
		}},
		"unknown upload":       {breaks: []int{18 * mebi}, status: answers(404), most: 38, wholes: 2},
		"range not satisfied":  {breaks: []int{18 * mebi}, status: answers(416), most: 38, wholes: 2},
		"no such method":       {breaks: []int{18 * mebi}, status: answers(405), most: 38, wholes: 2},
		"server error":         {breaks: []int{18 * mebi}, status: answers(500), most: 38, wholes: 2},
		"no range":             {breaks: []int{18 * mebi}, status: part(""), most: 38, wholes: 2},
		"no number":            {breaks: []int{18 * mebi}, status: part("0-all"), most: 38, wholes: 2},
		"negative":             {breaks: []int{18 * mebi}, status: part("0--5"), most: 38, wholes: 2},
		"not from the begin":   {breaks: []int{18 * mebi}, status: part("5-12000000"), most: 38, wholes: 2},
		"nothing":              {breaks: []int{18 * mebi}, status: part("0-0"), most: 38, wholes: 2},
		"more than the blob":   {breaks: []int{18 * mebi}, status: part("0-99999999"), most: 38, wholes: 2},
		"more than an integer": {breaks: []int{18 * mebi}, status: part("0-99999999999999999999"), most: 38, wholes: 2},
		"no location": {breaks: []int{18 * mebi}, most: 38, wholes: 2, status: func(w http.ResponseWriter, _ string, have int) {
			w.Header().Set("Range", fmt.Sprintf("0-%d", have-1))
			w.WriteHeader(http.StatusNoContent)
		}},
		"rest refused": {breaks: []int{18 * mebi}, most: 38, wholes: 2, rest: func(w http.ResponseWriter, q *http.Request) bool {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return true
		}},
		// The registry compares the whole with its digest, and refuses it.
		"says more than it has": {breaks: []int{18 * mebi}, most: 40, wholes: 2, status: func(w http.ResponseWriter, location string, have int) {
			answerStatus(w, location, have+1000)
		}},
		"says less than it has": {breaks: []int{18 * mebi}, most: 44, wholes: 2, status: func(w http.ResponseWriter, location string, have int) {
			answerStatus(w, location, have-mebi)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t, c.breaks...)
			k.breakPut, k.status, k.rest = c.breakPut, c.status, c.rest
			if err := k.fromSource(t, source, digest, nil); err != nil {
				t.Fatal(err)
			}
			wholes := 0
			for _, at := range k.patches {
				if at == "" {
					wholes++
				}
			}
			if wholes-1 != c.wholes { // the config is sent whole too
				t.Errorf("the layer was sent whole %d times, want %d: %q", wholes-1, c.wholes, k.patches)
			}
			if k.arrived > c.most*mebi+mebi/2 {
				t.Errorf("%d bytes arrived, want at most %d MiB", k.arrived, c.most)
			}
		})
	}
}

// An upload without a break costs the same requests as ever.
func TestUploadWithoutBreak(t *testing.T) {
	k := newKeeper(t)
	if err := k.from(t, 8*mebi, nil); err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]int{"POST ": 2, "PATCH ": 2, "PUT /v2/released/app/blobs/": 2, "GET /v2/released/app/blobs/": 0, "HEAD /v2/released/app/blobs/": 4} {
		if n := k.count(method, ""); n != want {
			t.Errorf("%s: %d requests, want %d", method, n, want)
		}
	}
}

// An upload that goes on breaking comes to its end, one way or the other: tries that
// bring it further do not count.
func TestUploadThatGoesOnBreaking(t *testing.T) {
	few := func(o *Options) { o.Limits.Tries = 2 }
	further := newKeeper(t, 17*mebi, 17*mebi, 17*mebi)
	if err := further.from(t, 52*mebi, few); err != nil {
		t.Error(err)
	}
	same := newKeeper(t, 9*mebi, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	if err := same.from(t, 10*mebi, few); err == nil || !strings.Contains(err.Error(), "after 2 tries") {
		t.Errorf("%v, want an end after 2 tries", err)
	}
}

// A registry that takes a part and then nothing more, or takes all and does not answer,
// is given up after the idle limit, and the upload is resumed.
func TestUploadsThatStall(t *testing.T) {
	for name, part := range map[string]int{"in the middle": 9 * mebi, "at the end": 20 * mebi} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeeper(t, part)
			k.stalls = make(chan struct{})
			t.Cleanup(func() { close(k.stalls) })
			err := k.from(t, 20*mebi, func(o *Options) { o.Limits.IdleTimeout, o.Limits.Tries = 5*time.Second, 20 })
			if err != nil {
				t.Fatal(err)
			}
			if k.arrived > 21*mebi {
				t.Errorf("%d bytes arrived", k.arrived)
			}
		})
	}
}

// A source that stalls before its answer to a request for a blob, or after the headers, is
// asked again.
func TestDownloadsThatStall(t *testing.T) {
	for _, headers := range []bool{false, true} {
		t.Run(fmt.Sprintf("headers %v", headers), func(t *testing.T) {
			t.Parallel()
			source, target := newWritable(t, true), newWritable(t, true)
			digest := source.large(t, "team/app", 2*mebi)
			var stalled atomic.Bool
			source.before = func(w http.ResponseWriter, q *http.Request) bool {
				if !strings.Contains(q.URL.Path, "/blobs/") || !stalled.CompareAndSwap(false, true) {
					return false
				}
				if headers {
					w.WriteHeader(http.StatusOK)
					_ = http.NewResponseController(w).Flush()
				}
				<-q.Context().Done()
				return true
			}
			client := newClient(t, func(o *Options) { o.Limits.IdleTimeout, o.Limits.Tries = 5*time.Second, 20 })
			from, to := repository(t, client, source.host+"/team/app"), repository(t, client, target.host+"/released/app")
			if err := promoted(t.Context(), from, to, digest); err != nil {
				t.Error(err)
			}
		})
	}
}

// A registry that says that it has more than it has, and that compares nothing with its
// digest, is found out by the size.
func TestCarelessRegistry(t *testing.T) {
	k := newKeeper(t, 9*mebi)
	k.careless = true
	k.status = func(w http.ResponseWriter, location string, have int) { answerStatus(w, location, have+1000) }
	if err := k.from(t, 10*mebi, nil); err == nil || !strings.Contains(err.Error(), "bytes there") {
		t.Errorf("%v, want the size", err)
	}
}

// A source that has other bytes when it is asked again is found out before the last
// bytes are sent, so that nothing is complete at the target.
func TestSourceThatChangesWhileAnUploadBreaks(t *testing.T) {
	k := newKeeper(t, 9*mebi)
	k.careless = true
	source := newWritable(t, true)
	digest := source.large(t, "team/app", 10*mebi)
	source.before = func(w http.ResponseWriter, q *http.Request) bool {
		at := q.Header.Get("Range")
		if at == "" {
			return false
		}
		var from, to int
		if _, err := fmt.Sscanf(at, "bytes=%d-%d", &from, &to); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, to+1))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(bytes.Repeat([]byte("x"), to-from+1))
		return true
	}
	client := newClient(t, nil)
	from, to := repository(t, client, source.host+"/team/app"), repository(t, client, k.host+"/released/app")
	err := promoted(t.Context(), from, to, digest)
	if _, ok := errors.AsType[*image.MismatchError](err); !ok {
		t.Errorf("%v", err)
	}
	if len(k.stored) != 0 {
		t.Error("a blob was completed")
	}
}

// A registry cannot send the rest of an upload to where it could not send its begin.
func TestRestOfUploadElsewhere(t *testing.T) {
	k := newKeeper(t, 9*mebi)
	k.status = func(w http.ResponseWriter, _ string, have int) {
		answerStatus(w, "http://169.254.169.254/latest", have)
	}
	if err := k.from(t, 10*mebi, nil); !errors.Is(err, errAddress) {
		t.Errorf("%v, want a refused address", err)
	}
}

// What is read from the middle is hashed as a whole.
func TestMarks(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), mebi)
	d := promote.Describe("application/octet-stream", content)
	read := func(marks []mark, from []byte) (*verifiedBlob, error) {
		b := newVerifiedBlob(d, marks)
		b.ReadCloser = io.NopCloser(bytes.NewReader(from[b.offset:]))
		_, err := io.Copy(io.Discard, io.LimitReader(b, d.Size))
		return b, err
	}
	whole, err := read(nil, content)
	if err != nil || len(whole.marks) < 2 {
		t.Fatalf("%d marks, %v", len(whole.marks), err)
	}
	for _, offset := range []int64{0, 1, markEvery - 1, markEvery, 10 * mebi, d.Size} {
		marks := whole.marksBefore(offset)
		if len(marks) > 0 && marks[len(marks)-1].offset > offset {
			t.Errorf("mark %d for %d", marks[len(marks)-1].offset, offset)
		}
		if _, err := read(marks, content); err != nil {
			t.Errorf("from %d: %v", offset, err)
		}
		other := bytes.Clone(content)
		other[len(other)-1]++
		if _, err := read(marks, other); err == nil {
			t.Errorf("from %d: other bytes were taken", offset)
		}
	}
	if whole.marksBefore(d.Size+1) != nil {
		t.Error("there are marks for more than was read")
	}
}
