package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/expression"
	"github.com/imagegate/imagegate/policy/words"
)

// answer is what a rule says. The zero value is undecided.
type answer struct {
	result  Result
	message string
	allowed string
	cure    string // "" takes the rule's own
	details []string
	pos     Position // where the policy sets the rule, if not where the rule says
	// missing is true when evidence was not collected. No level softens that: a
	// warning would then cover something that was not examined.
	missing bool
	// valueless is true when the rule could not be asked of the image, because its
	// expression has no value. No exception covers that.
	valueless bool
	// notApplying is true for a rule that is asked and is off all the same.
	notApplying bool
}

func passing(format string, args ...any) answer {
	return answer{result: ResultPass, message: fmt.Sprintf(format, args...)}
}

func failing(format string, args ...any) answer {
	return answer{result: ResultFail, message: fmt.Sprintf(format, args...)}
}

func undecided(format string, args ...any) answer {
	return answer{message: fmt.Sprintf(format, args...)}
}

func off(format string, args ...any) answer {
	return answer{result: ResultOff, message: fmt.Sprintf(format, args...)}
}

// notApplying answers for a rule that the policy asks and that has no meaning for what
// is judged.
func notApplying(format string, args ...any) answer {
	a := off(format, args...)
	a.notApplying = true
	return a
}

func missing(what string) answer {
	return answer{message: what, missing: true, cure: "check the image again so that the evidence is collected for this policy"}
}

// judge is one evaluation.
type judge struct {
	policy   *Policy
	s        *settings
	applied  applied
	img      *evidence.Image
	now      time.Time
	need     evidence.Need
	findings []Judged
	uses     []ExceptionUse
	buckets  map[evidence.Severity]int // findings that count against each limit
	unrated  int                       // findings among them that no source rated
	refused  []string                  // exceptions that the limits of the policy refuse
	relied   bool                      // a finding blocks that one of them was to cover
	index    *exceptionIndex
	covering *exception // the exception for the finding that is being classified, nil for none
	// decision takes the place of the layers; nil where those are judged.
	decision *RuleResult
	// ofRelease is true when documents are judged: exceptions that name a workload
	// are for those, and all others are for images.
	ofRelease bool
	facts     *expression.Facts // nil until a rule of the policy's own is asked
	// osPackages holds the names of the OS packages; nil until asked for.
	osPackages map[string]bool
	// days are those on which values come into force that are not in force yet.
	days  []time.Time
	base  *baselineState // nil until it is asked for
	vexes *vexState      // nil until it is asked for
	seen  *seenState     // nil until it is asked for
	until deadline       // of the finding that is being classified
	// overdue are the findings whose deadline by a row about exploited ones is over, and
	// says when it was.
	overdue map[*evidence.Finding]string
	// steps collects what each finding was asked; nil unless that is wanted.
	steps map[*evidence.Finding][]ExplainedStep
}

// Evaluate judges an image. The answer depends on nothing but the arguments.
func (p *Policy) Evaluate(img *evidence.Image, now time.Time) Verdict {
	if !p.canJudge(img) {
		return nothingToJudge()
	}
	return p.newJudge(img, now).verdict()
}

func (p *Policy) canJudge(img *evidence.Image) bool { return p != nil && p.rules != nil && img != nil }

func nothingToJudge() Verdict {
	return Verdict{Rules: []RuleResult{{Rule: ruleEvidence, Message: "there is no evidence or no policy to judge it by"}}}
}

// newJudge prepares the evaluation of an image.
func (p *Policy) newJudge(img *evidence.Image, now time.Time) *judge {
	a := p.settingsFor(img.Reference.Name, now)
	j := &judge{policy: p, s: a.settings, applied: a, img: img, now: now}
	if j.days = p.comingDays(a.settings, now); len(j.days) > 0 {
		j.s = a.settings.at(now, p.lang.leaves)
	}
	j.need = p.needs(j.s)
	return j
}

func (j *judge) verdict() Verdict {
	v := Verdict{Rules: j.judgeRules(), Findings: j.findings, Overrides: j.overrides(), Exceptions: j.exceptionUses()}
	if len(j.days) > 0 {
		v.Rules = j.foresee(v.Rules, j.applied.settings, j.days)
	}
	v.Decision = decide(v.Rules)
	return v
}

// needs returns what has to be known of the layers.
func (j *judge) needs() evidence.Need {
	if j.decision != nil {
		return 0
	}
	return j.policy.needs(j.s)
}

// restsOnDecision reports whether the decision answers for a rule: one about the
// layers, or one that says what findings in them do.
func (j *judge) restsOnDecision(r *Rule) bool {
	return j.decision != nil && (r.modifies || r.needs != nil && r.needs(j.s).Layers())
}

// judgeRules classifies the findings and asks every rule.
func (j *judge) judgeRules() []RuleResult {
	j.classify()
	out := make([]RuleResult, 0, len(j.policy.rules))
	for _, r := range j.policy.rules {
		if !r.Setting && !r.ofRelease() {
			out = append(out, j.apply(r))
		}
	}
	return out
}

// decide is the only place where an image passes. It demands that every rule
// has answered and that the policy asks at least one rule besides evidence.
func decide(rules []RuleResult) Decision {
	undecided, asked := false, false
	for _, r := range rules {
		switch r.Result {
		case ResultFail:
			return Denied
		case ResultPass, ResultWarn:
			asked = asked || !accompanying(r.Rule)
		case ResultOff:
		default:
			undecided = true
		}
	}
	if undecided || !asked {
		return Undecided
	}
	return Passed
}

// accompanying reports a rule that asks nothing of an image: a pass of it alone
// would be a pass of an image that was not judged.
func accompanying(id string) bool {
	return IsPromotionRule(id) || slices.Contains([]string{ruleEvidence, ruleExceptions, ruleExceptionLimits, ruleOverrides, ruleBaseline, ruleVEX, ruleDeadlines}, id)
}

// apply runs one rule and lets its level decide what not being met means.
func (j *judge) apply(r *Rule) RuleResult {
	res := RuleResult{Rule: r.ID}
	set := true
	if !r.always || len(r.keys) > 0 {
		res.Position, set = r.asked(j.s)
	}
	level := r.levelIn(j.s)
	var a answer
	switch {
	case j.decision != nil && r.ID == ruleDecision:
		return *j.decision
	case set && j.restsOnDecision(r):
		a = off("the signed decision answers for it")
	case !set && !r.always:
		a = off("the policy does not ask")
	case level == levelOff && r.level != nil:
		a = off("its level is off")
	case level == levelOff:
		a = off("levels.%s is off", r.ID)
		res.Position = j.s.levelOption(r.ID).pos
	default:
		a = r.check(j)
	}
	if !a.missing && (a.result == ResultFail || a.result == ResultUndecided) {
		if level == levelWarn {
			a.result = ResultWarn
		}
		j.exceptRule(r.ID, &a)
	}
	if !a.pos.IsZero() {
		res.Position = a.pos
	}
	if res.Control = j.controlOf(r); res.Control != "" && a.result != ResultOff {
		a.message += " [" + res.Control + "]"
	}
	res.Result, res.Message, res.Allowed, res.Details = a.result, a.message, a.allowed, few(a.details)
	if a.result == ResultFail || a.result == ResultWarn || a.result == ResultUndecided {
		if res.Cure = a.cure; res.Cure == "" {
			res.Cure = r.How
		}
	}
	return res
}

// few sorts details and cuts them to what a person reads.
func few(details []string) []string {
	slices.Sort(details)
	if extra := len(details) - maxDetails; extra > 0 {
		details = append(details[:maxDetails:maxDetails], fmt.Sprintf("... and %d more", extra))
	}
	return details
}

// scanned returns the scan if it holds what is wanted. If it does not, it
// returns the answer that says what is missing.
func (j *judge) scanned(want evidence.Need) (*evidence.Scan, *answer) {
	var a answer
	switch sc := j.img.Scan; {
	case sc == nil:
		a = missing("the layers were not scanned")
	case !sc.Need.Has(want):
		a = missing("the scan did not look for " + needText(want&^sc.Need))
	default:
		return sc, nil
	}
	return nil, &a
}

func needText(n evidence.Need) string {
	var names []string
	for _, w := range []struct {
		bit  evidence.Need
		name string
	}{
		{evidence.NeedUser, "the user"}, {evidence.NeedPackages, "packages"}, {evidence.NeedSecrets, "secrets"},
		{evidence.NeedLicenses, "licences"}, {evidence.NeedJava, "jars"}, {evidence.NeedFiles, "modes of files"},
		{evidence.NeedSecretsAnywhere, "secrets in every file (secrets: {paths: all})"},
	} {
		if n.Has(w.bit) {
			names = append(names, w.name)
		}
	}
	return words.And(names)
}
