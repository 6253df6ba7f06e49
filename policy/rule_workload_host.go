package policy

import (
	"slices"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const ruleDenyHost = "workload.deny-host"

// The words for what a pod can share with its node.
const (
	hostNetwork = "network"
	hostPID     = "pid"
	hostIPC     = "ipc"
	hostPorts   = "ports"
)

var denyHostKey = &setting[[]string]{
	path: ruleDenyHost, doc: "What pods may not share with the node: network, pid, ipc, ports.",
	schema: listOf(enum(hostNetwork, hostPID, hostIPC, hostPorts)), read: wordList([]string{hostNetwork, hostPID, hostIPC, hostPorts}),
	order: longer(same), global: true,
}

func denyHostRule() *Rule {
	return &Rule{
		ID: ruleDenyHost, Title: "Pods do not share these with the node.",
		Why: "In the namespaces of the node a container sees its traffic, its processes and their memory.",
		How: "remove the field, and use a Service instead of a port of the node", Default: "not asked", Levels: true,
		Settings: "a list of network (hostNetwork), pid (hostPID), ipc (hostIPC) and ports (hostPort). Of a Compose service it is network_mode, pid and ipc: host; " +
			"its ports are published on purpose, so ports asks nothing of it.",
		Example: "workload: {deny-host: [network, pid, ipc, ports]}\n",
		keys:    []key{denyHostKey}, workload: checkHost,
	}
}

func checkHost(j *releaseJudge, w *evidence.Workload) answer {
	denied := denyHostKey.value(j.s)
	for _, n := range []struct {
		word, field, service string
		set                  bool
	}{
		{hostNetwork, "hostNetwork", "network_mode", w.HostNetwork}, {hostPID, "hostPID", "pid", w.HostPID}, {hostIPC, "hostIPC", "ipc", w.HostIPC},
	} {
		if !n.set || !slices.Contains(denied, n.word) {
			continue
		}
		field := n.field
		if isService(w) {
			field = n.service
		}
		at := spot{at: w.PlaceOf(field)}
		j.fails(at.with("remove "+field), "shares the %s namespace of the host: %s", n.word, field)
	}
	if slices.Contains(denied, hostPorts) && !isService(w) {
		for i := range w.Containers {
			c := &w.Containers[i]
			for _, p := range c.Ports {
				if p.Host > 0 {
					at := spot{container: c.Name, at: p.At}
					j.fails(at.with("remove hostPort, and use a Service"), "takes port %d of the node", p.Host)
				}
			}
		}
	}
	a := passing("shares nothing of these with the node")
	a.allowed = "a pod without the " + words.And(denied) + " of the node"
	return a
}
