package policy

import (
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// imageIs changes the image of goodRelease, whose container and pod set no user.
func imageIs(change func(*evidence.Image)) func(*evidence.Release, *evidence.Image) {
	return func(r *evidence.Release, img *evidence.Image) {
		r.Workloads[0].Security.RunAsUser = nil
		change(img)
	}
}

func noConfigAtAll(img *evidence.Image) { img.Config = nil }

// Each case was a change of the code that no other test saw.
func TestReleaseCorners(t *testing.T) {
	const (
		nonRoot  = "workload: {run-as-non-root: true}"
		starts   = "workload: {starts: true}"
		readOnly = "workload: {read-only-root: true}"
		runtimes = "workload: {runtime-classes: [kata, kata-qemu]}"
	)
	root := func(img *evidence.Image) {
		img.Config.User, img.Scan.User = "", &evidence.User{UID: ptr(int64(0))}
	}
	on := func(platform string) func(*evidence.Release, *evidence.Image) {
		return func(r *evidence.Release, img *evidence.Image) {
			imageIs(root)(r, img)
			img.Platform, r.Workloads[0].Platforms = "linux/amd64", []string{platform}
		}
	}
	mounts := func(all ...evidence.Mount) func(*evidence.Release, *evidence.Image) {
		return container(func(c *evidence.Container) { c.Mounts = all })
	}
	runReleaseCases(t, map[string]releaseCase{
		"root on the platform of the pod":     {nonRoot, on("linux/amd64"), ruleRunAsNonRoot, ResultFail, "runs as root"},
		"judged for another platform":         {nonRoot, on("linux/arm64"), ruleRunAsNonRoot, ResultUndecided, "for no such platform"},
		"a user without uid and problem":      {nonRoot, imageIs(func(i *evidence.Image) { i.Config.User, i.Scan.User = "app", &evidence.User{Spec: "app"} }), ruleRunAsNonRoot, ResultUndecided, "not known"},
		"no config, and it may not start":     {starts, imageIs(noConfigAtAll), ruleStarts, ResultUndecided, "may not start"},
		"a warning softens no missing config": {starts + "\nlevels: {workload.starts: warn}", imageIs(noConfigAtAll), ruleStarts, ResultUndecided, "may not start"},
		"nor a missing user":                  {nonRoot + "\nlevels: {workload.run-as-non-root: warn}", imageIs(func(i *evidence.Image) { i.Config.User, i.Scan = "app", nil }), ruleRunAsNonRoot, ResultUndecided, "not resolved"},
		"a service's tag is pulled if missing": {"workload: {pull-policy: always}", func(r *evidence.Release, _ *evidence.Image) {
			service(r)
			n := &r.Workloads[0].Containers[0].Image
			n.Image, n.PullPolicy = "registry.example.no/shop/web:latest", ""
		}, rulePullPolicy, ResultFail, "which means missing"},
		"a pod's latest is pulled always": {"workload: {pull-policy: always}", container(func(c *evidence.Container) {
			c.Image.Image, c.Image.PullPolicy = "registry.example.no/shop/web:latest", ""
		}), rulePullPolicy, ResultPass, ""},
		"a RuntimeClass of another name": {runtimes, release(func(r *evidence.Release) {
			r.RuntimeClasses = []evidence.RuntimeClass{{Object: evidence.Object{Kind: "RuntimeClass", Name: "plain"}, Handler: "runc"}}
		}), ruleRuntimeClasses, ResultPass, ""},

		"a mount beside /tmp":           {readOnly, mounts(evidence.Mount{Path: "/tmpfiles"}, evidence.Mount{Path: "/t"}, evidence.Mount{Path: "/var"}), ruleReadOnlyRoot, ResultWarn, "no writable /tmp"},
		"a mount below /tmp":            {readOnly, mounts(evidence.Mount{Path: "/tmp/a"}), ruleReadOnlyRoot, ResultWarn, "no writable /tmp"},
		"a mount of everything":         {readOnly, mounts(evidence.Mount{Path: "/"}), ruleReadOnlyRoot, ResultPass, ""},
		"everything, /tmp read-only":    {readOnly, mounts(evidence.Mount{Path: "/"}, evidence.Mount{Path: "/tmp", ReadOnly: true}), ruleReadOnlyRoot, ResultWarn, "no writable /tmp"},
		"the same in another order":     {readOnly, mounts(evidence.Mount{Path: "/tmp", ReadOnly: true}, evidence.Mount{Path: "/"}), ruleReadOnlyRoot, ResultWarn, "no writable /tmp"},
		"a VOLUME that a mount covers":  {readOnly, volumes("/tmp/"), ruleReadOnlyRoot, ResultPass, ""},
		"a VOLUME that no mount covers": {readOnly, volumes("/data"), ruleReadOnlyRoot, ResultWarn, "/data"},
		"an init container needs no /tmp": {readOnly, container(func(c *evidence.Container) {
			c.Kind, c.Mounts = evidence.ContainerInit, nil
		}), ruleReadOnlyRoot, ResultPass, ""},

		"a service that is only built": {nonRoot, func(r *evidence.Release, _ *evidence.Image) {
			service(r)
			r.Workloads[0].Containers[0].Image = evidence.ImageName{}
		}, ruleDocuments, ResultUndecided, "names no image"},
		"a Dockerfile beside manifests": {nonRoot, release(func(r *evidence.Release) {
			r.Dockerfiles = []evidence.Dockerfile{{File: "Dockerfile", Stages: []evidence.Stage{{Scratch: true}}}}
		}), ruleDocuments, ResultPass, ""},
		"a Dockerfile's user below zero": {"dockerfile: {user: non-root}", stage(evidence.Stage{Scratch: true, User: "-1", UserAt: evidence.Place{Line: 1}}), ruleDockerfileUser, ResultUndecided, "no user"},
		"a base image with a name": {"dockerfile: {user: numeric, images: judge}", func(r *evidence.Release, img *evidence.Image) {
			img.Config.User, img.Scan.User = "app", &evidence.User{Spec: "app", UID: ptr(int64(1000))}
			stage(evidence.Stage{From: &evidence.ImageName{Image: releaseImage, Ref: releaseImage}})(r, img)
		}, ruleDockerfileUser, ResultFail, "is a name"},
	})
}

func volumes(path string) func(*evidence.Release, *evidence.Image) {
	return func(_ *evidence.Release, img *evidence.Image) { img.Config.Volumes = []string{path} }
}

func stage(s evidence.Stage) func(*evidence.Release, *evidence.Image) {
	return release(func(r *evidence.Release) {
		r.Dockerfiles = []evidence.Dockerfile{{File: "Dockerfile", Stages: []evidence.Stage{s}}}
	})
}

// A pod whose nodes may run Windows and Linux is judged on both.
func TestLinuxBesideWindows(t *testing.T) {
	r, linux := goodRelease(), releaseImageOf()
	r.Workloads[0].Security, r.Workloads[0].WindowsNodes = evidence.Security{}, true
	linux.Config.User, linux.Scan.User = "", &evidence.User{UID: ptr(int64(0))}
	windows := releaseImageOf()
	windows.Platform, windows.Config.User = "windows/amd64", "ContainerUser"
	p := mustParse(t, "version: 1\nextends: none\nreference: {pin: any, deny-tags: [x]}\nworkload: {run-as-non-root: true}\n")
	v := p.EvaluateRelease(r, []*evidence.Image{windows, linux}, noon())
	if got := worstOf(t, v, ruleRunAsNonRoot); got.Result != ResultFail {
		t.Errorf("%+v", got)
	}
}

// A claim leads to the volume that is reserved for it, or that it asks for, and to no other.
func TestClaimsAndTheirVolumes(t *testing.T) {
	const socket = "/var/run/docker.sock"
	p := mustParse(t, "version: 1\nextends: none\nreference: {pin: any, deny-tags: [x]}\nworkload: {deny-mounts: [container-runtime]}\n")
	for name, tt := range map[string]struct {
		reserved string
		claim    evidence.VolumeClaim
		want     Result
	}{
		"reserved for it":           {"shop/data", evidence.VolumeClaim{}, ResultFail},
		"reserved for another":      {"shop/other", evidence.VolumeClaim{}, ResultPass},
		"reserved elsewhere":        {"test/data", evidence.VolumeClaim{}, ResultPass},
		"asked for":                 {"", claimOf("shop", "data", "pv"), ResultFail},
		"asked for by another":      {"", claimOf("shop", "other", "pv"), ResultPass},
		"asked for elsewhere":       {"", claimOf("test", "data", "pv"), ResultPass},
		"another volume":            {"", claimOf("shop", "data", "other"), ResultPass},
		"no volume is asked for":    {"", claimOf("shop", "data", ""), ResultPass},
		"nothing is said of either": {"", evidence.VolumeClaim{}, ResultPass},
	} {
		r := goodRelease()
		w := &r.Workloads[0]
		w.Volumes = append(w.Volumes, evidence.Volume{Name: "d", Type: "persistentVolumeClaim", Claim: "data"})
		r.PersistentVolumes = []evidence.PersistentVolume{{Object: evidence.Object{Kind: "PersistentVolume", Name: "pv"}, Claim: tt.reserved, HostPath: socket}}
		r.VolumeClaims = []evidence.VolumeClaim{tt.claim}
		v := p.EvaluateRelease(r, []*evidence.Image{releaseImageOf()}, noon())
		if got := result(t, Verdict{Rules: v.Workloads[0].Rules}, ruleDenyMounts); got.Result != tt.want {
			t.Errorf("%s: %+v, want %s", name, got, tt.want)
		}
	}
}

func claimOf(namespace, name, volume string) evidence.VolumeClaim {
	return evidence.VolumeClaim{Object: evidence.Object{Kind: "PersistentVolumeClaim", Namespace: namespace, Name: name}, Volume: volume}
}

// The user of the images is collected for the rules that look at it.
func TestReleaseNeeds(t *testing.T) {
	for text, want := range map[string]evidence.Need{
		"workload: {deny-privileged: true}":               0,
		"workload: {starts: true}":                        evidence.NeedUser,
		"workload: {run-as-non-root: true}":               evidence.NeedUser,
		"dockerfile: {user: non-root}":                    0,
		"dockerfile: {user: non-root, images: judge}":     evidence.NeedUser,
		"dockerfile: {pin: digest, images: judge}":        0,
		"workload: {starts: true, run-as-non-root: true}": evidence.NeedUser,
	} {
		p := mustParse(t, "version: 1\nextends: none\n"+text+"\n")
		if got := p.ReleaseNeeds(); got != want {
			t.Errorf("%s needs %b, want %b", text, got, want)
		}
	}
	if p := mustParse(t, "version: 1\nextends: none\ndockerfile: {pin: digest}\n"); p.JudgesDockerfileImages() {
		t.Error("images of Dockerfiles are judged without being asked for")
	}
}
