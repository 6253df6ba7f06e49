package policy

import (
	"github.com/imagegate/imagegate/policy/words"
)

const ruleDenyEnv = "config.deny-env"

var denyEnvKey = globKey(ruleDenyEnv, "Names of environment variables that the image may not set. Globs.", nameGlob, true, longer(sameFold))

func denyEnvRule() *Rule {
	return &Rule{
		ID: ruleDenyEnv, Title: "The image sets none of these environment variables.",
		Why: "Everyone who can pull the image can read them, so no password belongs there.",
		How: "remove ENV for the variable and pass it at run time", Default: "not asked", Levels: true,
		Settings: "a list of globs on names, compared without regard to case. Values are never looked at.",
		Example:  "config: {deny-env: [\"*PASSWORD*\", \"*_TOKEN\"]}\n",
		keys:     []key{denyEnvKey}, check: checkEnv,
	}
}

func checkEnv(j *judge) answer {
	c := j.img.Config
	if c == nil {
		return missing(noConfig)
	}
	var bad []string
	for _, name := range c.EnvNames {
		if matchesAny(denyEnvKey.value(j.s), name, matchFold) {
			bad = append(bad, name)
		}
	}
	a := passing("%s set, none of them denied", words.Plural(len(c.EnvNames), "variable"))
	if len(bad) > 0 {
		a = failing("sets %s", words.And(few(bad)))
	}
	a.allowed = "no variable like " + words.Or(denyEnvKey.value(j.s))
	return a
}
