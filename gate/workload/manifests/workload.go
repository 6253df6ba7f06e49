package manifests

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/evidence"
)

// template is a pod in an object.
type template struct {
	path string // "spec.template"; "" for the object itself
	meta *metav1.ObjectMeta
	spec *corev1.PodSpec
	own  *value // of the pod template in the document
}

// workloads adds the pods of an object.
func (r *reader) workloads(o *object, decoded runtime.Object) {
	for _, t := range templatesOf(decoded) {
		t.own = o.value.at(t.path)
		r.workload(o, t)
	}
}

// templatesOf finds the pods of an object of whatever kind: by their type, so that
// no kind can be forgotten.
func templatesOf(decoded runtime.Object) []template {
	var found []template
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return
			}
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return
		}
		switch p := v.Addr().Interface().(type) {
		case *corev1.PodTemplateSpec:
			found = append(found, template{path: path, meta: &p.ObjectMeta, spec: &p.Spec})
			return
		case *corev1.Pod:
			found = append(found, template{path: path, meta: &p.ObjectMeta, spec: &p.Spec})
			return
		}
		if !holdsPod(v.Type()) {
			return
		}
		for i := range v.NumField() {
			walk(v.Field(i), strings.TrimPrefix(path+"."+jsonName(v.Type().Field(i)), "."))
		}
	}
	walk(reflect.ValueOf(decoded), "")
	return found
}

// holdsPod reports types that can have a pod template: those of the API packages,
// without the ones of metadata.
func holdsPod(t reflect.Type) bool { return strings.HasPrefix(t.PkgPath(), "k8s.io/api/") }

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// at returns the value at a path of keys, nil for none.
func (v *value) at(path string) *value {
	if path == "" {
		return v
	}
	for _, name := range strings.Split(path, ".") {
		v = v.field(name)
	}
	return v
}

// workload adds one pod.
func (r *reader) workload(o *object, t template) {
	if t.own == nil {
		t.own = &value{kind: kindMap, line: o.At.Line, column: o.At.Column}
	}
	spec := t.own.field("spec")
	if len(t.spec.Containers) == 0 {
		r.problem(t.own.line, t.own.column, o.path+strings.TrimPrefix(t.path+".spec.containers", "."), "add the containers",
			"%s has no containers", o.ID())
		return
	}
	b := &builder{file: r.file}
	w := evidence.Workload{
		Object: o.Object, Document: evidence.DocumentManifests, Template: t.path, Labels: t.meta.Labels, Platforms: platforms(t.spec),
		HostNetwork: t.spec.HostNetwork, HostPID: t.spec.HostPID, HostIPC: t.spec.HostIPC, HostUsers: t.spec.HostUsers, Places: map[string]evidence.Place{},
	}
	if t.spec.OS != nil {
		w.OS = string(t.spec.OS.Name)
	} else {
		w.WindowsNodes = windowsNodes(t.spec)
	}
	if t.spec.RuntimeClassName != nil {
		w.Runtime = *t.spec.RuntimeClassName
	}
	if sc := t.spec.SecurityContext; sc != nil {
		w.Security = evidence.Security{RunAsUser: sc.RunAsUser, RunAsGroup: sc.RunAsGroup, RunAsNonRoot: sc.RunAsNonRoot}
		w.Security.Seccomp, w.Security.AppArmor = seccomp(sc.SeccompProfile), appArmor(sc.AppArmorProfile)
		w.Security.HostProcess, w.Security.RunAsUserName = hostProcess(sc.WindowsOptions), windowsUser(sc.WindowsOptions)
		w.HostProcess = w.Security.HostProcess != nil && *w.Security.HostProcess
	}
	for _, name := range []string{"hostNetwork", "hostPID", "hostIPC", "runtimeClassName"} {
		b.place(w.Places, spec, name, "")
	}
	b.place(w.Places, spec, "securityContext", "")
	b.places(w.Places, spec.field("securityContext"), "securityContext.")
	w.Containers = b.containers(t.spec, spec)
	injected(&w, t.meta)
	w.Volumes = b.volumes(t.spec, spec)
	var err error
	if w.PodSecurity, err = podSecurity(t.meta, t.spec); err != nil {
		r.problem(o.At.Line, o.At.Column, o.path, "report it as a defect of imagegate", "the Pod Security Standards cannot be evaluated: %v", err)
	}
	r.release.Workloads = append(r.release.Workloads, w)
}

func seccomp(p *corev1.SeccompProfile) string {
	if p == nil {
		return ""
	}
	return string(p.Type)
}

func appArmor(p *corev1.AppArmorProfile) string {
	if p == nil {
		return ""
	}
	return string(p.Type)
}

func hostProcess(w *corev1.WindowsSecurityContextOptions) *bool {
	if w == nil {
		return nil
	}
	return w.HostProcess
}

func windowsUser(w *corev1.WindowsSecurityContextOptions) string {
	if w == nil || w.RunAsUserName == nil {
		return ""
	}
	return *w.RunAsUserName
}

// builder makes evidence of a pod.
type builder struct{ file string }

func (b *builder) of(v *value) evidence.Place {
	if v == nil {
		return evidence.Place{}
	}
	return evidence.Place{File: b.file, Line: v.line, Column: v.column}
}

// place notes where the key of a field is written.
func (b *builder) place(into map[string]evidence.Place, v *value, name, prefix string) {
	if v == nil {
		return
	}
	if f := v.fieldNamed(name); f != nil {
		into[prefix+name] = evidence.Place{File: b.file, Line: f.line, Column: f.column}
	}
}

// places notes where the fields of a securityContext are written.
func (b *builder) places(into map[string]evidence.Place, v *value, prefix string) {
	if v == nil || v.kind != kindMap {
		return
	}
	for i := range v.fields {
		f := &v.fields[i]
		into[prefix+f.name] = evidence.Place{File: b.file, Line: f.line, Column: f.column}
		if f.name == "capabilities" || f.name == "windowsOptions" {
			b.places(into, f.value, prefix+f.name+".")
		}
	}
}

// containers lists the containers of all kinds.
func (b *builder) containers(spec *corev1.PodSpec, v *value) []evidence.Container {
	var out []evidence.Container
	list := func(key string, kind evidence.ContainerKind, i int, c *corev1.Container) {
		out = append(out, b.container(kind, c, v.field(key).item(i)))
	}
	for i := range spec.InitContainers {
		list("initContainers", evidence.ContainerInit, i, &spec.InitContainers[i])
	}
	for i := range spec.Containers {
		list("containers", evidence.ContainerMain, i, &spec.Containers[i])
	}
	for i := range spec.EphemeralContainers {
		c := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		list("ephemeralContainers", evidence.ContainerEphemeral, i, &c)
	}
	return out
}

// item returns an item of a list, nil for none.
func (v *value) item(i int) *value {
	if v == nil || i >= len(v.items) {
		return nil
	}
	return v.items[i]
}

func (b *builder) container(kind evidence.ContainerKind, c *corev1.Container, v *value) evidence.Container {
	out := evidence.Container{
		Name: c.Name, Kind: kind, At: b.of(v), Command: c.Command, Args: c.Args, Places: map[string]evidence.Place{},
		Image: b.image(c.Image, string(c.ImagePullPolicy), v, "image", "imagePullPolicy"),
	}
	if sc := c.SecurityContext; sc != nil {
		out.Security = evidence.Security{
			RunAsUser: sc.RunAsUser, RunAsGroup: sc.RunAsGroup, RunAsNonRoot: sc.RunAsNonRoot, HostProcess: hostProcess(sc.WindowsOptions),
			RunAsUserName: windowsUser(sc.WindowsOptions), Seccomp: seccomp(sc.SeccompProfile), AppArmor: appArmor(sc.AppArmorProfile),
		}
		out.Privileged = sc.Privileged != nil && *sc.Privileged
		out.AllowPrivilegeEscalation = sc.AllowPrivilegeEscalation
		out.ReadOnlyRoot = sc.ReadOnlyRootFilesystem != nil && *sc.ReadOnlyRootFilesystem
		if sc.ProcMount != nil {
			out.ProcMount = string(*sc.ProcMount)
		}
		if sc.Capabilities != nil {
			for _, a := range sc.Capabilities.Add {
				out.CapabilitiesAdd = append(out.CapabilitiesAdd, strings.TrimPrefix(strings.ToUpper(string(a)), "CAP_"))
			}
			for _, d := range sc.Capabilities.Drop {
				out.CapabilitiesDrop = append(out.CapabilitiesDrop, string(d))
			}
		}
	}
	b.place(out.Places, v, "securityContext", "")
	b.places(out.Places, v.field("securityContext"), "securityContext.")
	for i, m := range c.VolumeMounts {
		out.Mounts = append(out.Mounts, evidence.Mount{
			Volume: m.Name, Path: m.MountPath, SubPath: cmp.Or(m.SubPath, m.SubPathExpr), ReadOnly: m.ReadOnly, At: b.of(v.field("volumeMounts").item(i)),
		})
	}
	for _, d := range c.VolumeDevices {
		out.Devices = append(out.Devices, d.Name)
	}
	for i, p := range c.Ports {
		out.Ports = append(out.Ports, evidence.Port{
			Port: int(p.ContainerPort), Host: int(p.HostPort), HostIP: p.HostIP, Protocol: protocol(p.Protocol), Name: p.Name, At: b.of(v.field("ports").item(i)),
		})
	}
	return out
}

func protocol(p corev1.Protocol) string { return strings.ToLower(cmp.Or(string(p), "TCP")) }

// image reads the name of an image.
func (b *builder) image(name, pull string, v *value, key, pullKey string) evidence.ImageName {
	n := evidence.ImageName{Image: name, PullPolicy: pull, At: b.of(v)}
	if at := v.field(key); at != nil {
		n.At = b.of(at)
	}
	n.PullPolicyAt = b.of(v.field(pullKey))
	switch ref, err := image.NamedInDocument(name); {
	case name == "":
		n.Problem = "no image is named"
	case strings.ContainsAny(name, "{}$<>%"):
		n.Problem = "it has a placeholder that was not replaced"
	case err != nil:
		n.Problem = err.Error()
	default:
		n.Ref = ref
	}
	return n
}

// injected takes the names from images that Istio replaces when the pod is made: auto
// stands for its proxy.
func injected(w *evidence.Workload, meta *metav1.ObjectMeta) {
	_, template := meta.Annotations["inject.istio.io/templates"]
	if !template && meta.Labels["sidecar.istio.io/inject"] != "true" && meta.Annotations["sidecar.istio.io/inject"] != "true" {
		return
	}
	for i := range w.Containers {
		if n := &w.Containers[i].Image; n.Image == "auto" {
			n.Ref, n.Problem = "", "Istio puts the image of its proxy in the place of auto; judge what istioctl kube-inject prints"
		}
	}
}

// volumes lists the volumes of a pod.
func (b *builder) volumes(spec *corev1.PodSpec, v *value) []evidence.Volume {
	var out []evidence.Volume
	for i := range spec.Volumes {
		source := &spec.Volumes[i]
		own := v.field("volumes").item(i)
		e := evidence.Volume{Name: source.Name, Type: volumeType(&source.VolumeSource), At: b.of(own)}
		if source.HostPath != nil {
			e.HostPath = source.HostPath.Path
		}
		if source.PersistentVolumeClaim != nil {
			e.Claim = source.PersistentVolumeClaim.ClaimName
		}
		if source.Image != nil {
			n := b.image(source.Image.Reference, string(source.Image.PullPolicy), own.field("image"), "reference", "pullPolicy")
			e.Image = &n
		}
		out = append(out, e)
	}
	return out
}

// volumeType is the key of the source that a volume has. Without one, the API
// server makes it an emptyDir.
func volumeType(s *corev1.VolumeSource) string {
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			return jsonName(v.Type().Field(i))
		}
	}
	return "emptyDir"
}

// The labels of nodes that say what runs on them.
var (
	archLabels = []string{"kubernetes.io/arch", "beta.kubernetes.io/arch"}
	osLabels   = []string{"kubernetes.io/os", "beta.kubernetes.io/os"}
)

// windowsNodes reports a pod that may run on Windows by the nodes that it chooses. There,
// fields such as runAsUser have no effect. That it runs on Windows alone does not follow:
// anyone may label a node, and one term of an affinity is enough.
func windowsNodes(spec *corev1.PodSpec) bool {
	for _, label := range osLabels {
		if strings.EqualFold(spec.NodeSelector[label], "windows") {
			return true
		}
	}
	return slices.ContainsFunc(requiredOfNodes(spec), func(e corev1.NodeSelectorRequirement) bool {
		return slices.Contains(osLabels, e.Key) && e.Operator == corev1.NodeSelectorOpIn && slices.Contains(e.Values, "windows")
	})
}

// requiredOfNodes lists what the terms of a required affinity ask of nodes.
func requiredOfNodes(spec *corev1.PodSpec) (all []corev1.NodeSelectorRequirement) {
	if a := spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
			all = append(all, term.MatchExpressions...)
		}
	}
	return all
}

// platforms returns the platforms that a pod chooses by the architecture of its
// nodes, nil for all.
func platforms(spec *corev1.PodSpec) []string {
	var archs []string
	system := "linux"
	for _, label := range osLabels {
		system = cmp.Or(spec.NodeSelector[label], system)
	}
	for _, label := range archLabels {
		if a := spec.NodeSelector[label]; a != "" {
			archs = []string{a}
		}
	}
	if len(archs) == 0 {
		archs = affinityArchs(spec)
	}
	var out []string
	for _, a := range archs {
		out = append(out, system+"/"+a)
	}
	return out
}

// affinityArchs returns the architectures that a required affinity allows: those of
// all its terms, of which one must hold.
func affinityArchs(spec *corev1.PodSpec) []string {
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil || spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	var archs []string
	for _, term := range spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		i := slices.IndexFunc(term.MatchExpressions, func(e corev1.NodeSelectorRequirement) bool {
			return e.Operator == corev1.NodeSelectorOpIn && slices.Contains(archLabels, e.Key)
		})
		if i < 0 {
			return nil
		}
		archs = append(archs, term.MatchExpressions[i].Values...)
	}
	slices.Sort(archs)
	return slices.Compact(archs)
}
