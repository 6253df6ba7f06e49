package policy

import (
	"strings"

	"github.com/imagegate/imagegate/policy/words"
)

const rulePromoteRequire = promotePrefix + "require"

// requiredProofs are the words of promote.require, and the rules that answer them.
func requiredProofs() map[string]string {
	return map[string]string{"signature": ruleSignatures, "provenance": ruleProvenance}
}

var promoteRequireKey = &setting[[]string]{
	path: rulePromoteRequire, doc: "What an image must have to be promoted, whatever the level of the rule that asks for it.",
	schema: listOf(enum("signature", "provenance")), read: wordList([]string{"signature", "provenance"}), order: longer(same),
}

func promoteRequireRule() *Rule {
	return &Rule{
		ID: rulePromoteRequire, Title: "The image has the proofs that a promotion needs.",
		Why: "A team may begin with warnings about missing signatures, and ask for them where images go to production.",
		How: "sign the image and its provenance before it is promoted, and say in the sections signatures and provenance by whom",
		Settings: "a list of signature (the rule signatures.require must pass) and provenance (the rule provenance must pass). A level of these rules does not soften it, and a policy that does not ask them leaves it undecided. " +
			"It is asked of imagegate promote alone.",
		Default: "not asked", Example: "promote: {require: [signature]}\n", NoLevel: noPromotionLevel,
		keys: []key{promoteRequireKey}, check: checkPromoteRequire,
	}
}

func checkPromoteRequire(j *judge) answer {
	if len(j.img.Promotions) == 0 {
		return notPromoted()
	}
	a := answer{result: ResultPass, allowed: "an image with " + words.And(promoteRequireKey.value(j.s))}
	var said []string
	for _, word := range promoteRequireKey.value(j.s) {
		one := j.proofFor(requiredProofs()[word])
		switch {
		case one.result == ResultFail, one.result != ResultPass && a.result != ResultFail:
			a.result = one.result
		}
		said = append(said, word+": "+one.message)
		a.details = append(a.details, one.details...)
	}
	a.message = strings.Join(said, "; ")
	return a
}

// proofFor asks a rule regardless of its level. What is neither a pass nor a fail is
// undecided.
func (j *judge) proofFor(id string) answer {
	r := j.policy.lang.lookup(id)
	if _, asked := r.asked(j.s); !asked {
		return undecided("the policy does not ask rule %s", id)
	}
	a := r.check(j)
	if a.result != ResultPass && a.result != ResultFail {
		a.result = ResultUndecided
	}
	return a
}
