package policy

import (
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// ofService makes a service of the workload, whose image knows accounts, and whose user is
// the one given.
func ofService(user string, more ...func(*evidence.Workload, *evidence.Image)) func(*evidence.Release, *evidence.Image) {
	return func(r *evidence.Release, img *evidence.Image) {
		service(r)
		w := &r.Workloads[0]
		w.Containers[0].User = user
		img.Config.User = ""
		img.Scan.User = &evidence.User{UID: ptr(int64(0))}
		img.Scan.Users = []evidence.User{
			{Spec: "app", UID: ptr(int64(1000))}, {Spec: "app:staff", UID: ptr(int64(1000)), GID: ptr(int64(50))},
			{Spec: "toor", UID: ptr(int64(0))}, {Spec: "root", UID: ptr(int64(0))}, {Spec: "root:staff", UID: ptr(int64(0))},
			{Spec: "nobody", Problem: `USER "nobody" is not in the image's /etc/passwd`},
			{Spec: "huge", UID: ptr(int64(1 << 32))}, {Spec: "minus", UID: ptr(int64(-1))}, {Spec: ":app", UID: ptr(int64(1000))},
			{Spec: "claimed", UID: ptr(int64(1000)), Problem: "it is written twice"},
		}
		for _, change := range more {
			change(w, img)
		}
	}
}

func mountedAt(path string) func(*evidence.Workload, *evidence.Image) {
	return func(w *evidence.Workload, _ *evidence.Image) {
		w.Containers[0].Mounts = append(w.Containers[0].Mounts, evidence.Mount{Path: path})
	}
}

// A service's user is looked up in its image, as Docker does, and the image is judged by
// it. Whatever is not known proves nothing.
func TestServiceUserByName(t *testing.T) {
	notLooked := func(_ *evidence.Workload, img *evidence.Image) { img.Scan.Users = nil }
	notNeeded := func(_ *evidence.Workload, img *evidence.Image) { img.Scan.Need = evidence.NeedPackages }
	windows := func(user string) func(*evidence.Workload, *evidence.Image) {
		return func(_ *evidence.Workload, img *evidence.Image) { img.Platform, img.Config.User = "windows/amd64", user }
	}
	byImage := func(_ *evidence.Workload, img *evidence.Image) {
		img.Config.User, img.Scan.User = "web", &evidence.User{Spec: "web", UID: ptr(int64(1000))}
	}
	p := mustParse(t, "version: 1\nextends: none\nconfig: {user: non-root}\n")
	for name, tt := range map[string]struct {
		change func(*evidence.Release, *evidence.Image)
		want   Result
		says   string
		image  Decision // of the image in the release
	}{
		"a name":                   {ofService("app"), ResultPass, "", Passed},
		"a name and a group":       {ofService("app:staff"), ResultPass, "", Passed},
		"another name of root":     {ofService("toor"), ResultFail, "uid 0 in its image", Denied},
		"root":                     {ofService("root"), ResultFail, "uid 0", Denied},
		"root, not looked up":      {ofService("root", notLooked), ResultFail, "uid 0", Denied},
		"root of a group":          {ofService("root:staff"), ResultFail, "uid 0", Denied},
		"not in the image":         {ofService("nobody"), ResultUndecided, "is not in the image's /etc/passwd", Denied},
		"a uid that is none":       {ofService("huge"), ResultUndecided, "which is no user", Denied},
		"a uid below zero":         {ofService("minus"), ResultUndecided, "which is no user", Denied},
		"a uid with a problem":     {ofService("claimed"), ResultUndecided, "it is written twice", Denied},
		"no name":                  {ofService(":app"), ResultUndecided, "names no user", Denied},
		"another spelling":         {ofService("App"), ResultUndecided, "was not looked up", Denied},
		"not looked up":            {ofService("app", notLooked), ResultUndecided, "was not looked up", Denied},
		"not asked for":            {ofService("app", notNeeded), ResultUndecided, "was not looked up", Denied},
		"over passwd":              {ofService("app", mountedAt("/etc/passwd")), ResultUndecided, "replaces /etc/passwd", Denied},
		"over passwd, spelled":     {ofService("app", mountedAt("//etc/./x/../passwd/")), ResultUndecided, "replaces /etc/passwd", Denied},
		"over etc":                 {ofService("app", mountedAt("/etc/")), ResultUndecided, "replaces /etc", Denied},
		"over everything":          {ofService("app", mountedAt("/")), ResultUndecided, "replaces /", Denied},
		"beside passwd":            {ofService("app", mountedAt("/etc/passwd.d"), mountedAt("/etc/nginx")), ResultPass, "", Passed},
		"the image's own":          {ofService("", byImage), ResultPass, "", Passed},
		"the image's, over passwd": {ofService("", byImage, mountedAt("/etc/passwd")), ResultUndecided, "replaces /etc/passwd", Passed},
		"windows, administrator":   {ofService("ContainerAdministrator", windows("ContainerUser")), ResultFail, "administrator", Undecided},
		"windows, user":            {ofService("ContainerUser", windows("ContainerAdministrator")), ResultPass, "", Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			runReleaseCases(t, map[string]releaseCase{"rule": {"workload: {run-as-non-root: true}", tt.change, ruleRunAsNonRoot, tt.want, tt.says}})
			r, img := goodRelease(), releaseImageOf()
			tt.change(r, img)
			own := p.Evaluate(img, noon())
			got := own.Decision
			if v := p.InRelease(&own, img, r, false); v != nil {
				got = v.Decision
			}
			if got != tt.image {
				t.Errorf("the image is %s in the release, want %s", got, tt.image)
			}
		})
	}
}

// The kubelet looks into no /etc/passwd: a name that a document could have given changes
// nothing for a pod.
func TestNamesOfUsersAreOfServices(t *testing.T) {
	change := func(r *evidence.Release, img *evidence.Image) {
		r.Workloads[0].Security.RunAsUser = nil
		img.Config.User, img.Scan.User = "app", &evidence.User{Spec: "app", UID: ptr(int64(1000))}
		img.Scan.Users = []evidence.User{*img.Scan.User}
	}
	runReleaseCases(t, map[string]releaseCase{"starts": {"workload: {starts: true}", change, ruleStarts, ResultFail, "the kubelet cannot verify"}})
}
