package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
)

const rulePodSecurity = "workload.pod-security"

// The levels of the Pod Security Standards that ask for something.
const (
	podSecurityBaseline   = "baseline"
	podSecurityRestricted = "restricted"
)

var podSecurityForm = regexp.MustCompile(`^(baseline|restricted)@1\.([0-9]{1,3})$`)

// podSecurity is a level of the Pod Security Standards and their version.
type podSecurity struct {
	level string
	minor int
}

func (p podSecurity) String() string { return fmt.Sprintf("%s@1.%d", p.level, p.minor) }

var podSecurityKey = &setting[podSecurity]{
	path: rulePodSecurity, doc: "The Pod Security Standard that pods meet, with its version: baseline@1.36 or restricted@1.36.",
	schema: pattern(podSecurityForm.String()), read: (*decoder).podSecurity, global: true,
	// Versions cannot be compared: a newer one can take a control back.
	order: func(child, base podSecurity) bool {
		return child.minor == base.minor && strictest(podSecurityRestricted, podSecurityBaseline)(child.level, base.level)
	},
}

func podSecurityRule() *Rule {
	return &Rule{
		ID: rulePodSecurity, Title: "Pods meet a Pod Security Standard.",
		Why: "It is the standard of Kubernetes itself, and the cluster refuses the pod where the namespace enforces it.",
		How: "set what the report names in the securityContext of the pod or of the container",
		Settings: "LEVEL@VERSION: baseline or restricted, and a version of Kubernetes such as 1.36. It is evaluated by the library that the API server uses. " +
			"The version is fixed so that the same manifest keeps its verdict.",
		Default: "not asked", Example: "workload: {pod-security: restricted@1.36}\n", Levels: true,
		keys: []key{podSecurityKey}, workload: checkPodSecurity,
	}
}

func (d *decoder) podSecurity(n *yaml.Node, name string) (podSecurity, bool) {
	s, ok := d.text(n, name)
	if !ok {
		return podSecurity{}, false
	}
	m := podSecurityForm.FindStringSubmatch(s)
	if m == nil {
		d.fail(n, "write a level and a version: restricted@1.36 or baseline@1.36", "%s is %q", name, clip(s))
		return podSecurity{}, false
	}
	minor, _ := strconv.Atoi(m[2])
	return podSecurity{level: m[1], minor: minor}, true
}

func checkPodSecurity(j *releaseJudge, w *evidence.Workload) answer {
	want := podSecurityKey.value(j.s)
	if isService(w) {
		return notApplying("a Compose service is no pod")
	}
	a := passing("meets %s", want)
	a.allowed = "a pod that meets " + want.String()
	newest, known := minorOf(j.release.PodSecurityVersion)
	if known && want.minor > newest {
		j.misses(spot{at: w.At, cure: fmt.Sprintf("write %s@1.%d, or use a newer imagegate", want.level, newest)},
			"%s is asked for, and this imagegate knows the standards up to 1.%d", want, newest)
		return a
	}
	result := answerOf(w.PodSecurity, want)
	if result == nil || !known {
		j.misses(spot{at: w.At}, "the pod was not evaluated by the Pod Security Standards")
		return a
	}
	for _, v := range result.Violations {
		at := spot{at: w.At, cure: podSecurityCure(v.Control)}
		if v.Detail == "" {
			j.fails(at, "does not meet %s: %s", want, v.Reason)
			continue
		}
		j.fails(at, "does not meet %s: %s: %s", want, v.Reason, v.Detail)
	}
	return a
}

// answerOf returns the answer of the version that is asked for: that of the newest
// one that is not newer.
func answerOf(all []evidence.PodSecurity, want podSecurity) *evidence.PodSecurity {
	var found *evidence.PodSecurity
	best := -1
	for i := range all {
		minor, ok := minorOf(all[i].Version)
		if ok && all[i].Level == want.level && minor <= want.minor && minor > best {
			found, best = &all[i], minor
		}
	}
	return found
}

func minorOf(version string) (int, bool) {
	rest, ok := strings.CutPrefix(version, "1.")
	n, err := strconv.Atoi(rest)
	return n, ok && err == nil
}

// podSecurityCure says what to write for a control of the standards, "" where what
// the standards say is enough.
func podSecurityCure(control string) string {
	cures := []struct{ control, cure string }{
		{"allowPrivilegeEscalation", "write securityContext: {allowPrivilegeEscalation: false} into each container"},
		{"seccompProfile", "write securityContext: {seccompProfile: {type: RuntimeDefault}} into the pod"},
		{"runAsNonRoot", "write securityContext: {runAsNonRoot: true} into the pod"},
		{"runAsUser", "write another number than 0 as runAsUser, or remove it"},
		{"unrestricted capabilities", "write securityContext: {capabilities: {drop: [ALL]}} into each container, and add NET_BIND_SERVICE or nothing"},
		{"hostPath volumes", "use a volume of another type, such as emptyDir or persistentVolumeClaim"},
		{"host namespaces", "remove hostNetwork, hostPID and hostIPC"},
		{"hostPort", "remove hostPort, and use a Service"},
		{"hostProcess", "remove hostProcess: true"},
		{"privileged", "remove privileged: true"},
		{"procMount", "remove procMount"},
		{"restricted volume types", "use volumes of the types configMap, csi, downwardAPI, emptyDir, ephemeral, persistentVolumeClaim, projected or secret"},
	}
	i := slices.IndexFunc(cures, func(c struct{ control, cure string }) bool {
		return strings.HasPrefix(control, c.control)
	})
	if i < 0 {
		return ""
	}
	return cures[i].cure
}
