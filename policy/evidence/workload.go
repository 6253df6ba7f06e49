package evidence

// Release is what runs images: the documents that were read, and the workloads,
// network policies and Dockerfiles that they describe. Words are those of
// Kubernetes; a Compose service is a workload with one container.
type Release struct {
	Documents       []Document         `json:"documents"`
	Workloads       []Workload         `json:"workloads,omitempty"`
	NetworkPolicies []NetworkPolicy    `json:"networkPolicies,omitempty"`
	Services        []Service          `json:"services,omitempty"`
	HostVolumes     []PersistentVolume `json:"persistentVolumes,omitempty"`
	RuntimeClasses  []RuntimeClass     `json:"runtimeClasses,omitempty"`
	Dockerfiles     []Dockerfile       `json:"dockerfiles,omitempty"`
	// Problems is everything that kept a document from being read whole.
	Problems []DocumentProblem `json:"problems"`
	// Notes are remarks for people.
	Notes []string `json:"notes,omitempty"`
}

// Document is a file or stream that was read.
type Document struct {
	Name   string `json:"name"` // as it was given
	SHA256 string `json:"sha256"`
	Parts  int    `json:"parts"` // YAML documents that are not empty
}

// Place is where something is in a document. Line and Column count from 1; they
// are 0 when the format has none.
type Place struct {
	Document string `json:"document"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
}

// DocumentProblem is a part of a document that could not be read or understood.
type DocumentProblem struct {
	Place
	// Field is the path of the field, "spec.containers[0].image"; "" for none.
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail"`
	Cure   string `json:"cure,omitempty"`
}

// Platform of a workload.
const (
	Kubernetes = "kubernetes"
	Compose    = "compose"
)

// Workload is one thing that runs containers.
type Workload struct {
	Place
	Platform  string            `json:"platform"` // [Kubernetes] or [Compose]
	Namespace string            `json:"namespace,omitempty"`
	Kind      string            `json:"kind"` // "Deployment", "service" of Compose
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels,omitempty"` // of its pods
	// Host namespaces that it shares: network, pid, ipc, users.
	Host         []string    `json:"host,omitempty"`
	RuntimeClass string      `json:"runtimeClass,omitempty"`
	Architecture []string    `json:"architecture,omitempty"` // that the node selector allows; none: any
	Volumes      []Volume    `json:"volumes,omitempty"`
	Containers   []Container `json:"containers"`
	// PodSecurity holds the answers of the Pod Security Standards.
	PodSecurity []PodSecurity `json:"podSecurity,omitempty"`
}

// PodSecurity is what a workload violates at one level and version.
type PodSecurity struct {
	Level      string   `json:"level"`   // baseline or restricted
	Version    string   `json:"version"` // "1.36" or "latest"
	Violations []string `json:"violations"`
}

// Kinds of volumes that rules ask about. All others are [VolumeOther].
const (
	VolumeHost  = "hostPath"
	VolumeImage = "image"
	VolumeEmpty = "emptyDir"
	VolumeClaim = "persistentVolumeClaim"
	VolumeOther = "other"
)

// Volume is a volume of a workload.
type Volume struct {
	Place
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Path  string `json:"path,omitempty"`  // on the host
	Image string `json:"image,omitempty"` // of an image volume
	Claim string `json:"claim,omitempty"`
}

// Roles of a container in its workload.
const (
	RoleMain      = "container"
	RoleInit      = "initContainer"
	RoleEphemeral = "ephemeralContainer"
)

// Container is one container of a workload. Fields of the pod that apply to it are
// filled in: the container's own value, else that of the pod.
type Container struct {
	Place
	Name  string `json:"name"`
	Role  string `json:"role"`
	Image string `json:"image"` // as written; "" when a service is only built
	// User is the user that Compose sets, as written. RunAsUser, RunAsGroup and
	// RunAsNonRoot are those of Kubernetes; nil means not set.
	User         string `json:"user,omitempty"`
	RunAsUser    *int64 `json:"runAsUser,omitempty"`
	RunAsGroup   *int64 `json:"runAsGroup,omitempty"`
	RunAsNonRoot *bool  `json:"runAsNonRoot,omitempty"`

	Privileged      bool     `json:"privileged,omitempty"`
	HostProcess     bool     `json:"hostProcess,omitempty"` // of Windows
	Escalation      *bool    `json:"allowPrivilegeEscalation,omitempty"`
	UnmaskedProc    bool     `json:"unmaskedProc,omitempty"` // procMount other than Default
	ReadOnlyRoot    bool     `json:"readOnlyRootFilesystem,omitempty"`
	AddCapabilities []string `json:"addCapabilities,omitempty"` // as written
	DropCapability  []string `json:"dropCapabilities,omitempty"`
	Ports           []Port   `json:"ports,omitempty"`
	Mounts          []Mount  `json:"mounts,omitempty"`
	PullPolicy      string   `json:"pullPolicy,omitempty"`
}

// Port is a port of a container or of a service.
type Port struct {
	Container int    `json:"container,omitempty"`
	Host      int    `json:"host,omitempty"` // 0: not published on the host
	Protocol  string `json:"protocol"`       // tcp, udp or sctp
}

// Mount is where a volume is in a container.
type Mount struct {
	Path     string `json:"path"`
	Volume   string `json:"volume"`
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// NetworkPolicy is a NetworkPolicy of Kubernetes, as far as rules ask.
type NetworkPolicy struct {
	Place
	Namespace string            `json:"namespace,omitempty"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"matchLabels,omitempty"`
	// Complex is true when the selector has expressions, which are not evaluated:
	// such a policy proves nothing, and may allow anything.
	Complex bool `json:"matchExpressions,omitempty"`
	Ingress Side `json:"ingress"`
	Egress  Side `json:"egress"`
}

// Side is one direction of a network policy.
type Side struct {
	Applies  bool `json:"applies"`            // the direction is in policyTypes
	Rules    int  `json:"rules,omitempty"`    // that allow something
	AllowAll bool `json:"allowAll,omitempty"` // one of them has no condition
}

// Service is a Service of Kubernetes.
type Service struct {
	Place
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Type      string `json:"type,omitempty"`
	Ports     []Port `json:"ports,omitempty"` // targetPort as container port
}

// PersistentVolume is a volume of the cluster that is a directory of the host.
type PersistentVolume struct {
	Place
	Name      string `json:"name"`
	Path      string `json:"path"`
	Namespace string `json:"claimNamespace,omitempty"`
	Claim     string `json:"claim,omitempty"` // "" when any claim may get it
}

// RuntimeClass is a RuntimeClass of Kubernetes.
type RuntimeClass struct {
	Name    string `json:"name"`
	Handler string `json:"handler"`
}

// Dockerfile is a Dockerfile, as far as its text tells.
type Dockerfile struct {
	Document string `json:"document"`
	// User is the user of the last stage, as written; "" when neither the stage nor
	// the stages that it is built from set one. UserKnown is false when that
	// depends on a variable without a value.
	User      string      `json:"user"`
	UserKnown bool        `json:"userKnown"`
	UserLine  int         `json:"userLine,omitempty"`
	Bases     []BaseImage `json:"bases"`
}

// BaseImage is an image that a Dockerfile is built from or copies from.
type BaseImage struct {
	Place
	Image string `json:"image"` // "" when it depends on a variable without a value
	Text  string `json:"text"`  // as written
	From  bool   `json:"from"`  // FROM; otherwise COPY --from
	Final bool   `json:"final"` // of the last stage
}
