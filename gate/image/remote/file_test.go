package remote

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
)

func TestFile(t *testing.T) {
	var asked atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/file", func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") != "" || q.Header.Get("User-Agent") != "imagegate" {
			t.Errorf("%v", q.Header)
		}
		_, _ = w.Write([]byte("0123456789"))
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, "/file", http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, "/loop", http.StatusFound) })
	mux.HandleFunc("/password", func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, "https://u:canary@example.no/", http.StatusFound)
	})
	mux.HandleFunc("/ftp", func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, "ftp://example.no/", http.StatusFound)
	})
	mux.HandleFunc("/plain", func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, "http://example.no/", http.StatusFound)
	})
	mux.HandleFunc("/twice", func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte("ok"))
	})
	mux.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("torn"))
	})
	mux.HandleFunc("/hangs", func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("torn"))
		w.(http.Flusher).Flush()
		<-q.Context().Done()
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c := newClient(t, func(o *Options) { o.Limits.IdleTimeout = 200 * time.Millisecond })
	for path, want := range map[string]string{"/file": "0123456789", "/moved": "0123456789", "/twice": "ok"} {
		got, err := c.File(t.Context(), server.URL+path, 10)
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for address, want := range map[string]string{
		server.URL + "/absent": "404", server.URL + "/loop": "redirects", server.URL + "/password": "password", server.URL + "/ftp": "neither https nor http",
		server.URL + "/plain": "without TLS", server.URL + "/short": "broke the connection", server.URL + "/hangs": "sent nothing",
		"http://example.no/": "without TLS", "https://u:canary@example.no/": "password", "ftp://example.no/": "begins neither", "file:///etc/passwd": "begins neither", "https://": "no host",
	} {
		got, err := c.File(t.Context(), address, 10)
		if err == nil || got != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error()+gate.HintOf(err), "canary") {
			t.Errorf("%s: %q, %v; want %q", address, got, err, want)
		}
		if strings.Contains(gate.HintOf(err), "registry") {
			t.Errorf("%s: %s", address, gate.HintOf(err))
		}
	}
	if _, err := c.File(t.Context(), server.URL+"/file", 9); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("too long: %v", err)
	}
}

// A public server may not send us to this machine or to a private network.
func TestFileStaysOutside(t *testing.T) {
	c := newClient(t, func(o *Options) { o.PlainHTTP = []string{"public.example"} })
	j := &job{kind: kindFile, host: &host{name: "feeds.example.no"}}
	for address, scope := range map[string]addressScope{"https://feeds.example.no/x": scopeAny, "https://127.0.0.1/x": scopePublic, "https://intranet.example.no/": scopePublic} {
		u, err := ParseFileAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.scopeOf(j.host, u); got != scope {
			t.Errorf("%s: scope %d, want %d", address, got, scope)
		}
	}
	for _, ip := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00::1"} {
		if checkAddress(netip.MustParseAddr(ip), scopePublic) == nil {
			t.Errorf("%s is allowed", ip)
		}
	}
}
