package cache

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/imagegate/imagegate/gate/input"
)

// server is what a redis:// URL says.
type server struct {
	scheme   string
	host     string
	port     string
	db       int
	user     string
	password string
}

// errServerForm does not quote the URL, which may contain a password. The errors of
// url.Parse quote it when the password has a character that must be escaped.
var errServerForm = errors.New("the place of the layer cache is not like redis://[USER:PASSWORD@]HOST[:PORT][/DB] " +
	"(in passwords, write special characters as %XX)")

// parseServer reads a URL strictly. Parameters are refused: those that go-redis
// knows can switch off timeouts and the check of certificates.
func parseServer(place string) (server, error) {
	u, err := url.Parse(place)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || u.Fragment != "" || u.RawQuery != "" || u.ForceQuery {
		return server{}, errServerForm
	}
	s := server{scheme: u.Scheme, host: u.Hostname(), port: u.Port(), user: u.User.Username()}
	s.password, _ = u.User.Password()
	if s.user != "" && s.password == "" { // it may be a password: it is not repeated
		return server{}, errors.New("the place of the layer cache names a user without a password: " +
			"write redis://:PASSWORD@HOST for a password without a user")
	}
	s.port = cmp.Or(s.port, "6379")
	if n, err := strconv.ParseUint(s.port, 10, 16); err != nil || n == 0 {
		return server{}, errServerForm
	}
	if db := strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/"); db != "" {
		n, err := strconv.ParseUint(db, 10, 16)
		if err != nil {
			return server{}, errServerForm
		}
		s.db = int(n)
	}
	return s, nil
}

func (s server) address() string { return net.JoinHostPort(s.host, s.port) }

// String names the server without user and password.
func (s server) String() string { return fmt.Sprintf("%s://%s/%d", s.scheme, s.address(), s.db) }

// redact removes the secrets from a text that may come from the server, because
// the server has received them and may repeat them.
func (s server) redact(text string) string {
	const most = 300
	for _, secret := range []string{s.password, url.QueryEscape(s.password), url.PathEscape(s.password)} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// tlsConfig returns nil for a server without TLS.
func (s server) tlsConfig(files []string) (*tls.Config, error) {
	if s.scheme != "rediss" {
		return nil, nil
	}
	config := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	if len(files) == 0 {
		return config, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	for _, name := range files {
		pem, err := input.ReadPEM(name)
		if err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", name)
		}
	}
	config.RootCAs = roots
	return config, nil
}
