package compose

import (
	"cmp"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/imagegate/imagegate/policy/evidence"
)

// dockerSocket is what use_api_socket mounts.
const dockerSocket = "/var/run/docker.sock"

// mount adds a volume to the workload and its mount to the container.
func mount(w *evidence.Workload, c *evidence.Container, v evidence.Volume, m evidence.Mount) {
	v.Name = cmp.Or(v.Name, cmp.Or(v.HostPath, v.Type)+":"+m.Path)
	v.At, m.Volume = m.At, v.Name
	if !slices.ContainsFunc(w.Volumes, func(o evidence.Volume) bool { return o.Name == v.Name && o.HostPath == v.HostPath }) {
		w.Volumes = append(w.Volumes, v)
	}
	c.Mounts = append(c.Mounts, m)
}

// mounts reads everything that a service sees of the host and of volumes.
func (e *entry) mounts(c *types.ContainerSpec, w *evidence.Workload, out *evidence.Container) {
	for i := range c.Volumes {
		at := e.atItem(i, len(c.Volumes), "volumes")
		if source := e.atEntry(i, len(c.Volumes), "source", "volumes"); source != (evidence.Place{}) && c.Volumes[i].Type == types.VolumeTypeImage {
			at = source
		}
		e.volume(&c.Volumes[i], at, w, out)
	}
	for i, text := range c.Tmpfs {
		to, options, _ := strings.Cut(text, ":")
		mount(w, out, evidence.Volume{Type: types.VolumeTypeTmpfs},
			evidence.Mount{Path: to, ReadOnly: slices.Contains(strings.Split(options, ","), "ro"), At: e.atItem(i, len(c.Tmpfs), "tmpfs")})
	}
	for _, s := range c.Secrets {
		e.fileObject(types.FileObjectConfig(e.loaded.Secrets[s.Source]), "/run/secrets/", s.Source, s.Target, "secrets", w, out)
	}
	for _, s := range c.Configs {
		e.fileObject(types.FileObjectConfig(e.loaded.Configs[s.Source]), "/", s.Source, s.Target, "configs", w, out)
	}
	for _, d := range c.Devices { // others are names of a CDI device
		if path.IsAbs(d.Source) {
			mount(w, out, evidence.Volume{Type: "device", HostPath: d.Source}, evidence.Mount{Path: cmp.Or(d.Target, d.Source), At: e.at("devices")})
		}
	}
	if c.UseAPISocket {
		mount(w, out, evidence.Volume{Type: types.VolumeTypeBind, HostPath: dockerSocket}, evidence.Mount{Path: dockerSocket, At: e.at("use_api_socket")})
	}
	for _, from := range c.VolumesFrom {
		e.volumesFrom(from, map[string]bool{e.name: true}, w, out)
	}
}

// volume reads one entry of volumes.
func (e *entry) volume(v *types.ServiceVolumeConfig, at evidence.Place, w *evidence.Workload, out *evidence.Container) {
	volume := evidence.Volume{Type: v.Type}
	switch v.Type {
	case types.VolumeTypeBind, types.VolumeTypeNamedPipe:
		volume.HostPath = e.hostPath(v.Source)
	case types.VolumeTypeVolume:
		volume.Name = v.Source
		volume.HostPath = e.devicePath(v.Source)
	case types.VolumeTypeImage:
		name := evidence.ImageName{Image: v.Source, At: at}
		name.Ref, name.Problem = reference(v.Source)
		volume.Image = &name
	}
	mount(w, out, volume, evidence.Mount{Path: v.Target, ReadOnly: v.ReadOnly || v.Type == types.VolumeTypeImage, At: at})
}

// devicePath returns the path of the host that a named volume is bound to: a
// volume of the local driver can be a bind mount in disguise.
func (e *entry) devicePath(name string) string {
	v := e.loaded.Volumes[name]
	if v.Driver != "" && v.Driver != "local" { // what its options mean is not known, and some are paths of the host
		for _, option := range slices.Sorted(maps.Keys(v.DriverOpts)) {
			if path.IsAbs(v.DriverOpts[option]) {
				return v.DriverOpts[option]
			}
		}
		return ""
	}
	device := v.DriverOpts["device"]
	if device == "" {
		return ""
	}
	options := strings.Split(v.DriverOpts["o"], ",")
	if path.IsAbs(device) || slices.Contains(options, "bind") || slices.Contains(options, "rbind") {
		return e.hostPath(device)
	}
	return ""
}

// fileObject reads a secret or a config: a file of the host, or content that Docker
// writes into the container.
func (e *entry) fileObject(o types.FileObjectConfig, dir, source, to, field string, w *evidence.Workload, out *evidence.Container) {
	to = cmp.Or(to, source)
	if !path.IsAbs(to) {
		to = dir + to
	}
	volume := evidence.Volume{Type: strings.TrimSuffix(field, "s")}
	if o.File != "" {
		volume = evidence.Volume{Type: types.VolumeTypeBind, HostPath: e.hostPath(o.File)}
	}
	mount(w, out, volume, evidence.Mount{Path: to, ReadOnly: true, At: e.at(field)})
}

// volumesFrom reads the volumes of another service.
func (e *entry) volumesFrom(text string, seen map[string]bool, w *evidence.Workload, out *evidence.Container) {
	if strings.HasPrefix(text, types.ContainerPrefix) {
		e.problem("volumes_from", "name a service of the project instead", "it takes the volumes of %q, which no file describes", text)
		return
	}
	name, _, _ := strings.Cut(text, ":")
	other, ok := e.loaded.AllServices()[name]
	if !ok || seen[name] {
		return
	}
	seen[name] = true
	for i := range other.Volumes {
		e.volume(&other.Volumes[i], e.at("volumes_from"), w, out)
	}
	for _, from := range other.VolumesFrom {
		e.volumesFrom(from, seen, w, out)
	}
}

// climbs is from how many directories upwards on a relative path is taken for one that
// climbs to the root of the host.
const climbs = 3

// hostPath returns a path of the host. A relative one begins at the directory of
// the project. On another machine that directory is another one, so a path that
// climbs to a socket, or far, is taken for one that climbs to the root.
func (e *entry) hostPath(source string) string {
	slashed := filepath.ToSlash(source)
	if path.IsAbs(slashed) || strings.HasPrefix(slashed, "~") || strings.HasPrefix(source, `\\`) || filepath.VolumeName(source) != "" {
		return source
	}
	clean := path.Clean(slashed)
	rest, up := clean, 0
	for rest == ".." || strings.HasPrefix(rest, "../") {
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, ".."), "/")
		up++
	}
	if up > 0 && strings.HasSuffix(rest, ".sock") || up >= climbs {
		return "/" + rest
	}
	absolute, err := filepath.Abs(filepath.Join(e.project.dir, filepath.FromSlash(clean)))
	if err != nil {
		return clean
	}
	return filepath.ToSlash(absolute)
}

// ports reads what a service listens on and what it publishes.
func (e *entry) ports(w *types.WorkloadSpec) []evidence.Port {
	var out []evidence.Port
	for _, p := range w.Ports {
		port := evidence.Port{Port: int(p.Target), HostIP: p.HostIP, Protocol: cmp.Or(strings.ToLower(p.Protocol), "tcp"), Name: p.Name, At: e.at("ports")}
		port.Host, port.HostEnd = portRange(p.Published)
		out = append(out, port)
	}
	for _, text := range w.Expose {
		number, protocol, _ := strings.Cut(text, "/")
		port := evidence.Port{Protocol: cmp.Or(strings.ToLower(protocol), "tcp"), At: e.at("expose")}
		port.Port, port.End = portRange(number)
		out = append(out, port)
	}
	return out
}

// portRange reads "8080" or "8080-8090".
func portRange(text string) (first, last int) {
	from, to, _ := strings.Cut(text, "-")
	first, _ = strconv.Atoi(from)
	last, _ = strconv.Atoi(to)
	return first, last
}
