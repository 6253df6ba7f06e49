package policy

import (
	"slices"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const ruleNetworkPolicy = "workload.network-policy"

// The words for what is denied by default.
const (
	networkDefaultDeny = "default-deny"
	networkIngress     = "ingress"
)

var networkPolicyKey = wordKey(ruleNetworkPolicy, "What a NetworkPolicy must deny by default for every pod: default-deny (both directions), ingress, any.", networkDefaultDeny, networkIngress, wordAny).ofPolicy()

func networkPolicyRule() *Rule {
	return &Rule{
		ID: ruleNetworkPolicy, Title: "A NetworkPolicy denies what is not allowed.",
		Why: "Without one, every pod of the cluster reaches every other one, and the internet.",
		How: "add a NetworkPolicy with podSelector: {}, policyTypes: [Ingress, Egress] and no rules to the namespace",
		Settings: "default-deny (ingress and egress), ingress, any. In the documents there must be a policy in the namespace of the pod that selects the pod, has the direction among its " +
			"policyTypes and has no rule for it. Another policy that selects the pod and allows all peers on all ports voids it. A pod with hostNetwork is bound by no policy.",
		Default: "not asked", Example: "workload: {network-policy: default-deny}\n", Levels: true,
		keys: []key{networkPolicyKey}, on: func(s *settings) bool { return networkPolicyKey.value(s) != wordAny }, release: checkNetworkPolicy,
	}
}

// checkNetworkPolicy is asked once for all workloads: what a namespace lacks is
// reported once, and not for each of its hundred pods.
func checkNetworkPolicy(j *releaseJudge) answer {
	lacking := map[string][]*evidence.Workload{} // by what is wrong
	var order []string
	pods := 0
	for i := range j.release.Workloads {
		w := &j.release.Workloads[i]
		if isService(w) {
			continue
		}
		pods++
		p := j.networkProblem(w)
		if p == nil {
			continue
		}
		if e := j.exceptProblem(&Problem{Workload: w.ID()}); e != nil || p.alone {
			// An exception is for one workload, so that it is reported with it.
			j.reportNetwork(p, []*evidence.Workload{w})
			continue
		}
		if lacking[p.key()] = append(lacking[p.key()], w); len(lacking[p.key()]) == 1 {
			order = append(order, p.key())
		}
	}
	for _, key := range order {
		j.reportNetwork(j.networkProblem(lacking[key][0]), lacking[key])
	}
	if pods == 0 {
		return notApplying("no document has a pod")
	}
	a := passing("%s, all of them under a default deny", words.Plural(pods, "workload"))
	a.allowed = "pods that a NetworkPolicy isolates"
	return a
}

// networkProblem is what is wrong with the policies for a pod.
type networkProblem struct {
	result    Result
	namespace string
	message   string
	cure      string
	at        evidence.Place
	alone     bool // about this pod, and not about its namespace
}

func (p *networkProblem) key() string { return p.namespace + "\x00" + p.message }

func (j *releaseJudge) reportNetwork(p *networkProblem, workloads []*evidence.Workload) {
	at := spot{workload: workloads[0].ID(), at: p.at, cure: p.cure}
	if at.at == (evidence.Place{}) {
		at.at = workloads[0].At
	}
	message := p.message
	if len(workloads) > 1 {
		message += " (" + words.Plural(len(workloads), "workload") + ")"
		// An exception for one of them must not cover the others.
		at.workload = ""
	}
	if p.result == ResultFail {
		j.fails(at, "%s", message)
		return
	}
	j.undecided(at, "%s", message)
}

// networkProblem returns nil when policies isolate the pod as asked.
func (j *releaseJudge) networkProblem(w *evidence.Workload) *networkProblem {
	if w.HostNetwork {
		return &networkProblem{result: ResultFail, at: w.PlaceOf("hostNetwork"), alone: true, cure: "remove hostNetwork",
			message: "the pod of " + w.ID() + " uses the network of the node, and no NetworkPolicy binds it"}
	}
	directions := []string{networkIngress}
	if networkPolicyKey.value(j.s) == networkDefaultDeny {
		directions = append(directions, "egress")
	}
	for _, d := range directions {
		if p := j.networkDirection(w, d); p != nil {
			return p
		}
	}
	return nil
}

func (j *releaseJudge) networkDirection(w *evidence.Workload, direction string) *networkProblem {
	isolates, elsewhere, foreign := false, false, false
	for i := range j.release.NetworkPolicies {
		n := &j.release.NetworkPolicies[i]
		if n.Foreign {
			foreign = true
			continue
		}
		in, rules, all := n.Ingress, n.IngressRules, n.AllowsAllIngress
		if direction != networkIngress {
			in, rules, all = n.Egress, n.EgressRules, n.AllowsAllEgress
		}
		if !in || !selects(&n.Selector, w.Labels) {
			continue
		}
		switch {
		case n.Namespace == w.Namespace && all:
			return &networkProblem{result: ResultFail, namespace: w.Namespace, at: n.At, cure: "remove the rule, or name the peers and ports that are meant",
				message: "the NetworkPolicy " + n.Name + " allows all " + direction + " " + inNamespace(w.Namespace)}
		case n.Namespace == w.Namespace && rules == 0:
			isolates = true
		case rules == 0 && (n.Namespace == "" || w.Namespace == ""):
			elsewhere = true
		}
	}
	p := &networkProblem{result: ResultFail, namespace: w.Namespace, message: "no NetworkPolicy denies " + direction + " by default " + inNamespace(w.Namespace)}
	switch {
	case isolates:
		return nil
	case elsewhere:
		p.result, p.cure = ResultUndecided, "write the namespace into the documents, or give it with --namespace"
		p.message = "whether a NetworkPolicy denies " + direction + " by default " + inNamespace(w.Namespace) + " is not known: not all documents name their namespace"
	case foreign:
		p.result, p.cure = ResultUndecided, "add a NetworkPolicy of Kubernetes itself"
		p.message = "whether " + direction + " is denied by default " + inNamespace(w.Namespace) + " is not known: the policies are of another API than NetworkPolicy"
	}
	return p
}

func inNamespace(namespace string) string {
	if namespace == "" {
		return "in the namespace of the release"
	}
	return "in the namespace " + namespace
}

// selects reports whether a selector takes a pod with these labels.
func selects(s *evidence.Selector, labels map[string]string) bool {
	for k, v := range s.Labels {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	for _, r := range s.Expressions {
		got, has := labels[r.Key]
		ok := false
		switch r.Operator {
		case "In":
			ok = has && slices.Contains(r.Values, got)
		case "NotIn":
			ok = !has || !slices.Contains(r.Values, got)
		case "Exists":
			ok = has
		case "DoesNotExist":
			ok = !has
		}
		if !ok {
			return false
		}
	}
	return true
}
