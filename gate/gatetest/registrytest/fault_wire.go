package registrytest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"
)

// connectionFaults happen below HTTP, or stop in the middle of it.
func connectionFaults() []Fault {
	return []Fault{
		{Name: "stall-headers", Serve: func(_ http.ResponseWriter, q *http.Request, _ http.Handler) { <-q.Context().Done() }},
		{Name: "stall-body", harmless: []Kind{KindPing}, Serve: stallBody},
		{Name: "slow-drip", harmless: []Kind{KindPing}, Serve: slowDrip},
		raw("close-at-once", "", false),
		raw("reset", "", true),
		raw("not-http", "SSH-2.0-OpenSSH_9.7\r\n", false),
		raw("half-headers", "HTTP/1.1 200 OK\r\nContent-Ty", false),
		raw("two-lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}\n", false),
		raw("bad-chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", false, KindPing),
		raw("cut-chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}", false, KindPing),
		{Name: "truncated", harmless: []Kind{KindPing}, Serve: truncated},
	}
}

// answerOf records the correct answer.
func answerOf(q *http.Request, next http.Handler) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, q)
	return rec
}

// copyHeader sets w's headers to the correct ones.
func copyHeader(w http.ResponseWriter, from http.Header) {
	for k, v := range from {
		w.Header()[k] = v
	}
}

// stallBody sends the headers and half of the body, and then nothing.
func stallBody(w http.ResponseWriter, q *http.Request, next http.Handler) {
	sendHalf(w, q, next)
	<-q.Context().Done()
}

// truncated sends half of the body that was announced and closes the
// connection, which net/http does by itself when a handler writes too little.
func truncated(w http.ResponseWriter, q *http.Request, next http.Handler) { sendHalf(w, q, next) }

func sendHalf(w http.ResponseWriter, q *http.Request, next http.Handler) {
	rec := answerOf(q, next)
	copyHeader(w, rec.Header())
	body := rec.Body.Bytes()
	w.Header().Set("Content-Length", fmt.Sprint(max(len(body), 2)))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
}

// slowDrip sends one byte every 200 ms: never idle for long, and never done.
func slowDrip(w http.ResponseWriter, q *http.Request, next http.Handler) {
	rec := answerOf(q, next)
	copyHeader(w, rec.Header())
	// Small answers must be slow, too: padding follows the announced end.
	w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()+1_000_000))
	w.WriteHeader(rec.Code)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	control := http.NewResponseController(w)
	for {
		select {
		case <-q.Context().Done():
			return
		case <-tick.C:
		}
		b, err := rec.Body.ReadByte()
		if err == io.EOF {
			b = ' '
		}
		if _, err := w.Write([]byte{b}); err != nil {
			return
		}
		_ = control.Flush()
	}
}

// raw writes bytes to the connection instead of an answer, and closes it.
func raw(name, answer string, reset bool, harmless ...Kind) Fault {
	return Fault{Name: name, harmless: harmless, Serve: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		_, _ = io.WriteString(conn, answer)
	}}
}
