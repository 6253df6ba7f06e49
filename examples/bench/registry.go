package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// requests is what a run asked the registry for.
type requests struct {
	Manifests int64 `json:"manifests"`
	Configs   int64 `json:"configs"`
	Layers    int64 `json:"layers"`
	Bytes     int64 `json:"bytes"` // of layers
}

// server is a registry that can only be read. Blobs go from the file to the
// socket inside the kernel, so that what is measured is not the registry.
type server struct {
	dirs   []string // layouts; the first one that has a name or a blob serves it
	names  map[string]v1.Descriptor
	config map[string]bool // digests of configs
	types  map[string]string

	manifests, configs, layers, bytes atomic.Int64
}

// countsPath answers with the requests since the last question.
const countsPath = "/bench/requests"

// newServer learns what the layouts hold.
func newServer(dirs []string) (*server, error) {
	s := &server{dirs: dirs, names: map[string]v1.Descriptor{}, config: map[string]bool{}, types: map[string]string{}}
	for _, dir := range dirs {
		var index v1.IndexManifest
		if err := readJSON(filepath.Join(dir, "index.json"), &index); err != nil {
			return nil, err
		}
		for _, d := range index.Manifests {
			if name := d.Annotations[refName]; name != "" {
				s.names[name] = d
			}
			if err := s.learn(d); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// serve prints its address and ends with its standard input.
func serve(dirs []string) error {
	s, err := newServer(dirs)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = l.Close()
	}()
	if err := http.Serve(l, s); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// learn notes what is a document and what is a config, all the way down.
func (s *server) learn(d v1.Descriptor) error {
	if !d.MediaType.IsIndex() && !d.MediaType.IsImage() || s.types[d.Digest.String()] != "" {
		return nil
	}
	s.types[d.Digest.String()] = string(d.MediaType)
	var document struct {
		Config    v1.Descriptor
		Manifests []v1.Descriptor
	}
	path, err := s.find(d.Digest.String())
	if err != nil {
		return err
	}
	if err := readJSON(path, &document); err != nil {
		return err
	}
	s.config[document.Config.Digest.String()] = true
	for _, child := range document.Manifests {
		if err := s.learn(child); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) find(digest string) (string, error) {
	h, err := v1.NewHash(digest)
	if err != nil {
		return "", err
	}
	for _, dir := range s.dirs {
		path := blobPath(dir, h)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no layout has %s", digest)
}

// ServeHTTP serves /v2/bench/NAME/{manifests,blobs}/REFERENCE.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/"), "/")
	switch {
	case r.URL.Path == countsPath:
		_ = json.NewEncoder(w).Encode(requests{s.manifests.Swap(0), s.configs.Swap(0), s.layers.Swap(0), s.bytes.Swap(0)})
	case r.URL.Path == "/v2/":
	case len(parts) == 4 && parts[2] == "manifests":
		s.manifest(w, r, parts[1], parts[3])
	case len(parts) == 4 && parts[2] == "blobs":
		s.blob(w, r, parts[3])
	default:
		http.NotFound(w, r)
	}
}

func (s *server) manifest(w http.ResponseWriter, r *http.Request, name, reference string) {
	digest := reference
	switch {
	case strings.HasPrefix(reference, "sha256-"): // signatures and attestations: there are none
		digest = ""
	case !strings.Contains(reference, ":"):
		digest = s.names[name].Digest.String()
	}
	if s.types[digest] == "" {
		http.Error(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`, http.StatusNotFound)
		return
	}
	s.manifests.Add(1)
	w.Header().Set("Content-Type", s.types[digest])
	s.send(w, r, digest)
}

func (s *server) blob(w http.ResponseWriter, r *http.Request, digest string) {
	if s.config[digest] {
		s.configs.Add(1)
	} else {
		s.layers.Add(1)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	s.send(w, r, digest)
}

func (s *server) send(w http.ResponseWriter, r *http.Request, digest string) {
	path, err := s.find(digest)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	f, err := os.Open(path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if s.types[digest] == "" && !s.config[digest] && r.Method == http.MethodGet {
		s.bytes.Add(info.Size())
	}
	w.Header().Set("Docker-Content-Digest", digest)
	http.ServeContent(w, r, "", info.ModTime(), f)
}

// peer is the registry as the harness sees it. It is another process, because
// Linux counts the memory of a process that forks as the peak of the process it
// starts.
type peer struct {
	host string
	in   io.Closer
	cmd  *exec.Cmd
}

func startRegistry(dirs ...string) (*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{"-serve"}, dirs...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &peer{in: in, cmd: cmd}
	if _, err := fmt.Fscanln(out, &p.host); err != nil {
		p.stop()
		return nil, fmt.Errorf("start the registry: %w", err)
	}
	return p, nil
}

func (p *peer) stop() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// ref is the reference of an image in the registry.
func (p *peer) ref(name string) string { return p.host + "/bench/" + name + ":1.0.0" }

// taken returns what was asked for since the last call.
func (p *peer) taken() (r requests, err error) {
	resp, err := http.Get("http://" + p.host + countsPath)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	return r, json.NewDecoder(resp.Body).Decode(&r)
}
