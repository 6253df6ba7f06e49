package policy

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const ruleDenyMounts = "workload.deny-mounts"

// The words for paths of the host.
const (
	mountRuntime  = "container-runtime"
	mountHostPath = "host-path"
)

var denyMountsKey = &setting[[]string]{
	path: ruleDenyMounts, doc: "Paths of the host that no container may see: container-runtime, host-path, or paths such as /etc/kubernetes.",
	schema: listOf(object{"oneOf": []any{enum(mountRuntime, mountHostPath), pattern("^/.*")}}), read: (*decoder).mounts, global: true,
	order: longer(func(child, base string) bool {
		return child == base || child == mountHostPath || strings.HasPrefix(child, "/") && strings.HasPrefix(base, "/") && touches(child, base) && len(child) <= len(base)
	}),
}

func denyMountsRule() *Rule {
	return &Rule{
		ID: ruleDenyMounts, Title: "No container sees these paths of the host.",
		Why: "Who can write to the socket of a container runtime starts a container with the whole host in it.",
		How: "remove the volume; build images with a builder that needs no daemon", Default: "not asked", Levels: true,
		Settings: "a list of container-runtime (the sockets of Docker, containerd, CRI-O, podman and BuildKit, by their paths, and by their names in whatever directory), host-path (every path of the host) and absolute paths. A directory above such a path, " +
			"such as /var/run or /, shows it too, and so is what is below it. Paths are compared after .. and links such as /var/run are resolved. PersistentVolumes of the same documents count.",
		Example: "workload: {deny-mounts: [container-runtime, /etc/kubernetes]}\n",
		keys:    []key{denyMountsKey}, workload: checkMounts, release: checkVolumes,
	}
}

func (d *decoder) mounts(n *yaml.Node, name string) ([]string, bool) {
	return list(d, n, name, false, func(c *yaml.Node, item string) (string, bool) {
		s, ok := d.text(c, item)
		switch {
		case !ok:
			return "", false
		case strings.HasPrefix(s, "/"):
			if s != "/" && path.Clean(s) != s {
				d.fail(c, "write "+path.Clean(s), "%s is %q, which is not the plain form of the path", item, clip(s))
				return "", false
			}
			return s, true
		}
		return d.choice(c, item, []string{mountRuntime, mountHostPath})
	})
}

// runtimeSockets are the sockets through which containers are started, in the form
// of [plainPath].
func runtimeSockets() []string {
	return []string{
		"/run/docker.sock", "/run/docker/containerd/containerd.sock", "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/podman/podman.sock",
		"/run/cri-dockerd.sock", "/run/dockershim.sock", "/run/k3s/containerd/containerd.sock", "/run/k0s/containerd.sock",
		"/run/buildkit/buildkitd.sock", "/run/frakti.sock", "/run/rkt/api-service.sock", "/run/host-containerd/containerd.sock", "/system/run/containerd/containerd.sock",
		"/var/snap/microk8s/common/run/containerd.sock", "/var/snap/docker/common/run/docker.sock",
		"//./pipe/docker_engine", "//./pipe/containerd-containerd", "//./pipe/dockerdesktoplinuxengine",
	}
}

// userSocket is the socket of a runtime without root: /run/user/1000/docker.sock.
// What is above it is above all of them.
var userSocket = regexp.MustCompile(`^/run(/user(/[^/]+(/(docker|podman|containerd|buildkit)([^/]*|/.*))?)?)?$`)

// socketName is what the sockets of runtimes are called wherever they are: Docker Desktop,
// Colima, Rancher Desktop and rootless installations have theirs in home directories.
var socketName = regexp.MustCompile(`/(docker|containerd|podman|crio|cri-dockerd|dockershim|buildkitd)([.-][a-z0-9]+)*\.sock$`)

// procRoot is the root of the file system as a process of the host sees it.
var procRoot = regexp.MustCompile(`^/proc/[^/]+(/task/[^/]+)?/(root|cwd)(/|$)`)

// plainPath is the path that a path of the host leads to. Every system has /var/run
// as a link to /run, and /proc/1/root is /.
func plainPath(p string) string {
	p = strings.TrimSpace(p)
	if windowsPath(p) {
		return strings.ToLower(strings.ReplaceAll(p, `\`, "/"))
	}
	p = path.Clean("/" + p)
	for {
		next := p
		if m := procRoot.FindString(next); m != "" {
			next = "/" + strings.TrimPrefix(next, m)
		}
		if next == "/var/run" || strings.HasPrefix(next, "/var/run/") {
			next = strings.TrimPrefix(next, "/var")
		}
		if next == "/host" || next == p {
			return p
		}
		p = path.Clean(next)
	}
}

func windowsPath(p string) bool {
	return strings.Contains(p, `\`) || strings.HasPrefix(p, "//./") || len(p) > 1 && p[1] == ':'
}

// touches reports whether one of two paths is the other one, or above it.
func touches(a, b string) bool {
	above := func(dir, file string) bool {
		return dir == "/" || file == dir || strings.HasPrefix(file, strings.TrimSuffix(dir, "/")+"/")
	}
	return above(a, b) || above(b, a)
}

// deniedMount says why a path of the host is denied, "" for no reason.
func (j *releaseJudge) deniedMount(hostPath string) string {
	p := plainPath(hostPath)
	for _, denied := range denyMountsKey.value(j.s) {
		switch denied {
		case mountHostPath:
			return "is a path of the host"
		case mountRuntime:
			if socket := touchedSocket(p); socket != "" {
				return reachText(p, socket)
			}
		default:
			if d := plainPath(denied); touches(p, d) {
				return reachText(p, d)
			}
		}
	}
	return ""
}

// touchedSocket returns the socket that a path leads to, "" for none.
func touchedSocket(p string) string {
	if i := slices.IndexFunc(runtimeSockets(), func(s string) bool { return touches(p, s) }); i >= 0 {
		return runtimeSockets()[i]
	}
	if userSocket.MatchString(p) {
		return "/run/user/UID/docker.sock"
	}
	if socketName.MatchString(p) {
		return p
	}
	return ""
}

func reachText(p, target string) string {
	switch {
	case p == target || strings.HasPrefix(target, "/run/user/UID") && strings.HasPrefix(p, "/run/user/"):
		return "is " + socketText(target)
	case len(p) > len(target):
		return "is below " + socketText(target)
	}
	return "holds " + socketText(target)
}

func socketText(target string) string {
	if strings.HasSuffix(target, ".sock") || strings.HasPrefix(target, "//./pipe/") {
		return target + ", through which containers are started"
	}
	return target
}

func checkMounts(j *releaseJudge, w *evidence.Workload) answer {
	for i := range w.Volumes {
		v := &w.Volumes[i]
		if v.HostPath != "" || v.Type == "hostPath" || v.Type == "bind" {
			at := spot{at: v.At, container: j.soleMounter(w, v.Name)}
			if why := j.deniedMount(v.HostPath); why != "" {
				j.fails(at.with("remove the volume "+v.Name), "mounts %s of the host, which %s", clip(v.HostPath), why)
			}
		}
		if v.Claim != "" {
			j.checkClaim(w, v)
		}
	}
	a := passing("mounts no such path")
	a.allowed = "no mount of " + words.Or(denyMountsKey.value(j.s))
	return a
}

// soleMounter returns the name of the container that mounts a volume, "" when
// several do or none does.
func (j *releaseJudge) soleMounter(w *evidence.Workload, volume string) string {
	var names []string
	for i := range w.Containers {
		if slices.ContainsFunc(w.Containers[i].Mounts, func(m evidence.Mount) bool { return m.Volume == volume }) {
			names = append(names, w.Containers[i].Name)
		}
	}
	if len(names) == 1 {
		return names[0]
	}
	return ""
}

// checkClaim follows a claim to the volume that its own documents bind it to.
func (j *releaseJudge) checkClaim(w *evidence.Workload, v *evidence.Volume) {
	bound := false
	for i := range j.release.PersistentVolumes {
		pv := &j.release.PersistentVolumes[i]
		if !j.binds(w.Namespace, v.Claim, pv) {
			continue
		}
		bound = true
		if why := j.deniedMount(pv.HostPath); pv.HostPath != "" && why != "" {
			at := spot{at: v.At, cure: "use a PersistentVolume that is no path of the host"}
			j.fails(at, "mounts the PersistentVolume %s, whose path %s %s", pv.Name, clip(pv.HostPath), why)
		}
	}
	if !bound {
		j.remark("the PersistentVolume of the claim %s is in no document", v.Claim)
	}
}

// binds reports whether a volume is reserved for a claim, or the claim asks for the
// volume.
func (j *releaseJudge) binds(namespace, claim string, pv *evidence.PersistentVolume) bool {
	if pv.Claim == namespace+"/"+claim {
		return true
	}
	return slices.ContainsFunc(j.release.VolumeClaims, func(c evidence.VolumeClaim) bool {
		return c.Namespace == namespace && c.Name == claim && c.Volume == pv.Name && pv.Name != ""
	})
}

// checkVolumes looks at PersistentVolumes by themselves: any claim may be bound to
// them.
func checkVolumes(j *releaseJudge) answer {
	for i := range j.release.PersistentVolumes {
		pv := &j.release.PersistentVolumes[i]
		if pv.HostPath == "" {
			continue
		}
		if why := j.deniedMount(pv.HostPath); why != "" {
			at := spot{workload: pv.ID(), at: pv.At, cure: "use a volume that is no path of the host"}
			j.fails(at, "the PersistentVolume %s is the path %s, which %s", pv.Name, clip(pv.HostPath), why)
		}
	}
	if len(j.release.PersistentVolumes) == 0 {
		return off("no document has a PersistentVolume")
	}
	a := passing("%s, none of them with such a path", words.Plural(len(j.release.PersistentVolumes), "PersistentVolume"))
	a.allowed = "no mount of " + words.Or(denyMountsKey.value(j.s))
	return a
}
