package manifests

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	nodev1beta1 "k8s.io/api/node/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/imagegate/imagegate/policy/evidence"
)

// cluster adds what rules about pods need of other objects.
func (r *reader) cluster(o *object, decoded runtime.Object) {
	switch d := decoded.(type) {
	case *netv1.NetworkPolicy:
		r.networkPolicy(o, d)
	case *nodev1.RuntimeClass:
		r.release.RuntimeClasses = append(r.release.RuntimeClasses, evidence.RuntimeClass{Object: o.Object, Handler: d.Handler})
	case *nodev1beta1.RuntimeClass:
		r.release.RuntimeClasses = append(r.release.RuntimeClasses, evidence.RuntimeClass{Object: o.Object, Handler: d.Handler})
	case *corev1.Service:
		r.service(o, d)
	case *corev1.PersistentVolume:
		r.persistentVolume(o, d)
	case *corev1.PersistentVolumeClaim:
		r.release.VolumeClaims = append(r.release.VolumeClaims, evidence.VolumeClaim{Object: o.Object, Volume: d.Spec.VolumeName})
	}
}

func (r *reader) persistentVolume(o *object, d *corev1.PersistentVolume) {
	pv := evidence.PersistentVolume{Object: o.Object}
	pv.Namespace = ""
	if d.Spec.HostPath != nil {
		pv.HostPath = d.Spec.HostPath.Path
	}
	if d.Spec.Local != nil {
		pv.HostPath = d.Spec.Local.Path
	}
	if d.Spec.ClaimRef != nil {
		pv.Claim = cmp.Or(d.Spec.ClaimRef.Namespace, r.options.Namespace) + "/" + d.Spec.ClaimRef.Name
	}
	r.release.PersistentVolumes = append(r.release.PersistentVolumes, pv)
}

func (r *reader) service(o *object, d *corev1.Service) {
	s := evidence.Service{Object: o.Object, Type: string(d.Spec.Type), Selector: d.Spec.Selector}
	ports := o.value.at("spec.ports")
	for i, p := range d.Spec.Ports {
		e := evidence.ServicePort{Port: int(p.Port), NodePort: int(p.NodePort), Protocol: protocol(p.Protocol)}
		if p.TargetPort.Type == intstr.Int {
			e.Target = int(p.TargetPort.IntVal)
		} else {
			e.TargetName = p.TargetPort.StrVal
		}
		if at := ports.item(i); at != nil {
			e.At = evidence.Place{File: r.file, Line: at.line, Column: at.column}
		}
		s.Ports = append(s.Ports, e)
	}
	r.release.Services = append(r.release.Services, s)
}

func (r *reader) networkPolicy(o *object, d *netv1.NetworkPolicy) {
	n := evidence.NetworkPolicy{Object: o.Object, IngressRules: len(d.Spec.Ingress), EgressRules: len(d.Spec.Egress)}
	selector, ok := r.selector(o, &d.Spec.PodSelector)
	if !ok {
		return
	}
	n.Selector = selector
	n.Ingress, n.Egress = directions(d)
	for _, rule := range d.Spec.Ingress {
		n.AllowsAllIngress = n.AllowsAllIngress || allPeers(rule.From) && allPorts(rule.Ports)
	}
	for _, rule := range d.Spec.Egress {
		n.AllowsAllEgress = n.AllowsAllEgress || allPeers(rule.To) && allPorts(rule.Ports)
	}
	r.release.NetworkPolicies = append(r.release.NetworkPolicies, n)
}

// directions returns what a policy isolates pods for. Without policyTypes it is
// ingress, and egress where there are rules for it, as the API server fills it in.
func directions(d *netv1.NetworkPolicy) (ingress, egress bool) {
	if len(d.Spec.PolicyTypes) == 0 {
		return true, len(d.Spec.Egress) > 0
	}
	return slices.Contains(d.Spec.PolicyTypes, netv1.PolicyTypeIngress), slices.Contains(d.Spec.PolicyTypes, netv1.PolicyTypeEgress)
}

// selector copies a label selector. One that the API server refuses is a problem.
func (r *reader) selector(o *object, s *metav1.LabelSelector) (evidence.Selector, bool) {
	out := evidence.Selector{Labels: s.MatchLabels}
	for _, e := range s.MatchExpressions {
		switch e.Operator {
		case metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist:
		default:
			r.problem(o.At.Line, o.At.Column, o.path+"spec.podSelector.matchExpressions", "write In, NotIn, Exists or DoesNotExist", "%q is no operator of a selector", clip(string(e.Operator)))
			return out, false
		}
		out.Expressions = append(out.Expressions, evidence.SelectorRequirement{Key: e.Key, Operator: string(e.Operator), Values: e.Values})
	}
	return out, true
}

// allPeers reports a rule that takes every peer: no list, all addresses, or all pods
// of all namespaces.
func allPeers(peers []netv1.NetworkPolicyPeer) bool {
	return len(peers) == 0 || slices.ContainsFunc(peers, func(p netv1.NetworkPolicyPeer) bool {
		if p.IPBlock != nil {
			return len(p.IPBlock.Except) == 0 && (p.IPBlock.CIDR == "0.0.0.0/0" || p.IPBlock.CIDR == "::/0")
		}
		return everything(p.NamespaceSelector) && (p.PodSelector == nil || everything(p.PodSelector))
	})
}

func everything(s *metav1.LabelSelector) bool {
	return s != nil && len(s.MatchLabels)+len(s.MatchExpressions) == 0
}

// allPorts reports a rule that takes every port of a protocol.
func allPorts(ports []netv1.NetworkPolicyPort) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p netv1.NetworkPolicyPort) bool {
		return p.Port == nil || p.EndPort != nil && *p.EndPort >= 65535 && p.Port.Type == intstr.Int && p.Port.IntVal <= 1
	})
}
