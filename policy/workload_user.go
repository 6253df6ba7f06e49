package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// imageUser is the user of an image as a container runtime takes it.
type imageUser struct {
	uid *int64 // nil when it is not known; problem then says why
	// named is true for a USER that is no number: the kubelet cannot verify it.
	named   bool
	spec    string
	problem string
	// lacking is true when the evidence was not collected.
	lacking bool
}

// userOf returns the user of an image. What the config says counts before what the
// scan resolved.
func userOf(img *evidence.Image) imageUser {
	if img.Config == nil {
		return imageUser{problem: noConfig, lacking: true}
	}
	if s := img.Scanned(evidence.NeedUser); s != nil {
		return userBy(img.Config.User, s.User)
	}
	return userBy(img.Config.User, nil)
}

// userNamed returns a user that a service gives to a container of an image.
func userNamed(img *evidence.Image, spec string) imageUser {
	var found *evidence.User
	if s := img.Scanned(evidence.NeedUser); s != nil {
		if i := slices.IndexFunc(s.Users, func(u evidence.User) bool { return u.Spec == spec }); i >= 0 {
			found = &s.Users[i]
		}
	}
	return userBy(spec, found)
}

// userBy returns the user that is written as spec. found is how the scan resolved it,
// nil when it was not looked up in the layers.
func userBy(spec string, found *evidence.User) imageUser {
	u := imageUser{spec: spec}
	name, group, _ := strings.Cut(u.spec, ":")
	number, numeric := atoi(name)
	u.named = name != "" && !numeric
	switch {
	case name == "" || numeric && number == 0:
		u.uid = new(int64)
		return u
	case u.named && name == "root" && found == nil:
		u.uid = new(int64)
		return u
	}
	if found == nil {
		if _, plain := atoi(group); numeric && digitsOnly.MatchString(name) && number <= maxUID && (group == "" || plain) {
			u.uid = &number
			return u
		}
		u.problem, u.lacking = fmt.Sprintf("USER %q was not resolved", u.spec), true
		return u
	}
	switch r := found; {
	case r.Spec != u.spec:
		u.problem, u.lacking = fmt.Sprintf("the evidence is about USER %q, the image has %q", r.Spec, u.spec), true
	case r.UID == nil || r.Problem != "":
		u.problem = unresolvable(u.spec, r.Problem)
	case *r.UID < 0 || *r.UID > maxUID || numeric && *r.UID != number:
		u.problem = fmt.Sprintf("USER %q resolves to %d, which is no user", u.spec, *r.UID)
	default:
		u.uid = r.UID
	}
	return u
}

// text names the USER.
func (u imageUser) text() string {
	if u.spec == "" {
		return "USER is not set"
	}
	return fmt.Sprintf("USER %q", u.spec)
}

// imagesOf returns the images of a use for the platforms that the workload chooses.
// Without one it reports why, and returns false.
func (j *releaseJudge) imagesOf(w *evidence.Workload, c *evidence.Container) ([]*evidence.Image, bool) {
	at := spot{container: c.Name, at: c.Image.At}
	if c.Image.Ref == "" {
		at.cure = unnamedCure(w, &c.Image)
		j.misses(at, "has no image that can be judged: %s", cmp.Or(c.Image.Problem, "its name is not known"))
		return nil, false
	}
	all := j.images[c.Image.Ref]
	if len(all) == 0 {
		at.cure = unjudgedCure(&c.Image)
		j.misses(at, "was not compared with its image %s, which was not judged", c.Image.Image)
		return nil, false
	}
	if len(w.Platforms) == 0 {
		return all, true
	}
	var chosen []*evidence.Image
	for _, img := range all {
		for _, want := range w.Platforms {
			if samePlatform(want, img.Platform) {
				chosen = append(chosen, img)
				break
			}
		}
	}
	if len(chosen) == 0 {
		j.misses(at, "runs on %s by its nodeSelector, and its image %s was judged for no such platform", strings.Join(w.Platforms, " or "), c.Image.Image)
		return nil, false
	}
	return chosen, true
}

// several returns " (linux/arm64)" where an image has several platforms.
func several(images []*evidence.Image, img *evidence.Image) string {
	if len(images) < 2 {
		return ""
	}
	return " (" + img.Platform + ")"
}
