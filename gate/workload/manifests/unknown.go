package manifests

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/imagegate/imagegate/policy/evidence"
)

// unknown reads an object of a kind that is not built into Kubernetes. Most run
// nothing. What may run something gives no verdict unless the policy says where its
// pod template is, or that the kind is to be ignored.
func (r *reader) unknown(o *object) {
	name := o.group.Group + "/" + o.Kind
	switch {
	case slices.Contains([]string{"apiextensions.k8s.io/CustomResourceDefinition", "apiregistration.k8s.io/APIService"}, name) || slices.Contains(removed, o.APIVersion+"/"+o.Kind):
		return // Kubernetes' own, and they run nothing
	case o.group.Group == "kustomize.config.k8s.io":
		r.problem(o.At.Line, o.At.Column, o.path, "judge what it makes: kustomize build DIR | imagegate check --manifests -", "this is the input of kustomize, and no manifest")
		return
	case kinds().IsGroupRegistered(o.group.Group):
		r.problem(o.At.Line, o.At.Column, o.path+"kind", "correct apiVersion and kind; versions that Kubernetes has removed are no longer served",
			"Kubernetes has no %s in %s", clip(o.Kind), clip(o.APIVersion))
		return
	case isForeignPolicy(o):
		n := evidence.NetworkPolicy{Object: o.Object, Foreign: true}
		n.Namespace = cmp.Or(n.Namespace, r.options.Namespace)
		r.release.NetworkPolicies = append(r.release.NetworkPolicies, n)
		return
	}
	o.Namespace = cmp.Or(o.Namespace, r.options.Namespace)
	known := ""
	if path, ok := r.options.Templates[name]; ok {
		if !r.customTemplate(o, path) {
			return
		}
		known = path
	}
	r.suspect(o, known)
}

// removed are versions that Kubernetes served once, of kinds that run nothing. Charts
// still write them for old clusters, and newer ones refuse them.
var removed = []string{
	"autoscaling/v2beta1/HorizontalPodAutoscaler", "autoscaling/v2beta2/HorizontalPodAutoscaler", "policy/v1beta1/PodSecurityPolicy", "extensions/v1beta1/PodSecurityPolicy",
	"flowcontrol.apiserver.k8s.io/v1alpha1/FlowSchema", "flowcontrol.apiserver.k8s.io/v1alpha1/PriorityLevelConfiguration",
	"resource.k8s.io/v1alpha1/ResourceClass", "resource.k8s.io/v1alpha1/ResourceClaim", "resource.k8s.io/v1alpha1/ResourceClaimTemplate",
	"resource.k8s.io/v1alpha2/ResourceClass", "resource.k8s.io/v1alpha2/ResourceClaim", "resource.k8s.io/v1alpha2/ResourceClaimTemplate",
}

// isForeignPolicy reports network policies of other APIs than that of Kubernetes.
func isForeignPolicy(o *object) bool {
	return slices.Contains([]string{
		"cilium.io/CiliumNetworkPolicy", "cilium.io/CiliumClusterwideNetworkPolicy", "crd.projectcalico.org/NetworkPolicy", "crd.projectcalico.org/GlobalNetworkPolicy",
		"projectcalico.org/NetworkPolicy", "projectcalico.org/GlobalNetworkPolicy", "policy.networking.k8s.io/AdminNetworkPolicy", "policy.networking.k8s.io/BaselineAdminNetworkPolicy",
		"crd.antrea.io/NetworkPolicy", "crd.antrea.io/ClusterNetworkPolicy",
	}, o.group.Group+"/"+o.Kind)
}

// customTemplate adds the pod of a custom resource, and reports false when the
// object was dealt with.
func (r *reader) customTemplate(o *object, path string) bool {
	t := o.value.at(path)
	if t == nil || t.kind != kindMap {
		o.Why = "it has no pod template at " + path
		r.release.Unknown = append(r.release.Unknown, o.Object)
		return false
	}
	t = withoutExtensions(o.group.Group, t)
	if t.field("containers") != nil { // a PodSpec without the metadata around it
		t = &value{kind: kindMap, line: t.line, column: t.column, fields: []field{{name: "spec", line: t.line, column: t.column, value: t}}, size: t.size + 12, count: t.count + 1}
	}
	wrapped := &value{kind: kindMap, line: t.line, column: t.column, count: t.count + 5}
	for _, f := range []field{{name: "apiVersion", value: text("v1")}, {name: "kind", value: text("PodTemplate")}, {name: "template", line: t.line, column: t.column, value: t}} {
		wrapped.add(&f, f.value)
	}
	inner := *o
	inner.inner, inner.outer = "template", path
	decoded, ok := r.decode(&inner, wrapped)
	if !ok || !r.checkName(o) {
		return false
	}
	template := decoded.(*corev1.PodTemplate).Template
	r.workload(o, templateAt(path, &template, t))
	return true
}

// extensions are fields that kinds have beside those of a PodSpec. They are numbers.
var extensions = map[string][]string{
	"serving.knative.dev": {"containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds"},
}

// withoutExtensions returns a pod template, or a PodSpec, without the numbers that its
// kind has beside it.
func withoutExtensions(group string, t *value) *value {
	names := extensions[group]
	if len(names) == 0 {
		return t
	}
	out := *t
	out.fields = nil
	for _, f := range t.fields {
		switch {
		case f.value.jsonType() == "number" && slices.Contains(names, f.name):
			continue
		case f.name == "spec" && f.value.kind == kindMap:
			f.value = withoutExtensions(group, f.value)
		}
		out.fields = append(out.fields, f)
	}
	return &out
}

func templateAt(path string, t *corev1.PodTemplateSpec, own *value) template {
	return template{path: path, meta: &t.ObjectMeta, spec: &t.Spec, own: own}
}

func text(s string) *value {
	v := &value{scalar: quoted(s)}
	v.size = len(v.scalar)
	return v
}
