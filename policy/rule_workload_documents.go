package policy

import (
	"cmp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	ruleDocuments   = "workload.documents"
	ruleTemplates   = "workload.templates"
	ruleIgnoreKinds = "workload.ignore-kinds"
)

// workloadSection holds the rules about the documents of a release.
func workloadSection() section {
	return section{name: "workload", doc: "How the images of a release are run: Kubernetes manifests and Compose files.", rules: []*Rule{
		documentsRule(), podSecurityRule(), runAsNonRootRule(), startsRule(), workloadCapabilitiesRule(), readOnlyRootRule(), denyPrivilegedRule(),
		denyHostRule(), denyMountsRule(), workloadPortsRule(), networkPolicyRule(), runtimeClassesRule(), pullPolicyRule(), templatesRule(), ignoreKindsRule(),
	}}
}

// workloadRules are the rules about workloads that an exception may be for.
func workloadRules() []string {
	return []string{
		rulePodSecurity, ruleRunAsNonRoot, ruleStarts, ruleWorkloadCapabilities, ruleReadOnlyRoot, ruleDenyPrivileged, ruleDenyHost, ruleDenyMounts,
		ruleWorkloadPorts, ruleNetworkPolicy, ruleRuntimeClasses, rulePullPolicy,
	}
}

func documentsRule() *Rule {
	return &Rule{
		ID: ruleDocuments, Title: "Every document was read, and every image in it was judged.",
		Why: "A file that could not be parsed, or a kind that is not known, looks like a clean one to a tool that skips it.",
		How: "correct the document, or render it before it is judged: helm template, kustomize build",
		Settings: "none: it applies whenever documents are given. It asks that every document was read without a mistake, that every kind in it is known, " +
			"that at least one workload was found, and that every image was judged by the digest that the document names.",
		Default: "always on with documents", always: true, NoLevel: "without it there is no verdict, so it has no level",
		release: checkDocuments,
	}
}

func checkDocuments(j *releaseJudge) answer {
	r := j.release
	if r.SchemaVersion != evidence.SchemaVersion {
		j.misses(spot{}, "the documents have schema version %d, this imagegate judges %d", r.SchemaVersion, evidence.SchemaVersion)
	}
	if len(r.Documents) == 0 {
		j.misses(spot{}, "no document was read")
	}
	for i := range r.Documents {
		j.checkDocument(&r.Documents[i])
	}
	for i := range r.Unknown {
		j.checkUnknown(&r.Unknown[i])
	}
	j.checkDuplicates()
	if len(r.Documents) > 0 && len(r.Workloads)+len(r.Dockerfiles)+len(j.found) == 0 {
		j.misses(spot{cure: "name the files that hold Deployments, Jobs or other workloads"}, "no workload was found in %s", words.And(documentNames(r)))
	}
	if len(r.Dockerfiles) > 0 && len(r.Workloads) == 0 && !j.policy.asksDockerfiles() {
		j.misses(spot{at: evidence.Place{File: r.Dockerfiles[0].File}, cure: "add dockerfile: {user: non-root, pin: version} to the policy"},
			"the policy asks nothing of a Dockerfile")
	}
	images := map[string]bool{}
	for _, u := range r.Uses() {
		if u.Workload != nil {
			images[u.Ref] = true
			j.checkUse(u)
		}
	}
	a := passing("%s, %s and %s, all read and judged", words.Plural(len(r.Documents), "document"), words.Plural(len(r.Workloads), "workload"), words.Plural(len(images), "image"))
	a.allowed = "documents that were read to the end"
	return a
}

// checkDuplicates refuses an object that is written twice: a cluster keeps the last
// one, and a policy or a volume that the first one defines is then not there.
func (j *releaseJudge) checkDuplicates() {
	first := map[string]*evidence.Object{}
	add := func(o *evidence.Object) {
		if o.Name == "" || strings.HasSuffix(o.Name, "-") { // a generated name
			return
		}
		group, _, _ := strings.Cut(o.APIVersion, "/")
		key := group + " " + o.ID()
		if other := first[key]; other != nil {
			j.misses(spot{workload: o.ID(), at: o.At, cure: "keep one of them; judge the rendered manifests of one environment at a time"},
				"%s is written twice, first at %s, and the cluster keeps only the one that is applied last", o.ID(), other.At)
			return
		}
		first[key] = o
	}
	r := j.release
	for i := range r.Workloads {
		if !isService(&r.Workloads[i]) {
			add(&r.Workloads[i].Object)
		}
	}
	for i := range r.NetworkPolicies {
		add(&r.NetworkPolicies[i].Object)
	}
	for i := range r.RuntimeClasses {
		add(&r.RuntimeClasses[i].Object)
	}
	for i := range r.Services {
		add(&r.Services[i].Object)
	}
	for i := range r.PersistentVolumes {
		add(&r.PersistentVolumes[i].Object)
	}
	for i := range r.VolumeClaims {
		add(&r.VolumeClaims[i].Object)
	}
}

func documentNames(r *evidence.Release) []string {
	var names []string
	for i := range r.Documents {
		names = append(names, r.Documents[i].File)
	}
	return few(names)
}

func (j *releaseJudge) checkDocument(d *evidence.Document) {
	for _, p := range d.Problems {
		message := p.Message
		if p.Field != "" && !strings.Contains(message, p.Field) {
			message = p.Field + ": " + message
		}
		j.misses(spot{at: p.At, cure: p.Cure}, "%s", message)
	}
	if d.SHA256 == "" && len(d.Problems) == 0 {
		j.misses(spot{at: evidence.Place{File: d.File}}, "the document was not read")
	}
}

func (j *releaseJudge) checkUnknown(o *evidence.Object) {
	if slices.Contains(ignoreKindsKey.value(j.s), groupKind(o)) {
		return
	}
	at := spot{workload: o.ID(), at: o.At, cure: unknownCure(o)}
	j.misses(at, "the kind %s of %s is not known: %s", o.Kind, o.APIVersion, cmp.Or(o.Why, "it may run images"))
}

// unknownCure says what to do about an object of an unknown kind.
func unknownCure(o *evidence.Object) string {
	ignore := "say that it may run what it likes: workload: {ignore-kinds: [" + groupKind(o) + "]}"
	switch {
	case o.Installs:
		return "judge the manifests that it installs, and " + ignore
	case templateForm.MatchString(o.PodTemplate):
		return "say where its pod template is: workload: {templates: {" + groupKind(o) + ": " + o.PodTemplate + "}}; or " + ignore
	}
	return "judge its image by itself, and " + ignore
}

// groupKind names a kind as policies do, without its version.
func groupKind(o *evidence.Object) string {
	group, _, found := strings.Cut(o.APIVersion, "/")
	if !found {
		return o.Kind
	}
	return group + "/" + o.Kind
}

// checkUse asks that an image was judged, by the digest that the document names.
func (j *releaseJudge) checkUse(u evidence.ImageUse) {
	at := spot{workload: u.Workload.ID(), at: u.At}
	if u.Container != nil {
		at.container = u.Container.Name
	}
	if u.Ref == "" && u.Image == "" && isService(u.Workload) {
		at.cure = unnamedCure(u.Workload, u.ImageName)
		j.misses(at, "names no image: %s", cmp.Or(u.Problem, "it is only built"))
		return
	}
	if u.Ref == "" {
		at.cure = unnamedCure(u.Workload, u.ImageName)
		j.misses(at, "the image %q cannot be judged: %s", clip(u.Image), cmp.Or(u.Problem, "its name is not known"))
		return
	}
	images := j.images[u.Ref]
	if len(images) == 0 {
		at.cure = unjudgedCure(u.ImageName)
		j.misses(at, "the image %s was not judged", cmp.Or(u.Image, u.Ref))
		return
	}
	_, digest, named := strings.Cut(u.Image, "@")
	for _, img := range images {
		if named && digest != img.Digest && digest != img.IndexDigest {
			at.cure = "write the digest that was judged, or judge the image that the document names"
			j.misses(at, "the document names %s, and %s was judged", u.Image, idText(img))
		}
	}
}

// unnamedCure says what to do about an image that has no name that can be judged. It
// is "" where the rule's own cure is as good.
func unnamedCure(w *evidence.Workload, n *evidence.ImageName) string {
	switch {
	case n.Image == "" && isService(w):
		return "judge the image that was built: --as service:" + w.Name + "=oci:DIR, or give the service an image: beside build:"
	case n.Image == "":
		return "write the name of the image, such as image: registry.example.no/app:1.4.2"
	}
	return ""
}

// unjudgedCure says what to do about an image that was not judged: the document may be
// as it should be, and the registry away.
func unjudgedCure(n *evidence.ImageName) string {
	cure := "see why at the image itself"
	if n.Source == "" {
		cure += "; one that is not pushed yet is judged with --as " + n.Image + "=oci:DIR"
	}
	return cure
}

var templatesKey = &setting[map[string]string]{
	path: ruleTemplates, doc: "Where custom resources have their pod template: {argoproj.io/Rollout: spec.template}.",
	schema: object{"type": "object", "minProperties": 1, "additionalProperties": pattern(templateForm.String()), "propertyNames": object{"pattern": kindForm.String()}},
	read:   (*decoder).templates, unset: new(map[string]string), global: true,
	order: func(child, base map[string]string) bool {
		for kind, path := range child {
			if base[kind] != path {
				return false
			}
		}
		return true
	},
}

func templatesRule() *Rule {
	return &Rule{
		ID: ruleTemplates, Title: "Where custom resources have their pod template.", Setting: true,
		Why:      "A Rollout runs pods as a Deployment does, and Kubernetes itself does not know the kind.",
		How:      "look into the definition of the kind for the field that holds a PodTemplateSpec",
		Settings: "a mapping from GROUP/KIND to the path of the pod template. An object of the kind with anything like an image elsewhere still gives no verdict.",
		Default:  "none", Example: "workload: {templates: {argoproj.io/Rollout: spec.template}}\n",
		keys: []key{templatesKey},
	}
}

var ignoreKindsKey = &setting[[]string]{
	path: ruleIgnoreKinds, doc: "Kinds of custom resources that run nothing that has to be judged: [monitoring.coreos.com/Prometheus].",
	schema: listOf(pattern(kindForm.String())), read: (*decoder).kinds, order: shorter(same), unset: new([]string), global: true,
}

func ignoreKindsRule() *Rule {
	return &Rule{
		ID: ruleIgnoreKinds, Title: "Kinds of custom resources that are not judged.", Setting: true,
		Why:      "A custom resource that has an image somewhere gives no verdict, because what runs it is not known.",
		How:      "prefer workload.templates where the kind has a pod template",
		Settings: "a list of GROUP/KIND. Kinds that Kubernetes itself knows cannot be ignored.",
		Default:  "none", Example: "workload: {ignore-kinds: [monitoring.coreos.com/Prometheus]}\n",
		keys: []key{ignoreKindsKey},
	}
}

// WorkloadTemplates returns where custom resources have their pod templates: paths
// by GROUP/KIND.
func (p *Policy) WorkloadTemplates() map[string]string { return templatesKey.value(&p.base) }

// ReleaseNeeds returns what has to be collected of the images of a release, besides
// what the images themselves need.
func (p *Policy) ReleaseNeeds() evidence.Need {
	for _, r := range p.lang.rules {
		asks := r.ID == ruleStarts || r.ID == ruleRunAsNonRoot || r.ID == ruleDockerfileUser && p.JudgesDockerfileImages()
		if asks && r.active(&p.base) {
			return evidence.NeedUser
		}
	}
	return 0
}

// templates reads a mapping from kinds to paths.
func (d *decoder) templates(n *yaml.Node, name string) (map[string]string, bool) {
	out, mistakes := map[string]string{}, len(d.diags)
	d.entries(n, name, "write kinds and paths, such as {argoproj.io/Rollout: spec.template}", func(k, v *yaml.Node) {
		if !kindForm.MatchString(k.Value) {
			d.fail(k, "write GROUP/KIND, such as argoproj.io/Rollout", "%s has %q, which is no kind of custom resources", name, clip(k.Value))
			return
		}
		if path, ok := d.text(v, name+"."+k.Value); ok {
			if !templateForm.MatchString(path) {
				d.fail(v, "write a path of fields, such as spec.template", "%s.%s is %q", name, k.Value, clip(path))
				return
			}
			out[k.Value] = path
		}
	})
	return out, len(d.diags) == mistakes && len(out) > 0
}

// kinds reads a list of kinds of custom resources.
func (d *decoder) kinds(n *yaml.Node, name string) ([]string, bool) {
	return listOfForm(d, n, name, false, kindForm, "write GROUP/KIND, such as monitoring.coreos.com/Prometheus", ", which is no kind of custom resources")
}
