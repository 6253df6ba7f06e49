package policy

import (
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

const ruleDenyPrivileged = "workload.deny-privileged"

var denyPrivilegedKey = switchKey(ruleDenyPrivileged, "Whether privileged containers are refused, and what comes close to them.").ofPolicy()

func denyPrivilegedRule() *Rule {
	return &Rule{
		ID: ruleDenyPrivileged, Title: "No container is privileged.",
		Why: "A privileged container has all devices and capabilities of the host: it is root on the node.",
		How: "remove privileged: true, and add the one capability that is needed",
		Settings: "true or false. It refuses privileged: true, hostProcess: true (Windows), procMount: Unmasked, and allowPrivilegeEscalation: true where it is written. " +
			"That it must be false is a part of workload.pod-security: restricted.",
		Default: "not asked", Example: "workload: {deny-privileged: true}\n", Levels: true,
		keys: []key{denyPrivilegedKey}, on: denyPrivilegedKey.value, workload: checkPrivileged,
	}
}

func checkPrivileged(j *releaseJudge, w *evidence.Workload) answer {
	if w.HostProcess {
		at := spot{at: w.PlaceOf("securityContext.windowsOptions.hostProcess")}
		j.fails(at.with("remove hostProcess: true"), "the pod runs as processes of the host: hostProcess is true")
	}
	for i := range w.Containers {
		c := &w.Containers[i]
		refuse := func(bad bool, field, cure, text string) {
			if bad {
				at := in(c, "securityContext."+field)
				j.fails(at.with(cure), "%s", text)
			}
		}
		refuse(c.Privileged, "privileged", "remove privileged: true, and add the one capability that is needed", "is privileged")
		refuse(c.Security.HostProcess != nil && *c.Security.HostProcess, "windowsOptions.hostProcess", "remove hostProcess: true", "runs as a process of the host")
		refuse(c.ProcMount != "" && !strings.EqualFold(c.ProcMount, "Default"), "procMount", "remove procMount", "sees all of /proc: procMount is "+clip(c.ProcMount))
		refuse(c.AllowPrivilegeEscalation != nil && *c.AllowPrivilegeEscalation, "allowPrivilegeEscalation", "write allowPrivilegeEscalation: false",
			"may gain rights by setuid programs: allowPrivilegeEscalation is true")
	}
	a := passing("%s, none of them privileged", containersText(w))
	a.allowed = "no privileged container"
	return a
}
