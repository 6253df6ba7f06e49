package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/version"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	promotePrefix     = "promote."
	rulePromoteTo     = promotePrefix + "to"
	ruleFixedTags     = promotePrefix + "fixed-tags"
	ruleMovingTags    = promotePrefix + "moving-tags"
	ruleEmergency     = promotePrefix + "emergency"
	noPromotionLevel  = "a promotion is made or refused; write {value: ..., from: DAY} at the key itself to introduce it with a warning"
	versionLabel      = evidence.LabelVersion
	rollbackCondition = "a tag goes back only with --rollback REASON, and only to a digest that it had before"
)

// IsPromotionRule reports whether a rule is about the place that an image is
// promoted to, and not about the image itself.
func IsPromotionRule(id string) bool { return strings.HasPrefix(id, promotePrefix) }

var promoteToKey = globKey(rulePromoteTo, "Repositories that imagegate promote may copy to. Globs on registry/repository.", allowGlob, false, shorter(covered))

var fixedTagsKey = globKey(ruleFixedTags, "Tags of targets that never name another digest. Globs.", tagGlob, true, longer(sameFold))

var movingTagsKey = globKey(ruleMovingTags, "Tags of targets that go forwards only. Globs.", tagGlob, true, longer(sameFold))

func promoteSection() section {
	return section{name: "promote", doc: "Where imagegate promote may copy an image, and which tags it may set there.", rules: []*Rule{
		promoteToRule(), promoteRequireRule(), fixedTagsRule(), movingTagsRule(), emergencyRule(),
	}}
}

func promoteToRule() *Rule {
	return &Rule{
		ID: rulePromoteTo, Title: "The image is promoted to an allowed repository.",
		Why:      "A wrong letter in the target puts an image where nobody expects it, or into another team's repository.",
		How:      "promote to an allowed repository, or add the repository to promote.to",
		Settings: "a list of globs on registry/repository, as in reference.allow. It is asked of imagegate promote alone.",
		Default:  "not asked", Example: "promote: {to: [\"registry.example.no/prod/**\"]}\n", NoLevel: noPromotionLevel,
		keys: []key{promoteToKey}, check: checkPromoteTo,
	}
}

func fixedTagsRule() *Rule {
	return &Rule{
		ID: ruleFixedTags, Title: "A tag of one release names one digest for ever.",
		Why: "People and machines read 1.4.2 as one release. With another digest under it, what was tested is not what runs.",
		How: "promote under a tag of its own",
		Settings: "a list of globs on the tag, compared without regard to case. A tag that does not exist may be set. One that names another digest is refused, " +
			"with --rollback and with --emergency too. It is asked of imagegate promote alone.",
		Default: "not asked", Example: "promote: {fixed-tags: [\"*.*.*\"]}\n", NoLevel: noPromotionLevel,
		keys: []key{fixedTagsKey}, check: checkFixedTags,
	}
}

func movingTagsRule() *Rule {
	return &Rule{
		ID: ruleMovingTags, Title: "A tag that moves goes forwards only.",
		Why: "Two pipelines that finish in the wrong order put an older release under stable.",
		How: "promote a later release, or go back on purpose: imagegate promote --rollback REASON",
		Settings: "a list of globs on the tag, compared without regard to case. Forwards is a higher version in the label " + versionLabel + " (semantic versions), " +
			"otherwise a later date of creation. Where neither tells, the rule is undecided. Both are claims of the image, and a label can come from its base image. " +
			"With --rollback REASON, a tag may also name a digest that it had before, as the records of the target say. It is asked of imagegate promote alone.",
		Default: "not asked", Example: "promote: {moving-tags: [stable, \"1.*\"]}\n", NoLevel: noPromotionLevel,
		keys: []key{movingTagsKey}, check: checkMovingTags,
	}
}

// notPromoted is the answer where nothing is promoted.
func notPromoted() answer { return off("the image is not promoted") }

func checkPromoteTo(j *judge) answer {
	allowed := promoteToKey.value(j.s)
	var to, refused []string
	for _, p := range j.img.Promotions {
		to = append(to, p.Target)
		if !matchesAny(allowed, p.Target, matchImage) {
			refused = append(refused, p.Target)
		}
	}
	if len(to) == 0 {
		return notPromoted()
	}
	a := passing("%s is allowed", words.And(to))
	if len(refused) > 0 {
		a = failing("%s is not allowed", words.And(refused))
	}
	a.allowed = words.Or(allowed)
	return a
}

// eachTag asks about the tags that match one of the globs. It returns how many did.
func (j *judge) eachTag(globs []string, visit func(p *evidence.Promotion, t *evidence.Tag)) int {
	n := 0
	for i := range j.img.Promotions {
		p := &j.img.Promotions[i]
		for k := range p.Tags {
			if matchesAny(globs, p.Tags[k].Name, matchFold) {
				visit(p, &p.Tags[k])
				n++
			}
		}
	}
	return n
}

func checkFixedTags(j *judge) answer {
	if len(j.img.Promotions) == 0 {
		return notPromoted()
	}
	var taken []string
	n := j.eachTag(fixedTagsKey.value(j.s), func(p *evidence.Promotion, t *evidence.Tag) {
		if t.Before != "" && t.Before != j.img.RootDigest() {
			taken = append(taken, fmt.Sprintf("%s:%s is fixed and names %s", p.Target, t.Name, t.Before))
		}
	})
	a := passing("%s, none of which names another digest", words.Plural(n, "fixed tag"))
	switch {
	case n == 0:
		a = passing("no fixed tag is set")
	case len(taken) > 0:
		a = failing("%s", strings.Join(taken, "; "))
	}
	a.allowed = "no other digest under a tag like " + words.Or(fixedTagsKey.value(j.s))
	return a
}

func checkMovingTags(j *judge) answer {
	if len(j.img.Promotions) == 0 {
		return notPromoted()
	}
	a := answer{result: ResultPass}
	var said []string
	j.eachTag(movingTagsKey.value(j.s), func(p *evidence.Promotion, t *evidence.Tag) {
		one := j.move(p, t)
		// A refusal counts most, then what is not known.
		switch {
		case one.result == ResultFail, one.result == ResultUndecided && a.result != ResultFail:
			a.result, a.cure = one.result, one.cure
		}
		said = append(said, one.message)
	})
	a.message = cmp.Or(strings.Join(said, "; "), "no moving tag is set")
	a.allowed = "forwards only; " + rollbackCondition
	return a
}

// move says whether a tag goes forwards.
func (j *judge) move(p *evidence.Promotion, t *evidence.Tag) answer {
	name := p.Target + ":" + t.Name
	switch {
	case t.Before == "":
		return passing("%s is new", name)
	case t.Before == j.img.RootDigest():
		return passing("%s names the digest already", name)
	}
	way, why := j.direction(t)
	switch {
	case way > 0:
		return passing("%s goes forwards: %s", name, why)
	case p.Rollback != "" && t.Had:
		return passing("%s is rolled back to a digest that it had before: %s", name, p.Rollback)
	case p.Rollback != "":
		a := failing("%s cannot be rolled back: no record of the target says that it named %s before", name, j.img.RootDigest())
		a.cure = "roll back to a digest that the tag had before, or promote a later release"
		return a
	case way < 0:
		return failing("%s would go backwards: %s", name, why)
	}
	a := undecided("whether %s goes forwards is not known: %s", name, why)
	a.cure = "promote again when " + p.Target + "@" + t.Before + " can be read; if it is gone or is no image, set " + name + " to a release that the registry has, or remove the tag"
	if t.Problem == "" {
		a.cure = "build the releases with a version in the label " + versionLabel + ", such as 1.4.2, or go back on purpose: imagegate promote --rollback REASON"
	}
	return a
}

// direction compares the image with what the tag names: 1 is forwards, -1 backwards,
// 0 not known. Of an image for several platforms, the same one is compared; where
// there is none, all of them.
func (j *judge) direction(t *evidence.Tag) (way int, why string) {
	if t.Problem != "" {
		return 0, t.Problem
	}
	now := t.Platforms
	if i := slices.IndexFunc(now, func(r evidence.TagPlatform) bool { return r.Platform == j.img.Platform }); i >= 0 {
		now = now[i : i+1]
	}
	if j.img.Config == nil || len(now) == 0 {
		return 0, "its config was not looked at"
	}
	ours := evidence.TagPlatform{Version: j.img.Config.Labels[versionLabel], Created: j.img.Config.Created}
	way = 1
	for _, r := range now {
		if one, text := compareReleases(ours, r, j.now); one < way || why == "" {
			way, why = min(way, one), text
		}
	}
	return way, why
}

// compareReleases orders two releases by their versions, and where these do not tell
// by their dates. Equal versions do not tell: a label of the base image is the same
// in all that is built on it.
func compareReleases(ours, theirs evidence.TagPlatform, now time.Time) (way int, why string) {
	if way, ok := version.Compare("golang", ours.Version, theirs.Version); ok && way != 0 {
		return way, fmt.Sprintf("version %s after %s", ours.Version, theirs.Version)
	}
	for _, t := range []*time.Time{ours.Created, theirs.Created} {
		switch {
		case t == nil || withoutDate(*t):
			return 0, "the versions do not tell, and one of the images has no date of creation"
		case t.Sub(now) > futureToleranceHours*time.Hour:
			return 0, "the versions do not tell, and one of the images says that it was created in the future"
		}
	}
	way = ours.Created.Compare(*theirs.Created)
	if way == 0 {
		return 0, "the versions do not tell, and both were created on " + ours.Created.UTC().Format(time.RFC3339)
	}
	return way, fmt.Sprintf("created on %s after %s", ours.Created.UTC().Format(time.RFC3339), theirs.Created.UTC().Format(time.RFC3339))
}

// AsksMovingTags reports whether the policy compares a release with the one before.
func (p *Policy) AsksMovingTags() bool {
	return slices.ContainsFunc(p.everySettings(), func(s *settings) bool { return movingTagsKey.of(s).set })
}
