package policy

import "github.com/imagegate/imagegate/policy/evidence"

const ruleRunAsNonRoot = "workload.run-as-non-root"

var runAsNonRootKey = switchKey(ruleRunAsNonRoot, "Whether every container must run as a user that is not root.").ofPolicy()

func runAsNonRootRule() *Rule {
	return &Rule{
		ID: ruleRunAsNonRoot, Title: "No container runs as root.",
		Why: "What counts is the user that runs: the one of the manifest, and the one of the image where the manifest names none. Neither of the two alone decides.",
		How: "securityContext: {runAsNonRoot: true, runAsUser: 10001}, or end the Dockerfile with USER 10001",
		Settings: "true or false. The user is runAsUser of the container, runAsUser of the pod, or USER of the image as its /etc/passwd resolves it, in this order; " +
			"of a Compose service it is user, as a number or as the /etc/passwd of its image resolves it, or USER of the image. On Windows it is runAsUserName, or USER of the image: ContainerUser is not root, and administrators are.",
		Default: "not asked", Example: "workload: {run-as-non-root: true}\n", Levels: true,
		keys: []key{runAsNonRootKey}, on: runAsNonRootKey.value, workload: checkRunAsNonRoot,
	}
}

func checkRunAsNonRoot(j *releaseJudge, w *evidence.Workload) answer {
	for i := range w.Containers {
		j.checkNonRoot(w, &w.Containers[i])
	}
	a := passing("%s, none of them as root", containersText(w))
	a.allowed = "any user but root"
	return a
}

func (j *releaseJudge) checkNonRoot(w *evidence.Workload, c *evidence.Container) {
	cure := "securityContext: {runAsNonRoot: true, runAsUser: 10001}, or end the Dockerfile with USER 10001"
	if isService(w) {
		cure = serviceUserCure
	}
	if mayBeWindows(w) && !j.eachOnWindows(w, c, j.checkWindowsUser) {
		return
	}
	if uid, at, ok := declaredUser(w, c); ok {
		switch {
		case uid == 0:
			j.fails(at.with("write another number than 0, such as 10001"), "runs as root: %s", declaredText(w, uid))
		case uid < 0 || uid > maxUID:
			j.undecided(at.with("write a number from 1 to 2147483647"), "runs as %d, which is no user", uid)
		}
		return
	}
	if c.User != "" {
		j.checkNamedUser(w, c)
		return
	}
	images, ok := j.imagesOf(w, c)
	if !ok {
		return
	}
	for _, img := range images {
		if onWindows(w, img) {
			j.checkWindowsUser(w, c, img)
			continue
		}
		at := spot{container: c.Name, at: c.Image.At, cure: cure}
		u := userOf(img)
		if path := overPasswd(w, c); path != "" && u.named {
			j.undecided(at, "has no user of its own, and %s of its image cannot be looked up: the service replaces %s", u.text(), path)
			continue
		}
		switch {
		case u.lacking:
			j.misses(at.with(""), "has no user of its own, and the one of its image is not known: %s", u.problem)
		case u.uid == nil:
			j.undecided(at, "has no user of its own, and the one of its image is not known: %s", u.problem)
		case *u.uid == 0:
			declares := "neither container nor pod sets runAsUser"
			if isService(w) {
				declares = "the service has no user"
			}
			j.fails(at, "runs as root: %s, and of the image %s%s %s", declares, c.Image.Image, several(images, img), u.text())
		}
	}
}

// declaredUser returns the user that a document gives a container, and its place.
func declaredUser(w *evidence.Workload, c *evidence.Container) (uid int64, at spot, ok bool) {
	const field = "securityContext.runAsUser"
	switch {
	case c.Security.RunAsUser != nil && isService(w):
		return *c.Security.RunAsUser, in(c, "user"), true
	case c.Security.RunAsUser != nil:
		return *c.Security.RunAsUser, in(c, field), true
	case w.Security.RunAsUser != nil:
		return *w.Security.RunAsUser, spot{container: c.Name, at: w.PlaceOf(field)}, true
	}
	return 0, spot{}, false
}

func declaredText(w *evidence.Workload, uid int64) string {
	if isService(w) {
		return "user is " + itoa(int(uid))
	}
	return "runAsUser is " + itoa(int(uid))
}
