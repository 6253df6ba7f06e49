package registrytest

import (
	"cmp"
	"fmt"
	"net/http"
)

// tokenPath is the path at which the registry gives out bearer tokens.
const tokenPath = "/token"

// Auth makes a registry ask for credentials. The zero value gives a token to
// every client that asks, as public registries do.
type Auth struct {
	// User and Password are the credentials that are asked for. Without them
	// every client is admitted.
	User, Password string
	// Token is what the token endpoint hands out; "" with a User asks for Basic
	// authentication on every request instead.
	Token string
	// Realm replaces the address of the token endpoint, for registries that
	// send their clients elsewhere.
	Realm string
}

// WithAuth makes the registry ask for credentials or a token.
func WithAuth(a Auth) Option {
	if a.User == "" && a.Token == "" {
		a.Token = "anonymous"
	}
	return func(r *Reg) { r.auth = &a }
}

// admit answers token requests and challenges, and reports whether the request
// may go on.
func (a *Auth) admit(w http.ResponseWriter, q *http.Request, host string) bool {
	user, password, _ := q.BasicAuth()
	known := a.User == "" || (user == a.User && password == a.Password)
	if q.URL.Path == tokenPath {
		if !known {
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}`, http.StatusUnauthorized)
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"token":%q,"expires_in":300}`, a.Token)
		return false
	}
	challenge := `Basic realm="gatetest"`
	if a.Token != "" {
		known = q.Header.Get("Authorization") == "Bearer "+a.Token
		realm := cmp.Or(a.Realm, "http://"+host+tokenPath)
		challenge = fmt.Sprintf(`Bearer realm=%q,service="gatetest"`, realm)
	}
	if known {
		return true
	}
	w.Header().Set("WWW-Authenticate", challenge)
	http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
	return false
}
