package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/pulltest"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/evidence"
)

// dockerTar is the archive that docker save makes of an image.
func dockerTar(t *testing.T, p *imagetest.Parts, tags ...string) (raw []byte, id string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := imagetest.WriteDockerTar(file, p, tags...); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return raw, imagetest.HashOf(p.ConfigJSON).String()
}

// fakeEngine answers as an engine does, on a socket, and returns its address.
func fakeEngine(t *testing.T, images map[string]string, archives map[string][]byte) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "engine.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		path := strings.TrimPrefix(q.URL.Path, "/images/")
		if name, ok := strings.CutSuffix(path, "/json"); ok && images[name] != "" {
			_ = json.NewEncoder(w).Encode(map[string]string{"Id": images[name]})
			return
		}
		if id, ok := strings.CutSuffix(path, "/get"); ok && archives[id] != nil {
			_, _ = w.Write(archives[id])
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"message":"No such image"}`))
	}))
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return "unix://" + socket
}

func pullFrom(t *testing.T, env map[string]string, ref string) (*gate.Resolution, error) {
	t.Helper()
	o := testOptions(t, image.Limits{})
	o.Getenv = func(name string) string { return env[name] }
	r, err := image.NewResolver(image.Options{Sources: Sources(o)})
	if err != nil {
		t.Fatal(err)
	}
	return pulltest.Pull(t.Context(), r, ref)
}

func TestEngine(t *testing.T) {
	raw, id := dockerTar(t, pulltest.Image("one"))
	other, otherID := dockerTar(t, pulltest.Image("two"))
	at := fakeEngine(t, map[string]string{"app:1": id, "app": id, id: id, id[7:19]: id, "swapped": otherID, "cut": "sha256:" + strings.Repeat("c", 64), "noid": "x"},
		map[string][]byte{id: raw, otherID: raw, "sha256:" + strings.Repeat("c", 64): other[:2000]})
	for ref, want := range map[string]string{
		"docker:app:1": "", "docker:app": "", "docker:docker.io/library/app:1": "", "docker:" + id: "", "docker:" + id[7:19]: "",
		"docker:app:2": "no such image", "docker:swapped": "instead of", "docker:cut": "cut off", "docker:noid": "has no image ID",
	} {
		res, err := pullFrom(t, map[string]string{"DOCKER_HOST": at}, ref)
		pulltest.CheckError(t, ref, err, want)
		if err != nil {
			continue
		}
		got := res.Targets[0].Image
		if got.ID() != id || got.Reference.Endpoint != at || got.Reference.Registry != "" || got.Reference.Source != evidence.SourceDocker {
			t.Errorf("%s: %+v", ref, got.Reference)
		}
	}
	if res, err := pullFrom(t, map[string]string{"CONTAINER_HOST": at}, "podman:app:1"); err != nil || res.Reference.Name != "podman:app" {
		t.Errorf("podman: %v", err)
	}
	// The archive of an ID says nothing that chooses another name for policies.
	res, err := pullFrom(t, map[string]string{"DOCKER_HOST": at}, "docker:docker.io/library/app:1")
	if err != nil || res.Reference.Name != "docker:app" || res.Reference.Tag != "1" {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestEndpoints(t *testing.T) {
	home := t.TempDir()
	write := func(path, content string) {
		t.Helper()
		path = filepath.Join(home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("plain/config.json", `{"currentContext":"remote"}`)
	write("other/config.json", `{"auths":{}}`)
	write("broken/config.json", `{`)
	for name, c := range map[string]struct {
		env  map[string]string
		want string // name of the endpoint
		err  string
	}{
		"usual":               {nil, "unix:///var/run/docker.sock", ""},
		"socket":              {map[string]string{"DOCKER_HOST": "unix:///tmp/x.sock"}, "unix:///tmp/x.sock", ""},
		"loopback":            {map[string]string{"DOCKER_HOST": "tcp://127.0.0.1:2375"}, "tcp://127.0.0.1:2375", ""},
		"no context":          {map[string]string{"DOCKER_CONFIG": filepath.Join(home, "other")}, "unix:///var/run/docker.sock", ""},
		"default context":     {map[string]string{"DOCKER_CONTEXT": "default"}, "unix:///var/run/docker.sock", ""},
		"host over context":   {map[string]string{"DOCKER_HOST": "unix:///tmp/x.sock", "DOCKER_CONTEXT": "remote"}, "unix:///tmp/x.sock", ""},
		"without TLS":         {map[string]string{"DOCKER_HOST": "tcp://build.example.no:2375"}, "", "without TLS"},
		"looks like loopback": {map[string]string{"DOCKER_HOST": "tcp://127.0.0.1.example.no:2375"}, "", "without TLS"},
		"ssh":                 {map[string]string{"DOCKER_HOST": "ssh://me@build.example.no"}, "", "does not start ssh"},
		"named pipe":          {map[string]string{"DOCKER_HOST": "npipe:////./pipe/docker_engine"}, "", "neither unix"},
		"no port":             {map[string]string{"DOCKER_HOST": "tcp://127.0.0.1"}, "", "neither unix"},
		"no certificates":     {map[string]string{"DOCKER_HOST": "tcp://build.example.no:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": home}, "", "ca.pem"},
		"unknown context":     {map[string]string{"DOCKER_CONFIG": filepath.Join(home, "plain")}, "", `the Docker context "remote"`},
		"broken config":       {map[string]string{"DOCKER_CONFIG": filepath.Join(home, "broken")}, "", "is not JSON"},
	} {
		e, err := dockerEndpoint(func(k string) string { return c.env[k] })
		pulltest.CheckError(t, name, err, c.err)
		if err == nil && e.name != c.want {
			t.Errorf("%s: %s", name, e.name)
		}
	}
	// A context of docker's own form.
	id := strings.TrimPrefix(image.DigestOf([]byte("ci"), ""), "sha256:")
	write("ci/contexts/meta/"+id+"/meta.json", `{"Name":"ci","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///run/ci.sock","SkipTLSVerify":false}}}`)
	env := map[string]string{"DOCKER_CONFIG": filepath.Join(home, "ci"), "DOCKER_CONTEXT": "ci"}
	if e, err := dockerEndpoint(func(k string) string { return env[k] }); err != nil || e.name != "unix:///run/ci.sock" {
		t.Errorf("context: %v, %v", e, err)
	}
}

// engines start the real programs, where they are installed.
var engines = []struct{ source, program, variable string }{
	{"docker", "dockerd", "DOCKER_HOST"}, {"podman", "podman", "CONTAINER_HOST"},
}

// A real engine is read: an image that it has loaded is the image that was made.
func TestRealEngines(t *testing.T) {
	for _, e := range engines {
		t.Run(e.source, func(t *testing.T) {
			at := startEngine(t, e.program)
			img := pulltest.Image("one")
			raw, id := dockerTar(t, img, "example.test/team/app:1.0")
			load(t, at, raw)
			for _, name := range []string{"example.test/team/app:1.0", id, id[7:19]} {
				res, err := pullFrom(t, map[string]string{e.variable: at}, e.source+":"+name)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if got := res.Targets[0]; !bytes.Equal(got.RawConfig, img.ConfigJSON) || len(got.Layers) != 1 || got.Image.Reference.Endpoint != at {
					t.Errorf("%s: config %s, %d layers, %s", name, got.RawConfig, len(got.Layers), got.Image.Reference.Endpoint)
				}
			}
			_, err := pullFrom(t, map[string]string{e.variable: at}, e.source+":example.test/team/app:2.0")
			pulltest.CheckError(t, "missing", err, "no such image")
		})
	}
}

// startEngine starts dockerd or podman for the test and returns its address.
func startEngine(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil || os.Getuid() != 0 {
		if os.Getenv("IMAGEGATE_REQUIRE_ENGINES") != "" {
			t.Fatalf("%s has to be tested, and it is not installed or this user is not root: %v", program, err)
		}
		t.Skipf("%s is not installed, or this user is not root", program)
	}
	dir, err := os.MkdirTemp("", "engine") // short, for the name of the socket
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	args := []string{
		"--host", "unix://" + socket, "--data-root", dir + "/data", "--exec-root", dir + "/exec", "--pidfile", dir + "/pid",
		"--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs",
	}
	if program == "podman" {
		args = []string{
			"--root", dir + "/data", "--runroot", dir + "/run", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
			"system", "service", "--time=0", "unix://" + socket,
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		_ = os.RemoveAll(dir)
	})
	client := engineClient(socket)
	for range 600 {
		resp, err := client.Get("http://localhost/_ping")
		if err == nil {
			_ = resp.Body.Close()
			return "unix://" + socket
		}
		time.Sleep(100 * time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("%s did not start: %s", program, text)
	return ""
}

func engineClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
}

func load(t *testing.T, at string, archive []byte) {
	t.Helper()
	resp, err := engineClient(strings.TrimPrefix(at, "unix://")).Post("http://localhost/images/load", "application/x-tar", bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := image.ReadAll(resp.Body, maxEngineAnswer)
	if err != nil || resp.StatusCode != http.StatusOK || bytes.Contains(raw, []byte("errorDetail")) {
		t.Fatal(errors.Join(err, errors.New(resp.Status+": "+string(raw))))
	}
}
