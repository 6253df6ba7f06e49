package policy

import (
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
	"slices"
)

const ruleWorkloadPorts = "workload.deny-ports"

var workloadPortsKey = &setting[[]portRange]{
	path: ruleWorkloadPorts, doc: "Ports that no container may listen on and no service may lead to: 2375, \"53/udp\", \"8000-8100\".",
	schema: listOf(object{"oneOf": []any{object{"type": "integer", "minimum": 1, "maximum": 65535}, pattern(portForm.String())}}),
	read:   (*decoder).ports, order: longer(func(child, base portRange) bool { return child.covers(base) }), global: true,
}

func workloadPortsRule() *Rule {
	return &Rule{
		ID: ruleWorkloadPorts, Title: "No container listens on these ports.",
		Why: "On 2375 and 2376 the Docker daemon takes orders, and who reaches them is root on the node.",
		How: "remove the port, and the program that listens there", Default: "not asked", Levels: true,
		Settings: "a list of ports: 22 (any protocol), \"53/udp\", \"8000-8100\". It looks at containerPort, hostPort, published ports of Compose services, " +
			"port, targetPort and nodePort of a Service, and EXPOSE of the images and of Dockerfiles.",
		Example: "workload: {deny-ports: [2375, 2376]}\n",
		keys:    []key{workloadPortsKey}, workload: checkWorkloadPorts, release: checkServicePorts,
	}
}

func (j *releaseJudge) deniedPort(from, to int, protocol string) bool {
	if from <= 0 {
		return false
	}
	p := portRange{from: from, to: max(from, to), protocol: protocol}
	return slices.ContainsFunc(workloadPortsKey.value(j.s), p.overlaps)
}

func (j *releaseJudge) allowedPorts() string {
	var denied []string
	for _, d := range workloadPortsKey.value(j.s) {
		denied = append(denied, d.String())
	}
	return "any port but " + words.And(denied)
}

func checkWorkloadPorts(j *releaseJudge, w *evidence.Workload) answer {
	for i := range w.Containers {
		c := &w.Containers[i]
		for _, p := range c.Ports {
			at := spot{container: c.Name, at: p.At}
			switch {
			case j.deniedPort(p.Port, p.End, p.Protocol):
				j.fails(at, "listens on port %s", portText(p.Port, p.End, p.Protocol))
			case j.deniedPort(p.Host, p.HostEnd, p.Protocol):
				j.fails(at, "takes port %s of the host", portText(p.Host, p.HostEnd, p.Protocol))
			}
		}
		j.checkExposed(c)
	}
	a := passing("no such port")
	a.allowed = j.allowedPorts()
	return a
}

// checkExposed looks at EXPOSE of the image: a container listens there whatever
// its manifest lists.
func (j *releaseJudge) checkExposed(c *evidence.Container) {
	for _, img := range j.images[c.Image.Ref] {
		if img.Config == nil {
			continue
		}
		for _, text := range img.Config.ExposedPorts {
			if p, ok := parsePort(text); ok && j.deniedPort(p.from, p.to, p.protocol) {
				at := spot{container: c.Name, at: c.Image.At, cure: "remove EXPOSE " + text + " from the Dockerfile, and the program that listens there"}
				j.fails(at, "has an image that exposes %s: %s", text, c.Image.Image)
				return
			}
		}
	}
}

func checkServicePorts(j *releaseJudge) answer {
	for i := range j.release.Services {
		s := &j.release.Services[i]
		for _, p := range s.Ports {
			at := spot{workload: s.ID(), at: p.At}
			for _, n := range []struct {
				port int
				name string
			}{{p.Target, "targetPort"}, {p.Port, "port"}, {p.NodePort, "nodePort"}} {
				if j.deniedPort(n.port, 0, p.Protocol) {
					j.fails(at, "the Service %s leads to port %s: %s", s.Name, portText(n.port, 0, p.Protocol), n.name)
					break
				}
			}
		}
	}
	j.checkDockerfilePorts()
	if len(j.release.Services)+len(j.release.Dockerfiles) == 0 {
		return off("no document has a Service")
	}
	a := passing("%s and %s, none of them on such a port", words.Plural(len(j.release.Services), "Service"), words.Plural(len(j.release.Dockerfiles), "Dockerfile"))
	a.allowed = j.allowedPorts()
	return a
}

func portText(from, to int, protocol string) string {
	return portRange{from: from, to: max(from, to), protocol: protocol}.String()
}
