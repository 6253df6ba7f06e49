package compose

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/evidence"
)

// The sections of a Compose file that run containers.
const (
	sectionServices = "services"
	sectionJobs     = "jobs"
)

// entry is one service or job: what it is called, and where it is written.
type entry struct {
	project *project
	loaded  *types.Project
	section string
	name    string
}

// convert turns a loaded project into workloads. Services of every profile are
// among them: one that is started by hand runs as well.
func (p *project) convert(loaded *types.Project, release *evidence.Release) {
	services, jobs := loaded.AllServices(), loaded.AllJobs()
	for _, name := range slices.Sorted(maps.Keys(services)) {
		s := services[name]
		e := &entry{p, loaded, sectionServices, name}
		if s.Provider != nil {
			e.problem("provider", "remove the service, or judge what the provider runs by itself", "the program %q of the machine runs it, and what it runs is not known", s.Provider.Type)
			continue
		}
		w := e.workload(&s.ContainerSpec, &s.WorkloadSpec)
		e.hooks(&s, &w)
		release.Workloads = append(release.Workloads, w)
	}
	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		j := jobs[name]
		e := &entry{p, loaded, sectionJobs, name}
		release.Workloads = append(release.Workloads, e.workload(&j.ContainerSpec, &j.WorkloadSpec))
	}
}

// object names the service or job.
func (e *entry) object() evidence.Object {
	return evidence.Object{Kind: strings.TrimSuffix(e.section, "s"), Name: e.name, At: e.at()}
}

// at returns where a field is written, at its key; without the field, where the
// service is.
func (e *entry) at(path ...string) evidence.Place {
	f, key, _ := e.project.locate(e.section, e.name, path...)
	return f.place(key)
}

// atValue returns where the value of a field is written.
func (e *entry) atValue(path ...string) evidence.Place {
	f, key, value := e.project.locate(e.section, e.name, path...)
	if value = target(value); value != nil && value.Kind == yaml.ScalarNode {
		return f.place(value)
	}
	return f.place(key)
}

// atItem returns where an item of a list is written, if the list is written in one
// piece and has as many items as it has after merging.
func (e *entry) atItem(i, count int, path ...string) evidence.Place {
	f, key, value := e.project.locate(e.section, e.name, path...)
	if value = target(value); value != nil && value.Kind == yaml.SequenceNode && len(value.Content) == count {
		return f.place(value.Content[i])
	}
	return f.place(key)
}

// atEntry returns where a field of a mapping in a list is written, the zero place
// where it is not.
func (e *entry) atEntry(i, count int, field string, path ...string) evidence.Place {
	f, _, value := e.project.locate(e.section, e.name, path...)
	value = target(value)
	if value == nil || value.Kind != yaml.SequenceNode || len(value.Content) != count {
		return evidence.Place{}
	}
	_, at := child(value.Content[i], field)
	if at = target(at); at == nil {
		return evidence.Place{}
	}
	return f.place(at)
}

// workload returns a service or a job.
func (e *entry) workload(c *types.ContainerSpec, w *types.WorkloadSpec) evidence.Workload {
	out := evidence.Workload{Object: e.object(), Document: evidence.DocumentCompose, Runtime: c.Runtime}
	if c.Platform != "" {
		out.Platforms = []string{c.Platform}
	}
	e.hostNamespaces(c, &out)
	e.outside(c)
	main := e.container(c, &out)
	main.Ports = e.ports(w)
	if c.Image == "" && w.Build != nil {
		main.Image = evidence.ImageName{At: e.at("build"), Problem: e.buildOnly()}
	}
	out.Containers = append(out.Containers, main)
	return out
}

// outside reports files of variables that are not below the directory. Their values
// are not judged, but such a project cannot run from a checkout alone.
func (e *entry) outside(c *types.ContainerSpec) {
	for _, f := range c.EnvFiles {
		if name := filepath.ToSlash(f.Path); strings.HasPrefix(name, "~") || !filepath.IsLocal(f.Path) {
			e.problem("env_file", "put the file below the directory of the Compose file", "env_file %q is outside the directory of the Compose file", f.Path)
		} else if _, err := e.project.stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			e.problem("env_file", "put the file below the directory of the Compose file", "env_file %q cannot be read: %s", f.Path, plain(err))
		}
	}
}

// buildOnly says why a service that is only built cannot be judged.
func (e *entry) buildOnly() string {
	return fmt.Sprintf("the %s %s is only built", strings.TrimSuffix(e.section, "s"), e.name)
}

// container returns what a container of a service is allowed to do.
func (e *entry) container(c *types.ContainerSpec, w *evidence.Workload) evidence.Container {
	out := evidence.Container{
		Name: e.name, Kind: evidence.ContainerService, At: e.at(), User: c.User, Privileged: c.Privileged, ReadOnlyRoot: c.ReadOnly,
		Image: e.image(c.Image, c.PullPolicy, "image"),
	}
	out.Security.RunAsUser, out.Security.RunAsGroup = numericUser(c.User)
	for _, name := range c.CapAdd {
		out.CapabilitiesAdd = append(out.CapabilitiesAdd, capability(name))
	}
	for _, name := range c.CapDrop { // Docker reads them in any case and with or without CAP_
		out.CapabilitiesDrop = append(out.CapabilitiesDrop, capability(name))
	}
	securityOptions(c.SecurityOpt, &out)
	for _, d := range c.Devices {
		out.Devices = append(out.Devices, d.Source)
	}
	e.mounts(c, w, &out)
	out.Places = e.places()
	return out
}

// image returns the name of an image at a path of the service.
func (e *entry) image(name, pullPolicy string, path ...string) evidence.ImageName {
	out := evidence.ImageName{Image: name, At: e.atValue(path...)}
	out.Ref, out.Problem = reference(name)
	if pullPolicy == "" {
		return out
	}
	out.PullPolicyAt = e.atValue("pull_policy")
	switch pullPolicy {
	case types.PullPolicyAlways:
		out.PullPolicy = "Always"
	case types.PullPolicyNever, types.PullPolicyBuild:
		out.PullPolicy = "Never"
	default:
		out.PullPolicy = "IfNotPresent"
	}
	return out
}

// reference returns the reference to judge an image by, or why there is none.
func reference(name string) (ref, problem string) {
	ref, err := image.NamedInDocument(name)
	if err != nil {
		return "", err.Error()
	}
	return ref, ""
}

// capability returns a capability in upper case and without CAP_.
func capability(name string) string { return strings.TrimPrefix(strings.ToUpper(name), "CAP_") }

// numericUser returns the user and the group of "1000:1000" as far as they are
// numbers. root is 0 in every image.
func numericUser(text string) (user, group *int64) {
	name, groupName, _ := strings.Cut(text, ":")
	return number(name), number(groupName)
}

func number(text string) *int64 {
	if text == "root" {
		return new(int64)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil
	}
	value := int64(n)
	return &value
}

// securityOptions reads security_opt: KEY:VALUE or KEY=VALUE.
func securityOptions(options []string, c *evidence.Container) {
	for _, option := range options {
		key, value := option, ""
		if i := strings.IndexAny(option, ":="); i >= 0 {
			key, value = option[:i], option[i+1:]
		}
		switch strings.ToLower(key) {
		case "no-new-privileges":
			if value == "" || strings.EqualFold(value, "true") {
				no := false
				c.AllowPrivilegeEscalation = &no
			}
		case "seccomp":
			c.Security.Seccomp = profile(value)
		case "apparmor":
			c.Security.AppArmor = profile(value)
		case "systempaths":
			if value == "unconfined" {
				c.ProcMount = "Unmasked"
			}
		}
	}
}

// profile names the kind of a security profile in the words of Kubernetes.
func profile(value string) string {
	switch value {
	case "unconfined":
		return "Unconfined"
	case "builtin", "docker-default", "":
		return "RuntimeDefault"
	}
	return "Localhost"
}

// hostNamespaces reads which namespaces of the host the service shares, also
// through another service.
func (e *entry) hostNamespaces(c *types.ContainerSpec, w *evidence.Workload) {
	host := func(field, value string, of func(*types.ContainerSpec) string) bool {
		for seen := map[string]bool{}; ; {
			if value == "host" {
				return true
			}
			if name, ok := strings.CutPrefix(value, types.ContainerPrefix); ok {
				e.problem(field, "name a service of the project instead", "%s shares the namespace of the container %q, which no file describes", field, name)
				return false
			}
			name, ok := strings.CutPrefix(value, types.ServicePrefix)
			if !ok || seen[name] {
				return false
			}
			seen[name] = true
			other, found := e.loaded.AllServices()[name]
			if !found {
				return false
			}
			value = of(&other.ContainerSpec)
		}
	}
	w.HostNetwork = host("network_mode", c.NetworkMode, func(s *types.ContainerSpec) string { return s.NetworkMode })
	w.HostPID = host("pid", c.Pid, func(s *types.ContainerSpec) string { return s.Pid })
	w.HostIPC = host("ipc", c.Ipc, func(s *types.ContainerSpec) string { return s.Ipc })
	if c.UserNSMode == "host" {
		yes := true
		w.HostUsers = &yes
	}
	for _, network := range slices.Sorted(maps.Keys(c.Networks)) {
		n := e.loaded.Networks[network]
		w.HostNetwork = w.HostNetwork || n.Driver == "host" || bool(n.External) && cmp.Or(n.Name, network) == "host"
	}
	w.Places = map[string]evidence.Place{}
	for _, field := range []string{"network_mode", "pid", "ipc", "userns_mode", "runtime", "platform"} {
		if e.written(field) {
			w.Places[field] = e.at(field)
		}
	}
}

// places says where the fields of a service are written, by their names and by those
// that they have in Kubernetes.
func (e *entry) places() map[string]evidence.Place {
	places := map[string]evidence.Place{}
	for _, f := range []struct{ field, kubernetes string }{
		{"user", "securityContext.runAsUser"}, {"privileged", "securityContext.privileged"}, {"read_only", "securityContext.readOnlyRootFilesystem"},
		{"cap_add", "securityContext.capabilities.add"}, {"cap_drop", "securityContext.capabilities.drop"},
		{"security_opt", "securityContext.allowPrivilegeEscalation"}, {"security_opt", "securityContext.procMount"},
		{"security_opt", "securityContext.seccompProfile"}, {"image", "image"}, {"pull_policy", "imagePullPolicy"},
	} {
		if e.written(f.field) {
			places[f.field] = e.at(f.field)
			places[f.kubernetes] = places[f.field]
		}
	}
	return places
}

// written reports whether a field of the service is written.
func (e *entry) written(field string) bool {
	_, key, _ := e.project.locate(e.section, e.name, field)
	return key != nil && key.Value == field
}

// problem reports something about the service that keeps it from being judged.
func (e *entry) problem(field, cure, format string, args ...any) {
	f, key, _ := e.project.locate(e.section, e.name, field)
	path := join(join(e.section, e.name), field)
	e.project.problems = append(e.project.problems, f.problem(key, path, cure, "%s %s: %s",
		strings.TrimSuffix(e.section, "s"), e.name, fmt.Sprintf(format, args...)))
}

// hooks adds the containers of pre_start, and the commands of post_start, pre_stop and
// develop.watch that may run with other rights than the service.
func (e *entry) hooks(s *types.ServiceConfig, w *evidence.Workload) {
	for i := range s.PreStart {
		c := e.container(&s.PreStart[i].ContainerSpec, w)
		if own := e.atEntry(i, len(s.PreStart), "image", "pre_start"); own != (evidence.Place{}) {
			c.Image.At = own
		}
		c.Name, c.Kind = fmt.Sprintf("%s.pre_start[%d]", e.name, i), evidence.ContainerInit
		w.Containers = append(w.Containers, c)
	}
	for _, list := range []struct {
		field string
		hooks []types.ServiceHook
	}{{"post_start", s.PostStart}, {"pre_stop", s.PreStop}, {"develop", watched(s)}} {
		for i, h := range list.hooks {
			if !h.Privileged && h.User == "" {
				continue
			}
			c := w.Containers[0]
			c.Name, c.At, c.Ports = fmt.Sprintf("%s.%s[%d]", e.name, list.field, i), e.at(list.field), nil
			c.Privileged = c.Privileged || h.Privileged
			if h.User != "" {
				c.User = h.User
				c.Security.RunAsUser, c.Security.RunAsGroup = numericUser(h.User)
			}
			c.Places = map[string]evidence.Place{}
			w.Containers = append(w.Containers, c)
		}
	}
}

// watched returns the commands that docker compose watch runs in the container.
func watched(s *types.ServiceConfig) (all []types.ServiceHook) {
	if s.Develop != nil {
		for _, t := range s.Develop.Watch {
			all = append(all, t.Exec)
		}
	}
	return all
}
