package registrytest

import (
	"net/http"
	"slices"
	"sync/atomic"
)

// Fault is one way in which a registry can go wrong.
type Fault struct {
	Name string
	// Serve answers a request wrongly. next gives the correct answer. The
	// request's context ends when the client leaves or the registry is closed.
	Serve func(w http.ResponseWriter, q *http.Request, next http.Handler)
	// harmless lists the kinds of requests at which a client may ignore the
	// fault. For example, a client need not read the body of a ping.
	harmless []Kind
}

// MustStop reports whether a client that meets the fault at every request of
// this kind cannot get what it needs. If it is false, the client may go on, but
// must still end.
func (f Fault) MustStop(k Kind) bool { return !slices.Contains(f.harmless, k) }

// Flaky is a fault that ends after n requests, so that a client that retries
// succeeds.
func Flaky(n int, f Fault) Fault {
	var served atomic.Int64
	return Fault{Name: "flaky-" + f.Name, harmless: Kinds(), Serve: func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		if served.Add(1) <= int64(n) {
			f.Serve(w, q, next)
			return
		}
		next.ServeHTTP(w, q)
	}}
}

// Faults lists every fault.
func Faults() []Fault {
	return slices.Concat(statusFaults(), connectionFaults(), bodyFaults(), redirectFaults(), headerFaults())
}

// FaultByName finds a fault; it panics on a name that is not in the list.
func FaultByName(name string) Fault {
	for _, f := range Faults() {
		if f.Name == name {
			return f
		}
	}
	panic("gatetest: no fault named " + name)
}

// statusFaults answer with a status instead of content.
func statusFaults() []Fault {
	challenge := func(h http.Header) { h.Set("WWW-Authenticate", `Basic realm="gatetest"`) }
	soon := func(h http.Header) { h.Set("Retry-After", "1") }
	never := func(h http.Header) { h.Set("Retry-After", "86400") }
	return []Fault{
		// A ping answered with 401 asks for credentials. A client without
		// credentials may still try.
		status("status-401", 401, `{"errors":[{"code":"UNAUTHORIZED"}]}`, challenge, KindPing),
		status("status-401-bare", 401, "", nil, KindPing),
		status("status-403", 403, `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`, nil),
		status("status-404", 404, `{"errors":[{"code":"NOT_FOUND"}]}`, nil),
		status("status-410", 410, "", nil),
		status("status-429", 429, `{"errors":[{"code":"TOOMANYREQUESTS"}]}`, soon),
		status("status-429-for-a-day", 429, "", never),
		status("status-451", 451, "blocked by the office of the registrar", nil),
		status("status-500", 500, "internal error", nil),
		status("status-502", 502, "<html>bad gateway</html>", nil),
		status("status-503", 503, "", soon),
		status("status-504", 504, "", nil),
		status("status-204", 204, "", nil, KindPing),
		status("status-304", 304, "", nil),
		status("status-999", 999, "", nil),
	}
}

func status(name string, code int, body string, header func(http.Header), harmless ...Kind) Fault {
	return Fault{Name: name, harmless: harmless, Serve: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		if header != nil {
			header(w.Header())
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body)) // a status without a body refuses it
	}}
}
