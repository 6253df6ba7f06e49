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
// that uses the image is proven to run as another user than root: then the image's
// USER decides nothing. An image that was also named alone has its own verdict.
func (p *Policy) InRelease(own *Verdict, img *evidence.Image, r *evidence.Release, alone bool) *Verdict {
	if p == nil || own == nil || img == nil || r == nil || alone || isWindowsPlatform(img.Platform) {
		return nil
	}
	at := slices.IndexFunc(own.Rules, func(r RuleResult) bool { return r.Rule == ruleUser && stops(r.Result) })
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
	rule.Message = fmt.Sprintf("%s of this release runs it as %s; the image itself: %s", whichContainers(len(users)), words.And(uids(users)), rule.Message)
	v.Decision = decide(v.Rules)
	return &v
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

// provenUsers returns the users of all containers of an image, and false when there
// is none, or one of them may run as root.
func provenUsers(img *evidence.Image, r *evidence.Release) ([]int64, bool) {
	var users []int64
	for _, u := range r.Uses() {
		if u.Ref != img.Reference.Asked || u.Volume != nil {
			continue
		}
		if u.Container == nil || mayBeWindows(u.Workload) {
			return nil, false
		}
		uid, ok := provenUser(img, u.Workload, u.Container)
		if !ok || uid <= 0 || uid > maxUID {
			return nil, false
		}
		users = append(users, uid)
	}
	return users, len(users) > 0
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
