package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/plan"
)

// addRule adds a result for a rule that did not pass. A rule that only counts
// findings which have results of their own adds none.
func (s *sarifRun) addRule(r *policy.RuleResult) {
	blocks := func(f policy.Judged) bool { return f.Class == policy.ClassBlocking && f.Rule == r.Rule }
	if r.Result == policy.ResultFail && slices.ContainsFunc(s.r.Verdict.Findings, blocks) {
		return
	}
	level := ruleLevel(r.Result)
	index := s.rule(r.Rule, func() *sarif.ReportingDescriptor {
		d := descriptor(r.Rule, pascal(r.Rule), "Policy rule "+r.Rule,
			"The image policy has a rule "+r.Rule+" that the image does not meet.", informationURI, level)
		d.Properties.WithTags([]string{"policy", "container"})
		return d
	})
	text := answerText(s.img.label()+": "+r.Message, r.Allowed, r.Cure)
	file, line := positionOf(r.Position, s.o)
	result := s.addResult(index, r.Rule, level, text, s.location(file, line, ""), []string{s.img.name, s.img.platform, r.Rule})
	result.Properties = sarif.NewPropertyBag().Add("result", r.Result.String())
}

// ruleLevel is the level of a rule that did not pass.
func ruleLevel(r policy.Result) string {
	if r == policy.ResultWarn {
		return sarif.LevelWarning
	}
	return sarif.LevelError
}

// answerText says what a rule has found, what it allows and what would make it pass.
func answerText(found, allowed, cure string) string {
	text := strings.TrimSuffix(found, ".") + "."
	for _, part := range [][2]string{{"Allowed", allowed}, {"To pass", cure}} {
		if part[1] != "" {
			text += fmt.Sprintf(" %s: %s.", part[0], strings.TrimSuffix(part[1], "."))
		}
	}
	return text
}

// addFinding adds a vulnerability. Its level follows the verdict, not the
// severity: a blocking finding is an error, all others are notes.
func (s *sarifRun) addFinding(f *policy.Judged) {
	level := sarif.LevelNote
	if classRank(f.Class) == 0 {
		level = sarif.LevelError
	}
	index := s.rule(f.ID, func() *sarif.ReportingDescriptor { return vulnerability(f, stepFor(s.r, f)) })
	s.raise(index, level, f)
	inside := cmp.Or(f.Package.Path, f.Package.Name)
	result := s.addResult(index, f.ID, level, s.findingText(f), s.location("", 0, inside), findingParts(s.img, f))
	result.Properties = sarif.NewPropertyBag().
		Add("class", string(f.Class)).Add("severity", string(severity(f.Severity))).Add("rule", f.Rule).
		Add("pkgName", f.Package.Name).Add("installedVersion", f.Package.Version).
		Add("fixedVersion", f.FixedVersion).Add("purl", f.Package.PURL)
	if e := f.Exception; f.Class == policy.ClassExcepted && e != nil {
		why := fmt.Sprintf("%s (until %s, %s)", cmp.Or(e.Reason, "excepted by the policy"), day(e), place(e.Position))
		result.Suppressions = append(result.Suppressions,
			sarif.NewSuppression().WithKind("external").WithStatus("accepted").WithJustification(safe.Terminal(why)))
	}
}

func (s *sarifRun) findingText(f *policy.Judged) string {
	text := fmt.Sprintf("%s %s in %s", f.Package.Name, f.Package.Version, s.img.pinned())
	if s.img.platform != "" {
		text += " (" + s.img.platform + ")"
	}
	text += fmt.Sprintf(" is affected by %s (%s)", f.ID, severity(f.Severity))
	if f.FixedVersion != "" {
		text += "; fixed in " + f.FixedVersion
	} else {
		text += "; there is no fix"
	}
	if f.Rule != "" {
		text += ". Blocked by " + f.Rule
	}
	text += prefixed(": ", reasonOf(f))
	if step := stepFor(s.r, f); step != nil {
		text += ". To do: " + stepText(step) + prefixed(": ", step.Command)
	}
	return text + "."
}

// addResult adds a result with its one location and the fingerprint that GitHub
// identifies it by.
func (s *sarifRun) addResult(index int, rule, level, text string, l *sarif.Location, parts []string) *sarif.Result {
	r := sarif.NewResult().WithRuleID(clip(safe.Terminal(rule), 255)).WithRuleIndex(index).WithLevel(level).WithMessage(message(text))
	r.Locations = append(r.Locations, l)
	r.PartialFingerprints = map[string]string{"primaryLocationLineHash": s.ids.fingerprint(parts...)}
	s.results = append(s.results, r)
	return r
}

// location points at a line of the repository, or at the made-up path of
// something inside the image. Every result has one: GitHub refuses the others.
func (s *sarifRun) location(file string, line int, inside string) *sarif.Location {
	uri := cleanPath(file)
	if uri == "" {
		uri, line = imagePath(s.img, inside), 1
	}
	full := s.img.pinned()
	if inside != "" {
		full += "/" + inside
	}
	region := sarif.NewRegion().WithStartLine(line).WithStartColumn(1).WithEndLine(line).WithEndColumn(2)
	return sarif.NewLocation().
		WithPhysicalLocation(sarif.NewPhysicalLocation().
			WithArtifactLocation(sarif.NewArtifactLocation().WithURI(uri).WithURIBaseID("%SRCROOT%")).
			WithRegion(region)).
		WithLogicalLocations([]*sarif.LogicalLocation{
			sarif.NewLogicalLocation().WithFullyQualifiedName(token(full)).WithKind("package")})
}

// rule returns the index of the rule with that id, which it makes at first use.
func (s *sarifRun) rule(id string, build func() *sarif.ReportingDescriptor) int {
	if i, ok := s.rules[id]; ok {
		return i
	}
	s.rules[id] = len(s.driver.Rules)
	s.driver.Rules = append(s.driver.Rules, build())
	return s.rules[id]
}

// raise makes the rule as bad as its worst result: one CVE can be critical in
// one package and excepted in another.
func (s *sarifRun) raise(index int, level string, f *policy.Judged) {
	d := s.driver.Rules[index]
	if d.DefaultConfiguration.Level == sarif.LevelNote {
		d.DefaultConfiguration.Level = level
	}
	old, _ := d.Properties.Properties["security-severity"].(string)
	if score := securitySeverity(f); score > old { // "x.y", all of one length
		d.Properties.Add("security-severity", score)
	}
}

func vulnerability(f *policy.Judged, step *plan.Step) *sarif.ReportingDescriptor {
	title := cmp.Or(f.Title, f.ID+" in "+f.Package.Name)
	d := descriptor(f.ID, "Vulnerability", title, cmp.Or(f.Description, title), cmp.Or(webLink(f.URL), informationURI), sarif.LevelNote)
	d.Properties.WithTags([]string{"security", "vulnerability", string(severity(f.Severity))})
	if step != nil {
		d.WithHelp(sarif.NewMultiformatMessageString().WithText(plainText(cmp.Or(f.Description, title) + "\n\nTo do: " + step.Advice)))
	}
	return d
}

func descriptor(id, name, short, full, help, level string) *sarif.ReportingDescriptor {
	text := func(s string) *sarif.MultiformatMessageString {
		return sarif.NewMultiformatMessageString().WithText(plainText(s))
	}
	return sarif.NewReportingDescriptor().WithID(clip(safe.Terminal(id), 255)).WithName(clip(safe.Terminal(name), 255)).
		WithShortDescription(text(short)).WithFullDescription(text(full)).WithHelp(text(full)).WithHelpURI(help).
		WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(level)).
		WithProperties(sarif.NewPropertyBag().Add("precision", "very-high"))
}

// securitySeverity returns a number in the range that GitHub shows as the severity
// we judged by. It is the CVSS score if that is in the range, and otherwise the
// middle of the range.
func securitySeverity(f *policy.Judged) string {
	var low, high, score float64
	switch severity(f.Severity) {
	case evidence.SeverityCritical:
		low, high, score = 9.1, 10, 9.5
	case evidence.SeverityHigh:
		low, high, score = 7, 8.9, 8
	case evidence.SeverityMedium:
		low, high, score = 4, 6.9, 5.5
	case evidence.SeverityLow:
		low, high, score = 0.1, 3.9, 2
	default:
		return ""
	}
	best := 0.0
	for _, c := range f.CVSS {
		for _, v := range []float64{c.V3Score, c.V40Score} {
			if low <= v && v <= high {
				best = max(best, v)
			}
		}
	}
	// 10.0 would sort before 2.0 as text and says no more than 9.9.
	return fmt.Sprintf("%.1f", min(cmp.Or(best, score), 9.9))
}

// message is a SARIF message: one line of plain text.
func message(s string) *sarif.Message {
	return sarif.NewTextMessage(noLinks(clip(safe.Terminal(s), 4*sarifText)))
}

// plainText encodes a text of several lines, of at most as many characters as
// GitHub takes for a description.
func plainText(s string) string {
	return noLinks(clip(strings.Join(safe.Lines(clip(s, sarifText)), "\n"), sarifText-64))
}

// noLinks keeps "[text](target)" from being a link, which it is in SARIF's plain
// text too (3.11.6): brackets are escaped as told there.
func noLinks(s string) string {
	if strings.Contains(s, "](") {
		s = strings.NewReplacer("[", `\[`, "]", `\]`).Replace(s)
	}
	return cmp.Or(strings.TrimSpace(s), "-")
}

// pascal writes "vulnerabilities.max" as "VulnerabilitiesMax".
func pascal(id string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(id, func(r rune) bool { return r == '.' || r == '-' || r == '_' || r == ' ' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
