package remote

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/imagegate/imagegate/policy/words"
)

// noCredentials begins the source of credentials that are none.
const noCredentials = "none"

// credential is what a registry is shown, and where it is from.
type credential struct {
	config authn.AuthConfig
	source string
}

// authenticator is the credential as go-containerregistry takes it.
func (c *credential) authenticator() authn.Authenticator {
	if c.config == (authn.AuthConfig{}) {
		return authn.Anonymous
	}
	return authn.FromConfig(c.config)
}

// basic is the header of Basic authentication, "" without a password.
func (c *credential) basic() string {
	switch {
	case c.config.Username != "" && c.config.Password != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.config.Username+":"+c.config.Password))
	case c.config.Auth != "":
		return "Basic " + c.config.Auth
	}
	return ""
}

// secrets lists everything that must not be printed.
func (c *credential) secrets() []string {
	_, header, _ := strings.Cut(c.basic(), " ")
	var list []string
	for _, s := range []string{c.config.Password, c.config.Auth, c.config.IdentityToken, c.config.RegistryToken, header} {
		if s != "" {
			list = append(list, s)
		}
	}
	return list
}

// source is a place where credentials can be. Each is asked only about hosts
// that are its own.
type source interface {
	// find returns nil when there is nothing for the host. An error is a place
	// that could not be read: worth a warning, but public images need none.
	find(ctx context.Context, host, path string) (*credential, error)
}

// keychain looks for credentials. The first source that has some for a host is
// the one: after a refusal no other is tried, because a person who meant one
// account must not be served as another.
type keychain struct {
	sources []source
	files   *fileSource // one of them
	warn    func(string)

	mu     sync.Mutex
	warned map[string]bool
}

func newKeychain(o Options) *keychain {
	files := &fileSource{getenv: o.Getenv, file: o.DockerConfig}
	return &keychain{
		files: files, warn: o.Warn, warned: map[string]bool{},
		sources: []source{
			variableSource{getenv: o.Getenv},
			files,
			gitlabSource{getenv: o.Getenv},
			githubSource{getenv: o.Getenv},
			cloudSource{getenv: o.Getenv, clouds: clouds()},
		},
	}
}

// find returns the credential for a repository, "none" if there is none. It
// fails only when ctx ends.
func (k *keychain) find(ctx context.Context, host, path string) (*credential, error) {
	none := noCredentials
	if read := k.files.read(); len(read) > 0 {
		none += " for " + host + " in " + words.And(read)
	}
	for _, s := range k.sources {
		c, err := s.find(ctx, host, path)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			k.warnOnce(err.Error())
			none += ", since " + err.Error()
			continue
		}
		if c != nil {
			return c, nil
		}
	}
	return &credential{source: none}, nil
}

func (k *keychain) warnOnce(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.warned[text] {
		k.warned[text] = true
		k.warn("credentials: " + text)
	}
}
