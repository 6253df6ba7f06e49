package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// releaseJudge is one evaluation of documents. A rule reports problems, each with
// its place, and the judge makes its answer of them.
type releaseJudge struct {
	*judge
	release *evidence.Release
	images  map[string][]*evidence.Image // by the reference as asked, one for each platform
	rule    *Rule                        // that is being asked
	about   *evidence.Workload           // that it is asked of, nil for the documents
	found   []Problem
	notes   []string
	lacking []bool // whether a problem is evidence that was not collected
	all     *settings
	days    []time.Time
}

func newReleaseJudge(p *Policy, r *evidence.Release, images []*evidence.Image, now time.Time) *releaseJudge {
	j := &releaseJudge{release: r, images: map[string][]*evidence.Image{}, all: &p.base}
	j.judge = &judge{policy: p, s: &p.base, img: &evidence.Image{}, now: now, index: newExceptionIndex(p), ofRelease: true}
	if j.days = p.comingDays(j.all, now); len(j.days) > 0 {
		j.s = j.all.at(now, p.lang.leaves)
	}
	for _, img := range images {
		if img != nil && img.ID() != "" {
			j.images[img.Reference.Asked] = append(j.images[img.Reference.Asked], img)
		}
	}
	return j
}

// askRelease asks every rule about the documents as a whole.
func (j *releaseJudge) askRelease() []RuleResult {
	return j.askAll(nil)
}

// askWorkload asks every rule about one workload.
func (j *releaseJudge) askWorkload(w *evidence.Workload) []RuleResult {
	return j.askAll(w)
}

func (j *releaseJudge) askAll(w *evidence.Workload) []RuleResult {
	rules := j.ask(w)
	if len(j.days) > 0 {
		rules = j.foreseeBy(rules, j.all, j.days, func(s *settings) []RuleResult {
			later := *j
			inner := *j.judge
			inner.s, inner.index = s, newExceptionIndex(j.policy)
			later.judge = &inner
			return later.ask(w)
		})
	}
	return rules
}

func (j *releaseJudge) ask(w *evidence.Workload) []RuleResult {
	var out []RuleResult
	for _, r := range j.policy.rules {
		switch {
		case w == nil && r.release != nil:
			out = append(out, j.applyRelease(r, nil, func() answer { return r.release(j) }))
		case w != nil && r.workload != nil:
			out = append(out, j.applyRelease(r, w, func() answer { return r.workload(j, w) }))
		}
	}
	return out
}

// accountRules are the answers about the exceptions for workloads. They are asked
// when all other rules have answered.
func (j *releaseJudge) accountRules() []RuleResult {
	var out []RuleResult
	for _, r := range j.policy.rules {
		if r.ID == ruleExceptions || r.ID == ruleExceptionLimits {
			out = append(out, j.judge.apply(r))
		}
	}
	return out
}

// applyRelease runs one rule and lets its level and the exceptions decide what its
// problems mean.
func (j *releaseJudge) applyRelease(r *Rule, w *evidence.Workload, check func() answer) RuleResult {
	res := RuleResult{Rule: r.ID}
	set := true
	if !r.always || len(r.keys) > 0 {
		res.Position, set = r.asked(j.s)
	}
	level := j.s.level(r.ID)
	switch {
	case !set && !r.always:
		res.Result, res.Message = ResultOff, "the policy does not ask"
		return res
	case level == levelOff:
		res.Result, res.Message = ResultOff, "levels."+r.ID+" is off"
		res.Position = j.s.levelOption(r.ID).pos
		return res
	}
	j.rule, j.about, j.found, j.notes, j.lacking = r, w, nil, nil, nil
	a := check()
	for i := range j.found {
		j.found[i].Cure = cmp.Or(j.found[i].Cure, a.cure, howFor(r, w))
		j.settle(&j.found[i], level, j.lacking[i])
	}
	res.Result, res.Message, res.Allowed, res.Problems, res.NotApplying = a.result, a.message, a.allowed, j.found, a.notApplying
	j.summarise(&res)
	if control := j.controlOf(r); control != "" && res.Result != ResultOff {
		res.Control = control
		res.Message += " [" + control + "]"
	}
	if res.Result == ResultFail || res.Result == ResultWarn || res.Result == ResultUndecided {
		if res.Cure = cmp.Or(firstCure(res.Problems), a.cure); res.Cure == "" {
			res.Cure = r.How
		}
	}
	return res
}

// settle lets the level of the rule and the exceptions soften a problem. Nothing
// softens evidence that was not collected.
func (j *releaseJudge) settle(p *Problem, level string, lacking bool) {
	if lacking || !stops(p.Result) {
		return
	}
	if level == levelWarn {
		p.Result = ResultWarn
	}
	if e := j.exceptProblem(p); e != nil {
		p.Result, p.Exception = ResultWarn, &e.Exception
		p.Message += "; " + e.until()
	}
}

// exceptProblem returns the exception that covers a problem.
func (j *releaseJudge) exceptProblem(p *Problem) *exception {
	if p.Workload == "" || !slices.Contains(workloadRules(), j.rule.ID) {
		return nil
	}
	var late bool
	e := j.coveringOf(exceptRule, j.rule.ID, "", func(e *exception) bool { return e.Rule == j.rule.ID && e.ofRelease() }, func(e *exception) bool {
		covers := e.coversWorkload(p.Workload, p.Container)
		late = late || covers && j.tooLong(e, "") != ""
		return covers
	})
	j.relied = j.relied || e == nil && late && p.Result == ResultFail
	return e
}

// summarise makes the answer of a rule from its problems. Without one, the answer
// is that of the rule.
func (j *releaseJudge) summarise(res *RuleResult) {
	slices.SortStableFunc(res.Problems, func(a, b Problem) int { return cmp.Compare(a.Result.weight(), b.Result.weight()) })
	if len(res.Problems) > 0 {
		worst := res.Problems[0]
		res.Result, res.Message = worst.Result, worst.text()
		if n := len(res.Problems); n > 1 {
			res.Message = words.Plural(n, "problem") + ": " + res.Message
			for i := range res.Problems {
				res.Details = append(res.Details, res.Problems[i].line())
			}
		}
	}
	res.Details = few(append(res.Details, j.notes...))
}

// weight orders the results of problems, the worst first.
func (r Result) weight() int {
	return slices.Index([]Result{ResultFail, ResultUndecided, ResultWarn, ResultPass, ResultOff}, r)
}

// text is the problem with the name of its container.
func (p *Problem) text() string {
	if p.Container == "" {
		return p.Message
	}
	if strings.HasPrefix(p.Message, "the ") {
		return "container " + p.Container + ": " + p.Message
	}
	return "container " + p.Container + " " + p.Message
}

// line is the problem with its place in front.
func (p *Problem) line() string {
	if at := p.At.String(); at != "" {
		return at + ": " + p.text()
	}
	return p.text()
}

func firstCure(problems []Problem) string {
	for i := range problems {
		if problems[i].Cure != "" {
			return problems[i].Cure
		}
	}
	return ""
}

// soften makes warnings of problems.
func soften(problems []Problem) {
	for i := range problems {
		if stops(problems[i].Result) {
			problems[i].Result = ResultWarn
		}
	}
}

// spot is where a rule sees a problem.
type spot struct {
	container string
	workload  string // of a rule that is asked once for all; "" is the one that is asked
	at        evidence.Place
	cure      string
}

// in returns the place of a field of a container.
func in(c *evidence.Container, field string) spot {
	return spot{container: c.Name, at: c.PlaceOf(field)}
}

func (s spot) with(cure string) spot { s.cure = cure; return s }

func (j *releaseJudge) report(result Result, lacking bool, s spot, format string, args []any) {
	id := s.workload
	if id == "" && j.about != nil {
		id = j.about.ID()
	}
	j.found = append(j.found, Problem{
		Result: result, Workload: id, Container: s.container, At: s.at, Message: fmt.Sprintf(format, args...), Cure: s.cure,
	})
	j.lacking = append(j.lacking, lacking)
}

func (j *releaseJudge) fails(s spot, format string, args ...any) {
	j.report(ResultFail, false, s, format, args)
}

func (j *releaseJudge) undecided(s spot, format string, args ...any) {
	j.report(ResultUndecided, false, s, format, args)
}

func (j *releaseJudge) warns(s spot, format string, args ...any) {
	j.report(ResultWarn, false, s, format, args)
}

// misses reports evidence that was not collected.
func (j *releaseJudge) misses(s spot, format string, args ...any) {
	j.report(ResultUndecided, true, s, format, args)
}

// notes a remark that changes no answer.
func (j *releaseJudge) remark(format string, args ...any) {
	j.notes = append(j.notes, fmt.Sprintf(format, args...))
}

// isService reports a service of a Compose file, which is no pod.
func isService(w *evidence.Workload) bool { return w.Document == evidence.DocumentCompose }

// isWindows reports a pod whose containers run on Windows, where users, groups and
// capabilities of Linux have no meaning.
func isWindows(w *evidence.Workload) bool { return strings.EqualFold(w.OS, "windows") }

// mayBeWindows reports a workload for Windows, or one that may run there. What holds on
// Linux alone is not proven for it.
func mayBeWindows(w *evidence.Workload) bool { return isWindows(w) || w.WindowsNodes }

// onWindows reports whether an image of a workload runs on Windows.
func onWindows(w *evidence.Workload, img *evidence.Image) bool {
	return isWindows(w) || w.OS == "" && isWindowsPlatform(img.Platform)
}

// containers names how many containers a workload has.
func containersText(w *evidence.Workload) string {
	return words.Plural(len(w.Containers), "container")
}
