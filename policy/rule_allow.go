package policy

import (
	"github.com/imagegate/imagegate/policy/words"
)

const ruleAllow = "reference.allow"

var allowKey = globKey(ruleAllow, "Registries and repositories that images may come from. Globs on registry/repository.", allowGlob, false, shorter(covered))

func allowRule() *Rule {
	return &Rule{
		ID: ruleAllow, Title: "The image comes from an allowed registry and repository.",
		Why: "An image from an unknown registry is code from an unknown author.",
		How: "copy the image into an allowed repository, or add its repository to reference.allow",
		Settings: "a list of globs on registry/repository, written whole: docker.io/library/alpine. * stays within one part of the path, ** goes across. " +
			"oci:DIR and tar:FILE are matched as they were written on the command line.",
		Default: "not asked", Example: "reference: {allow: [\"registry.example.no/**\"]}\n", Levels: true,
		keys: []key{allowKey}, check: checkAllow,
	}
}

func checkAllow(j *judge) answer {
	name := j.img.Reference.Name
	if name == "" {
		return missing("the reference is not known")
	}
	a := answer{allowed: words.Or(allowKey.value(j.s))}
	if matchesAny(allowKey.value(j.s), name, matchImage) {
		a.result, a.message = ResultPass, name+" is allowed"
		return a
	}
	a.result, a.message = ResultFail, name+" is not allowed"
	return a
}
