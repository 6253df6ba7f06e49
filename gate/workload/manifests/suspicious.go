package manifests

import (
	"regexp"
	"slices"
	"strings"
)

// suspect lists an object of an unknown kind that may run something. The pod template at
// known has been read.
func (r *reader) suspect(o *object, known string) {
	s := suspicion{known: known, describes: describing[groupKind(o)]}
	switch name := groupKind(o); {
	case slices.Contains(deployers, name):
		s.why, s.installs = "it installs manifests that are not among the documents", true
	case name == "extensions.istio.io/WasmPlugin":
		s.why = "spec.url names a program that the proxies of Istio run"
	case !runsNothing(o):
		s.walk(o.value, "")
	}
	if s.why == "" {
		return
	}
	found := o.Object
	found.Why, found.PodTemplate, found.Installs = s.why, s.template, s.installs
	r.release.Unknown = append(r.release.Unknown, found)
}

// groupKind names a kind as policies do.
func groupKind(o *object) string { return o.group.Group + "/" + o.Kind }

// deployers are kinds that install other manifests, which are not among the
// documents.
var deployers = []string{
	"argoproj.io/Application", "argoproj.io/ApplicationSet", "helm.toolkit.fluxcd.io/HelmRelease", "kustomize.toolkit.fluxcd.io/Kustomization",
	"helm.cattle.io/HelmChart", "fleet.cattle.io/GitRepo", "fleet.cattle.io/Bundle", "source.toolkit.fluxcd.io/HelmChart",
	"pkg.crossplane.io/Provider", "pkg.crossplane.io/Configuration", "pkg.crossplane.io/Function", "helm.crossplane.io/Release",
	"operators.coreos.com/Subscription", "olm.operatorframework.io/ClusterExtension", "install.istio.io/IstioOperator", "sailoperator.io/Istio",
	"operator.knative.dev/KnativeServing", "operator.knative.dev/KnativeEventing", "operator.tekton.dev/TektonConfig",
	"helm.cattle.io/HelmChartConfig", "helm.k0sproject.io/Chart", "addons.cluster.x-k8s.io/HelmChartProxy", "addons.cluster.x-k8s.io/ClusterResourceSet",
	"kappctrl.k14s.io/App", "packaging.carvel.dev/PackageInstall", "fluxcd.controlplane.io/FluxInstance", "fluxcd.controlplane.io/ResourceSet",
}

// runsNothing reports kinds that name images only to say which exist or which are allowed,
// and kinds whose keys are those of somebody's labels or secrets.
func runsNothing(o *object) bool {
	return o.group.Group == "constraints.gatekeeper.sh" || slices.Contains([]string{
		"image.openshift.io/ImageStream", "image.openshift.io/ImageStreamTag", "image.toolkit.fluxcd.io/ImageRepository", "image.toolkit.fluxcd.io/ImagePolicy", "image.toolkit.fluxcd.io/ImageUpdateAutomation",
		"policy.sigstore.dev/ClusterImagePolicy", "templates.gatekeeper.sh/ConstraintTemplate",
		"policies.kyverno.io/ValidatingPolicy", "policies.kyverno.io/ImageValidatingPolicy", "policies.kyverno.io/DeletingPolicy",
		"kyverno.io/CleanupPolicy", "kyverno.io/ClusterCleanupPolicy", "kyverno.io/PolicyException", "policies.kyverno.io/PolicyException",
		"monitoring.coreos.com/PrometheusRule", "bitnami.com/SealedSecret",
	}, groupKind(o))
}

// describing lists the fields of kinds that describe what other objects must look like.
// The kinds have other fields, by which they make objects.
var describing = map[string][]string{
	"kyverno.io/ClusterPolicy": kyvernoPatterns, "kyverno.io/Policy": kyvernoPatterns,
}

var kyvernoPatterns = []string{"match", "exclude", "preconditions", "context", "validate", "verifyImages"}

// inRule reports a field of a rule that describes other objects.
func inRule(path string, fields []string) bool {
	rest, ok := strings.CutPrefix(path, "spec.rules[")
	_, name, in := strings.Cut(rest, "].")
	return ok && in && slices.Contains(fields, name)
}

// suspicion looks for what in an object seems to run something.
type suspicion struct {
	known     string   // path of a pod template that has been read
	describes []string // fields of its rules that describe other objects

	why      string
	template string // path of what seems to be a pod template
	installs bool
}

// walk looks into a value. The first thing found is enough.
func (s *suspicion) walk(v *value, path string) {
	if s.why != "" || s.known != "" && path == s.known {
		return
	}
	for i, item := range v.items {
		s.walk(item, path+"["+itoa(i)+"]")
	}
	for i := range v.fields {
		f := &v.fields[i]
		at := strings.TrimPrefix(path+"."+f.name, ".")
		if s.why != "" || at == "metadata" || at == "status" || inRule(at, s.describes) {
			continue
		}
		if what := looksLike(f); what != "" && at != s.known {
			s.why, s.template = at+" looks like "+what, templatePath(at, v)
			return
		}
		s.walk(f.value, at)
	}
}

// templatePath returns the path of the pod template whose containers are at a path,
// without its metadata that of the PodSpec, "" for none that a policy could name. v holds
// the field at the path.
func templatePath(at string, v *value) string {
	if strings.Contains(at, "[") {
		return ""
	}
	if f := v.field(lastOf(at)); f != nil && (f.field("containers") != nil || f.field("spec").field("containers") != nil) {
		return at
	}
	if c := v.field("containers"); c == nil || c.kind != kindList {
		return ""
	}
	parent := at[:max(strings.LastIndexByte(at, '.'), 0)]
	if above, ok := strings.CutSuffix(parent, ".spec"); ok {
		return above
	}
	return parent
}

// plainPodFields say where pods run, and as whom they talk to the cluster. They run
// nothing, and give the pods nothing of the node.
var plainPodFields = []string{
	"nodeSelector", "affinity", "tolerations", "topologySpreadConstraints", "priorityClassName", "schedulerName", "serviceAccountName", "imagePullSecrets",
	"terminationGracePeriodSeconds", "resources",
}

// onlyPlaces reports a pod template that says nothing but where its pods run, and that they
// have fewer rights. That of an issuer of cert-manager is one.
func onlyPlaces(v *value) bool {
	for i := range v.fields {
		switch f := &v.fields[i]; {
		case f.name == "metadata", slices.Contains(plainPodFields, f.name):
		case f.name == "spec" && f.value.kind == kindMap && onlyPlaces(f.value):
		case f.name == "securityContext" && f.value.kind == kindMap && onlyTightens(f.value):
		default:
			return false
		}
	}
	return true
}

// onlyTightens reports a securityContext that takes rights away and gives none.
func onlyTightens(v *value) bool {
	for i := range v.fields {
		f := &v.fields[i]
		scalar := string(f.value.scalar)
		switch f.name {
		case "runAsNonRoot", "readOnlyRootFilesystem":
			if scalar != "true" {
				return false
			}
		case "privileged", "allowPrivilegeEscalation":
			if scalar != "false" {
				return false
			}
		case "runAsUser", "runAsGroup", "fsGroup":
			if f.value.jsonType() != "number" || !otherThanRoot.MatchString(scalar) {
				return false
			}
		case "seccompProfile":
			if len(f.value.fields) != 1 || f.value.field("type").text() != "RuntimeDefault" {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// otherThanRoot is a number other than 0, in the one form that every reader takes so.
var otherThanRoot = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)

// imageFields are other names of fields that hold an image or a part of its name, in
// lower case. CloudNativePG has imageName.
var imageFields = []string{
	"imagename", "imageref", "imagereference", "imageurl", "imageuri", "imagerepository", "imagerepo", "imagetag", "imagedigest",
	"containerimagename", "dockerimagename", "baseimagename", "imageoverride",
}

// looksLike says what a field looks like: a pod template or an image.
func looksLike(f *field) string {
	v := f.value
	switch name := strings.ToLower(f.name); {
	case (name == "containers" || name == "initcontainers" || name == "ephemeralcontainers") && v.kind == kindList && len(v.items) > 0:
		return "the containers of a pod"
	case (name == "podtemplate" || name == "podspec" || name == "podtemplatespec" || name == "jobtemplate") && v.kind == kindMap && !onlyPlaces(v):
		return "a pod template"
	case slices.Contains(imageFields, name) && filled(v):
		return "an image"
	case name == "from" && v.field("kind").text() == "DockerImage" && filled(v.field("name")): // builds of OpenShift
		return "an image"
	case (name == "image" || strings.HasSuffix(name, "image") || strings.HasSuffix(name, "images")) && filled(v):
		return "an image"
	}
	return ""
}

func filled(v *value) bool {
	if v == nil {
		return false
	}
	switch v.kind {
	case kindScalar:
		return v.text() != ""
	case kindList:
		return len(v.items) > 0
	}
	return len(v.fields) > 0
}
