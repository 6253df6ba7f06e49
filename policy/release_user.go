package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// InRelease returns the verdict of an image as part of a release, nil when it is
// the image's own. They differ where config.user is not met, and every container
// that uses the image is proven to run as another user than root, or none runs it and
// it is only mounted as a volume: then the image's USER decides nothing. An image that
// was also named alone has its own verdict.
func (p *Policy) InRelease(own *Verdict, img *evidence.Image, r *evidence.Release, alone bool) *Verdict {
	at := p.unmetUser(own, img, r, alone)
	if at < 0 {
		return nil
	}
	users, ok := provenUsers(img, r)
	if !ok {
		return nil
	}
	v := *own
	v.Rules = slices.Clone(own.Rules)
	rule := &v.Rules[at]
	rule.Result, rule.Cure = ResultPass, ""
	who := "no container of this release runs it: it is only mounted as a volume"
	if len(users) > 0 {
		who = fmt.Sprintf("%s of this release runs it as %s", whichContainers(len(users)), words.And(uids(users)))
	}
	rule.Message = who + "; the image itself: " + rule.Message
	v.Decision = decide(v.Rules)
	return &v
}

// unmetUser returns the place of config.user among the rules that stop an image, -1 when
// it does not, or when the documents of the release do not matter for it.
func (p *Policy) unmetUser(own *Verdict, img *evidence.Image, r *evidence.Release, alone bool) int {
	if p == nil || own == nil || img == nil || r == nil || alone || isWindowsPlatform(img.Platform) {
		return -1
	}
	return slices.IndexFunc(own.Rules, func(r RuleResult) bool { return r.Rule == ruleUser && stops(r.Result) })
}

// NameUserOfDocuments adds to the cure of config.user that the documents of a release can
// give the containers of the image a user. It holds only where [Policy.InRelease] would
// look at them.
func (p *Policy) NameUserOfDocuments(own *Verdict, img *evidence.Image, r *evidence.Release, alone bool) {
	at := p.unmetUser(own, img, r, alone)
	if at < 0 {
		return
	}
	var fields []string
	for _, u := range r.Uses() {
		switch {
		case u.Ref != img.Reference.Asked || u.Volume != nil:
			continue
		case u.Container == nil || mayBeWindows(u.Workload):
			return
		}
		field := "securityContext: {runAsUser: 10001}"
		if u.Workload.Document == evidence.DocumentCompose {
			field = "user: \"10001\""
		}
		if !slices.Contains(fields, field) {
			fields = append(fields, field)
		}
	}
	if len(fields) == 0 {
		return
	}
	own.Rules = slices.Clone(own.Rules)
	own.Rules[at].Cure += ", or give each container that runs the image a user in the documents: " + strings.Join(fields, " or ")
}

// isWindowsPlatform reports the platforms on which a number names no user: there the
// image's own user runs, whatever runAsUser says.
func isWindowsPlatform(platform string) bool {
	system, _, _ := strings.Cut(platform, "/")
	return strings.EqualFold(system, "windows")
}

func whichContainers(n int) string {
	if n == 1 {
		return "the one container"
	}
	return fmt.Sprintf("each of %d containers", n)
}

// provenUsers returns the users of all containers of an image, and false when one of
// them may run as root, or the documents do not use the image. There are no users when it
// is only mounted as a volume.
func provenUsers(img *evidence.Image, r *evidence.Release) (users []int64, ok bool) {
	for _, u := range r.Uses() {
		if u.Ref != img.Reference.Asked {
			continue
		}
		ok = true
		if u.Volume != nil {
			continue // what is in it runs as the user of the container that mounts it
		}
		if u.Container == nil || mayBeWindows(u.Workload) {
			return nil, false
		}
		uid, known := provenUser(img, u.Workload, u.Container)
		if !known || uid <= 0 || uid > maxUID {
			return nil, false
		}
		users = append(users, uid)
	}
	return users, ok
}

// provenUser returns the user that a document gives a container of an image, and false
// where it gives none, or one that is not known.
func provenUser(img *evidence.Image, w *evidence.Workload, c *evidence.Container) (int64, bool) {
	if uid, _, ok := declaredUser(w, c); ok {
		return uid, true
	}
	if c.User == "" || overPasswd(w, c) != "" {
		return 0, false
	}
	u := userNamed(img, c.User)
	if u.uid == nil {
		return 0, false
	}
	return *u.uid, true
}

// uids writes each user once.
func uids(users []int64) []string {
	sorted := slices.Sorted(slices.Values(users))
	var out []string
	for _, u := range slices.Compact(sorted) {
		out = append(out, fmt.Sprintf("uid %d", u))
	}
	return few(out)
}
