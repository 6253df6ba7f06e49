package registrytest

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// bodyFaults answer 200 with the wrong bytes.
func bodyFaults() []Fault {
	bomb := sync.OnceValue(bomb)
	return []Fault{
		edit("one-bit", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }),
		edit("last-byte", func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b }),
		edit("zeros", func(b []byte) []byte { clear(b); return b }),
		edit("first-half", func(b []byte) []byte { return b[:len(b)/2] }),
		edit("one-byte-less", func(b []byte) []byte { return b[:len(b)-1] }),
		edit("empty", func([]byte) []byte { return nil }),
		// A token's JSON may be followed by white space; anything with a digest may not.
		edit("trailing-space", func(b []byte) []byte { return append(b, ' ') }, KindToken),
		edit("trailing-data", func(b []byte) []byte { return append(b, "{}"...) }, KindToken),
		edit("twice", func(b []byte) []byte { return append(b, b...) }, KindToken),
		edit("empty-object", func([]byte) []byte { return []byte("{}") }),
		edit("null", func([]byte) []byte { return []byte("null") }),
		edit("deep-json", func([]byte) []byte { return []byte(strings.Repeat("[", 200_000)) }),
		edit("garbage", func(b []byte) []byte { return bytes.Repeat([]byte{0xfe, 0x00, 0xc3}, len(b)/3+1) }),
		edit("gzip-bomb", func([]byte) []byte { return bomb() }),
		{Name: "login-page", harmless: []Kind{KindPing}, Serve: loginPage},
		{Name: "endless", harmless: []Kind{KindPing}, Serve: endless},
		{Name: "announced-exabyte", harmless: []Kind{KindPing}, Serve: announcedExabyte},
	}
}

// edit changes the body of the correct answer and nothing more. Content-Length
// is that of the changed body. A client need not read the body of a ping.
func edit(name string, change func([]byte) []byte, harmless ...Kind) Fault {
	return Fault{Name: name, harmless: append(harmless, KindPing), Serve: func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		rec := answerOf(q, next)
		copyHeader(w, rec.Header())
		body := bytes.Clone(rec.Body.Bytes())
		if len(body) == 0 {
			body = []byte("{}")
		}
		body = change(body)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body)
	}}
}

// loginPage is what a captive portal answers to everything.
func loginPage(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte("<!doctype html><title>Please log in</title>"))
}

// endless sends until the client leaves, at most 8 GiB.
func endless(w http.ResponseWriter, q *http.Request, next http.Handler) {
	rec := answerOf(q, next)
	copyHeader(w, rec.Header())
	w.Header().Del("Content-Length")
	w.WriteHeader(rec.Code)
	chunk := bytes.Repeat([]byte(" "), 1<<20)
	for range 8 << 10 {
		if q.Context().Err() != nil {
			return
		}
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// announcedExabyte announces a body too large for any memory, sends a little of
// it and closes the connection.
func announcedExabyte(w http.ResponseWriter, q *http.Request, next http.Handler) {
	rec := answerOf(q, next)
	copyHeader(w, rec.Header())
	w.Header().Set("Content-Length", fmt.Sprint(int64(1)<<60))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// bomb is 64 MiB of zeros in a few KiB of gzip.
func bomb() []byte { return imagetest.Compress(make([]byte, 64<<20), imagetest.MediaTypeOCIGzip) }
