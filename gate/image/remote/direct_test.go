package remote_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image/remote"
)

// Requests to services carry tokens: none follows a redirect, and none goes without
// TLS to another machine.
func TestDirect(t *testing.T) {
	reached := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer elsewhere.Close()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/away" {
			http.Redirect(w, q, elsewhere.URL, http.StatusTemporaryRedirect)
		}
	}))
	defer service.Close()
	c, err := remote.NewClient(t.Context(), remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	client := &http.Client{Transport: c.Direct()}
	resp, err := client.Post(service.URL+"/here", "text/plain", strings.NewReader("token"))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", resp, err)
	}
	_ = resp.Body.Close()
	if _, err = client.Post(service.URL+"/away", "text/plain", strings.NewReader("token")); err == nil || !strings.Contains(err.Error(), "redirects") || reached {
		t.Errorf("a redirect: %v, followed %v", err, reached)
	}
	_, err = client.Post("http://fulcio.example.no/api", "text/plain", strings.NewReader("token"))
	if err == nil || !strings.Contains(err.Error(), "without TLS") || !strings.Contains(gate.HintOf(err), "--plain-http") {
		t.Errorf("without TLS: %v", err)
	}
}
