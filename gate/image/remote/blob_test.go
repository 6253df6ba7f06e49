package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/pulltest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
)

// serveBlob answers requests for a blob, the n-th with the n-th function; the
// last one answers all that follow.
func serveBlob(content []byte, answers ...func(w http.ResponseWriter, q *http.Request, content []byte)) registrytest.Fault {
	n := 0
	return registrytest.Fault{Serve: func(w http.ResponseWriter, q *http.Request, _ http.Handler) {
		answer := answers[min(n, len(answers)-1)]
		n++
		answer(w, q, content)
	}}
}

func whole(w http.ResponseWriter, q *http.Request, content []byte) {
	http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(content))
}

// cut sends a part and breaks the connection.
func cut(w http.ResponseWriter, q *http.Request, content []byte) {
	offset := 0
	if _, err := fmt.Sscanf(q.Header.Get("Range"), "bytes=%d-", &offset); err == nil {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, len(content)-1, len(content)))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(content)-offset))
	if offset > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(content[offset:min(len(content), offset+1000)])
}

func ignoresRange(w http.ResponseWriter, _ *http.Request, content []byte) { _, _ = w.Write(content) }

func wrongRange(w http.ResponseWriter, q *http.Request, content []byte) {
	if q.Header.Get("Range") == "" {
		cut(w, q, content)
		return
	}
	w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(content)-1, len(content)))
	w.WriteHeader(http.StatusPartialContent)
	_, _ = w.Write(content)
}

func stalls(w http.ResponseWriter, q *http.Request, content []byte) {
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	_, _ = w.Write(content[:500])
	_ = http.NewResponseController(w).Flush()
	<-q.Context().Done()
}

func shortChunks(w http.ResponseWriter, _ *http.Request, content []byte) {
	_, _ = w.Write(content[:700])
	_ = http.NewResponseController(w).Flush()
}

func TestBlobsAreResumed(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 300) // 4800 bytes
	type answer = func(http.ResponseWriter, *http.Request, []byte)
	for name, c := range map[string]struct {
		answers []answer
		want    string
	}{
		"whole":                     {[]answer{whole}, ""},
		"cut once":                  {[]answer{cut, whole}, ""},
		"cut four times":            {[]answer{cut, cut, cut, cut, whole}, ""},
		"ranges are not known":      {[]answer{cut, ignoresRange}, ""},
		"another range":             {[]answer{wrongRange}, "sent the range"},
		"stalls once":               {[]answer{stalls, whole}, ""},
		"stalls for ever":           {[]answer{stalls}, "sent nothing for"},
		"ends early without a word": {[]answer{shortChunks}, "cut off after"},
		"gone after a break":        {[]answer{cut, func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(http.StatusNotFound) }}, "404"},
		"longer after a break": {[]answer{cut, func(w http.ResponseWriter, q *http.Request, c []byte) {
			ignoresRange(w, q, append(c[:len(c):len(c)], 'x'))
		}}, "sent more than"},
		"longer, in chunks": {[]answer{func(w http.ResponseWriter, _ *http.Request, c []byte) {
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(append(c[:len(c):len(c)], 'x'))
		}}, "sent more than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := pulltest.Image()
			image.Blobs[0].Content, image.Blobs[0].ClaimHash = content, imagetest.HashOf(content)
			if err := image.SealManifest(); err != nil {
				t.Fatal(err)
			}
			reg := registrytest.Registry(t)
			ref := reg.MustPush(t, image, "app:1")
			reg.Inject(registrytest.KindLayer, serveBlob(content, c.answers...))
			client := newClient(t, func(o *Options) { o.Limits.IdleTimeout = 200 * time.Millisecond })
			_, err := pulltest.Pull(t.Context(), newResolver(t, client), ref.Tagged)
			pulltest.CheckError(t, name, err, c.want)
		})
	}
}

// A resumption cannot smuggle in other bytes: the reader's hash is over all.
func TestResumedBytesAreHashed(t *testing.T) {
	content := bytes.Repeat([]byte("good"), 1000)
	evil := bytes.Repeat([]byte("evil"), 1000)
	image := pulltest.Image()
	image.Blobs[0].Content, image.Blobs[0].ClaimHash = content, imagetest.HashOf(content)
	if err := image.SealManifest(); err != nil {
		t.Fatal(err)
	}
	reg := registrytest.Registry(t)
	ref := reg.MustPush(t, image, "app:1")
	reg.Inject(registrytest.KindLayer, serveBlob(content, cut, func(w http.ResponseWriter, q *http.Request, _ []byte) { whole(w, q, evil) }))
	_, err := pulltest.Pull(t.Context(), newResolver(t, newClient(t, nil)), ref.Tagged)
	pulltest.CheckError(t, "other bytes", err, "other bytes than were promised")
}

// An open blob ends with its context, not with that of Resolve.
func TestBlobContext(t *testing.T) {
	reg := registrytest.Registry(t)
	ref := reg.MustPush(t, pulltest.Image(), "app:1")
	ctx, cancel := context.WithCancel(t.Context())
	res, err := newResolver(t, newClient(t, nil)).Resolve(ctx, ref.Tagged)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := pulltest.ReadLayers(t.Context(), res); err != nil {
		t.Errorf("the layer ended with Resolve's context: %v", err)
	}
	if err := pulltest.ReadLayers(ctx, res); err == nil {
		t.Error("a layer was read with a context that is over")
	}
	reading, stop := context.WithCancel(t.Context())
	body, err := res.Targets[0].Layers[0].Open(reading)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	_, err = io.ReadAll(body)
	if err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("got %v", err)
	}
	_ = body.Close()
	if _, err := body.Read(make([]byte, 1)); err == nil {
		t.Error("a closed blob can be read")
	}
}
