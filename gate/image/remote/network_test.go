package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/pulltest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
)

// canary is a server that must get no request, or no credentials.
type canary struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

func newCanary(t *testing.T, h http.HandlerFunc) *canary {
	t.Helper()
	c := &canary{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		c.mu.Lock()
		c.requests = append(c.requests, q)
		c.mu.Unlock()
		if h != nil {
			h(w, q)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *canary) seen() []*http.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// byName is the canary's address with a name instead of 127.0.0.1.
func (c *canary) byName() string { return strings.Replace(c.URL, "127.0.0.1", "localhost", 1) }

// Credentials for one host are never shown to another one.
func TestCredentialsStayAtTheirHost(t *testing.T) {
	const user, password, token = "user-canary", "password-canary", "token-canary"
	image := pulltest.Image()
	storage := newCanary(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(image.Blobs[0].Content) })
	other := registrytest.Registry(t)
	elsewhere := other.MustPush(t, image, "app:1")
	for _, auth := range []registrytest.Auth{{User: user, Password: password}, {User: user, Password: password, Token: token}} {
		reg := registrytest.Registry(t, registrytest.WithAuth(auth))
		ref := reg.MustPush(t, image, "app:1")
		reg.Inject(registrytest.KindLayer, registrytest.Fault{Serve: func(w http.ResponseWriter, q *http.Request, _ http.Handler) {
			http.Redirect(w, q, storage.URL+"/blob?signature=signature-canary", http.StatusTemporaryRedirect)
		}})
		c := newClient(t, func(o *Options) {
			o.Getenv = env(map[string]string{"DOCKER_AUTH_CONFIG": fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, reg.Host, basicAuth(user, password))})
		})
		r := newResolver(t, c)
		if _, err := pulltest.Pull(t.Context(), r, ref.Tagged); err != nil {
			t.Fatal(err)
		}
		if _, err := pulltest.Pull(t.Context(), r, elsewhere.Tagged); err != nil {
			t.Fatal(err)
		}
		seen := false
		for _, q := range reg.Requests() {
			seen = seen || q.Authorization != ""
		}
		if !seen {
			t.Error("the registry itself saw no credentials: the test shows nothing")
		}
	}
	if len(storage.seen()) == 0 {
		t.Error("the storage was not asked: the test shows nothing")
	}
	for _, q := range storage.seen() {
		if q.Header.Get("Authorization") != "" || q.Header.Get("Cookie") != "" {
			t.Errorf("the storage saw %v", q.Header)
		}
	}
	for _, q := range other.Requests() {
		if q.Authorization != "" {
			t.Errorf("the other registry saw credentials at %s", q)
		}
	}
}

// No message holds a secret, even if the registry sends it back.
func TestErrorsHoldNoSecrets(t *testing.T) {
	const password, token = "password-canary", "token-canary"
	echo := registrytest.Fault{Serve: func(w http.ResponseWriter, q *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":"you sent %s %s"}]}`, q.Header.Get("Authorization"), password)
	}}
	away := func(to string) registrytest.Fault {
		return registrytest.Fault{Serve: func(w http.ResponseWriter, q *http.Request, _ http.Handler) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}}
	}
	leak := registrytest.Fault{Serve: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		_, _ = io.WriteString(w, `{"refresh_token":"refresh-canary"}`)
	}}
	for name, fault := range map[string]registrytest.Fault{
		"echo": echo, "leak": leak, "signed": away("http://127.0.0.1:1/x?signature=signature-canary"),
		"signed, no such host": away("https://storage.invalid/x?signature=signature-canary"),
		"signed, no address":   away("http://[::1/x?signature=signature-canary"),
		"password in address":  away("http://u:address-canary@127.0.0.1:1/x"),
	} {
		for _, kind := range []registrytest.Kind{registrytest.KindPing, registrytest.KindToken, registrytest.KindManifest, registrytest.KindConfig, registrytest.KindLayer} {
			reg := registrytest.Registry(t, registrytest.WithAuth(registrytest.Auth{User: "u", Password: password, Token: token}))
			ref := reg.MustPush(t, pulltest.Image(), "app:1")
			reg.Inject(kind, fault)
			c := newClient(t, func(o *Options) {
				o.Getenv = env(map[string]string{"DOCKER_AUTH_CONFIG": fmt.Sprintf(`{"auths":{%q:{"username":"u","password":%q}}}`, reg.Host, password)})
			})
			_, err := pulltest.Pull(t.Context(), newResolver(t, c), ref.Tagged)
			if err == nil {
				if kind == registrytest.KindPing && name == "leak" {
					continue // the body of a ping's answer is not read
				}
				t.Errorf("%s at %s: no error", name, kind)
				continue
			}
			if text := err.Error() + gate.HintOf(err); strings.Contains(text, "canary") || strings.Contains(text, basicAuth("u", password)) {
				t.Errorf("%s at %s: %s", name, kind, text)
			}
		}
	}
}

// A registry cannot send us, or the user's password, to this machine under
// another name.
func TestNoRequestsToOtherNamesOfThisMachine(t *testing.T) {
	spy := newCanary(t, nil)
	for name, at := range map[string]string{"by name": spy.byName(), "unspecified": strings.Replace(spy.URL, "127.0.0.1", "0.0.0.0", 1), "mapped": strings.Replace(spy.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		for _, kind := range []registrytest.Kind{registrytest.KindManifest, registrytest.KindConfig, registrytest.KindLayer} {
			reg := registrytest.Registry(t)
			ref := reg.MustPush(t, pulltest.Image(), "app:1")
			reg.Inject(kind, registrytest.Fault{Serve: func(w http.ResponseWriter, q *http.Request, _ http.Handler) {
				http.Redirect(w, q, at, http.StatusFound)
			}})
			if _, err := pulltest.Pull(t.Context(), newResolver(t, newClient(t, nil)), ref.Tagged); err == nil {
				t.Errorf("redirect %s at %s: no error", name, kind)
			}
		}
		reg := registrytest.Registry(t, registrytest.WithAuth(registrytest.Auth{User: "u", Password: "p", Token: "t", Realm: at + "/token"}))
		ref := reg.MustPush(t, pulltest.Image(), "app:1")
		c := newClient(t, func(o *Options) {
			o.Getenv = env(map[string]string{"DOCKER_AUTH_CONFIG": fmt.Sprintf(`{"auths":{%q:{"username":"u","password":"p"}}}`, reg.Host)})
		})
		_, err := pulltest.Pull(t.Context(), newResolver(t, c), ref.Tagged)
		if err == nil || !strings.Contains(err.Error(), "token for ") {
			t.Errorf("realm %s: %v", name, err)
		}
	}
	if n := len(spy.seen()); n > 0 {
		t.Errorf("the canary was asked %d times", n)
	}
	// A user who knows better says so.
	image := pulltest.Image()
	storage := newCanary(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(image.Blobs[0].Content) })
	reg := registrytest.Registry(t)
	ref := reg.MustPush(t, image, "app:1")
	reg.Inject(registrytest.KindLayer, registrytest.Fault{Serve: func(w http.ResponseWriter, q *http.Request, _ http.Handler) {
		http.Redirect(w, q, storage.byName(), http.StatusFound)
	}})
	c := newClient(t, func(o *Options) { o.PrivateHosts = []string{"localhost"} })
	if _, err := pulltest.Pull(t.Context(), newResolver(t, c), ref.Tagged); err != nil {
		t.Error(err)
	}
}

func TestAddresses(t *testing.T) {
	for s, want := range map[string]addressScope{
		"93.184.216.34": scopePublic, "2606:2800:220:1::1": scopePublic, "::ffff:93.184.216.34": scopePublic, "64:ff9b::5db8:d822": scopePublic,
		"10.0.0.1": scopePrivate, "172.16.3.4": scopePrivate, "192.168.1.1": scopePrivate, "100.64.0.1": scopePrivate, "fd00::1": scopePrivate, "::ffff:10.0.0.1": scopePrivate, "64:ff9b::a00:1": scopePrivate,
		"127.0.0.1": scopeAny, "127.1.2.3": scopeAny, "::1": scopeAny, "0.0.0.0": scopeAny, "::": scopeAny, "169.254.169.254": scopeAny, "fe80::1": scopeAny,
		"224.0.0.1": scopeAny, "::ffff:127.0.0.1": scopeAny, "64:ff9b::7f00:1": scopeAny, "64:ff9b::a9fe:a9fe": scopeAny,
	} {
		for _, r := range []addressScope{scopePublic, scopePrivate, scopeAny} {
			if err := checkAddress(netip.MustParseAddr(s), r); (err == nil) != (r >= want) {
				t.Errorf("%s within %d: %v", s, r, err)
			}
		}
	}
}

func TestHostsThatAreNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	_ = l.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for ref, want := range map[string]string{
		closed + "/app:1":                 "refused the connection",
		silent.Addr().String() + "/app:1": "did not answer in time",
		"registry.invalid/app:1":          "could not be resolved",
	} {
		client := newClient(t, func(o *Options) {
			o.Limits.ConnectTimeout, o.Limits.IdleTimeout = 300*time.Millisecond, 300*time.Millisecond
		})
		_, err := pulltest.Pull(t.Context(), newResolver(t, client), ref)
		if want == "could not be resolved" && err != nil && strings.Contains(err.Error(), "in time") {
			continue // a machine whose resolver does not answer at all
		}
		pulltest.CheckError(t, ref, err, want)
		var f *gate.Fault
		if !errors.As(err, &f) || f.Phase != gate.PhaseResolve || f.Hint == "" {
			t.Errorf("%s: %#v", ref, err)
		}
	}
}

// The end of the context ends everything, and says so.
func TestContextEnds(t *testing.T) {
	for _, kind := range []registrytest.Kind{registrytest.KindPing, registrytest.KindToken, registrytest.KindManifest, registrytest.KindConfig, registrytest.KindLayer} {
		for _, fault := range []string{"stall-headers", "stall-body", "slow-drip", "status-503"} {
			if kind == registrytest.KindPing && fault != "stall-headers" {
				continue
			}
			t.Run(string(kind)+"/"+fault, func(t *testing.T) {
				t.Parallel()
				reg := registrytest.Registry(t, registrytest.WithAuth(registrytest.Auth{Token: "t"}))
				ref := reg.MustPush(t, pulltest.Image(), "app:1")
				reg.Inject(kind, registrytest.FaultByName(fault))
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				c := newClient(t, nil)
				c.pause = pause
				began := time.Now()
				_, err := pulltest.Pull(ctx, newResolver(t, c), ref.Tagged)
				if took := time.Since(began); err == nil || took > time.Minute {
					t.Errorf("%v after %s", err, took)
				}
			})
		}
	}
}
