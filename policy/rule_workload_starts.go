package policy

import "github.com/imagegate/imagegate/policy/evidence"

const ruleStarts = "workload.starts"

var startsKey = switchKey(ruleStarts, "Whether the kubelet must accept the user of every container.").ofPolicy()

func startsRule() *Rule {
	return &Rule{
		ID: ruleStarts, Title: "The kubelet starts every container.",
		Why: "A pod that asks for runAsNonRoot is refused on the node when its image runs as root, or when the USER of the image is a name: the kubelet does not look into /etc/passwd.",
		How: "add runAsUser: 10001 beside runAsNonRoot, or end the Dockerfile with a number: USER 10001",
		Settings: "true or false. It is the kubelet's own rule on both: where runAsNonRoot applies, runAsUser must not be 0, and without runAsUser the USER of the image must be a " +
			"number other than 0. On Windows neither runAsUserName nor USER of the image must be ContainerAdministrator. Both fields are taken of the container, and of the pod where the container has none.",
		Default: "not asked", Example: "workload: {starts: true}\n", Levels: true,
		keys: []key{startsKey}, on: startsKey.value, workload: checkStarts,
	}
}

func checkStarts(j *releaseJudge, w *evidence.Workload) answer {
	if isService(w) {
		return notApplying("the kubelet does not start a Compose service")
	}
	for i := range w.Containers {
		j.checkStart(w, &w.Containers[i])
	}
	a := passing("%s, all of them start", containersText(w))
	a.allowed = "containers whose user the kubelet accepts"
	return a
}

func (j *releaseJudge) checkStart(w *evidence.Workload, c *evidence.Container) {
	sc := w.Effective(c)
	if sc.RunAsNonRoot == nil || !*sc.RunAsNonRoot || mayBeWindows(w) && !j.eachOnWindows(w, c, j.checkWindowsStart) {
		return
	}
	if uid, at, ok := declaredUser(w, c); ok {
		if uid == 0 {
			j.fails(at.with("write another number than 0, such as 10001"), "does not start: runAsNonRoot is true and runAsUser is 0")
		}
		return
	}
	images, ok := j.imagesOf(w, c)
	if !ok {
		return
	}
	at := spot{container: c.Name, at: c.PlaceOf("securityContext.runAsNonRoot"), cure: "add runAsUser: 10001 beside runAsNonRoot, or end the Dockerfile with USER 10001"}
	if c.Security.RunAsNonRoot == nil {
		at.at = w.PlaceOf("securityContext.runAsNonRoot")
	}
	for _, img := range images {
		if onWindows(w, img) {
			j.checkWindowsStart(w, c, img)
			continue
		}
		// The kubelet sees the spelling of USER alone: a name is refused whatever it
		// resolves to, and a number is not looked up.
		switch u := userOf(img); {
		case img.Config == nil:
			j.misses(at.with(""), "may not start: %s", u.problem)
		case u.named:
			j.fails(at, "does not start: runAsNonRoot is true, and %s of the image %s%s is a name, which the kubelet cannot verify", u.text(), c.Image.Image, several(images, img))
		case u.uid != nil && *u.uid == 0:
			j.fails(at, "does not start: runAsNonRoot is true, and the image %s%s runs as root: %s", c.Image.Image, several(images, img), u.text())
		}
	}
}
