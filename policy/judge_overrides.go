package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/imagegate/imagegate/policy/words"
)

// overrides describes the overrides that apply to the image.
func (j *judge) overrides() []AppliedOverride {
	var out []AppliedOverride
	for _, o := range j.applied.overrides {
		e := &o.account
		out = append(out, AppliedOverride{
			Position: o.pos, Loosens: j.policy.loosened(o), Ended: j.endOf(o),
			Reason: e.Reason, Owner: e.Owner, Ticket: e.Ticket, ApprovedBy: e.ApprovedBy, Expires: e.Expires,
		})
	}
	return out
}

// endOf says why an override no longer loosens anything, or "".
func (j *judge) endOf(o *override) string {
	if !slices.Contains(j.applied.ended, o) {
		return ""
	}
	if o.over(j.now) {
		return "it ended on " + o.account.Expires.Format(time.DateOnly)
	}
	return j.policy.overrideTooLong(o, j.now)
}

// checkOverrides warns of everything that an override loosens for this image: a
// reader of the verdict must see that the policy alone would be stricter.
func checkOverrides(j *judge) answer {
	if len(j.applied.overrides) == 0 {
		return off("no override is for this image")
	}
	var details []string
	for _, o := range j.applied.overrides {
		if len(o.loosens) == 0 {
			continue
		}
		end := j.endOf(o)
		for _, line := range j.policy.loosened(o) {
			details = append(details, fmt.Sprintf("%s (%s%s)", line, o.pos, o.responsible(end)))
		}
	}
	n := len(j.applied.overrides)
	a := passing("%s, which loosen nothing", words.Plural(n, "override"))
	if len(details) > 0 {
		a = answer{result: ResultWarn, message: fmt.Sprintf("%s for this image: %s", words.Plural(n, "override"), details[0]), details: details}
		if len(details) == 1 {
			a.details = nil
		}
	}
	a.allowed, a.pos = "an image that needs no override", j.applied.overrides[0].pos
	return a
}

// responsible says who answers for an override and until when.
func (o *override) responsible(end string) string {
	text := ""
	for _, s := range []string{o.account.Owner, o.account.Reason} {
		if s != "" {
			text += ", " + s
		}
	}
	switch {
	case end != "":
		text += ", without effect: " + end
	case !o.account.Expires.IsZero():
		text += ", until " + o.account.Expires.Format(time.DateOnly)
	}
	return text
}
