package remote

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/imagegate/imagegate/gate/image"
)

// dockerConfig is what we read of a docker config file. Podman's auth.json and
// GitLab's DOCKER_AUTH_CONFIG have the same form.
type dockerConfig struct {
	Auths       map[string]dockerAuth `json:"auths"`
	CredHelpers map[string]string     `json:"credHelpers"`
	CredsStore  string                `json:"credsStore"`
}

type dockerAuth struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// parseDockerConfig parses a docker config. Its errors never quote the file,
// because it holds passwords.
func parseDockerConfig(raw []byte) (*dockerConfig, error) {
	c := new(dockerConfig)
	if json.Unmarshal(raw, c) != nil {
		return nil, errors.New("is not a docker config in JSON")
	}
	return c, nil
}

// find looks up a repository: a credential helper for its registry, then the
// helper for all registries, then what the file itself holds.
func (d *dockerConfig) find(ctx context.Context, host, path, from string) (*credential, error) {
	helper := d.CredsStore
	for key, name := range d.CredHelpers {
		if normalKey(key) == host {
			helper = name
		}
	}
	var problem error
	if helper != "" {
		config, err := askHelper(ctx, helper, serverOf(host))
		if err == nil && config != nil {
			return &credential{config: *config, source: fmt.Sprintf("credential helper docker-credential-%s (%s)", image.Printable(helper), from)}, nil
		}
		problem = err
	}
	if auth, ok := d.lookup(host, path); ok {
		config, err := auth.config()
		if err != nil {
			return nil, fmt.Errorf("%s: the entry for %s %w", from, host, err)
		}
		if config != (authn.AuthConfig{}) {
			return &credential{config: config, source: from}, nil
		}
	}
	return nil, problem
}

// lookup finds the most exact entry: Podman allows keys with a part of the
// path, "registry.example.no/team".
func (d *dockerConfig) lookup(host, path string) (dockerAuth, bool) {
	byKey := map[string]dockerAuth{}
	for key, auth := range d.Auths {
		byKey[normalKey(key)] = auth
	}
	for name := host + "/" + path; ; {
		if auth, ok := byKey[name]; ok {
			return auth, true
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return dockerAuth{}, false
		}
		name = name[:i]
	}
}

func (a dockerAuth) config() (authn.AuthConfig, error) {
	c := authn.AuthConfig{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}
	if a.Auth != "" {
		decoded, err := base64.StdEncoding.DecodeString(a.Auth)
		user, password, ok := strings.Cut(strings.TrimRight(string(decoded), "\x00"), ":")
		if err != nil || !ok {
			return c, errors.New(`has an "auth" that is not the base64 form of NAME:PASSWORD`)
		}
		c.Username, c.Password = user, password
	}
	return c, nil
}

// normalKey is a key of a docker config as host or host/path. Keys have been
// written as addresses in the past: https://index.docker.io/v1/.
func normalKey(key string) string {
	_, rest, ok := strings.Cut(key, "://")
	if !ok {
		rest = key
	}
	rest = strings.TrimRight(rest, "/")
	for _, version := range []string{"/v1", "/v2"} {
		rest = strings.TrimSuffix(rest, version)
	}
	host, path, ok := strings.Cut(rest, "/")
	host = strings.ToLower(host)
	if host == image.DockerHub || host == "registry-1.docker.io" {
		host = image.DockerHubHost
	}
	if !ok {
		return host
	}
	return host + "/" + path
}

// serverOf is how docker asks credential helpers for a host.
func serverOf(host string) string {
	if host == image.DockerHubHost {
		return "https://" + image.DockerHubHost + "/v1/"
	}
	return host
}

// variableSource is DOCKER_AUTH_CONFIG: the content of a docker config.
type variableSource struct{ getenv func(string) string }

func (s variableSource) find(ctx context.Context, host, path string) (*credential, error) {
	const name = "DOCKER_AUTH_CONFIG"
	content := s.getenv(name)
	if content == "" {
		return nil, nil
	}
	config, err := parseDockerConfig([]byte(content))
	if err != nil {
		return nil, fmt.Errorf("the variable %s %w", name, err)
	}
	return config.find(ctx, host, path, "variable "+name)
}

// fileSource looks for credentials in the files of docker, Podman and other tools
// with the same format.
type fileSource struct {
	getenv func(string) string
	file   string // instead of the usual ones
}

// maxDockerConfig bounds a config file.
const maxDockerConfig = 4 << 20

// find asks every file that exists, until one has credentials for the
// repository. A file that cannot be read does not hide the others.
func (s *fileSource) find(ctx context.Context, host, path string) (*credential, error) {
	var problems []error
	for _, file := range s.files() {
		found, err := findInFile(ctx, file, host, path)
		if found != nil {
			return found, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	return nil, errors.Join(problems...)
}

func findInFile(ctx context.Context, file, host, path string) (*credential, error) {
	raw, err := readFile(file, maxDockerConfig)
	if err != nil {
		return nil, err
	}
	config, err := parseDockerConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("%s %w", image.Printable(file), err)
	}
	return config.find(ctx, host, path, image.Printable(file))
}

// read lists the files that exist.
func (s *fileSource) read() []string {
	var list []string
	for _, file := range s.files() {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			list = append(list, image.Printable(file))
		}
	}
	return list
}

// files lists the places in order: what a variable names comes first.
func (s *fileSource) files() []string {
	if s.file != "" {
		return []string{s.file}
	}
	home := cmp.Or(s.getenv("HOME"), s.getenv("USERPROFILE")) // Windows
	var files []string
	add := func(dir string, parts ...string) {
		file := filepath.Join(append([]string{dir}, parts...)...)
		if dir != "" && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	add(s.getenv("REGISTRY_AUTH_FILE"))
	add(s.getenv("DOCKER_CONFIG"), "config.json")
	add(home, ".docker", "config.json")
	add(s.getenv("XDG_RUNTIME_DIR"), "containers", "auth.json")
	add(s.getenv("XDG_CONFIG_HOME"), "containers", "auth.json")
	add(home, ".config", "containers", "auth.json")
	return files
}

// readFile reads a regular file of a bounded size: a pipe would keep us waiting.
func readFile(file string, limit int64) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", image.Printable(file))
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", image.Printable(file), limit)
	}
	return raw, err
}
