package compose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// read reads files, of which the first is the Compose file. Names of files are the
// keys; it returns what was read and the directory.
func read(t *testing.T, files map[string]string) (*Result, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return readIn(t, dir), dir
}

func readIn(t *testing.T, dir string) *Result {
	t.Helper()
	scratch := t.TempDir()
	r, err := Read(t.Context(), filepath.Join(dir, "compose.yaml"), func() (string, error) { return scratch, nil })
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) > 0 {
		t.Errorf("%d files were left behind (%v)", len(left), err)
	}
	return r
}

func problems(r *Result, dir string) []string {
	var all []string
	for _, d := range r.Release.Documents {
		for _, p := range d.Problems {
			all = append(all, strings.ReplaceAll(p.At.String(), dir+string(filepath.Separator), "")+" "+p.Message)
		}
	}
	return all
}

// one reads a Compose file with one service.
func one(t *testing.T, text string) *evidence.Workload {
	t.Helper()
	r, dir := read(t, map[string]string{"compose.yaml": text})
	if p := problems(r, dir); len(p) > 0 {
		t.Fatalf("problems: %v", p)
	}
	if len(r.Release.Workloads) == 0 {
		t.Fatal("no workload")
	}
	return &r.Release.Workloads[0]
}

func TestService(t *testing.T) {
	w := one(t, `services:
  web:
    image: registry.example.no/shop/web:${TAG:-latest}
    privileged: true
    user: "0:0"
    cap_add: [cap_sys_admin, NET_BIND_SERVICE]
    cap_drop: [all]
    ports: ["2375:2375", "8000-8001:80-81/udp", "127.0.0.1::9000"]
    expose: ["22"]
    network_mode: host
    pid: host
    ipc: host
    read_only: true
    tmpfs: [/tmp]
    security_opt: ["seccomp:unconfined", "no-new-privileges:true", "apparmor=unconfined"]
    devices: ["/dev/sda:/dev/sda"]
    volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]
    runtime: kata
    platform: linux/arm64
`)
	c := w.Containers[0]
	if w.ID() != "service/web" || w.At.Line != 2 || !w.HostNetwork || !w.HostPID || !w.HostIPC || w.Runtime != "kata" || w.Platforms[0] != "linux/arm64" {
		t.Errorf("workload: %+v", w)
	}
	if c.Image.Ref != "registry.example.no/shop/web:latest" || c.Image.At.Line != 3 || c.Image.At.Column != 12 {
		t.Errorf("image: %+v", c.Image)
	}
	if !c.Privileged || !c.ReadOnlyRoot || *c.Security.RunAsUser != 0 || *c.Security.RunAsGroup != 0 || *c.AllowPrivilegeEscalation {
		t.Errorf("container: %+v", c)
	}
	if !slices.Equal(c.CapabilitiesAdd, []string{"SYS_ADMIN", "NET_BIND_SERVICE"}) || !slices.Equal(c.CapabilitiesDrop, []string{"ALL"}) {
		t.Errorf("capabilities: %v %v", c.CapabilitiesAdd, c.CapabilitiesDrop)
	}
	if c.Security.Seccomp != "Unconfined" || c.Security.AppArmor != "Unconfined" || c.Devices[0] != "/dev/sda" {
		t.Errorf("security: %+v %v", c.Security, c.Devices)
	}
	if w.Volumes[0].HostPath != "/var/run/docker.sock" || w.Volumes[2].HostPath != "/dev/sda" || !c.Mounts[0].ReadOnly || c.Mounts[0].At.Line != 17 || c.Mounts[1].Path != "/tmp" {
		t.Errorf("mounts: %+v %+v", w.Volumes, c.Mounts)
	}
	var hosts []int
	for _, p := range c.Ports {
		hosts = append(hosts, p.Port, p.Host)
	}
	if !slices.Equal(hosts, []int{2375, 2375, 80, 8000, 81, 8001, 9000, 0, 22, 0}) {
		t.Errorf("ports: %v", hosts)
	}
	if p := c.PlaceOf("securityContext.privileged"); p.Line != 4 {
		t.Errorf("place of privileged: %v", p)
	}
}

// Ways to a mount of the host that are easy to overlook.
func TestHostPaths(t *testing.T) {
	const socket = "/var/run/docker.sock"
	for _, tc := range []struct{ name, service, rest, want string }{
		{"long form", "volumes: [{type: bind, source: /var/run/docker.sock, target: /s}]", "", socket},
		{"parent", "volumes: [\"/var/run:/host\"]", "", "/var/run"},
		{"named volume", "volumes: [\"sock:/s\"]", "volumes: {sock: {driver_opts: {type: none, o: bind, device: /var/run/docker.sock}}}", socket},
		{"named volume with rbind", "volumes: [\"sock:/s\"]", "volumes: {sock: {driver: local, driver_opts: {o: \"ro,rbind\", device: /var/run/docker.sock}}}", socket},
		{"secret", "secrets: [s]", "secrets: {s: {file: /var/run/docker.sock}}", socket},
		{"config", "configs: [{source: s, target: /x}]", "configs: {s: {file: /var/run/docker.sock}}", socket},
		{"use_api_socket", "use_api_socket: true", "", socket},
		{"climbing", "volumes: [\"../../../../var/run/docker.sock:/s\"]", "", socket},
		{"climbing in the middle", "volumes: [\"./a/../../../../../var/run/docker.sock:/s\"]", "", socket},
		{"climbing to a directory above it", "volumes: [\"../../../var/run:/s\"]", "", "/var/run"},
		{"volume of another driver", "volumes: [\"sock:/s\"]", "volumes: {sock: {driver: local-persist, driver_opts: {mountpoint: /var/run}}}", "/var/run"},
		{"device", "devices: [\"/dev/mem:/dev/mem\"]", "", "/dev/mem"},
		{"volumes_from", "volumes_from: [b]", "  b: {image: b, volumes: [\"/var/run/docker.sock:/s\"]}", socket},
		{"merge key", "<<: {volumes: [\"/var/run/docker.sock:/s\"]}", "", socket},
		{"extends", "extends: b", "  b: {image: b, volumes: [\"/var/run/docker.sock:/s\"]}", socket},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := one(t, "services:\n  a:\n    image: a\n    "+tc.service+"\n"+tc.rest+"\n")
			if len(w.Volumes) != 1 || w.Volumes[0].HostPath != tc.want {
				t.Errorf("volumes: %+v, want %s", w.Volumes, tc.want)
			}
			if len(w.Containers[0].Mounts) != 1 || w.Containers[0].Mounts[0].Volume != w.Volumes[0].Name {
				t.Errorf("mounts: %+v", w.Containers[0].Mounts)
			}
		})
	}
}

// Every service is judged: of every profile, jobs, hooks and images of volumes.
func TestEverythingThatRuns(t *testing.T) {
	r, dir := read(t, map[string]string{"compose.yaml": `services:
  a:
    image: a:1
    profiles: [debug]
    volumes: [{type: image, source: "v:1", target: /v}]
    pre_start: [{image: "p:1", privileged: true, command: x}]
    post_start: [{command: x, user: root, privileged: true}]
    develop: {watch: [{path: ., target: /x, action: sync+exec, exec: {command: x, user: root}}, {path: ., target: /x, action: sync}]}
  built: {build: .}
  both: {build: ., image: "both:1"}
  off: {image: "off:1", scale: 0}
  ext: {provider: {type: magic}}
jobs:
  j: {image: "j:1", privileged: true, triggers: {manual: true}}
`})
	if p := problems(r, dir); len(p) != 1 || !strings.Contains(p[0], `service ext: the program "magic" of the machine runs it`) {
		t.Fatal(p)
	}
	if got, want := r.Release.Refs(false), []string{"a:1", "p:1", "v:1", "both:1", "off:1", "j:1"}; !slices.Equal(got, want) {
		t.Errorf("refs: %v, want %v", got, want)
	}
	a := r.Release.Workloads[0]
	if len(a.Containers) != 4 || *a.Containers[3].Security.RunAsUser != 0 || !a.Containers[1].Privileged || !a.Containers[2].Privileged || *a.Containers[2].Security.RunAsUser != 0 || a.Containers[0].Privileged {
		t.Errorf("containers: %+v", a.Containers)
	}
	for _, w := range r.Release.Workloads {
		if c := w.Containers[0]; w.Name == "built" && (c.Image.Ref != "" || c.Image.Problem != "the service built is only built") {
			t.Errorf("built: %+v", c.Image)
		}
	}
}

func TestSharedNamespaces(t *testing.T) {
	w := one(t, "services:\n  a: {image: a, network_mode: \"service:b\", pid: \"service:c\"}\n  b: {image: b, network_mode: host}\n  c: {image: c, pid: \"service:b\"}\n")
	if !w.HostNetwork || w.HostPID {
		t.Errorf("%+v", w)
	}
	w = one(t, "services:\n  a: {image: a, networks: [n]}\nnetworks: {n: {external: true, name: host}}\n")
	if !w.HostNetwork {
		t.Errorf("the network called host: %+v", w)
	}
}

func TestProblems(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"unset variable", map[string]string{"compose.yaml": "services:\n  a:\n    image: reg.example/x:${TAG}\n    command: $A$B\n"},
			[]string{"compose.yaml:3:12 the variable TAG is not set and has no default", "compose.yaml:4:14 the variables A and B are not set and have no defaults"}},
		{"unset variable after one with a default", map[string]string{"compose.yaml": "services:\n  a:\n    image: ${R:-r}/${X}:1\n"},
			[]string{"compose.yaml:3:12 the variable X is not set and has no default"}},
		{"unset variable in a default", map[string]string{"compose.yaml": "services:\n  a:\n    image: ${R:-$X}/a:1\n"},
			[]string{"compose.yaml:3:12 the variable X is not set and has no default"}},
		{"required variable", map[string]string{"compose.yaml": "services:\n  a:\n    image: reg.example/x:${TAG:?need}\n"},
			[]string{"compose.yaml:3:12 the variable TAG is not set and has no default"}},
		{"variable of a file that depends on the environment", map[string]string{"compose.yaml": "services:\n  a:\n    image: x:${TAG}\n", ".env": "TAG=$HOME\n"},
			[]string{"compose.yaml:3:12 the variable TAG is not set and has no default"}},
		{"unknown key", map[string]string{"compose.yaml": "services:\n  b:\n    image: y\n    privilegd: true\n"},
			[]string{"compose.yaml:4:5 Docker Compose refuses the file: there is no key \"privilegd\" here"}},
		{"wrong case", map[string]string{"compose.yaml": "services:\n  b:\n    image: y\n    Privileged: true\n"},
			[]string{"compose.yaml:4:5 Docker Compose refuses the file: there is no key \"Privileged\" here"}},
		{"double key", map[string]string{"compose.yaml": "services:\n  b:\n    image: y\n    privileged: true\n    privileged: false\n"},
			[]string{"compose.yaml:5:5 the key \"privileged\" is written twice, first on line 4: parsers disagree about which one counts"}},
		{"double key in a document behind", map[string]string{"compose.yaml": "services:\n  b: {image: y}\n---\nservices:\n  b: {user: a, user: b}\n"},
			[]string{"compose.yaml:5:16 the key \"user\" is written twice, first on line 5: parsers disagree about which one counts"}},
		{"remote include", map[string]string{"compose.yaml": "include: [\"https://example.com/x.yaml\"]\nservices: {a: {image: a}}\n"},
			[]string{"compose.yaml:1:11 \"https://example.com/x.yaml\" is not on this machine, and imagegate fetches no Compose files"}},
		{"git include", map[string]string{"compose.yaml": "include: [\"git@github.com:a/b.git\"]\nservices: {a: {image: a}}\n"},
			[]string{"compose.yaml:1:11 \"git@github.com:a/b.git\" is not on this machine, and imagegate fetches no Compose files"}},
		{"oci include", map[string]string{"compose.yaml": "include: [\"oci://reg/x\"]\nservices: {a: {image: a}}\n"},
			[]string{"compose.yaml:1:11 \"oci://reg/x\" is not on this machine, and imagegate fetches no Compose files"}},
		{"include outside", map[string]string{"compose.yaml": "include: [../x.yaml]\nservices: {a: {image: a}}\n"},
			[]string{"compose.yaml:1:11 \"../x.yaml\" is outside the directory of the Compose file"}},
		{"include of an absolute path", map[string]string{"compose.yaml": "include: [{path: [/etc/x.yaml]}]\nservices: {a: {image: a}}\n"},
			[]string{"compose.yaml:1:19 \"/etc/x.yaml\" is outside the directory of the Compose file"}},
		{"include of the home directory", map[string]string{"compose.yaml": "include: [\"~/x.yaml\"]\nservices: {a: {image: a}}\n"},
			[]string{"compose.yaml:1:11 \"~/x.yaml\" is outside the directory of the Compose file"}},
		{"include by a variable of the environment", map[string]string{"compose.yaml": "include: [\"$HOME/x.yaml\"]\nservices: {a: {image: a}}\n"},
			[]string{"compose.yaml:1:11 the path \"$HOME/x.yaml\" has a variable that is not set"}},
		{"include with variables outside", map[string]string{"compose.yaml": "include: [{path: x.yaml, env_file: ../.env}]\nservices: {a: {image: a}}\n", "x.yaml": "services: {}\n"},
			[]string{"compose.yaml:1:36 \"../.env\" is outside the directory of the Compose file"}},
		{"project directory outside", map[string]string{"compose.yaml": "include: [{path: x.yaml, project_directory: ..}]\nservices: {a: {image: a}}\n", "x.yaml": "services: {}\n"},
			[]string{"compose.yaml:1:45 \"..\" is outside the directory of the Compose file"}},
		{"extends outside", map[string]string{"compose.yaml": "services:\n  a:\n    extends: {file: ../x.yaml, service: a}\n"},
			[]string{"compose.yaml:3:21 \"../x.yaml\" is outside the directory of the Compose file"}},
		{"include of what is missing", map[string]string{"compose.yaml": "include: [x.yaml]\nservices: {a: {image: a}}\n"},
			[]string{"compose.yaml:1:11 there is no file \"x.yaml\""}},
		{"env_file outside", map[string]string{"compose.yaml": "services:\n  a:\n    image: a\n    env_file: [../secrets.env]\n"},
			[]string{"compose.yaml:4:5 service a: env_file \"../secrets.env\" is outside the directory of the Compose file"}},
		{"a problem in an included file", map[string]string{"compose.yaml": "include: [b.yaml]\n", "b.yaml": "services:\n  a:\n    image: ${X}\n"},
			[]string{"b.yaml:3:12 the variable X is not set and has no default"}},
		{"volumes of a container", map[string]string{"compose.yaml": "services:\n  a:\n    image: a\n    volumes_from: [\"container:x\"]\n"},
			[]string{"compose.yaml:4:5 service a: it takes the volumes of \"container:x\", which no file describes"}},
		{"network of a container", map[string]string{"compose.yaml": "services:\n  a:\n    image: a\n    network_mode: container:x\n"},
			[]string{"compose.yaml:4:5 service a: network_mode shares the namespace of the container \"x\", which no file describes"}},
		{"no YAML", map[string]string{"compose.yaml": "services:\n\t- x\n"},
			[]string{"compose.yaml:2:1 the file is no valid YAML: found character that cannot start any token"}},
		{"empty", map[string]string{"compose.yaml": ""}, []string{"compose.yaml Docker Compose refuses the file: empty compose file"}},
		{"undefined volume", map[string]string{"compose.yaml": "services:\n  a:\n    image: a\n    volumes: [\"data:/x\"]\n"},
			[]string{"compose.yaml:2:3 Docker Compose refuses the file: service \"a\" refers to undefined volume data: invalid compose project"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("TAG", "from-environment")
			t.Setenv("X", "from-environment")
			r, dir := read(t, tc.files)
			if got := problems(r, dir); !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}
