package policy

import "strings"

const ruleReleaseTags = "reference.release-tags"

var releaseTagsKey = fewerReleaseTags(&setting[[]string]{
	path: ruleReleaseTags, doc: "Tags that name one release by the team's own scheme. Globs.",
	schema: listOf(textSchema()), read: globs(schemeGlob, true),
})

// fewerReleaseTags compares the lists: a policy above a base may call no tag a
// release that the base does not. Without a list there is none, so that any list
// loosens a base that asks for a version. A base that does not ask loses nothing.
// A narrower glob may take words that the wider one refuses, so each glob has to be
// in the base as it is.
func fewerReleaseTags(k *setting[[]string]) *setting[[]string] {
	k.compare = func(child, base *settings) bool {
		c, b, pin := k.of(child), k.of(base), pinKey.of(base)
		if !b.set && (!pin.set || pin.value == wordAny) {
			return true
		}
		return shorter(sameFold)(c.value, b.value)
	}
	return k
}

// schemeGlob refuses a tag glob that matches every word and every number: with
// it every tag would be a release.
func schemeGlob(s string) (wrong, cure string) {
	if wrong, cure = tagGlob(s); wrong != "" {
		return wrong, cure
	}
	for n := 1; n <= 8; n++ {
		if matchFold(s, strings.Repeat("q", n)) && matchFold(s, strings.Repeat("7", n)) {
			return "matches every word and every number", "write what is the same in all tags of the scheme: build-*"
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
