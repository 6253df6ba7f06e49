package evidence

import "cmp"

// Workload is one pod template of a manifest, or one service of a Compose file.
type Workload struct {
	Object
	Document DocumentKind `json:"document"`
	// Template is the path of the pod template in the object: "spec.template", ""
	// for a Pod itself and for a service.
	Template string `json:"template,omitempty"`

	// OS is that of spec.os, "" when it is not written.
	OS string `json:"os,omitempty"`
	// WindowsNodes is true when the pod chooses nodes that may run Windows, and OS does not
	// say what it is for.
	WindowsNodes bool `json:"windowsNodes,omitempty"`
	// Platforms are those that the template chooses by nodeSelector or by a required
	// affinity, os/architecture; nil for any.
	Platforms []string          `json:"platforms,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"` // of the pod

	HostNetwork bool   `json:"hostNetwork,omitempty"`
	HostPID     bool   `json:"hostPID,omitempty"`
	HostIPC     bool   `json:"hostIPC,omitempty"`
	HostProcess bool   `json:"hostProcess,omitempty"` // of the pod, Windows
	HostUsers   *bool  `json:"hostUsers,omitempty"`   // nil when it is not written
	Runtime     string `json:"runtime,omitempty"`     // runtimeClassName, or runtime of a service

	Security   Security    `json:"security"` // of the pod
	Containers []Container `json:"containers"`
	Volumes    []Volume    `json:"volumes,omitempty"`
	// PodSecurity is the answer of the Pod Security Standards, from which version on.
	// It is nil for a service.
	PodSecurity []PodSecurity `json:"podSecurity,omitempty"`

	// Places says where a field of the pod is written, by its path: "hostNetwork",
	// "securityContext.runAsUser".
	Places map[string]Place `json:"places,omitempty"`
}

// PlaceOf returns the place of a field of the pod, or of the workload when the
// field is not written.
func (w *Workload) PlaceOf(field string) Place {
	if p, ok := w.Places[field]; ok {
		return p
	}
	return w.At
}

// ContainerKind tells the containers of a pod apart.
type ContainerKind string

// The kinds of containers.
const (
	ContainerMain      ContainerKind = "container"
	ContainerInit      ContainerKind = "init"
	ContainerEphemeral ContainerKind = "ephemeral"
	ContainerService   ContainerKind = "service" // of a Compose file
)

// Container is one container of a workload.
type Container struct {
	Name    string        `json:"name"`
	Kind    ContainerKind `json:"kind"`
	At      Place         `json:"at"`
	Image   ImageName     `json:"image"`
	Command []string      `json:"command,omitempty"` // nil when the image's is used
	Args    []string      `json:"args,omitempty"`

	Security Security `json:"security"` // of the container alone
	// User is the user of a Compose service as it is written, "" for none; a user
	// that is a number is in Security.RunAsUser as well.
	User string `json:"user,omitempty"`

	Privileged               bool  `json:"privileged,omitempty"`
	AllowPrivilegeEscalation *bool `json:"allowPrivilegeEscalation,omitempty"` // nil when it is not written
	ReadOnlyRoot             bool  `json:"readOnlyRoot,omitempty"`
	// ProcMount is Default, Unmasked or "" for what is not written.
	ProcMount string `json:"procMount,omitempty"`
	// CapabilitiesAdd are in upper case and without CAP_; CapabilitiesDrop are as
	// written, because runtimes and Pod Security read "all" differently from ALL.
	CapabilitiesAdd  []string `json:"capabilitiesAdd,omitempty"`
	CapabilitiesDrop []string `json:"capabilitiesDrop,omitempty"`

	Mounts  []Mount  `json:"mounts,omitempty"`
	Devices []string `json:"devices,omitempty"` // of the host, Compose; or names of block volumes
	Ports   []Port   `json:"ports,omitempty"`

	// Places says where a field of the container is written, by its path:
	// "securityContext.privileged".
	Places map[string]Place `json:"places,omitempty"`
}

// PlaceOf returns the place of a field of the container, or of the container when
// the field is not written.
func (c *Container) PlaceOf(field string) Place {
	if p, ok := c.Places[field]; ok {
		return p
	}
	return c.At
}

// Security holds what a securityContext of a pod and one of a container share. A
// field that is nil or "" is not written.
type Security struct {
	RunAsUser    *int64 `json:"runAsUser,omitempty"`
	RunAsGroup   *int64 `json:"runAsGroup,omitempty"`
	RunAsNonRoot *bool  `json:"runAsNonRoot,omitempty"`
	HostProcess  *bool  `json:"hostProcess,omitempty"` // Windows
	// RunAsUserName is the user on Windows, where RunAsUser has no effect.
	RunAsUserName string `json:"runAsUserName,omitempty"`
	Seccomp       string `json:"seccomp,omitempty"` // RuntimeDefault, Localhost, Unconfined
	AppArmor      string `json:"appArmor,omitempty"`
}

// Effective returns the context that applies to a container: its own value of each
// field, and the pod's where it has none. Kubernetes merges field by field.
func (w *Workload) Effective(c *Container) Security {
	own, pod := c.Security, w.Security
	if own.RunAsUser == nil {
		own.RunAsUser = pod.RunAsUser
	}
	if own.RunAsGroup == nil {
		own.RunAsGroup = pod.RunAsGroup
	}
	if own.RunAsNonRoot == nil {
		own.RunAsNonRoot = pod.RunAsNonRoot
	}
	if own.HostProcess == nil {
		own.HostProcess = pod.HostProcess
	}
	own.RunAsUserName = cmp.Or(own.RunAsUserName, pod.RunAsUserName)
	if own.Seccomp == "" {
		own.Seccomp = pod.Seccomp
	}
	own.AppArmor = cmp.Or(own.AppArmor, pod.AppArmor)
	return own
}

// Volume is a volume of a pod, or a mount of a service that has a source.
type Volume struct {
	Name string `json:"name"`
	// Type is the key of its source: hostPath, emptyDir, configMap, image,
	// persistentVolumeClaim and so on; bind, volume or tmpfs for a service.
	Type     string     `json:"type"`
	HostPath string     `json:"hostPath,omitempty"` // on the node or host, as written
	Claim    string     `json:"claim,omitempty"`    // name of the PersistentVolumeClaim
	Image    *ImageName `json:"image,omitempty"`
	At       Place      `json:"at"`
}

// Mount is where a container sees a volume.
type Mount struct {
	Volume   string `json:"volume"` // name of the volume; "" for a tmpfs of a service
	Path     string `json:"path"`   // in the container
	SubPath  string `json:"subPath,omitempty"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	At       Place  `json:"at"`
}

// Port is a port that a container listens on, and the one of the host that leads
// to it.
type Port struct {
	Port     int    `json:"port"`              // in the container
	End      int    `json:"end,omitempty"`     // last port of a range, 0 for one port
	Host     int    `json:"host,omitempty"`    // 0 for none
	HostEnd  int    `json:"hostEnd,omitempty"` // last port of a range
	HostIP   string `json:"hostIP,omitempty"`
	Protocol string `json:"protocol"` // tcp, udp or sctp
	Name     string `json:"name,omitempty"`
	At       Place  `json:"at"`
}

// PodSecurity is what the Pod Security Standards say about a pod at one level,
// from one of their versions up to the next entry of the same level.
type PodSecurity struct {
	Level   string `json:"level"` // baseline or restricted
	Version string `json:"version"`
	// Violations is empty when the pod is allowed.
	Violations []PodSecurityViolation `json:"violations,omitempty"`
}

// PodSecurityViolation is a control that a pod does not meet.
type PodSecurityViolation struct {
	Control string `json:"control"` // "seccompProfile"
	Reason  string `json:"reason"`
	Detail  string `json:"detail,omitempty"`
}
