package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// GitLab refuses the whole report without an error message if it breaks the schema.
// The limits below are those of the schema.
const (
	gitlabVersion     = "15.2.1"
	gitlabIdentifiers = 20
	gitlabLinks       = 20
	gitlabVectors     = 10
)

type (
	gitlabReport struct {
		Version         string          `json:"version"`
		Scan            gitlabScan      `json:"scan"`
		Vulnerabilities []gitlabFinding `json:"vulnerabilities"`
		Remediations    []struct{}      `json:"remediations"`
	}
	gitlabScan struct {
		Analyzer gitlabTool      `json:"analyzer"`
		Scanner  gitlabTool      `json:"scanner"`
		Type     string          `json:"type"`
		Start    string          `json:"start_time"`
		End      string          `json:"end_time"`
		Status   string          `json:"status"`
		Messages []gitlabMessage `json:"messages"`
	}
	gitlabTool struct {
		ID      string       `json:"id"`
		Name    string       `json:"name"`
		URL     string       `json:"url"`
		Version string       `json:"version"`
		Vendor  gitlabVendor `json:"vendor"`
	}
	gitlabVendor struct {
		Name string `json:"name"`
	}
	gitlabMessage struct {
		Level string `json:"level"`
		Value string `json:"value"`
	}
	gitlabFinding struct {
		ID          string                  `json:"id"`
		Name        string                  `json:"name"`
		Description string                  `json:"description,omitempty"`
		Severity    string                  `json:"severity"`
		Solution    string                  `json:"solution,omitempty"`
		Identifiers []gitlabIdentifier      `json:"identifiers"`
		Vectors     []gitlabVector          `json:"cvss_vectors,omitempty"`
		Links       []gitlabLink            `json:"links,omitempty"`
		Details     map[string]gitlabDetail `json:"details"`
		Location    gitlabLocation          `json:"location"`
	}
	gitlabIdentifier struct {
		Type  string `json:"type"`
		Name  string `json:"name"`
		Value string `json:"value"`
		URL   string `json:"url,omitempty"`
	}
	gitlabVector struct {
		Vendor string `json:"vendor"`
		Vector string `json:"vector"`
	}
	gitlabLink struct {
		URL string `json:"url"`
	}
	gitlabDetail struct {
		Type  string `json:"type"`
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	gitlabLocation struct {
		Dependency   gitlabDependency `json:"dependency"`
		OS           string           `json:"operating_system"`
		Image        string           `json:"image"`
		DefaultImage string           `json:"default_branch_image,omitempty"`
	}
	gitlabDependency struct {
		Package gitlabPackage `json:"package"`
		Version string        `json:"version"`
	}
	gitlabPackage struct {
		Name string `json:"name"`
	}
)

func gitlabFormat() Format {
	return Format{
		Name: "gitlab", Title: "container scanning report (schema 15.2.1)",
		Where: "GitLab: artifacts:reports:container_scanning", Extension: ".json",
		write: writeGitLab,
	}
}

// writeGitLab writes the report finding by finding, for the same reason as
// writeJSON.
func writeGitLab(w io.Writer, run *gate.Run, o Options) error {
	frame := gitlabReport{
		Version: gitlabVersion, Scan: newGitLabScan(run, o),
		Vulnerabilities: []gitlabFinding{}, Remediations: []struct{}{},
	}
	list := &listWriter{w: w, key: "vulnerabilities"}
	if err := list.begin(frame); err != nil {
		return err
	}
	ids := &identity{}
	for i := range run.Results {
		r := &run.Results[i]
		img := imageOf(r)
		for _, f := range findingsOf(r) {
			if !shownByGitLab(f.Class) {
				continue
			}
			element, err := encodeElement(newGitLabFinding(r, img, f, o, ids))
			if err != nil {
				return err
			}
			if err := list.write(element); err != nil {
				return err
			}
		}
	}
	return list.end(frame)
}

// shownByGitLab reports whether GitLab gets findings of a class. It gets none that
// need no action: the schema cannot mark a finding as excepted, and an approval
// rule would block on it.
func shownByGitLab(c policy.Class) bool {
	return c != policy.ClassExcepted && c != policy.ClassNotAffected && c != policy.ClassIgnoredType && c != policy.ClassDistroOwned
}

func newGitLabScan(run *gate.Run, o Options) gitlabScan {
	const layout = "2006-01-02T15:04:05" // UTC, and the schema forbids to say so
	end := o.Now
	if end.Before(run.Started) {
		end = run.Started
	}
	name, version := toolName(run.Tool, "imagegate")
	engine, engineVersion := toolName(run.Engine, "trivy")
	s := gitlabScan{
		Analyzer: gitlabTool{"imagegate", name, informationURI, version, gitlabVendor{"imagegate"}},
		Scanner:  gitlabTool{engine, engine, "https://github.com/aquasecurity/trivy", engineVersion, gitlabVendor{"Aqua Security"}},
		Type:     "container_scanning", Status: "success",
		Start: run.Started.UTC().Format(layout), End: end.UTC().Format(layout),
		Messages: []gitlabMessage{},
	}
	if run.Outcome() == policy.Undecided || slices.ContainsFunc(run.Results, func(r gate.Result) bool { return r.Err != nil }) {
		s.Status = "failure"
	}
	s.add("info", "verdict: "+run.Outcome().String()+excuse(run)+" (policy "+policyText(run.Policy)+")")
	for _, remark := range remarksOf(run) {
		s.add("warn", remark)
	}
	if len(run.Results) == 0 && run.Release == nil {
		s.add("fatal", noImage)
	}
	s.releaseMessages(run)
	for i := range run.Results {
		s.addResult(&run.Results[i])
	}
	return s
}

func (s *gitlabScan) add(level, value string) {
	s.Messages = append(s.Messages, gitlabMessage{level, token(clip(value, 2000))})
}

// addResult adds what is not a vulnerability: rules about other things, exceptions,
// and why there is no verdict.
func (s *gitlabScan) addResult(r *gate.Result) {
	label := imageOf(r).label()
	if f := failureOf(r); f != nil {
		s.add("fatal", strings.TrimSpace(fmt.Sprintf("%s: no verdict while %s: %s %s", label, phaseText(f.phase), f.line(), f.hint)))
		return
	}
	for _, rule := range stopping(r) {
		level := "warn"
		if rule.Result == policy.ResultUndecided {
			level = "fatal"
		}
		s.add(level, fmt.Sprintf("%s: %s %s: %s", label, rule.Rule, rule.Result, rule.Message))
	}
	if n := r.Verdict.Count(policy.ClassExcepted); n > 0 {
		s.add("info", fmt.Sprintf("%s: %s left out because of exceptions in the policy", label, words.Plural(n, "finding")))
	}
}

func newGitLabFinding(r *gate.Result, img image, f *policy.Judged, o Options, ids *identity) gitlabFinding {
	g := gitlabFinding{
		ID:          ids.uuid(findingParts(img, f)...),
		Name:        clip(safe.Terminal(f.ID+" in "+f.Package.Name), 255),
		Description: clip(strings.Join(safe.Lines(cmp.Or(f.Description, f.Title)), "\n"), 100_000),
		Severity:    titleCase(severity(f.Severity)),
		Identifiers: identifiers(f),
		Vectors:     vectors(f.CVSS),
		Links:       links(f),
		Details:     details(img, f),
		Location: gitlabLocation{
			Dependency:   gitlabDependency{gitlabPackage{token(f.Package.Name)}, token(f.Package.Version)},
			OS:           "unknown",
			Image:        token(img.ref),
			DefaultImage: clip(safe.Terminal(o.DefaultBranchImage), 255),
		},
	}
	if step := stepFor(r, f); step != nil {
		g.Solution = clip(safe.Terminal(stepText(step)+prefixed(": ", step.Command)), 7000)
	} else if f.FixedVersion != "" {
		g.Solution = clip(safe.Terminal(fmt.Sprintf("Upgrade %s from %s to %s", f.Package.Name, f.Package.Version, f.FixedVersion)), 7000)
	}
	if r.Evidence != nil && r.Evidence.Scan != nil && r.Evidence.Scan.OS != nil {
		g.Location.OS = token(osText(r.Evidence.Scan.OS))
	}
	return g
}

func titleCase(s evidence.Severity) string { return strings.ToUpper(string(s[:1])) + string(s[1:]) }

// identifiers lists every id, the one GitLab tracks the finding by first: the
// CVE where there is one, because the others come and go between databases.
func identifiers(f *policy.Judged) []gitlabIdentifier {
	ids := append([]string{f.ID}, f.Aliases...)
	rank := func(id string) int {
		return slices.Index([]bool{cveID.MatchString(id), ghsaID.MatchString(id), true}, true)
	}
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	ids = slices.Compact(ids)
	var out []gitlabIdentifier
	for _, id := range ids[:min(len(ids), gitlabIdentifiers)] {
		typ, url := "other", ""
		switch {
		case cveID.MatchString(id):
			typ, url = "cve", "https://nvd.nist.gov/vuln/detail/"+id
		case ghsaID.MatchString(id):
			typ, url = "ghsa", "https://github.com/advisories/"+id
		case prefixID.MatchString(id):
			typ = strings.ToLower(prefixID.FindStringSubmatch(id)[1])
		}
		out = append(out, gitlabIdentifier{typ, token(id), token(id), url})
	}
	return out
}

var (
	cveID    = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,}$`)
	ghsaID   = regexp.MustCompile(`^GHSA(-[23456789cfghjmpqrvwx]{4}){3}$`)
	prefixID = regexp.MustCompile(`^([A-Za-z]{2,12})-`)
	// cvss3 is the schema's own pattern. A vector of CVSS 4 would make the whole
	// report invalid.
	cvss3 = regexp.MustCompile(`^CVSS:3[.][01]/((AV:[NALP]|AC:[LH]|PR:[NLH]|UI:[NR]|S:[UC]|[CIA]:[NLH]|E:[XUPFH]|RL:[XOTWU]|RC:[XURC]|[CIA]R:[XLMH]|MAV:[XNALP]|MAC:[XLH]|MPR:[XNLH]|MUI:[XNR]|MS:[XUC]|M[CIA]:[XNLH])/)*(AV:[NALP]|AC:[LH]|PR:[NLH]|UI:[NR]|S:[UC]|[CIA]:[NLH]|E:[XUPFH]|RL:[XOTWU]|RC:[XURC]|[CIA]R:[XLMH]|MAV:[XNALP]|MAC:[XLH]|MPR:[XNLH]|MUI:[XNR]|MS:[XUC]|M[CIA]:[XNLH])$`)
)

func vectors(scores map[string]evidence.CVSS) []gitlabVector {
	var out []gitlabVector
	for _, vendor := range slices.Sorted(maps.Keys(scores)) {
		v := scores[vendor].V3Vector
		if len(v) >= 32 && len(v) <= 128 && cvss3.MatchString(v) && len(out) < gitlabVectors {
			out = append(out, gitlabVector{token(vendor), v})
		}
	}
	return out
}

func links(f *policy.Judged) []gitlabLink {
	var out []gitlabLink
	for _, s := range append([]string{f.URL}, f.References...) {
		if u := webLink(s); u != "" && len(out) < gitlabLinks && !slices.Contains(out, gitlabLink{u}) {
			out = append(out, gitlabLink{u})
		}
	}
	return out
}

// details are the verdict's facts about a finding.
func details(img image, f *policy.Judged) map[string]gitlabDetail {
	out := map[string]gitlabDetail{}
	for _, d := range [][3]string{
		{"class", "Verdict", string(f.Class)}, {"rule", "Blocked by", f.Rule}, {"reason", "Reason", f.Reason}, {"exploited", "Exploitation", f.Mark},
		{"digest", "Image digest", img.digest}, {"image-id", "Image ID", img.id}, {"platform", "Platform", img.platform},
		{"path", "Path", f.Package.Path}, {"purl", "Package URL", f.Package.PURL},
	} {
		if d[2] != "" {
			out[d[0]] = gitlabDetail{"text", d[1], safe.Terminal(d[2])}
		}
	}
	if !f.GraceUntil.IsZero() {
		out["grace"] = gitlabDetail{"text", "Blocks from", f.GraceUntil.UTC().Format(time.DateOnly)}
	}
	return out
}
