package evidence

import (
	"cmp"
	"slices"
	"strconv"
)

// Release is what the documents of a release say: Kubernetes manifests, Compose
// files and Dockerfiles. It is judged together with the images that it names.
type Release struct {
	SchemaVersion int `json:"schemaVersion"`
	// Namespace is the one that --namespace gives to objects that name none.
	Namespace string `json:"namespace,omitempty"`
	// PodSecurityVersion is the newest version of the Pod Security Standards that
	// was evaluated, "1.36"; "" when no pod was.
	PodSecurityVersion string `json:"podSecurityVersion,omitempty"`

	Documents []Document `json:"documents"`
	Workloads []Workload `json:"workloads"`
	// Unknown lists objects of kinds that are not built into Kubernetes and may run
	// something: they have what looks like a pod template or an image.
	Unknown []Object `json:"unknown,omitempty"`

	NetworkPolicies   []NetworkPolicy    `json:"networkPolicies,omitempty"`
	RuntimeClasses    []RuntimeClass     `json:"runtimeClasses,omitempty"`
	Services          []Service          `json:"services,omitempty"`
	PersistentVolumes []PersistentVolume `json:"persistentVolumes,omitempty"`
	VolumeClaims      []VolumeClaim      `json:"volumeClaims,omitempty"`

	Dockerfiles []Dockerfile `json:"dockerfiles,omitempty"`
}

// DocumentKind is the language of a document.
type DocumentKind string

// The kinds of documents.
const (
	DocumentManifests  DocumentKind = "manifests" // Kubernetes, rendered
	DocumentCompose    DocumentKind = "compose"
	DocumentDockerfile DocumentKind = "dockerfile"
)

// Document is one file that was read, or standard input.
type Document struct {
	File   string       `json:"file"` // as the user named it; "-" is standard input
	Kind   DocumentKind `json:"kind"`
	SHA256 string       `json:"sha256"` // hex, of all its bytes; "" when it could not be read
	Size   int64        `json:"size"`   // bytes
	// Objects counts what the file holds, by kind: {"Deployment": 2}, {"service": 3},
	// {"stage": 1}.
	Objects map[string]int `json:"objects,omitempty"`
	// Problems are the reasons for which the file is no evidence.
	Problems []DocumentProblem `json:"problems,omitempty"`
}

// DocumentProblem is one place of a document that could not be understood.
type DocumentProblem struct {
	At      Place  `json:"at"`
	Field   string `json:"field,omitempty"` // path of the field: spec.containers[0].image
	Message string `json:"message"`
	Cure    string `json:"cure,omitempty"`
}

// Place is a place in a document. The zero value is no place.
type Place struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`   // 1-based
	Column int    `json:"column,omitempty"` // 1-based
}

// String returns file:line:column.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
}

// Object names one object of a document.
type Object struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
	At         Place  `json:"at"`
	// Why says what an object of an unknown kind holds: "spec.template looks like a
	// pod template".
	Why string `json:"why,omitempty"`
	// PodTemplate is the path at which an object of an unknown kind seems to have a pod
	// template, "" for none.
	PodTemplate string `json:"podTemplate,omitempty"`
	// Installs is true for a kind that installs manifests from elsewhere.
	Installs bool `json:"installs,omitempty"`
}

// ID names the object in reports and in exceptions: "shop/Deployment/web", and
// "Deployment/web" without a namespace.
func (o *Object) ID() string {
	id := o.Kind + "/" + o.Name
	if o.Namespace != "" {
		id = o.Namespace + "/" + id
	}
	return id
}

// ImageName is the name of an image as a document spells it.
type ImageName struct {
	Image string `json:"image"` // as written
	// Ref is the reference under which the image is in the run, "" when there is
	// none; Problem then says why.
	Ref     string `json:"ref,omitempty"`
	Problem string `json:"problem,omitempty"`
	At      Place  `json:"at"`
	// PullPolicy is Always, IfNotPresent or Never, "" when it is not written.
	PullPolicy   string `json:"pullPolicy,omitempty"`
	PullPolicyAt Place  `json:"pullPolicyAt,omitzero"`
	// Name, Tag and Digest are the parts of the name, as in a [Reference]. They are
	// filled for the images of Dockerfiles, whose names alone can be judged.
	Name   string `json:"name,omitempty"`
	Tag    string `json:"tag,omitempty"`
	Digest string `json:"digest,omitempty"`
	// Source is where the image was read from instead of Ref, by --as; "" without.
	Source string `json:"source,omitempty"`
}

// ImageUse is one place of a release that names an image.
type ImageUse struct {
	*ImageName
	// Workload and Container are nil for an image of a Dockerfile, and Container is
	// nil for an image that is mounted as a volume.
	Workload  *Workload
	Container *Container
	Volume    *Volume
	Stage     *Stage
}

// Uses lists every place that names an image, in the order of the documents.
func (r *Release) Uses() []ImageUse {
	var uses []ImageUse
	for i := range r.Workloads {
		w := &r.Workloads[i]
		for k := range w.Containers {
			c := &w.Containers[k]
			uses = append(uses, ImageUse{ImageName: &c.Image, Workload: w, Container: c})
		}
		for k := range w.Volumes {
			if v := &w.Volumes[k]; v.Image != nil {
				uses = append(uses, ImageUse{ImageName: v.Image, Workload: w, Volume: v})
			}
		}
	}
	for i := range r.Dockerfiles {
		uses = append(uses, r.Dockerfiles[i].uses()...)
	}
	return uses
}

// Refs lists the references of the images to judge, each once, in the order of the
// documents. Those of Dockerfiles are among them only when they are asked for: the
// image that a Dockerfile builds holds what they bring.
func (r *Release) Refs(ofDockerfiles bool) []string {
	var refs []string
	seen := map[string]bool{}
	for _, u := range r.Uses() {
		if u.Ref != "" && !seen[u.Ref] && (u.Stage == nil || ofDockerfiles) {
			seen[u.Ref] = true
			refs = append(refs, u.Ref)
		}
	}
	return refs
}

// maxUsers is how many users of one image are looked up.
const maxUsers = 1000

// Users lists the names of users, each once and sorted, that services of Compose give to
// the containers of an image. What they mean depends on the image.
func (r *Release) Users(ref string) []string {
	var names []string
	for i := range r.Workloads {
		for k := range r.Workloads[i].Containers {
			if c := &r.Workloads[i].Containers[k]; c.Image.Ref == ref && c.User != "" && c.Security.RunAsUser == nil {
				names = append(names, c.User)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxUsers)]
}

// Append adds what another reader found.
func (r *Release) Append(more *Release) {
	r.SchemaVersion = SchemaVersion
	r.Namespace = cmp.Or(r.Namespace, more.Namespace)
	r.PodSecurityVersion = cmp.Or(r.PodSecurityVersion, more.PodSecurityVersion)
	r.Documents = append(r.Documents, more.Documents...)
	r.Workloads = append(r.Workloads, more.Workloads...)
	r.Unknown = append(r.Unknown, more.Unknown...)
	r.NetworkPolicies = append(r.NetworkPolicies, more.NetworkPolicies...)
	r.RuntimeClasses = append(r.RuntimeClasses, more.RuntimeClasses...)
	r.Services = append(r.Services, more.Services...)
	r.PersistentVolumes = append(r.PersistentVolumes, more.PersistentVolumes...)
	r.VolumeClaims = append(r.VolumeClaims, more.VolumeClaims...)
	r.Dockerfiles = append(r.Dockerfiles, more.Dockerfiles...)
}
