package local

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/policy/words"
)

// endpoint is where an engine is.
type endpoint struct {
	name             string // as the user knows it: unix:///var/run/docker.sock
	network, address string
	tls              *tls.Config // nil for none
	change           string      // how a user chooses another one
}

func (e *endpoint) scheme() string {
	if e.tls != nil {
		return "https"
	}
	return "http"
}

// host is the name in the request's Host header and in the certificate.
func (e *endpoint) host() string {
	if e.network == "unix" {
		return "localhost"
	}
	return e.address
}

// dockerEndpoint finds the Docker Engine: DOCKER_HOST, then the current context,
// then the usual socket.
func dockerEndpoint(getenv func(string) string) (*endpoint, error) {
	const change = "DOCKER_HOST or docker context use choose another one"
	if host := getenv("DOCKER_HOST"); host != "" {
		certificates := ""
		if getenv("DOCKER_TLS_VERIFY") != "" {
			certificates = getenv("DOCKER_CERT_PATH")
			certificates = cmp.Or(certificates, dockerDir(getenv))
		}
		return parseEndpoint("DOCKER_HOST", host, certificates, change)
	}
	name, err := currentContext(getenv)
	if err != nil {
		return nil, err
	}
	if name != "" && name != "default" {
		return contextEndpoint(dockerDir(getenv), name, change)
	}
	return parseEndpoint("the usual socket", "unix:///var/run/docker.sock", "", change)
}

// podmanEndpoint finds podman's socket: CONTAINER_HOST, then the user's, then
// that of the system.
func podmanEndpoint(getenv func(string) string) (*endpoint, error) {
	const change = "start it with systemctl --user start podman.socket or podman system service; CONTAINER_HOST chooses another one"
	if host := getenv("CONTAINER_HOST"); host != "" {
		return parseEndpoint("CONTAINER_HOST", host, "", change)
	}
	socket := "/run/podman/podman.sock"
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" && os.Getuid() != 0 {
		socket = filepath.Join(dir, "podman", "podman.sock")
	}
	return parseEndpoint("the usual socket", "unix://"+socket, "", change)
}

func dockerDir(getenv func(string) string) string {
	if dir := getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	return filepath.Join(getenv("HOME"), ".docker")
}

// parseEndpoint reads an address. certificates is the directory of ca.pem,
// cert.pem and key.pem, "" for no TLS.
func parseEndpoint(from, host, certificates, change string) (*endpoint, error) {
	u, err := url.Parse(host)
	if err != nil {
		return nil, &hinted{fmt.Errorf("%s is not an address: %s", from, words.Quote(host)), "write unix:///PATH or tcp://HOST:PORT"}
	}
	e := &endpoint{name: u.Redacted(), network: "tcp", address: u.Host, change: change}
	switch {
	case u.Scheme == "unix":
		e.network, e.address = "unix", u.Host+u.Path
		return e, nil
	case u.Scheme == "ssh":
		return nil, &hinted{
			fmt.Errorf("%s is %s: imagegate does not start ssh", from, words.Quote(e.name)),
			"save the image there and judge the archive: ssh HOST docker save NAME | imagegate check tar:-",
		}
	case u.Scheme != "tcp" || u.Hostname() == "" || u.Port() == "":
		return nil, &hinted{fmt.Errorf("%s is %s, which is neither unix:///PATH nor tcp://HOST:PORT", from, words.Quote(e.name)), "write one of these forms"}
	case certificates != "":
		e.tls, err = tlsConfig(certificates, u.Hostname())
		return e, err
	case !isLoopback(u.Hostname()):
		return nil, &hinted{
			fmt.Errorf("%s is %s without TLS: everyone on the path could change the image", from, words.Quote(e.name)),
			"set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, or use a socket",
		}
	}
	return e, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// maxContext bounds a file of Docker's configuration.
const maxContext = 4 << 20

func currentContext(getenv func(string) string) (string, error) {
	if name := getenv("DOCKER_CONTEXT"); name != "" {
		return name, nil
	}
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	err := readJSON(filepath.Join(dockerDir(getenv), "config.json"), &config)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return config.CurrentContext, err
}

// contextEndpoint reads a context of docker's command line: contexts/meta and
// contexts/tls below its directory, by the hash of the name.
func contextEndpoint(dir, name, change string) (*endpoint, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := readJSON(filepath.Join(dir, "contexts", "meta", id, "meta.json"), &meta); err != nil {
		return nil, &hinted{fmt.Errorf("the Docker context %s: %w", words.Quote(name), err), "docker context ls lists them"}
	}
	docker := meta.Endpoints["docker"]
	if docker.SkipTLSVerify {
		return nil, &hinted{fmt.Errorf("the Docker context %s does not verify certificates", words.Quote(name)), "create it again with ca=FILE"}
	}
	certificates := filepath.Join(dir, "contexts", "tls", id, "docker")
	if _, err := os.Stat(certificates); err != nil {
		certificates = ""
	}
	return parseEndpoint("the Docker context "+strconv.Quote(name), docker.Host, certificates, change)
}

func readJSON(path string, v any) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > maxContext {
		return fmt.Errorf("%s is not a regular file of a sensible size", words.Quote(path))
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if json.Unmarshal(raw, v) != nil {
		return fmt.Errorf("%s is not JSON", words.Quote(path)) // it may hold passwords
	}
	return nil
}

func tlsConfig(dir, host string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: strings.Trim(host, "[]"), RootCAs: x509.NewCertPool()}
	ca, err := input.ReadPEM(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("the engine's CA certificate: %w", err)
	}
	if !config.RootCAs.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("there is no certificate in %s", words.Quote(filepath.Join(dir, "ca.pem")))
	}
	pair, err := input.KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), input.ReadPEM)
	switch {
	case err == nil:
		config.Certificates = []tls.Certificate{pair}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the client certificate in %s: %w", words.Quote(dir), err)
	}
	return config, nil
}
