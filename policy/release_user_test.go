package policy

import (
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// An image is judged by the user of its containers only where every one of them is
// proven not to be root, and the image is named by the documents alone.
func TestInRelease(t *testing.T) {
	p := mustParse(t, "version: 1\nextends: none\nconfig: {user: non-root, deny-ports: [22]}\n")
	for name, tt := range map[string]struct {
		change func(*evidence.Release, *evidence.Image)
		alone  bool
		want   Decision // Denied is the image's own
	}{
		"every container has a user": {nil, false, Passed},
		"named alone as well":        {nil, true, Denied},
		"one runs as root":           {container(func(c *evidence.Container) { c.Security.RunAsUser = ptr(int64(0)) }), false, Denied},
		"one has no user":            {pod(func(w *evidence.Workload) { w.Security.RunAsUser = nil }), false, Denied},
		"runAsNonRoot alone":         {pod(func(w *evidence.Workload) { w.Security.RunAsUser, w.Security.RunAsNonRoot = nil, ptr(true) }), false, Denied},
		"one of no user at all":      {pod(func(w *evidence.Workload) { w.Security.RunAsUser = ptr(int64(-1)) }), false, Denied},
		"windows":                    {pod(func(w *evidence.Workload) { w.OS = "windows" }), false, Denied},
		"nodes of windows":           {pod(func(w *evidence.Workload) { w.WindowsNodes = true }), false, Denied},
		"an image for windows":       {func(_ *evidence.Release, img *evidence.Image) { img.Platform = "windows/amd64" }, false, Denied},
		"another container has none": {pod(func(w *evidence.Workload) {
			c := w.Containers[0]
			c.Security.RunAsUser = ptr(int64(0))
			w.Containers = append(w.Containers, c)
		}), false, Denied},
		"no container has it": {container(func(c *evidence.Container) { c.Image.Ref = "other" }), false, Denied},
		"only a volume": {pod(func(w *evidence.Workload) {
			name := w.Containers[0].Image
			w.Containers[0].Image.Ref = "other"
			w.Volumes = append(w.Volumes, evidence.Volume{Type: "image", Image: &name})
		}), false, Passed},
		"a volume of one, and run as root by another": {pod(func(w *evidence.Workload) {
			w.Containers[0].Security.RunAsUser = ptr(int64(0))
			name := w.Containers[0].Image
			w.Volumes = append(w.Volumes, evidence.Volume{Type: "image", Image: &name})
		}), false, Denied},
		"only a volume, and named alone": {pod(func(w *evidence.Workload) {
			name := w.Containers[0].Image
			w.Containers[0].Image.Ref = "other"
			w.Volumes = append(w.Volumes, evidence.Volume{Type: "image", Image: &name})
		}), true, Denied},
		"a Dockerfile begins with it": {release(func(r *evidence.Release) {
			r.Dockerfiles = []evidence.Dockerfile{{Stages: []evidence.Stage{{From: &evidence.ImageName{Image: releaseImage, Ref: releaseImage}}}}}
		}), false, Denied},
		"another rule fails": {func(_ *evidence.Release, img *evidence.Image) { img.Config.ExposedPorts = []string{"22/tcp"} }, false, Denied},
	} {
		r, img := goodRelease(), releaseImageOf()
		img.Config.User = ""
		img.Scan.User = &evidence.User{UID: ptr(int64(0))}
		if tt.change != nil {
			tt.change(r, img)
		}
		own := p.Evaluate(img, noon())
		if own.Decision != Denied {
			t.Fatalf("%s: the image itself is %s", name, own.Decision)
		}
		before := len(own.Rules)
		got := own.Decision
		v := p.InRelease(&own, img, r, tt.alone)
		if v != nil {
			got = v.Decision
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		if tt.want == Passed && !strings.Contains(result(t, *v, ruleUser).Message, "; the image itself: runs as root") {
			t.Errorf("%s: %s", name, result(t, *v, ruleUser).Message)
		}
		if own.Decision != Denied || len(own.Rules) != before || result(t, own, ruleUser).Result != ResultFail {
			t.Errorf("%s: the image's own verdict was changed", name)
		}
	}
	img := releaseImageOf()
	own := p.Evaluate(img, noon())
	if v := p.InRelease(&own, img, goodRelease(), false); v != nil {
		t.Errorf("an image that passes by itself has another verdict: %+v", v)
	}
}

// The cure of config.user names what the documents can say, where that would count.
func TestUserOfDocumentsInCure(t *testing.T) {
	p := mustParse(t, "version: 1\nextends: none\nconfig: {user: non-root}\n")
	for name, tt := range map[string]struct {
		change func(*evidence.Release, *evidence.Image)
		alone  bool
		want   string // "" for the cure of the image alone
	}{
		"a pod":               {pod(func(w *evidence.Workload) { w.Security.RunAsUser = nil }), false, "runAsUser: 10001"},
		"a service":           {pod(func(w *evidence.Workload) { w.Security.RunAsUser, w.Document = nil, evidence.DocumentCompose }), false, "user: \"10001\""},
		"named alone as well": {pod(func(w *evidence.Workload) { w.Security.RunAsUser = nil }), true, ""},
		"nodes of windows":    {pod(func(w *evidence.Workload) { w.WindowsNodes = true }), false, ""},
		"a Dockerfile begins with it": {release(func(r *evidence.Release) {
			r.Dockerfiles = []evidence.Dockerfile{{Stages: []evidence.Stage{{From: &evidence.ImageName{Image: releaseImage, Ref: releaseImage}}}}}
		}), false, ""},
	} {
		r, img := goodRelease(), releaseImageOf()
		img.Config.User, img.Scan.User = "", &evidence.User{UID: ptr(int64(0))}
		tt.change(r, img)
		own := p.Evaluate(img, noon())
		before := result(t, own, ruleUser).Cure
		p.NameUserOfDocuments(&own, img, r, tt.alone)
		got := strings.TrimPrefix(result(t, own, ruleUser).Cure, before)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
