package policy

import (
	"fmt"

	"github.com/imagegate/imagegate/policy/words"
)

const ruleDenyPorts = "config.deny-ports"

var denyPortsKey = &setting[[]portRange]{
	path: ruleDenyPorts, doc: "Ports the image may not expose: 22, \"53/udp\", \"8000-8100\".",
	schema: listOf(object{"oneOf": []any{object{"type": "integer", "minimum": 1, "maximum": 65535}, pattern(portForm.String())}}),
	read:   (*decoder).ports, order: longer(func(child, base portRange) bool { return child.covers(base) }),
}

func denyPortsRule() *Rule {
	return &Rule{
		ID: ruleDenyPorts, Title: "The image exposes none of these ports.",
		Why: "A port for remote shells or for the Docker API has no place in a service.",
		How: "remove EXPOSE for the port, and the program that listens there", Default: "not asked", Levels: true,
		Settings: "a list of ports: 22 (any protocol), \"53/udp\", \"8000-8100\"",
		Example:  "config: {deny-ports: [22, 2375, \"9000-9100/tcp\"]}\n",
		keys:     []key{denyPortsKey}, check: checkPorts,
	}
}

func checkPorts(j *judge) answer {
	c := j.img.Config
	if c == nil {
		return missing(noConfig)
	}
	var bad, odd []string
	for _, text := range c.ExposedPorts {
		p, ok := parsePort(text)
		if !ok {
			odd = append(odd, fmt.Sprintf("%q is no port", text))
			continue
		}
		for _, denied := range denyPortsKey.value(j.s) {
			if p.overlaps(denied) {
				bad = append(bad, text)
				break
			}
		}
	}
	a := passing("%s exposed, none of them denied", words.Plural(len(c.ExposedPorts), "port"))
	switch {
	case len(bad) > 0:
		a = failing("exposes %s", words.And(few(bad)))
	case len(odd) > 0:
		a = undecided("exposes what is no port: %s", odd[0])
		a.details, a.cure = odd, "correct EXPOSE in the Dockerfile"
	}
	var denied []string
	for _, d := range denyPortsKey.value(j.s) {
		denied = append(denied, d.String())
	}
	a.allowed = "any port but " + words.And(denied)
	return a
}
