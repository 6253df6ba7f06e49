package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// ExplainedStep is one row of the table of classes as it was asked of a finding.
type ExplainedStep struct {
	Class Class
	Rule  string
	When  string // as in [ClassStep]
	// Taken is true for the last step alone: it gave the finding its class.
	Taken bool
	// Why says why the finding is in the class, or why it is not.
	Why string
	// Position is the line of the policy that decides, zero where no file has one.
	Position Position
}

// Explanation tells how a finding came to its class.
type Explanation struct {
	*Judged
	// Steps are the rows of the table of classes that were asked, in order. The
	// last one gave the class.
	Steps []ExplainedStep
}

// Explain judges an image as [Policy.Evaluate] does, and tells how each finding came
// to its class.
func (p *Policy) Explain(img *evidence.Image, now time.Time) (Verdict, []Explanation) {
	if !p.canJudge(img) {
		return nothingToJudge(), nil
	}
	j := p.newJudge(img, now)
	j.steps = map[*evidence.Finding][]ExplainedStep{}
	v := j.verdict()
	out := make([]Explanation, len(v.Findings))
	for i := range v.Findings {
		f := &v.Findings[i]
		out[i] = Explanation{Judged: f, Steps: append(j.steps[f.Finding], j.lastSteps(f)...)}
	}
	return v, out
}

func (j *judge) explainNo(s *ClassStep, f *Judged) {
	if j.steps != nil {
		j.explain(s, f, ExplainedStep{Why: s.unless(j, f)})
	}
}

func (j *judge) explainYes(s *ClassStep, f *Judged) {
	if j.steps != nil {
		j.explain(s, f, ExplainedStep{Why: f.Reason, Taken: true})
	}
}

func (j *judge) explain(s *ClassStep, f *Judged, e ExplainedStep) {
	e.Class, e.Rule, e.When, e.Position = s.Class, s.Rule, s.When, j.decidingPlace(s.Rule, f)
	j.steps[f.Finding] = append(j.steps[f.Finding], e)
}

// lastSteps are the rows that count what is left, for a finding that asked rows
// before them did not take.
func (j *judge) lastSteps(f *Judged) []ExplainedStep {
	if asked := j.steps[f.Finding]; asked[len(asked)-1].Taken {
		return nil
	}
	var out []ExplainedStep
	for _, s := range ClassSteps()[len(classSteps):] {
		e := ExplainedStep{Class: s.Class, Rule: s.Rule, When: s.When, Taken: s.Class == f.Class && (f.Rule == "" || s.Rule == f.Rule), Position: j.decidingPlace(s.Rule, f)}
		switch {
		case s.Rule == ruleMax:
			e.Why = j.weigh(f.Severity).reason
		case e.Taken:
			e.Why = f.Reason
		default:
			e.Why = "no deadline by a row with kev or epss is over"
		}
		out = append(out, e)
		if e.Taken {
			break
		}
	}
	return out
}

// decidingPlace is the line of the policy that decides a row for a finding: that of its
// exception, that of the value for its severity, or that of the rule.
func (j *judge) decidingPlace(rule string, f *Judged) Position {
	switch rule {
	case ruleExceptions:
		if f.Exception != nil {
			return f.Exception.Position
		}
		return Position{}
	case ruleMax:
		bucket, _, _ := j.s.limited(f.Severity)
		return maxKey.at(j.s, bucket).pos
	case ruleGrace:
		return graceKey.at(j.s, f.Severity).pos
	case ruleBaseline:
		return baselineCeilingKey.at(j.s, f.Severity).pos
	}
	r := j.policy.lang.lookup(rule)
	if r == nil {
		return Position{}
	}
	pos, _ := j.s.set(r.keys...)
	return pos
}

func (j *judge) notDenied(f *Judged) string {
	id := j.deniedID(f.Finding)
	switch {
	case id != "":
		return fmt.Sprintf("%s is denied, but levels.%s is %s", id, ruleDeny, j.s.level(ruleDeny))
	case len(denyKey.value(j.s)) == 0:
		return "the policy denies no id"
	}
	return "the policy denies none of its ids"
}

func (j *judge) notExcepted(f *Judged) string {
	var out []string
	for _, i := range j.index.candidates(f.Finding) {
		e := j.policy.exceptions[i]
		why := ""
		switch {
		case !e.inScope(j.img.Reference.Name, f.Finding):
			why = "is for another package, image or path"
		case e.expired(j.now):
			why = "ended on " + e.Expires.Format(time.DateOnly)
		default:
			why = "does not apply: " + j.refusal(e, f)
		}
		out = append(out, fmt.Sprintf("the exception for %s (%s) %s", e.ID, e.Position, why))
	}
	if len(out) == 0 {
		return "no exception is for " + words.Or(append([]string{f.ID}, f.Aliases...))
	}
	return strings.Join(out, "; ")
}

func (j *judge) notIgnoredType(f *Judged) string {
	if len(typesKey.value(j.s)) == 0 || !typesKey.of(j.s).set {
		return "the policy judges packages of every type"
	}
	return fmt.Sprintf("the policy judges packages of type %s", f.Package.Type)
}

func (j *judge) notDistroOwned(f *Judged) string {
	switch {
	case f.Package.Class != evidence.ClassLanguage:
		return "it is not about a language package"
	case f.Package.OwnedBy == "":
		return "no package of the distribution is proven to have installed it"
	case !j.distroOwned(f.Package):
		return fmt.Sprintf("%s is said to have installed it, but is no package of this image", f.Package.OwnedBy)
	}
	return ruleDistroOwned + " is " + distroOwnedKey.value(j.s)
}

func (j *judge) notUnfixed(f *Judged) string {
	if f.FixedVersion != "" {
		return "it is fixed in " + f.FixedVersion
	}
	text := fmt.Sprintf("it has no fixed version, but %s is %s for %s findings", ruleUnfixed, levelFail, f.Severity)
	if f.Status != "" {
		text += " with the status " + f.Status
	}
	return text
}

func (j *judge) notInGrace(f *Judged) string {
	if len(deadlinesKey.value(j.s)) > 0 {
		return j.notBeforeDeadline()
	}
	grace := graceKey.at(j.s, f.Severity).value
	switch {
	case grace == 0:
		return fmt.Sprintf("the policy gives %s findings no grace", f.Severity)
	case f.Published == nil:
		return "it has no date of publication, so it has no grace"
	case f.Published.After(j.now.Add(futureToleranceHours * time.Hour)):
		return fmt.Sprintf("its date of publication, %s, is in the future, so it has no grace", f.Published.UTC().Format(time.DateOnly))
	}
	return fmt.Sprintf("published %s, grace ended %s", f.Published.UTC().Format(time.DateOnly), f.Published.Add(grace).UTC().Format(minuteForm))
}

// HasID reports whether a vulnerability is known by an id. Case does not count.
func HasID(f *evidence.Finding, id string) bool {
	return strings.EqualFold(id, f.ID) || slices.ContainsFunc(f.Aliases, func(a string) bool { return strings.EqualFold(id, a) })
}
