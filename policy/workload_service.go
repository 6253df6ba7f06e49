package policy

import (
	"path"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// howFor says what to do about a problem for which the rule has no cure of its own: in
// the words of Compose where the workload is a service.
func howFor(r *Rule, w *evidence.Workload) string {
	if w == nil || !isService(w) {
		return r.How
	}
	switch r.ID {
	case ruleRunAsNonRoot:
		return serviceUserCure
	case ruleReadOnlyRoot:
		return "read_only: true, and a tmpfs where the program writes"
	case ruleWorkloadCapabilities:
		return "cap_drop: [ALL]"
	case ruleDenyHost:
		return "remove the field"
	case rulePullPolicy:
		return "name the image by its digest, or write pull_policy: always"
	}
	return r.How
}

// serviceUserCure gives a service a user.
const serviceUserCure = "user: \"10001\", or end the Dockerfile with USER 10001"

// checkNamedUser judges a user that a service gives by its name. Docker looks it up in
// the /etc/passwd of the image.
func (j *releaseJudge) checkNamedUser(w *evidence.Workload, c *evidence.Container) {
	at := in(c, "user").with("write the user as a number: user: \"10001\"")
	if name, _, _ := strings.Cut(c.User, ":"); name == "" {
		j.undecided(at, "runs as user %q, which names no user", c.User)
		return
	}
	if over := overPasswd(w, c); over != "" {
		j.undecided(at, "runs as user %q, which cannot be looked up in the image: the service replaces %s", c.User, over)
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
		switch u := userNamed(img, c.User); {
		case u.lacking:
			j.misses(at, "runs as user %q, which was not looked up in its image %s%s", c.User, c.Image.Image, several(images, img))
		case u.uid == nil:
			j.undecided(at, "runs as user %q, and which number that is in its image %s%s is not known: %s", c.User, c.Image.Image, several(images, img), u.problem)
		case *u.uid == 0:
			j.fails(at, "runs as root: user is %q, which is uid 0 in its image %s%s", c.User, c.Image.Image, several(images, img))
		}
	}
}

// passwd is where runtimes look users up.
const passwd = "/etc/passwd"

// overPasswd returns the path at which a service replaces the /etc/passwd of its image,
// "" for none. Docker looks users up in the image all the same, and podman in what is
// mounted; Docker Compose copies the content of a config into the image's own files.
func overPasswd(w *evidence.Workload, c *evidence.Container) string {
	if !isService(w) {
		return "" // the runtimes of Kubernetes look into the image
	}
	for _, m := range c.Mounts {
		if to := path.Clean("/" + m.Path); to == "/" || to == passwd || strings.HasPrefix(passwd, to+"/") {
			return to
		}
	}
	return ""
}
