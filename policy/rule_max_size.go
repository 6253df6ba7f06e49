package policy

import (
	"fmt"

	"github.com/imagegate/imagegate/policy/words"
)

const ruleMaxSize = "config.max-size"

var maxSizeKey = &setting[int64]{
	path: ruleMaxSize, doc: "How large the compressed layers may be together.",
	schema: pattern(sizeForm.String()), read: (*decoder).size, order: smaller[int64],
}

func maxSizeRule() *Rule {
	return &Rule{
		ID: ruleMaxSize, Title: "The compressed layers are not larger than this.",
		Why: "Large images start slowly and carry software that is not used.",
		How: "build in several stages and ship only the result", Default: "not asked", Levels: true,
		Settings: "a size such as 500MB or 2GiB", Example: "config: {max-size: 500MB}\n",
		keys: []key{maxSizeKey}, check: checkMaxSize,
	}
}

func checkMaxSize(j *judge) answer {
	c := j.img.Config
	if c == nil {
		return missing(noConfig)
	}
	a := answer{allowed: "at most " + words.Size(maxSizeKey.value(j.s))}
	var sum int64
	for _, l := range c.Layers {
		sum += max(l.Size, 0)
	}
	switch size := max(c.Size, sum); {
	case c.Layers == nil || c.Size < 0:
		m := missing("the sizes of the layers are not known")
		m.allowed = a.allowed
		return m
	case size > maxSizeKey.value(j.s):
		a.result, a.message = ResultFail, fmt.Sprintf("%s in %s", words.Size(size), words.Plural(len(c.Layers), "layer"))
		if words.Size(size) == words.Size(maxSizeKey.value(j.s)) {
			a.message += fmt.Sprintf(", %s more than allowed", words.Plural(int(size-maxSizeKey.value(j.s)), "byte"))
		}
	default:
		a.result, a.message = ResultPass, fmt.Sprintf("%s in %s", words.Size(size), words.Plural(len(c.Layers), "layer"))
	}
	return a
}
