package remote

import (
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

// reach says which addresses a connection may go to. A registry can send its
// clients to any host, by a redirect or as the server of tokens, and so use
// them to reach what it cannot reach itself, such as the address of a cloud's
// metadata. go-containerregistry looks at addresses that are written out; a
// name of one's own that resolves to them passes it
// (google/go-containerregistry#2440). So the address is looked at when it is
// dialled.
type reach int

const (
	reachPublic  reach = iota // the internet
	reachPrivate              // and private networks, for registries that are in one
	reachAny                  // everything: the user named the host
)

// maxHeaders bounds the headers of an answer.
const maxHeaders = 1 << 20

// errAddress is a host that lies where its referrer may not send us.
var errAddress = errors.New("address refused")

// newTransports makes one transport for each reach. They have everything in
// common but the dialer; connections are not shared, since a pooled one would
// be past the dialer's check.
func newTransports(l *image.Limits, roots *x509.CertPool, proxy func(*http.Request) (*url.URL, error), proxies []string) map[reach]*http.Transport {
	transports := map[reach]*http.Transport{}
	for _, r := range []reach{reachPublic, reachPrivate, reachAny} {
		transports[r] = &http.Transport{
			Proxy:                  proxy,
			DialContext:            dialer(r, l.ConnectTimeout, proxies),
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

// dialer refuses addresses out of reach, after the name was resolved and for
// each of its addresses. The proxies are the user's own choice.
func dialer(r reach, timeout time.Duration, proxies []string) dialFunc {
	free := &net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}
	checked := &net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}
	checked.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %s", errAddress, words.Quote(address))
		}
		return checkAddress(at.Addr(), r)
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

// checkAddress reports an address that lies out of reach.
func checkAddress(ip netip.Addr, r reach) error {
	ip = ip.Unmap()
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch {
	case r == reachAny:
		return nil
	case ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast():
		return fmt.Errorf("%w: %s belongs to this machine or its link, and no registry may send us there", errAddress, ip)
	case r == reachPublic && isPrivate(ip):
		return fmt.Errorf("%w: %s lies in a private network, and a registry outside of it may not send us there", errAddress, ip)
	}
	return nil
}

func isPrivate(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsPrivate() || sharedSpace.Contains(ip)
}

// isInside reports whether ip is none of the internet's: a registry there may
// send its clients to its neighbours.
func isInside(ip netip.Addr) bool {
	ip = ip.Unmap()
	return isPrivate(ip) || ip.IsLoopback() || ip.IsLinkLocalUnicast()
}

// checkLiteral looks at an address that is written out: behind a proxy it is
// not we who dial it.
func checkLiteral(u *url.URL, r reach) error {
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil // a name
	}
	return checkAddress(ip, r)
}

// dialAddress is host:port as the transport dials a proxy.
func dialAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
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
