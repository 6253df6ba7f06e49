package policy

import (
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// windows makes a pod of one for Windows, whose image is for Windows and has no USER. With
// system "" it chooses nodes of Windows.
func windows(system, user string, more ...func(*evidence.Workload, *evidence.Image)) func(*evidence.Release, *evidence.Image) {
	return func(r *evidence.Release, img *evidence.Image) {
		w := &r.Workloads[0]
		w.OS, w.WindowsNodes, w.Security.RunAsUserName = system, system == "", user
		w.Security.RunAsUser, w.Containers[0].Security.RunAsUser = nil, nil
		img.Platform, img.Platforms, img.Config.User = "windows/amd64", []string{"windows/amd64"}, ""
		for _, change := range more {
			change(w, img)
		}
	}
}

func imageUserOf(user string) func(*evidence.Workload, *evidence.Image) {
	return func(_ *evidence.Workload, img *evidence.Image) { img.Config.User = user }
}

func linuxImage(user string) func(*evidence.Workload, *evidence.Image) {
	return func(_ *evidence.Workload, img *evidence.Image) {
		img.Platform, img.Platforms, img.Config.User, img.Scan = "linux/amd64", []string{"linux/amd64"}, user, nil
	}
}

func TestWindowsUsers(t *testing.T) {
	const p = "workload: {run-as-non-root: true}"
	runReleaseCases(t, map[string]releaseCase{
		"windows":                       {p, windows("windows", ""), ruleRunAsNonRoot, ResultFail, "ContainerAdministrator"},
		"windows, runAsUser":            {p, windows("windows", "", func(w *evidence.Workload, _ *evidence.Image) { w.Security.RunAsUser = ptr(int64(1000)) }), ruleRunAsNonRoot, ResultFail, "ContainerAdministrator"},
		"windows, plain user":           {p, windows("windows", "ContainerUser"), ruleRunAsNonRoot, ResultPass, ""},
		"windows, as whoami shows it":   {p, windows("windows", `User Manager\ContainerUser`), ruleRunAsNonRoot, ResultPass, ""},
		"windows, administrator":        {p, windows("windows", `nt authority\SYSTEM`), ruleRunAsNonRoot, ResultFail, "administrator"},
		"windows, root of Linux":        {p, windows("windows", "root"), ruleRunAsNonRoot, ResultUndecided, "not known"},
		"windows, user of the image":    {p, windows("windows", "", imageUserOf("ContainerUser")), ruleRunAsNonRoot, ResultPass, ""},
		"windows, pod before the image": {p, windows("windows", "ContainerAdministrator", imageUserOf("ContainerUser")), ruleRunAsNonRoot, ResultFail, ""},
		"windows, container before the pod": {p, windows("windows", "ContainerAdministrator", func(w *evidence.Workload, _ *evidence.Image) {
			w.Containers[0].Security.RunAsUserName = "ContainerUser"
		}), ruleRunAsNonRoot, ResultPass, ""},
		"windows, no config":               {p, windows("windows", "", func(_ *evidence.Workload, img *evidence.Image) { img.Config = nil }), ruleRunAsNonRoot, ResultUndecided, "not known"},
		"nodes of windows":                 {p, windows("", ""), ruleRunAsNonRoot, ResultFail, "ContainerAdministrator"},
		"nodes of windows, plain user":     {p, windows("", "ContainerUser"), ruleRunAsNonRoot, ResultPass, ""},
		"nodes of windows, image of Linux": {p, windows("", "ContainerUser", linuxImage("0")), ruleRunAsNonRoot, ResultFail, "root"},
		"nodes of windows, plain image":    {p, windows("", "ContainerAdministrator", linuxImage("1000")), ruleRunAsNonRoot, ResultPass, ""},
		"nodes of windows, not judged for it": {p, windows("", "", func(w *evidence.Workload, img *evidence.Image) {
			linuxImage("1000")(w, img)
			img.Platforms = []string{"linux/amd64", "windows/amd64"}
		}), ruleRunAsNonRoot, ResultUndecided, "was not judged"},
		"an image of windows": {p, windows("", "", func(w *evidence.Workload, _ *evidence.Image) { w.WindowsNodes = false }), ruleRunAsNonRoot, ResultFail, "ContainerAdministrator"},
	})
}

// What the kubelet of Windows asks: verifyRunAsNonRoot of security_context_windows.go.
func TestWindowsStarts(t *testing.T) {
	const p = "workload: {starts: true}"
	nonRoot := func(value bool) func(*evidence.Workload, *evidence.Image) {
		return func(w *evidence.Workload, _ *evidence.Image) { w.Security.RunAsNonRoot = ptr(value) }
	}
	runReleaseCases(t, map[string]releaseCase{
		"administrator":              {p, windows("windows", "containeradministrator"), ruleStarts, ResultFail, "does not start"},
		"administrator of the image": {p, windows("windows", "", imageUserOf("ContainerAdministrator")), ruleStarts, ResultFail, "does not start"},
		"administrator, not asked":   {p, windows("windows", "ContainerAdministrator", nonRoot(false)), ruleStarts, ResultPass, ""},
		"plain user":                 {p, windows("windows", "ContainerUser", imageUserOf("ContainerAdministrator")), ruleStarts, ResultPass, ""},
		"no user at all":             {p, windows("windows", ""), ruleStarts, ResultPass, ""},
		"a name in the image":        {p, windows("windows", "", imageUserOf("app")), ruleStarts, ResultPass, ""},
		"no config":                  {p, windows("windows", "", func(_ *evidence.Workload, img *evidence.Image) { img.Config = nil }), ruleStarts, ResultUndecided, ""},
		"nodes, image of Windows":    {p, windows("", "", imageUserOf("app")), ruleStarts, ResultPass, ""},
		"nodes, image of Linux":      {p, windows("", "", linuxImage("app")), ruleStarts, ResultFail, "is a name"},
		"nodes, runAsUser 0":         {p, windows("", "", linuxImage("app"), func(w *evidence.Workload, _ *evidence.Image) { w.Security.RunAsUser = ptr(int64(0)) }), ruleStarts, ResultFail, "runAsUser is 0"},
		"an image of Windows":        {p, windows("", "", imageUserOf("app"), func(w *evidence.Workload, _ *evidence.Image) { w.WindowsNodes = false }), ruleStarts, ResultPass, ""},
	})
}
