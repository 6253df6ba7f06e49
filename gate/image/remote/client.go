package remote

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/policy/words"
)

// Options are the settings of a [Client]. The zero value is ready for use.
type Options struct {
	// CACerts are PEM files with certificates that are trusted beside the
	// system's, for registries, token servers and storage alike.
	CACerts []string
	// ClientCerts are certificates that single hosts ask for, HOST=CERT,KEY with
	// the names of two PEM files.
	ClientCerts []string
	// PlainHTTP lists the hosts, host or host:port, that are spoken to without
	// TLS. Loopback may always do without.
	PlainHTTP []string
	// PrivateHosts lists hosts, host or host:port, that a registry may send us
	// to although they are in a more private network than its own.
	PrivateHosts []string
	// Getenv looks up credentials and proxies, os.Getenv when nil. Credential
	// helpers and the cloud providers' libraries see the process's environment.
	Getenv func(string) string
	// UserAgent is what registries see, "imagegate" when empty.
	UserAgent string
	// Limits bounds everything; zero fields have their defaults.
	Limits image.Limits
	// DockerConfig is a docker config file to read instead of the usual ones.
	DockerConfig string
	// Warn gets warnings: what a user should know and what is no error. It is called
	// from many goroutines at
	// once. It may be nil.
	Warn func(string)
}

// Client speaks to registries. All of its requests go through one set of
// settings, and it is safe for concurrent use.
type Client struct {
	limits       image.Limits
	userAgent    string
	plainHTTP    []string
	privateHosts []string
	proxy        func(*http.Request) (*url.URL, error)
	secrets      []string // of the proxies, never to be printed
	transports   map[addressScope]*http.Transport
	identified   map[string]map[addressScope]*http.Transport // by host, with a client certificate
	keys         *keychain
	warn         func(string)
	// pause waits between two tries; tests replace it.
	pause func(context.Context, time.Duration) error

	mu    sync.Mutex
	hosts map[string]*host
}

// NewClient checks the options and returns a client. It makes no request.
func NewClient(ctx context.Context, o Options) (*Client, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	o.UserAgent = cmp.Or(o.UserAgent, "imagegate")
	c := &Client{
		limits: o.Limits.Filled(), userAgent: o.UserAgent, warn: o.Warn, pause: pause,
		keys: newKeychain(o), hosts: map[string]*host{},
	}
	var err error
	if c.plainHTTP, err = hostList("--plain-http", o.PlainHTTP); err != nil {
		return nil, err
	}
	if c.privateHosts, err = hostList("the list of private hosts", o.PrivateHosts); err != nil {
		return nil, err
	}
	roots, err := certificates(o.CACerts)
	if err != nil {
		return nil, err
	}
	proxies, err := c.useProxies(o.Getenv)
	if err != nil {
		return nil, err
	}
	c.transports = newTransports(&c.limits, roots, c.proxy, proxies)
	c.identified, err = c.identify(ctx, o.ClientCerts)
	return c, err
}

// identify makes the transports that show a client certificate, each to one
// host: a certificate names its owner, and other hosts have no right to it.
func (c *Client) identify(ctx context.Context, list []string) (map[string]map[addressScope]*http.Transport, error) {
	all := map[string]map[addressScope]*http.Transport{}
	for _, value := range list {
		const form = "--client-cert: write HOST=CERT,KEY with the names of two PEM files"
		name, files, _ := strings.Cut(value, "=")
		cert, key, ok := strings.Cut(files, ",")
		if !ok {
			return nil, fmt.Errorf("%s, not %s", form, words.Quote(value))
		}
		hosts, err := hostList("--client-cert", []string{name})
		if err != nil {
			return nil, err
		}
		pair, err := input.KeyPair(cert, key, func(file string) ([]byte, error) { return input.ReadFile(ctx, file, maxCertificates) })
		if err != nil {
			return nil, fmt.Errorf("--client-cert for %s: %w", name, err)
		}
		all[hosts[0]] = map[addressScope]*http.Transport{}
		for r, t := range c.transports {
			t = t.Clone()
			t.TLSClientConfig.Certificates = []tls.Certificate{pair}
			all[hosts[0]][r] = t
		}
	}
	return all, nil
}

// transport is what connects to u.
func (c *Client) transport(u *url.URL, scope addressScope) *http.Transport {
	if own := c.identified[strings.ToLower(u.Host)]; own != nil {
		return own[scope]
	}
	return c.transports[scope]
}

// Close closes idle connections.
func (c *Client) Close() error {
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
	for _, own := range c.identified {
		for _, t := range own {
			t.CloseIdleConnections()
		}
	}
	return nil
}

// hostList normalises a list of host or host:port.
func hostList(what string, list []string) ([]string, error) {
	var out []string
	for _, s := range list {
		if strings.Contains(s, "/") || s == "" {
			return nil, fmt.Errorf("%s: %s is not a host (write HOST or HOST:PORT)", what, words.Quote(s))
		}
		host, err := image.NormalHost(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w (write HOST or HOST:PORT)", what, err)
		}
		out = append(out, image.APIHost(host))
	}
	return out, nil
}

// listed reports whether list names the host of u, with its port or for all
// ports.
func listed(list []string, u *url.URL) bool {
	return slices.ContainsFunc(list, func(h string) bool {
		return strings.EqualFold(h, u.Host) || strings.EqualFold(strings.Trim(h, "[]"), u.Hostname())
	})
}

// isLoopback reports whether u names this machine by itself, without any
// resolver that could say otherwise.
func isLoopback(u *url.URL) bool {
	name := strings.ToLower(u.Hostname())
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

// maxCertificates bounds a file of certificates; the system's has 250 KB.
const maxCertificates = 16 << 20

// certificates is the system's pool and the files.
func certificates(files []string) (*x509.CertPool, error) {
	if len(files) == 0 {
		return nil, nil // the system's, read when the first server shows a certificate
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, file := range files {
		raw, err := readFile(file, maxCertificates)
		if err != nil {
			return nil, fmt.Errorf("CA certificates: %w", err)
		}
		if err := addCertificates(pool, raw); err != nil {
			return nil, fmt.Errorf("CA certificates %s: %w", words.Quote(file), err)
		}
	}
	return pool, nil
}

// addCertificates adds every certificate of a PEM file. Unlike AppendCertsFromPEM
// it does not pass over those that it cannot read.
func addCertificates(pool *x509.CertPool, raw []byte) error {
	found := 0
	for {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("certificate %d cannot be read: %w", found+1, err)
		}
		pool.AddCert(cert)
		found++
	}
	if found == 0 {
		return errors.New("there is no certificate in PEM form in it")
	}
	return nil
}

// useProxies reads the proxies from the environment and returns their
// addresses.
func (c *Client) useProxies(getenv func(string) string) ([]string, error) {
	either := func(upper, lower string) string {
		if v := getenv(upper); v != "" {
			return v
		}
		return getenv(lower)
	}
	config := httpproxy.Config{
		HTTPProxy:  either("HTTP_PROXY", "http_proxy"),
		HTTPSProxy: either("HTTPS_PROXY", "https_proxy"),
		NoProxy:    either("NO_PROXY", "no_proxy"),
	}
	var addresses []string
	for name, value := range map[string]string{"HTTP_PROXY": config.HTTPProxy, "HTTPS_PROXY": config.HTTPSProxy} {
		if value == "" {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		u, err := url.Parse(value)
		if err != nil || u.Hostname() == "" {
			return nil, fmt.Errorf("the variable %s is not the address of a proxy (write http://HOST:PORT)", name) // the value may hold a password
		}
		if password, ok := u.User.Password(); ok {
			c.secrets = append(c.secrets, password)
		}
		addresses = append(addresses, dialAddress(u))
	}
	proxyOf := config.ProxyFunc()
	c.proxy = func(q *http.Request) (*url.URL, error) { return proxyOf(q.URL) }
	return addresses, nil
}
