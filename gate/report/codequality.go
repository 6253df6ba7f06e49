package report

import (
	"cmp"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// GitLab's Code Quality report: a list of issues. Its parser stops at the first
// one that is wrong.
type (
	qualityIssue struct {
		Description string          `json:"description"`
		Check       string          `json:"check_name"`
		Fingerprint string          `json:"fingerprint"`
		Severity    string          `json:"severity"`
		Location    qualityLocation `json:"location"`
	}
	qualityLocation struct {
		Path  string       `json:"path"` // relative, without "./"
		Lines qualityLines `json:"lines"`
	}
	qualityLines struct {
		Begin int `json:"begin"`
	}
)

func codeQualityFormat() Format {
	return Format{
		Name: "codequality", Title: "Code Quality report",
		Where: "GitLab: artifacts:reports:codequality", Extension: ".json",
		write: whole(renderCodeQuality),
	}
}

// qualityReport collects the issues.
type qualityReport struct {
	o      Options
	ids    identity
	issues []qualityIssue
}

// add adds an issue at a place in a file, or else in the image. parts make its
// fingerprint.
func (q *qualityReport) add(img image, check, level, text string, at policy.Position, parts ...string) {
	file, line := positionOf(at, q.o)
	if file == "" {
		file, line = imagePath(img, ""), 1
	}
	q.addAt(file, line, check, level, text, parts...)
}

func (q *qualityReport) addAt(file string, line int, check, level, text string, parts ...string) {
	q.issues = append(q.issues, qualityIssue{
		Description: clip(safe.Terminal(text), 2000), Check: token(check), Severity: level,
		Fingerprint: strings.ReplaceAll(q.ids.fingerprint(parts...), ":", "-"),
		Location:    qualityLocation{Path: file, Lines: qualityLines{line}},
	})
}

func renderCodeQuality(run *gate.Run, o Options) ([]byte, error) {
	q := &qualityReport{o: o, issues: []qualityIssue{}}
	for i := range run.Results {
		q.result(&run.Results[i])
	}
	if len(run.Results) == 0 && run.Release == nil {
		q.result(&gate.Result{})
	}
	q.release(run)
	for _, remark := range remarksOf(run) {
		q.addAt("imagegate", 1, "remark", "info", remark, "remark", remark)
	}
	return encodeJSON(q.issues)
}

func (q *qualityReport) result(r *gate.Result) {
	img := imageOf(r)
	if r.Decision() == policy.Undecided && len(stopping(r)) == 0 {
		text := noImage
		if f := failureOf(r); f != nil {
			text = strings.TrimSpace(img.label() + ": no verdict while " + phaseText(f.phase) + ": " + f.line() + " " + f.hint)
		}
		q.add(img, noVerdictRule, "blocker", text, policy.Position{}, img.name, img.platform, noVerdictRule)
	}
	for _, rule := range stopping(r) {
		q.add(img, rule.Rule, ruleQuality(rule.Result), img.label()+": "+rule.Rule+": "+rule.Message, rule.Position, img.name, img.platform, rule.Rule)
	}
	for _, f := range ofClass(findingsOf(r), policy.ClassBlocking) {
		at := policy.Position{}
		if rule := ruleOf(r, f.Rule); rule != nil {
			at = rule.Position
		}
		q.add(img, cmp.Or(f.Rule, "vulnerability"), findingQuality(f.Severity), img.label()+": "+findingLine(f), at, findingParts(img, f)...)
	}
}

func ruleQuality(r policy.Result) string {
	switch r {
	case policy.ResultWarn:
		return "minor"
	case policy.ResultFail:
		return "critical"
	default:
		return "blocker"
	}
}

func findingQuality(s evidence.Severity) string {
	switch severity(s) {
	case evidence.SeverityCritical:
		return "blocker"
	case evidence.SeverityHigh:
		return "critical"
	case evidence.SeverityLow:
		return "minor"
	default:
		return "major"
	}
}
