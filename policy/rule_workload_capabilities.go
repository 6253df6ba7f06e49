package policy

import (
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const ruleWorkloadCapabilities = "workload.capabilities"

// capabilityAll is every capability.
const capabilityAll = "ALL"

var capabilityForm = regexp.MustCompile(`^[A-Z][A-Z_]*$`)

var workloadCapabilitiesKey = &setting[[]string]{
	path: ruleWorkloadCapabilities + ".allow", doc: "Capabilities that a container may add after it dropped ALL: [NET_BIND_SERVICE], or none.",
	schema: object{"oneOf": []any{enum(wordNone), listOf(pattern(capabilityForm.String()))}}, read: (*decoder).capabilities,
	order: shorter(same), global: true,
	required: true, cure: "say which capabilities may be added: allow: [NET_BIND_SERVICE], or allow: none",
}

// wordNone is an empty list.
const wordNone = "none"

func workloadCapabilitiesRule() *Rule {
	return &Rule{
		ID: ruleWorkloadCapabilities, Title: "Containers drop every capability and add only these.",
		Why: "A container has 14 capabilities by default, and hardly a program needs one of them.",
		How: "securityContext: {capabilities: {drop: [ALL]}}",
		Settings: "allow: the capabilities that may be added, without CAP_, or none. Every container must drop ALL, init and ephemeral ones too. " +
			"Names are compared without CAP_ and without regard to case, as runtimes do. A privileged container has all of them.",
		Default: "not asked", Example: "workload: {capabilities: {allow: [NET_BIND_SERVICE]}}\n", Levels: true,
		keys: []key{workloadCapabilitiesKey}, workload: checkWorkloadCapabilities,
	}
}

func (d *decoder) capabilities(n *yaml.Node, name string) ([]string, bool) {
	if n.Kind == yaml.ScalarNode {
		_, ok := d.choice(n, name, []string{wordNone})
		return []string{}, ok
	}
	return list(d, n, name, true, func(c *yaml.Node, item string) (string, bool) {
		s, ok := d.text(c, item)
		switch {
		case ok && strings.HasPrefix(strings.ToUpper(s), "CAP_"):
			d.fail(c, "write "+strings.TrimPrefix(strings.ToUpper(s), "CAP_"), "%s is %q: manifests name capabilities without CAP_", item, clip(s))
		case ok && s == capabilityAll:
			d.fail(c, "name the capabilities one by one, or set levels: {"+ruleWorkloadCapabilities+": off}", "%s is ALL, so the rule would ask for nothing", item)
		case ok && !capabilityForm.MatchString(s):
			d.fail(c, "write it as manifests do: NET_BIND_SERVICE", "%s is %q, which is no capability", item, clip(s))
		default:
			return s, ok
		}
		return "", false
	})
}

func checkWorkloadCapabilities(j *releaseJudge, w *evidence.Workload) answer {
	if isWindows(w) {
		return notApplying("Windows has no capabilities")
	}
	allowed := workloadCapabilitiesKey.value(j.s)
	for i := range w.Containers {
		c := &w.Containers[i]
		if c.Privileged {
			at := in(c, "securityContext.privileged")
			j.fails(at.with("remove privileged: true"), "has every capability: it is privileged")
			continue
		}
		if !slices.Contains(c.CapabilitiesDrop, capabilityAll) {
			at := in(c, "securityContext.capabilities.drop")
			j.fails(at, "does not drop ALL%s", droppedText(c.CapabilitiesDrop))
		}
		for _, add := range c.CapabilitiesAdd {
			if !slices.Contains(allowed, plainCapability(add)) {
				at := in(c, "securityContext.capabilities.add")
				j.fails(at.with("remove "+add+" from capabilities.add"), "adds %s", add)
			}
		}
	}
	a := passing("%s, all of them drop ALL", containersText(w))
	a.allowed = "drop ALL, and add nothing"
	if len(allowed) > 0 {
		a.allowed = "drop ALL, and add " + words.Or(allowed)
	}
	return a
}

// plainCapability is the name without CAP_ and in upper case: runtimes add the
// prefix only where it is missing.
func plainCapability(name string) string {
	return strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(name)), "CAP_")
}

func droppedText(drop []string) string {
	if len(drop) == 0 {
		return ""
	}
	return ", only " + words.And(few(slices.Clone(drop)))
}
