package policy

import (
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

const rulePullPolicy = "workload.pull-policy"

// pullAlways asks that a tag is pulled again whenever a container starts.
const pullAlways = "always"

var pullPolicyKey = wordKey(rulePullPolicy, "Whether images that are named by a tag must be pulled whenever a container starts.", pullAlways, wordAny).ofPolicy()

func pullPolicyRule() *Rule {
	return &Rule{
		ID: rulePullPolicy, Title: "A node runs the image that the tag names today.",
		Why: "With IfNotPresent or Never a node runs the bytes that it pulled earlier under the same tag, and those were not judged.",
		How: "name the image by its digest, or write imagePullPolicy: Always", Default: "not asked", Levels: true,
		Settings: "always (an image without a digest has imagePullPolicy: Always, which is also what Kubernetes takes for latest), any. With a digest every pull policy will do.",
		Example:  "workload: {pull-policy: always}\n",
		keys:     []key{pullPolicyKey}, on: func(s *settings) bool { return pullPolicyKey.value(s) != wordAny }, workload: checkPullPolicy,
	}
}

func checkPullPolicy(j *releaseJudge, w *evidence.Workload) answer {
	for i := range w.Containers {
		c := &w.Containers[i]
		j.checkPull(spot{container: c.Name, at: c.Image.PullPolicyAt}, &c.Image, isService(w))
	}
	for i := range w.Volumes {
		if v := &w.Volumes[i]; v.Image != nil {
			j.checkPull(spot{at: v.Image.PullPolicyAt}, v.Image, isService(w))
		}
	}
	a := passing("what a node runs is what the names mean today")
	a.allowed = "a digest, or imagePullPolicy: Always"
	return a
}

func (j *releaseJudge) checkPull(at spot, n *evidence.ImageName, service bool) {
	if at.at == (evidence.Place{}) {
		at.at = n.At
	}
	if strings.Contains(n.Image, "@") || n.Image == "" {
		return
	}
	_, tag := cutTag(n.Image)
	policy := n.PullPolicy
	switch {
	case strings.EqualFold(policy, "always"), policy == "" && !service && (tag == "" || tag == "latest"):
		return
	case policy == "":
		policy = "not set, which means IfNotPresent"
		if service {
			policy = "not set, which means missing"
		}
	}
	j.fails(at, "names %s by a tag, and its pull policy is %s", n.Image, policy)
}

// cutTag cuts the tag off a name without a digest.
func cutTag(name string) (rest, tag string) {
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i], name[i+1:]
	}
	return name, ""
}
