package report

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/words"
)

// junitCases bounds the test cases of one file. GitLab reads 250,000 XML nodes,
// and a case has up to four.
const junitCases = 50_000

// The JUnit dialect that both the Ant schema and the one of Jenkins accept.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		ID         int         `xml:"id,attr"`
		Package    string      `xml:"package,attr"`
		Name       string      `xml:"name,attr"`
		Hostname   string      `xml:"hostname,attr"`
		Tests      int         `xml:"tests,attr"`
		Failures   int         `xml:"failures,attr"`
		Errors     int         `xml:"errors,attr"`
		Skipped    int         `xml:"skipped,attr"`
		Time       string      `xml:"time,attr"`
		Timestamp  string      `xml:"timestamp,attr"`
		Properties []junitProp `xml:"properties>property"`
		Cases      []junitCase `xml:"testcase"`
		Out        string      `xml:"system-out"`
		Err        string      `xml:"system-err"`
	}
	junitProp struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Class   string     `xml:"classname,attr"`
		Name    string     `xml:"name,attr"`
		Time    string     `xml:"time,attr"`
		Failure *junitNote `xml:"failure"`
		Error   *junitNote `xml:"error"`
		Skipped *junitNote `xml:"skipped"`
	}
	junitNote struct {
		Type    string `xml:"type,attr,omitempty"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// rulesClass is the class of the cases that are rules.
const rulesClass = "imagegate.rules"

func junitFormat() Format {
	return Format{
		Name: "junit", Title: "a test case per rule and blocking finding",
		Where: "GitLab: artifacts:reports:junit; Jenkins: junit step", Extension: ".xml",
		write: whole(renderJUnit),
	}
}

func renderJUnit(run *gate.Run, o Options) ([]byte, error) {
	doc := junitSuites{}
	budget := junitCases
	for i := range run.Results {
		doc.Suites = append(doc.Suites, newSuite(run, &run.Results[i], i, &budget))
	}
	if run.Release != nil {
		doc.Suites = append(doc.Suites, releaseSuite(run, len(run.Results)))
	}
	if len(doc.Suites) == 0 {
		doc.Suites = append(doc.Suites, newSuite(run, &gate.Result{}, 0, &budget))
	}
	if budget < 0 {
		o.leaveOut("the JUnit report leaves out %s, the least severe ones of each image: GitLab reads %s test cases of a file (the JSON report has all)",
			words.Plural(-budget, "finding"), words.Count(junitCases))
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func newSuite(run *gate.Run, r *gate.Result, id int, budget *int) junitSuite {
	img := imageOf(r)
	s := junitSuite{
		ID: id, Package: token(img.name), Name: token(img.label()), Hostname: "localhost",
		Time: "0", Timestamp: run.Started.UTC().Format("2006-01-02T15:04:05"),
	}
	for _, p := range [][2]string{
		{"reference", img.ref}, {"digest", img.digest}, {"platform", img.platform}, {"verdict", r.Decision().String()},
		{"policy", run.Policy.Path}, {"policy.sha256", run.Policy.SHA256}, {"tool", run.Tool}, {"engine", run.Engine},
	} {
		s.Properties = append(s.Properties, junitProp{p[0], safe.Terminal(p[1])})
	}
	if img.id != "" {
		s.Properties = append(s.Properties, junitProp{"imageID", safe.Terminal(img.id)})
	}
	for _, remark := range remarksOf(run) {
		s.Properties = append(s.Properties, junitProp{"note", remark})
	}
	s.addRules(r)
	s.addFindings(r, budget)
	s.addVerdict(r)
	s.number()
	return s
}

// token is a name that is never empty.
func token(s string) string { return cmp.Or(strings.TrimSpace(safe.Terminal(s)), "(none)") }

// note makes the element that tells about a case. Only its caller makes lines.
func note(kind, message string, lines ...string) *junitNote {
	return &junitNote{Type: kind, Message: safe.Terminal(message), Text: paragraph(lines...)}
}

// paragraph joins lines, each of them encoded, and leaves out empty ones.
func paragraph(lines ...string) string {
	var out []string
	for _, line := range lines {
		if line != "" {
			out = append(out, safe.Terminal(line))
		}
	}
	return strings.Join(out, "\n")
}

// labelled returns "label: text", and "" without a text.
func labelled(label, text string) string {
	return prefixed(label+": ", text)
}

// addRules adds a case for every rule that was asked for.
func (s *junitSuite) addRules(r *gate.Result) {
	for _, rule := range rulesOf(r, policy.ResultFail, policy.ResultUndecided, policy.ResultWarn, policy.ResultPass) {
		s.addRule(rule.Rule, rule, ruleText(rule))
	}
}

// addRule adds the case of a rule. lines tell about one that is not met.
func (s *junitSuite) addRule(name string, rule *policy.RuleResult, lines []string) {
	c := junitCase{Class: rulesClass, Name: token(name), Time: "0"}
	switch rule.Result {
	case policy.ResultFail:
		c.Failure = note("fail", rule.Message, lines...)
	case policy.ResultUndecided:
		c.Error = note("undecided", rule.Message, lines...)
	case policy.ResultWarn:
		// JUnit has no warnings; the case passes and the suite tells.
		s.Out += safe.Terminal("warning: "+rule.Rule+": "+rule.Message) + "\n"
	}
	s.Cases = append(s.Cases, c)
}

func ruleText(r *policy.RuleResult) []string {
	lines := append([]string{r.Message, labelled("allowed", r.Allowed)}, r.Details...)
	return append(lines, labelled("to pass", r.Cure), labelled("policy", place(r.Position)))
}

// addFindings adds a case for every blocking finding and every excepted one.
func (s *junitSuite) addFindings(r *gate.Result, budget *int) {
	cut := 0
	for _, f := range findingsOf(r) {
		blocking := classRank(f.Class) == 0
		if !blocking && f.Class != policy.ClassExcepted {
			continue
		}
		if *budget--; *budget < 0 {
			cut++
			continue
		}
		c := junitCase{Class: token(cmp.Or(f.Rule, "exceptions")), Name: caseName(f), Time: "0"}
		if blocking {
			c.Failure = note(string(severity(f.Severity)), findingLine(f), findingDetail(r, f)...)
		} else {
			c.Skipped = note("", exceptedText(f))
		}
		s.Cases = append(s.Cases, c)
	}
	if cut > 0 {
		s.Out += words.Plural(cut, "finding") + " left out, the least severe ones: the JSON report has all of them\n"
	}
}

func caseName(f *policy.Judged) string {
	name := fmt.Sprintf("%s %s@%s", f.ID, f.Package.Name, f.Package.Version)
	if f.Package.Path != "" {
		name += " " + f.Package.Path
	}
	return token(name)
}

func findingLine(f *policy.Judged) string {
	return fmt.Sprintf("%s %s: %s (%s), %s", f.Package.Name, f.Package.Version, f.ID, severity(f.Severity), fixText(f)) + prefixed(", ", f.Mark)
}

func fixText(f *policy.Judged) string {
	if f.FixedVersion == "" {
		return "no fix yet"
	}
	return "fixed in " + f.FixedVersion
}

func findingDetail(r *gate.Result, f *policy.Judged) []string {
	lines := []string{f.Title, reasonOf(f), f.URL, labelled("layer", origin(r, f.Package))}
	if rule := ruleOf(r, f.Rule); rule != nil {
		lines = append(lines, labelled("policy", place(rule.Position)))
	}
	return lines
}

func exceptedText(f *policy.Judged) string {
	e := f.Exception
	if e == nil {
		return cmp.Or(f.Reason, "excepted")
	}
	return fmt.Sprintf("excepted until %s: %s (%s)", day(e), cmp.Or(e.Reason, "no reason given"), place(e.Position))
}

// addVerdict adds a case for the verdict where the other cases would let an
// image that did not pass look green, or where there is no other case.
func (s *junitSuite) addVerdict(r *gate.Result) {
	red := slices.ContainsFunc(s.Cases, func(c junitCase) bool { return c.Failure != nil || c.Error != nil })
	d := r.Decision()
	if len(s.Cases) > 0 && (red || d == policy.Passed) {
		return
	}
	c := junitCase{Class: "imagegate", Name: "verdict", Time: "0"}
	f := failureOf(r)
	switch {
	case f != nil:
		c.Error = note(cmp.Or(string(f.phase), "error"), f.message, append(safe.Lines(f.message), f.hint)...)
	case d == policy.Denied:
		c.Failure = note("fail", "the image was refused")
	case d == policy.Undecided:
		c.Error = note("no-verdict", cmp.Or(s.noRules(r), "there is no verdict"))
	}
	s.Cases = append(s.Cases, c)
}

func (s *junitSuite) noRules(r *gate.Result) string {
	if r.Evidence == nil {
		return noImage
	}
	return ""
}

// number counts the cases and numbers those of one name: GitLab drops a case
// whose class and name occurred before.
func (s *junitSuite) number() {
	s.Tests = len(s.Cases)
	names := map[[2]string]int{}
	for i, c := range s.Cases {
		key := [2]string{c.Class, c.Name}
		if names[key]++; names[key] > 1 {
			s.Cases[i].Name += fmt.Sprintf(" (%d)", names[key])
		}
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
}
