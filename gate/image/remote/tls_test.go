package remote

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/pulltest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
)

// caFile writes a server's certificate.
func caFile(t *testing.T, s *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(path, append([]byte("# our own authority\n"), block...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func tlsRegistry(t *testing.T) (*registrytest.Reg, *httptest.Server) {
	t.Helper()
	reg := registrytest.Registry(t)
	s := httptest.NewUnstartedServer(reg)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return reg, s
}

func TestTLS(t *testing.T) {
	reg, s := tlsRegistry(t)
	reg.MustPush(t, pulltest.Image(), "app:1")
	host := strings.TrimPrefix(s.URL, "https://")
	ca := caFile(t, s)
	for name, c := range map[string]struct {
		ref  string
		ca   []string
		want string
		hint string
	}{
		"own authority":     {host, []string{ca}, "", ""},
		"unknown authority": {host, nil, "from an authority that is not trusted here", "--ca-cert"},
		"another name":      {strings.Replace(host, "127.0.0.1", "localhost", 1), []string{ca}, "certificate for another host", ""},
	} {
		client := newClient(t, func(o *Options) { o.CACerts = c.ca })
		_, err := pulltest.Pull(t.Context(), newResolver(t, client), c.ref+"/app:1")
		pulltest.CheckError(t, name, err, c.want)
		if !strings.Contains(gate.HintOf(err), c.hint) {
			t.Errorf("%s: hint %q", name, gate.HintOf(err))
		}
	}
	client := newClient(t, func(o *Options) { o.PlainHTTP = []string{host} })
	_, err := pulltest.Pull(t.Context(), newResolver(t, client), host+"/app:1")
	pulltest.CheckError(t, "plain where TLS is spoken", err, "400 Bad Request")
	if !strings.Contains(gate.HintOf(err), "--plain-http") {
		t.Errorf("hint %q", gate.HintOf(err))
	}
}

func TestBadCertificates(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ body, want string }{
		"empty":       {"", "no certificate in PEM form"},
		"DER or text": {"hello", "no certificate in PEM form"},
		"key":         {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no certificate"},
		"broken":      {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1 cannot be read"},
	} {
		path := filepath.Join(dir, "ca.pem")
		if err := os.WriteFile(path, []byte(c.body), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := NewClient(t.Context(), Options{CACerts: []string{path}, Getenv: env(nil)})
		pulltest.CheckError(t, name, err, c.want)
		pulltest.CheckError(t, name, err, "ca.pem")
	}
	_, err := NewClient(t.Context(), Options{CACerts: []string{dir + "/nowhere"}, Getenv: env(nil)})
	pulltest.CheckError(t, "missing", err, "no such file")
	for _, bad := range []string{"http://r.io", "r.io/app", "", "r.io:x"} {
		if _, err := NewClient(t.Context(), Options{PlainHTTP: []string{bad}, Getenv: env(nil)}); err == nil {
			t.Errorf("--plain-http %q: no error", bad)
		}
	}
}

// proxy carries CONNECT and plain requests to one address, regardless of the
// host in the request, if the password is right.
func proxy(t *testing.T, to string, password string) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var served atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		served.Add(1)
		if password != "" && q.Header.Get("Proxy-Authorization") != "Basic "+basicAuth("u", password) {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if q.Method != http.MethodConnect {
			plain := q.Clone(q.Context())
			plain.URL.Host, plain.RequestURI = to, ""
			resp, err := http.DefaultTransport.RoundTrip(plain)
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			defer resp.Body.Close()
			for k, v := range resp.Header {
				w.Header()[k] = v
			}
			w.WriteHeader(resp.StatusCode)
			_, _ = io.Copy(w, resp.Body)
			return
		}
		back, err := net.Dial("tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		front, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(front, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(back, front); _ = back.Close() }()
		_, _ = io.Copy(front, back)
		_ = front.Close()
	}))
	t.Cleanup(s.Close)
	return s, &served
}

// Names that only a proxy knows, with and without TLS, a private authority and
// a password.
func TestProxy(t *testing.T) {
	reg, s := tlsRegistry(t)
	reg.MustPush(t, pulltest.Image(), "app:1")
	tls, served := proxy(t, strings.TrimPrefix(s.URL, "https://"), "proxy-canary")
	plain, servedPlain := proxy(t, reg.Host, "")
	withPassword := strings.Replace(tls.URL, "http://", "http://u:proxy-canary@", 1)
	for name, c := range map[string]struct {
		env   map[string]string
		plain []string
		want  string
		hint  string
		count *atomic.Int64
	}{
		"CONNECT":            {map[string]string{"HTTPS_PROXY": withPassword}, nil, "", "", served},
		"lower case":         {map[string]string{"https_proxy": withPassword}, nil, "", "", served},
		"plain":              {map[string]string{"http_proxy": plain.URL}, []string{"example.com"}, "", "", servedPlain},
		"no password":        {map[string]string{"HTTPS_PROXY": tls.URL}, nil, "the proxy did not connect us", "HTTPS_PROXY", served},
		"wrong password":     {map[string]string{"HTTPS_PROXY": strings.Replace(tls.URL, "http://", "http://u:wrong-canary@", 1)}, nil, "the proxy did not connect us", "HTTPS_PROXY", served},
		"no TLS behind it":   {map[string]string{"HTTPS_PROXY": plain.URL}, nil, "does not speak TLS", "--plain-http", servedPlain},
		"proxy is away":      {map[string]string{"HTTPS_PROXY": "http://127.0.0.1:1"}, nil, "the proxy did not connect us", "HTTPS_PROXY", nil},
		"exempt by NO_PROXY": {map[string]string{"HTTPS_PROXY": withPassword, "NO_PROXY": "example.com"}, nil, "example.com", "", nil},
	} {
		before := int64(0)
		if c.count != nil {
			before = c.count.Load()
		}
		client := newClient(t, func(o *Options) {
			o.Getenv, o.PlainHTTP, o.CACerts = env(c.env), c.plain, []string{caFile(t, s)}
			o.Limits.ConnectTimeout = time.Second
		})
		_, err := pulltest.Pull(t.Context(), newResolver(t, client), "example.com/app:1")
		if name != "exempt by NO_PROXY" { // what happens then is the network's affair
			pulltest.CheckError(t, name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the proxy's password is in %v", name, err)
		}
		if !strings.Contains(gate.HintOf(err), c.hint) {
			t.Errorf("%s: hint %q", name, gate.HintOf(err))
		}
		if c.count != nil && c.count.Load() == before {
			t.Errorf("%s: the proxy was not used", name)
		}
	}
	_, err := NewClient(t.Context(), Options{Getenv: env(map[string]string{"HTTPS_PROXY": "http://u:proxy-canary@ho st"})})
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("malformed proxy: %v", err)
	}
}

// Behind a proxy the program resolves no names, but it checks IP addresses in
// URLs.
func TestProxyAndAddresses(t *testing.T) {
	reg := registrytest.Registry(t)
	reg.MustPush(t, pulltest.Image(), "app:1")
	p, _ := proxy(t, reg.Host, "")
	reg.Inject(registrytest.KindLayer, registrytest.FaultByName("redirect-metadata"))
	c := newClient(t, func(o *Options) {
		o.Getenv, o.PlainHTTP = env(map[string]string{"HTTP_PROXY": p.URL}), []string{"example.com"}
	})
	_, err := pulltest.Pull(t.Context(), newResolver(t, c), "example.com/app:1")
	pulltest.CheckError(t, "metadata", err, "no server may send us there")
}

// A registry with TLS cannot send us to storage without, unless the user says
// so, even where a proxy would take the request.
func TestNoRedirectToPlainHTTP(t *testing.T) {
	reg, s := tlsRegistry(t)
	reg.MustPush(t, pulltest.Image(), "app:1")
	tunnel, _ := proxy(t, strings.TrimPrefix(s.URL, "https://"), "")
	plain, asked := proxy(t, reg.Host, "")
	reg.Inject(registrytest.KindLayer, registrytest.Fault{Serve: func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		if q.Host == "storage.example" {
			next.ServeHTTP(w, q)
			return
		}
		http.Redirect(w, q, "http://storage.example"+q.URL.Path, http.StatusFound)
	}})
	for _, allowed := range []bool{false, true} {
		client := newClient(t, func(o *Options) {
			o.Getenv, o.CACerts = env(map[string]string{"HTTPS_PROXY": tunnel.URL, "HTTP_PROXY": plain.URL}), []string{caFile(t, s)}
			if allowed {
				o.PlainHTTP = []string{"storage.example"}
			}
		})
		_, err := pulltest.Pull(t.Context(), newResolver(t, client), "example.com/app:1")
		if allowed != (err == nil) || allowed != (asked.Load() > 0) {
			t.Errorf("allowed %v: %v, and %d requests without TLS", allowed, err, asked.Load())
		}
		if !allowed && gate.HintOf(err) != "if that is right, allow it with --plain-http storage.example" {
			t.Errorf("hint %q", gate.HintOf(err))
		}
	}
}

// A client certificate is shown to its own host, and to no other.
func TestClientCertificate(t *testing.T) {
	reg := registrytest.Registry(t)
	reg.MustPush(t, pulltest.Image(), "app:1")
	shown := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		shown += len(q.TLS.PeerCertificates)
		reg.ServeHTTP(w, q)
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	defer s.Close()
	host, ca := strings.TrimPrefix(s.URL, "https://"), caFile(t, s)
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ cert, want string }{
		"its host":   {host + "=" + ca + "," + keyFile, ""},
		"other host": {"localhost=" + ca + "," + keyFile, "asks for a client certificate"},
	} {
		client := newClient(t, func(o *Options) { o.CACerts, o.ClientCerts = []string{ca}, []string{c.cert} })
		_, err := pulltest.Pull(t.Context(), newResolver(t, client), host+"/app:1")
		pulltest.CheckError(t, name, err, c.want)
	}
	if shown == 0 {
		t.Error("no certificate was shown")
	}
	for _, bad := range []string{"x", "host=one", "host=nothing,nothing", "a/b=" + ca + "," + keyFile} {
		if _, err := NewClient(t.Context(), Options{ClientCerts: []string{bad}}); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
