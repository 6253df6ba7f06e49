package report

import (
	"fmt"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
)

// releaseName is what formats call the documents where they have a name for each
// image.
const releaseName = "release"

// releaseSubject is the place of what is about the documents in formats that have a
// place in an image for everything.
func releaseSubject() image { return image{ref: "the documents", name: releaseName} }

// releaseAnnotations are the annotations of GitHub: each at its line in a document.
func releaseAnnotations(run *gate.Run, o Options, add func(on string, a annotation)) {
	if f := releaseFailure(run.Release); f != nil {
		add("", annotation{level: "error", title: "imagegate: no verdict", text: failureText(f)})
	}
	for _, x := range objections(run.Release) {
		a := annotationOf(x.rule.Rule, x.problem.Result)
		at := ""
		if a.file, a.line = positionOf(x.position(), o); a.file == "" {
			at = x.at()
		}
		a.text = paragraph(x.text(), labelled("at", at), labelled("allowed", x.rule.Allowed), labelled("to pass", x.cure()))
		add(x.workload, a)
	}
}

// release adds the issues about documents.
func (q *qualityReport) release(run *gate.Run) {
	if f := releaseFailure(run.Release); f != nil {
		q.add(releaseSubject(), noVerdictRule, "blocker", "the documents: no verdict: "+f.line()+" "+f.hint, policy.Position{}, releaseName, noVerdictRule)
	}
	for _, x := range objections(run.Release) {
		text := x.rule.Rule + ": " + x.line() + prefixed("; to pass: ", x.cure())
		q.add(releaseSubject(), x.rule.Rule, ruleQuality(x.problem.Result), text, x.position(), releaseName, x.rule.Rule, x.workload, x.problem.Container, x.problem.Message)
	}
}

// releaseMessages are the messages of GitLab's container scanning about documents:
// the report has no other place for them.
func (s *gitlabScan) releaseMessages(run *gate.Run) {
	if f := releaseFailure(run.Release); f != nil {
		s.add("fatal", "the documents: no verdict: "+f.line()+" "+f.hint)
	}
	for _, x := range objections(run.Release) {
		level := "warn"
		if x.problem.Result == policy.ResultUndecided {
			level = "fatal"
		}
		s.add(level, strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", x.at(), x.rule.Rule, x.problem.Result, x.line())))
	}
}

// releaseSARIF is the run about the documents. Its results are at the lines of the
// documents.
func releaseSARIF(run *gate.Run, o Options, limit int, ids *identity) *sarif.Run {
	s := newSARIFRun(run, o, &gate.Result{}, releaseSubject(), limit)
	invocation := s.invocation(run.Release.Decision())
	if f := releaseFailure(run.Release); f != nil {
		invocation.AddToolExecutionNotification(notification(sarif.LevelError, "No verdict on the documents: "+f.line()))
		s.addReleaseResult(noVerdictRule, sarif.LevelError, "No verdict on the documents: "+f.line()+" "+f.hint, policy.Position{}, noVerdictRule)
	}
	for _, x := range objections(run.Release) {
		if len(s.results) >= limit {
			s.cut++
			continue
		}
		text := answerText(x.line(), x.rule.Allowed, x.cure())
		r := s.addReleaseResult(x.rule.Rule, ruleLevel(x.problem.Result), text, x.position(), x.rule.Rule, x.workload, x.problem.Container, x.problem.Message)
		r.Properties = sarif.NewPropertyBag().Add("result", x.problem.Result.String()).Add("workload", x.workload).Add("container", x.problem.Container)
	}
	facts := sarif.NewPropertyBag().Add("verdict", run.Release.Decision().String()).Add("documents", documentNames(run.Release)).
		Add("policy", run.Policy.Path).Add("policySHA256", run.Policy.SHA256)
	return s.finish(invocation, "problem", facts, ids)
}

func (s *sarifRun) addReleaseResult(rule, level, text string, at policy.Position, parts ...string) *sarif.Result {
	index := s.rule(rule, func() *sarif.ReportingDescriptor {
		d := descriptor(rule, pascal(rule), "Policy rule "+rule, "The policy has a rule "+rule+" that the documents do not meet.", informationURI, level)
		d.Properties.WithTags([]string{"policy", "container"})
		return d
	})
	file, line := positionOf(at, s.o)
	return s.addResult(index, rule, level, text, s.location(file, line, ""), append([]string{releaseName}, parts...))
}

// releaseSuite is the JUnit suite about the documents: a case for each rule of each
// workload.
func releaseSuite(run *gate.Run, id int) junitSuite {
	r := run.Release
	s := junitSuite{
		ID: id, Package: releaseName, Name: releaseName + ": " + token(sample(documentNames(r))), Hostname: "localhost",
		Time: "0", Timestamp: run.Started.UTC().Format("2006-01-02T15:04:05"),
	}
	for _, p := range [][2]string{{"verdict", r.Decision().String()}, {"policy", run.Policy.Path}, {"policy.sha256", run.Policy.SHA256}, {"tool", run.Tool}} {
		s.Properties = append(s.Properties, junitProp{p[0], safe.Terminal(p[1])})
	}
	if f := releaseFailure(r); f != nil {
		s.Cases = []junitCase{{Class: "imagegate", Name: "verdict", Time: "0", Error: note("error", f.message, append(safe.Lines(f.message), f.hint)...)}}
		s.number()
		return s
	}
	s.releaseCases("", r.Verdict.Rules)
	for i := range r.Verdict.Workloads {
		s.releaseCases(workloadID(r, i), r.Verdict.Workloads[i].Rules)
	}
	s.number()
	return s
}

func (s *junitSuite) releaseCases(workload string, rules []policy.RuleResult) {
	for i := range rules {
		rule := &rules[i]
		if rule.Result == policy.ResultOff {
			continue
		}
		var lines []string
		all := objectionsOf(workload, rule)
		for k := range all {
			lines = append(lines, all[k].text(), labelled("at", all[k].at()), labelled("to pass", all[k].cure()))
		}
		s.addRule(strings.TrimSpace(rule.Rule+" "+workload), rule, append(lines, labelled("policy", place(rule.Position))))
	}
}

// markdownRelease writes the workloads and what the rules have against them.
func markdownRelease(d *markdownDocument, run *gate.Run) {
	r := run.Release
	if r == nil {
		return
	}
	d.text("### " + word(r.Decision()) + ": " + safe.Markdown(clip(workloadTally(r), 3*cellRunes)) + "\n\n")
	if f := releaseFailure(r); f != nil {
		d.text("No verdict: " + safe.Markdown(clip(f.line(), 2000)) + "\n\n")
		return
	}
	var rows [][]string
	for i := range r.Verdict.Workloads {
		at, images := "", ""
		if rest := notApplying(r.Verdict.Workloads[i].Rules); len(rest) > 0 {
			images = "not asked: " + strings.Join(rest, "; ") + "; images: "
		}
		if i < len(r.Evidence.Workloads) {
			w := &r.Evidence.Workloads[i]
			at, images = w.At.String(), images+strings.Join(imagesOfWorkload(run, w), "; ")
		}
		rows = append(rows, []string{"**" + word(r.Verdict.Workloads[i].Decision) + "**", code(workloadID(r, i)), code(at), cell(images)})
	}
	d.table("workload", []string{"Verdict", "Workload", "At", "Images"}, rows)
	rows = nil
	for _, x := range objections(r) {
		rows = append(rows, []string{x.problem.Result.String(), code(x.rule.Rule), cell(x.line()), code(x.at()), cell(x.cure()), code(place(x.rule.Position))})
	}
	d.table("problem", []string{"Result", "Rule", "Found", "At", "To pass", "Policy"}, rows)
}
