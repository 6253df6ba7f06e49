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

func renderCodeQuality(run *gate.Run, o Options) ([]byte, error) {
	issues := []qualityIssue{}
	ids := &identity{}
	for i := range run.Results {
		issues = append(issues, qualityIssues(&run.Results[i], o, ids)...)
	}
	if len(run.Results) == 0 && run.Release == nil {
		issues = append(issues, qualityIssues(&gate.Result{}, o, ids)...)
	}
	issues = append(issues, releaseQuality(run, o, ids)...)
	for _, remark := range remarksOf(run) {
		issues = append(issues, qualityIssue{
			Description: remark, Check: "remark", Severity: "info",
			Fingerprint: strings.ReplaceAll(ids.fingerprint("remark", remark), ":", "-"),
			Location:    qualityLocation{Path: "imagegate", Lines: qualityLines{1}},
		})
	}
	return encodeJSON(issues)
}

func qualityIssues(r *gate.Result, o Options, ids *identity) []qualityIssue {
	img := imageOf(r)
	var issues []qualityIssue
	add := func(check, level, text string, at policy.Position, parts ...string) {
		file, line := positionOf(at, o)
		if file == "" {
			file, line = imagePath(img, ""), 1
		}
		issues = append(issues, qualityIssue{
			Description: clip(safe.Terminal(text), 2000), Check: token(check), Severity: level,
			Fingerprint: strings.ReplaceAll(ids.fingerprint(parts...), ":", "-"),
			Location:    qualityLocation{Path: file, Lines: qualityLines{line}},
		})
	}
	if r.Decision() == policy.Undecided && len(stopping(r)) == 0 {
		text := noImage
		if f := failureOf(r); f != nil {
			text = strings.TrimSpace(img.label() + ": no verdict while " + phaseText(f.phase) + ": " + f.line() + " " + f.hint)
		}
		add(noVerdictRule, "blocker", text, policy.Position{}, img.name, img.platform, noVerdictRule)
	}
	for _, rule := range stopping(r) {
		add(rule.Rule, ruleQuality(rule.Result), img.label()+": "+rule.Rule+": "+rule.Message, rule.Position, img.name, img.platform, rule.Rule)
	}
	for _, f := range ofClass(findingsOf(r), policy.ClassBlocking) {
		at := policy.Position{}
		if rule := ruleOf(r, f.Rule); rule != nil {
			at = rule.Position
		}
		add(cmp.Or(f.Rule, "vulnerability"), findingQuality(f.Severity), img.label()+": "+findingLine(f), at, findingParts(img, f)...)
	}
	return issues
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
