package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/words"
)

// errTruncated is an answer that ended before the length it had announced, or
// that its descriptor gives it.
var errTruncated = errors.New("the answer was cut off")

// fail makes the error of a job: what was asked of whom, with which
// credentials, how often, and what a person can do.
func (c *Client) fail(ctx context.Context, j *job, err error) error {
	if _, ok := errors.AsType[*gate.Fault](err); ok {
		return err
	}
	what, hint := c.describe(ctx, j, err)
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", j.what, what)
	if j.credentials != "" || j.tries > 1 {
		fmt.Fprintf(&b, " (%s)", strings.Join(j.circumstances(), "; "))
	}
	return &gate.Fault{Phase: j.phase, Err: &described{text: j.scrub(c.secrets, b.String()), cause: err}, Hint: hint}
}

// described is an error with a text of its own: the texts of the errors below
// may hold addresses with signatures in them.
type described struct {
	text  string
	cause error
}

// Error implements error.
func (d *described) Error() string { return d.text }

// Unwrap returns the cause.
func (d *described) Unwrap() error { return d.cause }

// circumstances returns the parts at the end of a message.
func (j *job) circumstances() []string {
	var list []string
	if j.credentials != "" {
		list = append(list, "credentials: "+j.credentials)
	}
	if j.tries > 1 {
		list = append(list, fmt.Sprintf("after %d tries", j.tries))
	}
	return list
}

// scrub takes secrets out of a text: a registry may echo what it was sent.
func (j *job) scrub(more []string, text string) string {
	for _, list := range [][]string{j.secrets, more} {
		for _, secret := range list {
			if len(secret) >= 4 {
				text = strings.ReplaceAll(text, secret, "***")
			}
		}
	}
	return text
}

// describe says in words what went wrong, and what helps.
func (c *Client) describe(ctx context.Context, j *job, err error) (what, hint string) {
	who := j.host.name
	if j.at != nil && j.at.Host != "" && j.at.Host != who {
		who = quoteHost(j.at.Host) + " (where " + j.host.name + " sent us)"
	}
	var limit *image.LimitError
	var status *statusError
	var plain *plainError
	var refused *image.Refusal
	var mismatch *image.MismatchError
	switch {
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errTooSlow):
		return fmt.Sprintf("ended while waiting for %s: %v", who, context.Cause(ctx)), ""
	case errors.As(err, &limit):
		return limit.Error(), limit.Hint()
	case errors.As(err, &status):
		return who + " answered " + status.Error(), statusHint(j, status)
	case errors.As(err, &refused):
		return refused.Error(), ""
	case errors.As(err, &mismatch):
		return mismatch.Error(), "the registry or something between it and this machine changed the content: nothing of it was used"
	case errors.As(err, &plain):
		return plain.Error(), fmt.Sprintf("if that is right, allow it with --plain-http %s", quoteHost(plain.host))
	case errors.Is(err, errAddress):
		return fmt.Sprintf("%s was not asked: %v", who, err), "a registry may send us to public hosts, and to its own network's; check where it redirects to"
	case errors.Is(err, errStalled):
		return fmt.Sprintf("%s sent nothing for %s", who, words.Duration(c.limits.IdleTimeout)), "check the network and the registry; a slow one needs --limit idle-timeout=TIME"
	case errors.Is(err, errTooSlow):
		return fmt.Sprintf("%s took longer than %s to answer", who, words.Duration(c.limits.DocumentTimeout)), "check the network and the registry; a slow one needs --limit document-timeout=TIME"
	}
	return c.describeNetwork(who, err)
}

// describeNetwork describes what went wrong below HTTP.
func (c *Client) describeNetwork(who string, err error) (what, hint string) {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" || strings.Contains(err.Error(), http.StatusText(http.StatusProxyAuthRequired)) {
		return fmt.Sprintf("the proxy did not connect us to %s: %s", who, image.Printable(innermost(err).Error())),
			"check HTTP_PROXY, HTTPS_PROXY and NO_PROXY, and the name and password in them"
	}
	if what, hint := describeTLS(who, err); what != "" {
		return what, hint
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("the host name of %s could not be resolved: %s", who, image.Printable(dns.Err)),
			"check the registry's name, and that this machine has DNS or a proxy"
	case errors.Is(err, syscall.ECONNREFUSED):
		return who + " refused the connection", "check the registry's port, and that it runs"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return who + " cannot be reached from here: there is no route to it", "check the network; an IPv6-only host needs IPv6 here"
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("%s did not answer in time", who),
			"check the network and the registry; a slow one needs --limit connect-timeout=TIME or idle-timeout=TIME"
	case errors.Is(err, errTruncated):
		return fmt.Sprintf("%s: %v", who, err), "check the registry, and the proxies and firewalls between it and this machine"
	case isBroken(err):
		return who + " broke the connection", "check the registry, and the proxies and firewalls between it and this machine"
	}
	return fmt.Sprintf("%s: %s", who, image.Printable(innermost(err).Error())), ""
}

// describeTLS describes what went wrong with certificates.
func describeTLS(who string, err error) (what, hint string) {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var verification *tls.CertificateVerificationError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return who + " does not speak TLS", "if it shall be spoken to without, allow it with --plain-http HOST"
	case strings.Contains(err.Error(), "tls: certificate required"), strings.Contains(err.Error(), "tls: bad certificate"):
		return who + " asks for a client certificate", "give it one with --client-cert HOST=CERT,KEY, two PEM files"
	case errors.As(err, &unknown):
		return who + " has a certificate from an authority that is not trusted here", "add the authority's certificate with --ca-cert FILE"
	case errors.As(err, &name):
		return fmt.Sprintf("%s has a certificate for another host: %s", who, image.Printable(name.Error())), "check the registry's name"
	case errors.As(err, &invalid):
		return fmt.Sprintf("%s has a certificate that is not valid: %s", who, image.Printable(invalid.Error())), "renew the registry's certificate, or check this machine's clock"
	case errors.As(err, &verification):
		return fmt.Sprintf("%s has a certificate that is not valid: %s", who, image.Printable(verification.Err.Error())), ""
	}
	return "", ""
}

// statusHint is the cure for an answer.
func statusHint(j *job, e *statusError) string {
	none := strings.HasPrefix(j.credentials, noCredentials)
	if hint := writeHint(j, e.status, none); hint != "" {
		return hint
	}
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		if none {
			return fmt.Sprintf("log in to %s (docker login, podman login, a credential helper, or DOCKER_AUTH_CONFIG); a private repository looks like this, too", j.host.name)
		}
		if e.status == http.StatusForbidden && j.kind != kindToken {
			return "the registry knows these credentials, but they may not do this in the repository: ask for the permission"
		}
		return fmt.Sprintf("these credentials are expired or revoked (log in to %s again), not needed (log out of it, if the image is public), "+
			"or without the permission (ask for it)", j.host.name)
	case http.StatusNotFound:
		return "the name, the tag or the digest is not there, or these credentials may not see it: many registries answer the same to both"
	case http.StatusTooManyRequests:
		return "the registry limits how often it is asked: log in for a higher limit, use a mirror, or try later"
	case http.StatusProxyAuthRequired:
		return "the proxy wants a name and a password: check HTTP_PROXY and HTTPS_PROXY"
	}
	if e.status == http.StatusBadRequest && j.at != nil && j.at.Scheme == "http" {
		return "the registry may speak TLS only: try without --plain-http"
	}
	if e.status >= 500 {
		return "the registry has a problem of its own: try later"
	}
	return ""
}

// writeHint is the cure for an answer to a write, "" where it is that of a read.
func writeHint(j *job, status int, none bool) string {
	if !j.writes {
		return ""
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		if none {
			return fmt.Sprintf("log in to %s with an account that may push to %s (docker login, podman login, a credential helper, or DOCKER_AUTH_CONFIG)", j.host.name, j.repo)
		}
		if status == http.StatusUnauthorized {
			return fmt.Sprintf("these credentials are expired or revoked (log in to %s again), or may not push to %s (ask for the permission)", j.host.name, j.repo)
		}
		return fmt.Sprintf("these credentials may not push to %s: ask for the permission; a used-up quota and a repository that takes no writes can look like this, too", j.repo)
	case http.StatusMethodNotAllowed:
		return j.repo + " takes no writes: it may be a mirror, or set to read-only"
	case http.StatusRequestEntityTooLarge:
		return "the registry, or a proxy in front of it, takes no request of this size: raise its limit, such as client_max_body_size of nginx"
	case http.StatusInsufficientStorage:
		return "the registry has no space left, or the quota is used up"
	}
	return ""
}

// diagnosis reads the error document of the distribution spec. Any other body,
// such as a proxy's HTML, says nothing that helps.
func diagnosis(body []byte) string {
	var d struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &d) != nil || len(d.Errors) == 0 {
		return ""
	}
	return diagnosed(d.Errors[0].Code, d.Errors[0].Message)
}

func diagnosed(code, message string) string {
	if message == "" {
		return image.Printable(code)
	}
	return image.Printable(code) + ": " + image.Printable(message)
}

// quoteHost prints a host that a registry named.
func quoteHost(s string) string { return image.Printable(s) }

// innermost takes the address off an error of net/http, whose query may hold a
// signature.
func innermost(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
