package remote

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/words"
)

// addressScope says which addresses a connection may go to. A registry can send
// its clients to any host, by a redirect or by the name of a token server. It
// could use them to connect to hosts that it cannot reach itself, such as the
// metadata server of a cloud. go-containerregistry checks the IP addresses in
// URLs, but not the addresses that a host name resolves to
// (google/go-containerregistry#2440). So the dialer checks each address.
type addressScope int

const (
	scopePublic  addressScope = iota // the internet
	scopePrivate                     // and private networks, for registries that are in one
	scopeAny                         // all addresses: the user named the host
)

// maxHeaders bounds the headers of an answer.
const maxHeaders = 1 << 20

// errAddress means that the registry may not send us to the host.
var errAddress = errors.New("address refused")

// newTransports makes one transport for each scope. They differ only in the
// dialer. They do not share connections, because the dialer does not check a
// pooled connection.
func newTransports(l *image.Limits, roots *x509.CertPool, proxy func(*http.Request) (*url.URL, error), proxies []string) map[addressScope]*http.Transport {
	transports := map[addressScope]*http.Transport{}
	for _, scope := range []addressScope{scopePublic, scopePrivate, scopeAny} {
		transports[scope] = &http.Transport{
			Proxy:                  proxy,
			DialContext:            dialer(scope, l.ConnectTimeout, proxies),
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    l.ConnectTimeout,
			ResponseHeaderTimeout:  l.IdleTimeout,
			ExpectContinueTimeout:  time.Second,
			IdleConnTimeout:        30 * time.Second,
			MaxIdleConnsPerHost:    8,
			MaxResponseHeaderBytes: maxHeaders,
			ForceAttemptHTTP2:      true,
			// Bytes are hashed as they are stored.
			DisableCompression: true,
		}
	}
	return transports
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialer returns a function that refuses addresses outside of the scope. It checks
// each address of a host after the name was resolved. It does not check the
// proxies, which the user chose.
func dialer(scope addressScope, timeout time.Duration, proxies []string) dialFunc {
	free := &net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}
	checked := &net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}
	checked.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %s", errAddress, words.Quote(address))
		}
		return checkAddress(at.Addr(), scope)
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if slices.Contains(proxies, strings.ToLower(address)) {
			return free.DialContext(ctx, network, address)
		}
		return checked.DialContext(ctx, network, address)
	}
}

// sharedSpace is the address range of carriers' and clouds' own networks
// (RFC 6598), and nat64 the one that embeds IPv4 addresses (RFC 6052).
var (
	sharedSpace = netip.MustParsePrefix("100.64.0.0/10")
	nat64       = netip.MustParsePrefix("64:ff9b::/96")
)

// checkAddress returns an error for an address outside of the scope.
func checkAddress(ip netip.Addr, scope addressScope) error {
	ip = ip.Unmap()
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch {
	case scope == scopeAny:
		return nil
	case ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast():
		return fmt.Errorf("%w: %s belongs to this machine or its link, and no server may send us there", errAddress, ip)
	case scope == scopePublic && isPrivate(ip):
		return fmt.Errorf("%w: %s is in a private network, and a server outside of it may not send us there", errAddress, ip)
	}
	return nil
}

func isPrivate(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsPrivate() || sharedSpace.Contains(ip)
}

// isInside reports whether ip is private, loopback or link-local. A registry at
// such an address may send its clients to private networks.
func isInside(ip netip.Addr) bool {
	ip = ip.Unmap()
	return isPrivate(ip) || ip.IsLoopback() || ip.IsLinkLocalUnicast()
}

// checkLiteral checks a URL whose host is an IP address. The dialer does not see
// that address when the proxy connects to it.
func checkLiteral(u *url.URL, scope addressScope) error {
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil // a name
	}
	return checkAddress(ip, scope)
}

// dialAddress is host:port as the transport dials a proxy.
func dialAddress(u *url.URL) string {
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme])
	return strings.ToLower(net.JoinHostPort(u.Hostname(), port))
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
