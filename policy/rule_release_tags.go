package policy

import "strings"

const ruleReleaseTags = "reference.release-tags"

var releaseTagsKey = &setting[[]string]{
	path: ruleReleaseTags, doc: "Tags that name one release by the team's own scheme. Globs.",
	schema: listOf(textSchema()), read: globs(schemeGlob, true),
	// Without the key no tag is taken for a release by its scheme.
	order: shorter(sameFold), unset: new([]string(nil)),
}

// schemeGlob is a tag glob that is no scheme when it matches words and numbers
// alike, whatever they are: then every tag would be a release.
func schemeGlob(s string) (wrong, cure string) {
	if wrong, cure = tagGlob(s); wrong != "" {
		return wrong, cure
	}
	for n := 1; n <= 8; n++ {
		if matchFold(s, strings.Repeat("q", n)) && matchFold(s, strings.Repeat("7", n)) {
			return "matches tags whatever they say", "write what is the same in all tags of the scheme: build-*"
		}
	}
	return "", ""
}

func releaseTagsRule() *Rule {
	return &Rule{
		ID: ruleReleaseTags, Title: "Tags that name one release by a scheme of the team.", Setting: true,
		Why:      "Some teams number builds or name branches of a release. imagegate cannot know which of those tags never move.",
		How:      "list the scheme, such as build-*",
		Settings: "a list of globs on the tag. A tag that matches is a version for reference.pin. A tag with a word that moves, such as latest or nightly, is none, unless the glob has that word: main-* takes main-4711 and not main-latest.",
		Default:  "none", Example: "reference: {pin: version, release-tags: [\"build-*\"]}\n",
		keys: []key{releaseTagsKey}, modifies: true,
	}
}
