package remote

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// ownCertificate is a certificate that nothing but itself vouches for.
func ownCertificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// guarded is a registry with an authority and a user of its own.
type guarded struct {
	server    *httptest.Server
	host, ca  string
	strangers atomic.Int32 // requests with the credentials of another registry
}

func newGuarded(t *testing.T, behind http.Handler, user string) *guarded {
	t.Helper()
	g := &guarded{}
	want := "Basic " + basicAuth(user, "secret")
	g.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch got := q.Header.Get("Authorization"); {
		case got == want:
			behind.ServeHTTP(w, q)
			return
		case got != "":
			g.strangers.Add(1)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	g.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	g.server.TLS = &tls.Config{Certificates: []tls.Certificate{ownCertificate(t, user)}}
	g.server.StartTLS()
	t.Cleanup(g.server.Close)
	g.host = strings.TrimPrefix(g.server.URL, "https://")
	g.ca = caFile(t, g.server)
	return g
}

// A promotion goes between two registries with authorities and credentials of their
// own. Neither registry sees the credentials of the other, and without one of the
// authorities nothing is written.
func TestPromotionBetweenTwoAuthorities(t *testing.T) {
	source, target := newWritable(t, true), newWritable(t, false)
	digest := source.signed(t, "team/app")
	from, to := newGuarded(t, source.server.Config.Handler, "reader"), newGuarded(t, target.server.Config.Handler, "writer")
	config := filepath.Join(t.TempDir(), "config.json")
	auths := fmt.Sprintf(`{"auths":{%q:{"auth":%q},%q:{"auth":%q}}}`, from.host, basicAuth("reader", "secret"), to.host, basicAuth("writer", "secret"))
	if err := os.WriteFile(config, []byte(auths), 0o600); err != nil {
		t.Fatal(err)
	}
	promote := func(cas ...string) error {
		client := newClient(t, func(o *Options) { o.DockerConfig, o.CACerts = config, cas })
		return promoted(t.Context(), repository(t, client, from.host+"/team/app"), repository(t, client, to.host+"/released/app"), digest)
	}
	for name, ca := range map[string]string{"the source's alone": from.ca, "the target's alone": to.ca} {
		if err := promote(ca); err == nil || !strings.Contains(err.Error(), "not trusted here") {
			t.Errorf("with the authority of %s: %v", name, err)
		}
	}
	if n := target.count(http.MethodPut, ""); n > 0 {
		t.Errorf("%d writes without one of the authorities", n)
	}
	if err := promote(from.ca, to.ca); err != nil {
		t.Fatal(err)
	}
	if target.count(http.MethodPut, "/manifests/released") != 1 {
		t.Error("the tag was not set once")
	}
	if a, b := from.strangers.Load(), to.strangers.Load(); a+b > 0 {
		t.Errorf("%d and %d requests with the credentials of the other registry", a, b)
	}
}
