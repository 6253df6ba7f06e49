package policy

import (
	"github.com/imagegate/imagegate/policy/words"
)

const ruleDenyTags = "reference.deny-tags"

var denyTagsKey = globKey(ruleDenyTags, "Tags that may not ship. Globs.", tagGlob, true, longer(sameFold))

func denyTagsRule() *Rule {
	return &Rule{
		ID: ruleDenyTags, Title: "The tag is none of those that may not ship.",
		Why: "Snapshots, edge builds and latest are for trying out.",
		How: "ship a release tag instead",
		Settings: "a list of globs on the tag, compared without regard to case. A reference without tag and digest has the tag latest. " +
			"A tag beside a digest is judged too: the digest decides what is pulled, but people read the tag.",
		Default: "not asked", Example: "reference: {deny-tags: [latest, edge, \"*-snapshot\"]}\n", Levels: true,
		keys: []key{denyTagsKey}, check: checkDenyTags,
	}
}

func checkDenyTags(j *judge) answer {
	r := j.img.Reference
	if r.Source.Local() {
		return passing("read from a local %s source: there is no registry tag", r.Source)
	}
	if !r.Source.Known() || r.Name == "" {
		return missing("the reference is not known")
	}
	tag := effectiveTag(r)
	if tag == "" {
		return passing("named by digest alone")
	}
	for _, g := range denyTagsKey.value(j.s) {
		if matchFold(g, tag) {
			a := failing("%s is denied by %q", tagText(r, tag), g)
			a.allowed = "no tag like " + words.Or(denyTagsKey.value(j.s))
			return a
		}
	}
	return passing("%s is not denied", tagText(r, tag))
}
