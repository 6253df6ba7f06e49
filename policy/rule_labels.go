package policy

import (
	"strings"

	"github.com/imagegate/imagegate/policy/words"
)

const ruleLabels = "config.require-labels"

var labelsKey = &setting[[]string]{
	path: ruleLabels, doc: "Labels that must be set and not empty.",
	schema: listOf(textSchema()), read: texts, order: longer(same),
}

func labelsRule() *Rule {
	return &Rule{
		ID: ruleLabels, Title: "The image has these labels.",
		Why: "A person who finds an image in production must be able to find its source.",
		How: "set the labels at build time: docker build --label NAME=VALUE", Default: "not asked", Levels: true,
		Settings: "a list of label names; a label must be set and not be blank",
		Example:  "config: {require-labels: [org.opencontainers.image.source]}\n",
		keys:     []key{labelsKey}, check: checkLabels,
	}
}

func checkLabels(j *judge) answer {
	c := j.img.Config
	if c == nil {
		return missing(noConfig)
	}
	var lacking []string
	for _, l := range labelsKey.value(j.s) {
		v, ok := c.Labels[l]
		switch {
		case !ok:
			lacking = append(lacking, l)
		case strings.TrimSpace(v) == "":
			lacking = append(lacking, l+" (empty)")
		}
	}
	if len(lacking) == 0 {
		return passing("%s set", words.Plural(len(labelsKey.value(j.s)), "label"))
	}
	a := failing("%s missing: %s", words.Plural(len(lacking), "label"), words.And(few(lacking)))
	a.allowed = "an image with " + words.And(labelsKey.value(j.s))
	return a
}
