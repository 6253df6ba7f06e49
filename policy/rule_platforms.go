package policy

import (
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/words"
)

const rulePlatforms = "platforms"

// wordAll is every platform.
const wordAll = "all"

// platformsKey has no value for "all".
var platformsKey = &setting[[]string]{
	path: rulePlatforms, doc: "Platforms the image must offer: all, or a list such as [linux/amd64, linux/arm64].",
	schema: object{"oneOf": []any{enum(wordAll), listOf(pattern(platformForm.String()))}},
	read:   (*decoder).platforms, order: longer(same),
}

func platformsRule() *Rule {
	return &Rule{
		ID: rulePlatforms, Title: "The image is offered for these platforms.",
		Why: "A release that lacks a platform fails on the machines that need it.",
		How: "build and push the missing platforms, and check the index rather than one manifest", Default: "all", Levels: true,
		Settings: "all (judge every platform that is offered, ask for none), or a list of os/architecture[/variant] that must be offered. " +
			"Without a variant any variant will do.",
		Example: "platforms: [linux/amd64, linux/arm64]\n",
		keys:    []key{platformsKey}, on: func(s *settings) bool { return len(platformsKey.value(s)) > 0 },
		check: checkPlatforms,
	}
}

func checkPlatforms(j *judge) answer {
	have := j.img.Platforms
	if len(have) == 0 {
		return missing("the platforms are not known")
	}
	var lacking []string
	for _, want := range platformsKey.value(j.s) {
		if !slices.ContainsFunc(have, func(p string) bool { return samePlatform(want, p) }) {
			lacking = append(lacking, want)
		}
	}
	a := passing("offered for %s", words.And(have))
	if len(lacking) > 0 {
		a = failing("not offered for %s, only for %s", words.And(lacking), words.And(have))
	}
	a.allowed = "an image for " + words.And(platformsKey.value(j.s))
	return a
}

// samePlatform reports whether have is what want asks for: any variant when
// want names none. arm64 is arm64/v8 by the OCI specification.
func samePlatform(want, have string) bool {
	clean := func(p string) string {
		p = strings.ToLower(p)
		if strings.HasSuffix(p, "/arm64/v8") {
			p = strings.TrimSuffix(p, "/v8")
		}
		return p
	}
	want, have = clean(want), clean(have)
	return have == want || strings.Count(want, "/") == 1 && strings.HasPrefix(have, want+"/")
}
