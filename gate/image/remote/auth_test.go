package remote

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/pulltest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/image"
)

func basicAuth(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

func TestCredentialSources(t *testing.T) {
	home, xdg := t.TempDir(), t.TempDir()
	write := func(path, content string) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	docker := write(home+"/.docker/config.json", `{"auths":{
		"https://index.docker.io/v1/":{"auth":"`+basicAuth("hub", "p1")+`"},
		"r.example.no":{"username":"file","password":"p2"},
		"https://old.example.no/v2/":{"auth":"`+basicAuth("old", "p3:with:colons")+`"},
		"token.example.no":{"registrytoken":"rt"},
		"identity.example.no":{"identitytoken":"it"},
		"broken.example.no":{"auth":"!!!"},
		"empty.example.no":{}}}`)
	podman := write(xdg+"/containers/auth.json", `{"auths":{"r.example.no/team":{"auth":"`+basicAuth("team", "p4")+`"},"r.example.no":{"auth":"`+basicAuth("all", "p5")+`"}}}`)
	moved := filepath.Dir(write(t.TempDir()+"/config.json", `{"auths":{"r.example.no":{"username":"moved","password":"p6"}}}`))
	bad := filepath.Dir(write(t.TempDir()+"/config.json", `{"auths": canary-1`))
	other := filepath.Dir(write(t.TempDir()+"/config.json", `{"auths":{"other.example.no":{"username":"o","password":"p11"}}}`))
	gitlab := map[string]string{"CI_REGISTRY": "r.example.no:5050", "CI_REGISTRY_USER": "ci", "CI_REGISTRY_PASSWORD": "p7", "CI_JOB_TOKEN": "p8"}
	inHome := map[string]string{"HOME": home}
	for name, c := range map[string]struct {
		env        map[string]string
		host, path string
		want       string // user:password, or a token
		source     string
	}{
		"nothing":                {nil, "r.example.no", "a", "", "none"},
		"docker config":          {inHome, "r.example.no", "a", "file:p2", docker},
		"docker hub":             {inHome, image.DockerHubHost, "library/alpine", "hub:p1", docker},
		"key with a scheme":      {inHome, "old.example.no", "a", "old:p3:with:colons", docker},
		"registry token":         {inHome, "token.example.no", "a", "rt", docker},
		"identity token":         {inHome, "identity.example.no", "a", "it", docker},
		"other port":             {inHome, "r.example.no:5000", "a", "", "none"},
		"subdomain":              {inHome, "x.r.example.no", "a", "", "none"},
		"suffix":                 {inHome, "evilr.example.no", "a", "", "none"},
		"entry without content":  {inHome, "empty.example.no", "a", "", "none"},
		"malformed entry":        {inHome, "broken.example.no", "a", "", ", since "},
		"DOCKER_CONFIG":          {map[string]string{"HOME": home, "DOCKER_CONFIG": moved}, "r.example.no", "a", "moved:p6", moved},
		"unreadable config":      {map[string]string{"DOCKER_CONFIG": bad}, "r.example.no", "a", "", "is not a docker config in JSON"},
		"podman":                 {map[string]string{"XDG_RUNTIME_DIR": xdg}, "r.example.no", "other/app", "all:p5", podman},
		"podman, by path":        {map[string]string{"XDG_RUNTIME_DIR": xdg}, "r.example.no", "team/app", "team:p4", podman},
		"podman, not by prefix":  {map[string]string{"XDG_RUNTIME_DIR": xdg}, "r.example.no", "teamwork/app", "all:p5", podman},
		"REGISTRY_AUTH_FILE":     {map[string]string{"REGISTRY_AUTH_FILE": podman}, "r.example.no", "a", "all:p5", podman},
		"next file":              {map[string]string{"HOME": home, "XDG_RUNTIME_DIR": xdg, "DOCKER_CONFIG": other}, "r.example.no", "team/app", "file:p2", docker},
		"third file":             {map[string]string{"XDG_RUNTIME_DIR": xdg, "DOCKER_CONFIG": other}, "r.example.no", "team/app", "team:p4", podman},
		"behind a broken file":   {map[string]string{"XDG_RUNTIME_DIR": xdg, "DOCKER_CONFIG": bad}, "r.example.no", "team/app", "team:p4", podman},
		"REGISTRY_AUTH_FILE 1st": {map[string]string{"HOME": home, "REGISTRY_AUTH_FILE": podman}, "r.example.no", "a", "all:p5", podman},
		"its other host":         {map[string]string{"HOME": home, "REGISTRY_AUTH_FILE": podman}, "token.example.no", "a", "rt", docker},
		"which files were read":  {map[string]string{"HOME": home, "DOCKER_CONFIG": other}, "x.example.no", "a", "", "none for x.example.no in " + filepath.Join(other, "config.json") + " and " + docker},
		"docker before podman":   {map[string]string{"HOME": home, "XDG_RUNTIME_DIR": xdg}, "r.example.no", "team/app", "file:p2", docker},
		"DOCKER_AUTH_CONFIG":     {map[string]string{"HOME": home, "DOCKER_AUTH_CONFIG": `{"auths":{"r.example.no":{"username":"var","password":"p9"}}}`}, "r.example.no", "a", "var:p9", "DOCKER_AUTH_CONFIG"},
		"its other hosts":        {map[string]string{"HOME": home, "DOCKER_AUTH_CONFIG": `{"auths":{"x.example.no":{"username":"var","password":"p9"}}}`}, "r.example.no", "a", "file:p2", docker},
		"malformed variable":     {map[string]string{"DOCKER_AUTH_CONFIG": `canary-2`}, "r.example.no", "a", "", "the variable DOCKER_AUTH_CONFIG is not"},
		"gitlab":                 {gitlab, "r.example.no:5050", "a", "ci:p7", "CI_REGISTRY_USER"},
		"gitlab, another host":   {gitlab, "r.example.no", "a", "", "none"},
		"gitlab's job token":     {map[string]string{"CI_REGISTRY": "r.example.no", "CI_JOB_TOKEN": "p8"}, "r.example.no", "a", "gitlab-ci-token:p8", "CI_JOB_TOKEN"},
		"github":                 {map[string]string{"GITHUB_TOKEN": "p10", "GITHUB_ACTOR": "me"}, "ghcr.io", "a", "me:p10", "GITHUB_TOKEN"},
		"github, another host":   {map[string]string{"GITHUB_TOKEN": "p10"}, "ghcr.io.example.no", "a", "", "none"},
		"public amazon registry": {nil, "public.ecr.aws", "a", "", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			var warnings []string
			k := newKeychain(Options{Getenv: env(c.env), Warn: func(s string) { warnings = append(warnings, s) }})
			got, err := k.find(t.Context(), c.host, c.path)
			if err != nil {
				t.Fatal(err)
			}
			found := got.config.IdentityToken + got.config.RegistryToken
			if got.config.Username != "" {
				found = got.config.Username + ":" + got.config.Password
			}
			if found != c.want || !strings.Contains(got.source, c.source) {
				t.Errorf("got %q from %q, want %q from %q", found, got.source, c.want, c.source)
			}
			for _, s := range append(warnings, got.source) {
				for _, secret := range append(got.secrets(), "canary") {
					if strings.Contains(s, secret) {
						t.Errorf("a secret is in %q", s)
					}
				}
			}
		})
	}
}

// A cloud's library is asked about the cloud's own hosts and no other.
func TestCloudsAreAskedForTheirOwnHosts(t *testing.T) {
	for host, want := range map[string]string{
		"123456789012.dkr.ecr.eu-north-1.amazonaws.com":              "Amazon ECR",
		"123456789012.dkr.ecr.eu-north-1.amazonaws.com.evil.example": "",
		"public.ecr.aws":             "Amazon ECR",
		"gcr.io":                     "Google Artifact Registry",
		"eu.gcr.io":                  "Google Artifact Registry",
		"europe-docker.pkg.dev":      "Google Artifact Registry",
		"notgcr.io":                  "",
		"gcr.io.evil.example":        "",
		"pkg.dev.evil.example":       "",
		"team.azurecr.io":            "Azure Container Registry",
		"team.azurecr.io.evil.no":    "",
		"azurecr.io":                 "",
		"mcr.microsoft.com":          "",
		"docker.io":                  "",
		"index.docker.io":            "",
		"registry.example.no":        "",
		"x.google.com":               "",
		"team.azurecr.io:443":        "",
		"ghcr.io":                    "",
		"123.dkr.ecr.x.amazonaws.no": "",
	} {
		var asked []string
		list := clouds()
		for i := range list {
			list[i].public = nil
			list[i].get = func(context.Context, string) (*authn.AuthConfig, error) {
				asked = append(asked, list[i].name)
				return &authn.AuthConfig{Username: "u", Password: "p"}, nil
			}
		}
		c, err := cloudSource{getenv: env(nil), clouds: list}.find(t.Context(), host, "a")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(asked, " "); got != want || (c != nil) != (want != "") {
			t.Errorf("%s: asked %q, want %q", host, got, want)
		}
	}
}

// A library that hangs does not outlive the run.
func TestCloudThatHangs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	release := make(chan struct{})
	defer close(release)
	_, err := inTime(ctx, time.Hour, func(context.Context) (*authn.AuthConfig, error) {
		<-release
		return nil, nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestCredentialHelpers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helpers here are shell scripts")
	}
	bin := t.TempDir()
	script := func(name, body string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(bin, "docker-credential-"+name), []byte("#!/bin/sh\nread server\n"+body+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	script("good", `[ "$1" = get ] && printf '{"ServerURL":"%s","Username":"helped","Secret":"p-%s"}' "$server" "$server"`)
	script("token", `printf '{"Username":"<token>","Secret":"it"}'`)
	script("none", `echo "credentials not found in native keychain"; exit 1`)
	script("failing", `echo "the session has expired"; echo canary-1; echo canary-2 >&2; exit 1`)
	script("garbage", `echo canary-3`)
	script("hanging", `sleep 30`)
	script("endless", `cat /dev/zero`)
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	for name, c := range map[string]struct{ config, host, want, source string }{
		"for the host":       {`{"credHelpers":{"r.example.no":"good"}}`, "r.example.no", "helped:p-r.example.no", "docker-credential-good"},
		"for another host":   {`{"credHelpers":{"x.example.no":"good"}}`, "r.example.no", "", "none"},
		"for all":            {`{"credsStore":"good"}`, image.DockerHubHost, "helped:p-https://index.docker.io/v1/", "docker-credential-good"},
		"host before all":    {`{"credsStore":"failing","credHelpers":{"r.example.no":"good"}}`, "r.example.no", "helped:p-r.example.no", "docker-credential-good"},
		"identity token":     {`{"credsStore":"token"}`, "r.example.no", "it", "docker-credential-token"},
		"none":               {`{"credsStore":"none"}`, "r.example.no", "", "none"},
		"none, but the file": {`{"credsStore":"none","auths":{"r.example.no":{"username":"f","password":"p"}}}`, "r.example.no", "f:p", "DOCKER_AUTH_CONFIG"},
		"failing":            {`{"credsStore":"failing"}`, "r.example.no", "", "failed: the session has expired"},
		"garbage":            {`{"credsStore":"garbage"}`, "r.example.no", "", "not its protocol"},
		"not installed":      {`{"credsStore":"nowhere"}`, "r.example.no", "", "is not installed"},
		"path":               {`{"credsStore":"../../bin/sh"}`, "r.example.no", "", "is not the name of a credential helper"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeychain(Options{Getenv: env(map[string]string{"DOCKER_AUTH_CONFIG": c.config}), Warn: func(string) {}})
			got, err := k.find(t.Context(), c.host, "a")
			if err != nil {
				t.Fatal(err)
			}
			found := got.config.IdentityToken
			if got.config.Username != "" {
				found = got.config.Username + ":" + got.config.Password
			}
			if found != c.want || !strings.Contains(got.source, c.source) || strings.Contains(got.source, "canary") {
				t.Errorf("got %q from %q, want %q from %q", found, got.source, c.want, c.source)
			}
		})
	}
	for _, name := range []string{"hanging", "endless"} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		began := time.Now()
		_, err := newKeychain(Options{Getenv: env(map[string]string{"DOCKER_AUTH_CONFIG": `{"credsStore":"` + name + `"}`}), Warn: func(string) {}}).find(ctx, "r.example.no", "a")
		cancel()
		if err == nil || time.Since(began) > time.Minute {
			t.Errorf("%s: %v after %s", name, err, time.Since(began))
		}
	}
}

func FuzzDockerConfig(f *testing.F) {
	f.Add([]byte(`{"auths":{"a.b/c":{"auth":"YTpi"}},"credHelpers":{"x":"../y"}}`), "a.b", "c/d")
	f.Add([]byte(`{"auths":{"https://index.docker.io/v1/":{"auth":"YTo="}}}`), image.DockerHubHost, "library/x")
	f.Fuzz(func(t *testing.T, raw []byte, host, path string) {
		c, err := parseDockerConfig(raw)
		if err != nil {
			return
		}
		auth, ok := c.lookup(host, path)
		if !ok {
			return
		}
		if _, err := auth.config(); err != nil && auth.Auth != "" && strings.Contains(err.Error(), auth.Auth) && len(auth.Auth) > 8 {
			t.Fatal(fmt.Sprint("a secret is in the message: ", err))
		}
	})
}

// A refusal tells what can be wrong with credentials, and where they are from.
func TestRefusedCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		kind       registrytest.Kind
		config     string
		text, hint string
	}{
		"refused at the token server":   {registrytest.KindToken, `{"auths":{%q:{"username":"u","password":"p"}}}`, "variable DOCKER_AUTH_CONFIG", "log out of it"},
		"refused for the repository":    {registrytest.KindManifest, `{"auths":{%q:{"username":"u","password":"p"}}}`, "variable DOCKER_AUTH_CONFIG", "ask for the permission"},
		"none, and the files were read": {registrytest.KindManifest, "", "config.json", "log in to"},
	} {
		reg := registrytest.Registry(t, registrytest.WithAuth(registrytest.Auth{User: "u", Password: "p", Token: "t"}))
		if c.config == "" {
			reg = registrytest.Registry(t)
		}
		ref := reg.MustPush(t, pulltest.Image(), "app:1")
		reg.Inject(c.kind, registrytest.FaultByName("status-403"))
		home := t.TempDir()
		if err := os.WriteFile(filepath.Join(home, "config.json"), []byte(`{}`), 0o600); err != nil {
			t.Fatal(err)
		}
		variables := map[string]string{"DOCKER_CONFIG": home}
		if c.config != "" {
			variables["DOCKER_AUTH_CONFIG"] = fmt.Sprintf(c.config, reg.Host)
		}
		_, err := pulltest.Pull(t.Context(), newResolver(t, newClient(t, func(o *Options) { o.Getenv = env(variables) })), ref.Tagged)
		pulltest.CheckError(t, name, err, c.text)
		if hint := gate.HintOf(err); !strings.Contains(hint, c.hint) {
			t.Errorf("%s: %s", name, hint)
		}
	}
}
