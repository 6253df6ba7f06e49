package policy

import "github.com/imagegate/imagegate/policy/words"

const ruleMaxLayers = "config.max-layers"

var maxLayersKey = &setting[int]{
	path: ruleMaxLayers, doc: "How many layers the image may have.",
	schema: object{"type": "integer", "minimum": 1}, read: (*decoder).countFromOne, order: smaller[int],
}

func maxLayersRule() *Rule {
	return &Rule{
		ID: ruleMaxLayers, Title: "The image has not more layers than this.",
		Why: "Every layer costs a request, and some runtimes refuse images with very many.",
		How: "join RUN instructions, or build in several stages", Default: "not asked", Levels: true,
		Settings: "a number, 1 or more", Example: "config: {max-layers: 40}\n",
		keys: []key{maxLayersKey}, check: checkMaxLayers,
	}
}

func checkMaxLayers(j *judge) answer {
	c := j.img.Config
	if c == nil || c.Layers == nil {
		return missing(noConfig)
	}
	limit := maxLayersKey.value(j.s)
	a := passing("%s", words.Plural(len(c.Layers), "layer"))
	if len(c.Layers) > limit {
		a.result = ResultFail
	}
	a.allowed = "at most " + words.Count(limit)
	return a
}
