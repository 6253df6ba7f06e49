package policy

const ruleReleaseTags = "reference.release-tags"

var releaseTagsKey = &setting[[]string]{
	path: ruleReleaseTags, doc: "Tags that name one release by the team's own scheme. Globs.",
	schema: listOf(textSchema()), read: globs(tagGlob, true),
	order: shorter(covered),
}

func releaseTagsRule() *Rule {
	return &Rule{
		ID: ruleReleaseTags, Title: "Tags that name one release by a scheme of the team.", Setting: true,
		Why:      "Some teams number builds or name branches of a release. imagegate cannot know which of those tags never move.",
		How:      "list the scheme, such as build-*",
		Settings: "a list of globs on the tag. A tag that matches is a version for reference.pin. A tag with a word that moves, such as latest or nightly, is none.",
		Default:  "none", Example: "reference: {pin: version, release-tags: [\"build-*\"]}\n",
		keys: []key{releaseTagsKey}, modifies: true,
	}
}
