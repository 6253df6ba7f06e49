package remote

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	ecr "github.com/awslabs/amazon-ecr-credential-helper/ecr-login"
	ecrapi "github.com/awslabs/amazon-ecr-credential-helper/ecr-login/api"
	acr "github.com/chrismellard/docker-credential-acr-env/pkg/credhelper"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/google"

	"github.com/imagegate/imagegate/gate/image"
)

// gitlabSource is what GitLab gives every job: the right to read the project's
// own registry, and no other.
type gitlabSource struct{ getenv func(string) string }

func (s gitlabSource) find(_ context.Context, host, _ string) (*credential, error) {
	own := s.getenv("CI_REGISTRY")
	if own == "" || normalKey(own) != host {
		return nil, nil
	}
	if user, password := s.getenv("CI_REGISTRY_USER"), s.getenv("CI_REGISTRY_PASSWORD"); user != "" && password != "" {
		return &credential{config: authn.AuthConfig{Username: user, Password: password}, source: "variables CI_REGISTRY_USER and CI_REGISTRY_PASSWORD"}, nil
	}
	if token := s.getenv("CI_JOB_TOKEN"); token != "" {
		return &credential{config: authn.AuthConfig{Username: "gitlab-ci-token", Password: token}, source: "variable CI_JOB_TOKEN"}, nil
	}
	return nil, nil
}

// githubSource is the token of a GitHub workflow, for GitHub's registry.
type githubSource struct{ getenv func(string) string }

func (s githubSource) find(_ context.Context, host, _ string) (*credential, error) {
	token := s.getenv("GITHUB_TOKEN")
	if host != "ghcr.io" || token == "" {
		return nil, nil
	}
	user := cmp.Or(s.getenv("GITHUB_ACTOR"), "imagegate") // GitHub looks at the token only
	return &credential{config: authn.AuthConfig{Username: user, Password: token}, source: "variable GITHUB_TOKEN"}, nil
}

// cloud is a provider whose library finds credentials on this machine.
type cloud struct {
	name string
	owns func(host string) bool
	// public reports a host whose images anybody may read: it is asked for
	// credentials only if a variable says that there are some.
	public    func(host string) bool
	variables []string
	get       func(ctx context.Context, host string) (*authn.AuthConfig, error)
}

// clouds lists the providers. The hosts are matched here and as a whole: the
// expression in ACR's own helper would also match azurecr.io.attacker.example.
func clouds() []cloud {
	return []cloud{{
		name:      "Amazon ECR",
		owns:      func(host string) bool { _, err := ecrapi.ExtractRegistry(host); return err == nil },
		public:    func(host string) bool { return host == "public.ecr.aws" || host == "ecr-public.aws.com" },
		variables: []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"},
		get:       ecrCredentials,
	}, {
		name:      "Google Artifact Registry",
		owns:      func(host string) bool { return host == "gcr.io" || hasSuffix(host, ".gcr.io", ".pkg.dev") },
		public:    func(host string) bool { return host == "gcr.io" },
		variables: []string{"GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "CLOUDSDK_AUTH_ACCESS_TOKEN"},
		get:       googleCredentials,
	}, {
		name: "Azure Container Registry",
		owns: func(host string) bool {
			return hasSuffix(host, ".azurecr.io", ".azurecr.cn", ".azurecr.de", ".azurecr.us")
		},
		get: acrCredentials,
	}}
}

func hasSuffix(host string, suffixes ...string) bool {
	return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(host, s) })
}

// cloudSource asks the one provider that a host belongs to.
type cloudSource struct {
	getenv func(string) string
	clouds []cloud
}

// cloudTimeout bounds a provider's library. On a machine
// outside of the cloud it waits for a metadata server that does not exist.
const cloudTimeout = 20 * time.Second

func (s cloudSource) find(ctx context.Context, host, _ string) (*credential, error) {
	i := slices.IndexFunc(s.clouds, func(c cloud) bool { return c.owns(host) })
	if i < 0 {
		return nil, nil
	}
	c := s.clouds[i]
	if c.public != nil && c.public(host) && !slices.ContainsFunc(c.variables, func(v string) bool { return s.getenv(v) != "" }) {
		return nil, nil
	}
	config, err := inTime(ctx, cloudTimeout, func(ctx context.Context) (*authn.AuthConfig, error) { return c.get(ctx, host) })
	if err != nil {
		return nil, fmt.Errorf("no %s credentials were found on this machine: %s", c.name, image.Printable(err.Error()))
	}
	if config == nil {
		return nil, nil
	}
	return &credential{config: *config, source: c.name + " credentials of this machine"}, nil
}

// inTime ends a wait for code that knows no context. The goroutine may live on
// until the library gives up; it holds nothing of ours.
func inTime(ctx context.Context, limit time.Duration, f func(context.Context) (*authn.AuthConfig, error)) (*authn.AuthConfig, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("there was no answer within %s", limit))
	defer cancel()
	type result struct {
		config *authn.AuthConfig
		err    error
	}
	done := make(chan result, 1)
	go func() {
		config, err := f(ctx)
		done <- result{config, err}
	}()
	select {
	case r := <-done:
		return r.config, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func ecrCredentials(_ context.Context, host string) (*authn.AuthConfig, error) {
	user, password, err := ecr.NewECRHelper(ecr.WithLogger(io.Discard)).Get(host)
	if err != nil {
		return nil, err
	}
	return &authn.AuthConfig{Username: user, Password: password}, nil
}

func googleCredentials(ctx context.Context, _ string) (*authn.AuthConfig, error) {
	auth, err := google.NewEnvAuthenticator(ctx)
	if err != nil {
		auth, err = google.NewGcloudAuthenticator(ctx)
	}
	if err != nil || auth == authn.Anonymous {
		return nil, err
	}
	return authn.Authorization(ctx, auth)
}

func acrCredentials(_ context.Context, host string) (*authn.AuthConfig, error) {
	_, token, err := acr.NewACRCredentialsHelper().Get(host)
	if err != nil {
		return nil, err
	}
	return &authn.AuthConfig{IdentityToken: token}, nil
}
