package policy

import (
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// The users of Windows that every image has, in lower case. What groups another one is in
// is not known.
var (
	windowsAdministrators = []string{
		containerAdministrator, "administrator", "administrators", `builtin\administrators`, `builtin\administrator`, "system", "localsystem", `nt authority\system`,
	}
	windowsPlainUsers = []string{
		"containeruser", `nt authority\local service`, `nt authority\localservice`, `nt authority\network service`, `nt authority\networkservice`,
	}
)

const containerAdministrator = "containeradministrator"

// windowsName is the name of a user as users of Windows are compared: without regard to
// case, and without the name of the manager that whoami shows.
func windowsName(user string) string {
	return strings.TrimPrefix(strings.ToLower(strings.TrimSpace(user)), `user manager\`)
}

// eachOnWindows calls check for the images of a container that run on Windows, and
// reports whether it has one that runs on Linux.
func (j *releaseJudge) eachOnWindows(w *evidence.Workload, c *evidence.Container, check func(*evidence.Workload, *evidence.Container, *evidence.Image)) (others bool) {
	images, ok := j.imagesOf(w, c)
	if !ok {
		return false
	}
	ofWindows := slices.ContainsFunc(images, func(img *evidence.Image) bool { return isWindowsPlatform(img.Platform) })
	for _, img := range images {
		switch {
		case isWindows(w) && ofWindows && !isWindowsPlatform(img.Platform): // it runs on no node of the pod
		case onWindows(w, img):
			check(w, c, img)
		case !ofWindows && slices.ContainsFunc(img.Platforms, isWindowsPlatform):
			at := spot{container: c.Name, at: c.Image.At, cure: "judge the image for Windows as well: leave out --platform; or write os: {name: linux} into the pod"}
			j.undecided(at, "may run on Windows, for which its image %s was not judged", c.Image.Image)
		default:
			others = true
		}
	}
	return others
}

// windowsUserOf returns the user of a container on Windows, and where it is written. ok is
// false when the config of the image was not read.
func windowsUserOf(w *evidence.Workload, c *evidence.Container, img *evidence.Image) (user string, at spot, ok bool) {
	const field = "securityContext.windowsOptions.runAsUserName"
	switch {
	case c.User != "":
		return c.User, in(c, "user"), true
	case c.Security.RunAsUserName != "":
		return c.Security.RunAsUserName, in(c, field), true
	case w.Security.RunAsUserName != "":
		return w.Security.RunAsUserName, spot{container: c.Name, at: w.PlaceOf(field)}, true
	}
	at = spot{container: c.Name, at: c.Image.At}
	if img.Config == nil {
		return "", at, false
	}
	return img.Config.User, at, true
}

const windowsUserCure = "securityContext: {windowsOptions: {runAsUserName: ContainerUser}}"

// checkWindowsUser judges the user of a container on Windows.
func (j *releaseJudge) checkWindowsUser(w *evidence.Workload, c *evidence.Container, img *evidence.Image) {
	user, at, ok := windowsUserOf(w, c, img)
	switch name := windowsName(user); {
	case !ok:
		j.misses(at, "has no runAsUserName, and the user of its image is not known: %s", noConfig)
	case name == "":
		j.fails(at.with(windowsUserCure), "runs as ContainerAdministrator: nothing sets runAsUserName, and of the image %s USER is not set", c.Image.Image)
	case slices.Contains(windowsAdministrators, name):
		j.fails(at.with(windowsUserCure), "runs on Windows as the administrator %q", clip(user))
	case !slices.Contains(windowsPlainUsers, name):
		j.undecided(at.with(windowsUserCure+"; or except the workload if the user is no administrator: rule: "+ruleRunAsNonRoot),
			"runs on Windows as %q, and whether that is an administrator is not known", clip(user))
	}
}

// checkWindowsStart is the rule of the kubelet on Windows for runAsNonRoot.
func (j *releaseJudge) checkWindowsStart(w *evidence.Workload, c *evidence.Container, img *evidence.Image) {
	user, at, ok := windowsUserOf(w, c, img)
	switch {
	case !ok:
		j.misses(at, "may not start: %s", noConfig)
	case strings.EqualFold(user, containerAdministrator):
		j.fails(at.with(windowsUserCure), "does not start: runAsNonRoot is true, and it runs as %s", user)
	}
}
