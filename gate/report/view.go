package report

import (
	"cmp"
	"errors"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// noImage is what a run without any result says. Such a run has no verdict.
const noImage = "no image was checked"

// image is what every format says about one result's image. Nothing in it is
// encoded yet.
type image struct {
	ref      string // as asked
	name     string // without tag and digest
	digest   string // "" when it never became known
	id       string // image ID of an image without a digest
	index    string
	platform string
	from     string // the reference that it was read from instead, "" for none
}

func imageOf(r *gate.Result) image {
	img := image{ref: r.Ref, name: bareName(r.Ref)}
	if e := r.Evidence; e != nil {
		img.digest, img.id, img.index, img.platform, img.from = e.Digest, e.ImageID, e.IndexDigest, e.Platform, e.Reference.JudgedFrom
		if e.Reference.Name != "" {
			img.name = e.Reference.Name
		}
		img.ref = cmp.Or(img.ref, e.Reference.Asked)
	}
	return img
}

// bareName removes tag and digest from a reference that does not parse.
func bareName(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') && i > 0 {
		ref = ref[:i]
	}
	return ref
}

// pinned returns the reference with the digest that was judged.
func (img image) pinned() string {
	if img.digest == "" || strings.Contains(img.ref, img.digest) {
		return img.ref
	}
	ref, _, _ := strings.Cut(img.ref, "@")
	return ref + "@" + img.digest
}

// label names the image, its platform and where it was read from in one string.
func (img image) label() string {
	if img.platform == "" {
		return img.ref + img.source()
	}
	return img.ref + " (" + img.platform + ")" + img.source()
}

// source says that the image was read from another place than its name says, "" when
// it was not.
func (img image) source() string { return prefixed(", judged from ", img.from) }

// failure is why a result has no verdict.
type failure struct {
	phase   gate.Phase
	message string
	hint    string
}

// failureOf returns nil when the policy was evaluated. The phase is that of the
// innermost fault, as the hint is: where it went wrong, not where it was noticed.
// Within a promotion it is the promotion: the image was judged before.
func failureOf(r *gate.Result) *failure {
	if r.Err == nil {
		return nil
	}
	f := &failure{message: r.Err.Error(), hint: gate.HintOf(r.Err)}
	err := r.Err
	for fault := (*gate.Fault)(nil); errors.As(err, &fault); err = fault.Err {
		if fault.Phase != "" {
			f.phase = fault.Phase
		}
		if fault.Phase == gate.PhasePromote {
			break
		}
	}
	return f
}

// line is the message on one line, encoded for a terminal.
func (f *failure) line() string { return strings.Join(safe.Lines(f.message), " ") }

// rulesOf returns the rules of a result that have an answer worth showing. A
// result without a verdict has none: rules that were evaluated before the run
// was cut short must not look like an answer.
func rulesOf(r *gate.Result, want ...policy.Result) []*policy.RuleResult {
	if r.Err != nil {
		return nil
	}
	var rules []*policy.RuleResult
	all := r.Judged().Rules
	for i := range all {
		if slices.Contains(want, all[i].Result) {
			rules = append(rules, &all[i])
		}
	}
	return rules
}

// notPassed are the results of rules that a person must see, the worst first.
var notPassed = [...]policy.Result{policy.ResultFail, policy.ResultUndecided, policy.ResultWarn}

// stopping returns the rules that keep an image from passing, then the warnings.
func stopping(r *gate.Result) []*policy.RuleResult {
	var rules []*policy.RuleResult
	for _, result := range notPassed {
		rules = append(rules, rulesOf(r, result)...)
	}
	return rules
}

// findingsOf returns the findings in the order of every report: blocking first,
// then the worst severity, then by id, package, version and path.
func findingsOf(r *gate.Result) []*policy.Judged { return inReportOrder(judgedOf(r)) }

// judgedOf returns the findings in the order of the verdict.
func judgedOf(r *gate.Result) []*policy.Judged {
	if r.Err != nil {
		return nil
	}
	out := make([]*policy.Judged, len(r.Verdict.Findings))
	for i := range r.Verdict.Findings {
		out[i] = &r.Verdict.Findings[i]
	}
	return out
}

func inReportOrder(findings []*policy.Judged) []*policy.Judged {
	slices.SortStableFunc(findings, compareFindings)
	return findings
}

func compareFindings(a, b *policy.Judged) int {
	// Most findings differ early, and there can be very many.
	if a.Class != b.Class {
		if c := cmp.Compare(classRank(a.Class), classRank(b.Class)); c != 0 {
			return c
		}
	}
	if c := compareSeverities(a.Severity, b.Severity); c != 0 {
		return c
	}
	if c := cmp.Compare(a.ID, b.ID); c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(a.Package.Name, b.Package.Name),
		cmp.Compare(a.Package.Version, b.Package.Version),
		cmp.Compare(a.Package.Path, b.Package.Path),
	)
}

// classRank orders classes; one that is not known counts as blocking.
func classRank(c policy.Class) int { return max(slices.Index(policy.Classes(), c), 0) }

// severityRank orders severities, 0 is the worst.
func severityRank(s evidence.Severity) int {
	if i := slices.Index(evidence.Severities(), s); i >= 0 {
		return i
	}
	return len(evidence.Severities()) - 1
}

func compareSeverities(a, b evidence.Severity) int {
	if a == b {
		return 0
	}
	return cmp.Compare(severityRank(a), severityRank(b))
}

// severity returns s, or "unknown" when it is not one of the known words.
func severity(s evidence.Severity) evidence.Severity { return evidence.Severities()[severityRank(s)] }

func ofClass(findings []*policy.Judged, c policy.Class) []*policy.Judged {
	var out []*policy.Judged
	for _, f := range findings {
		if f.Class == c {
			out = append(out, f)
		}
	}
	return out
}

// positionOf returns the repository's own path of a policy position and its
// line. The path is "" when the rule comes from the built-in default or the file
// is outside of the repository: CI systems reject such paths, or misread them.
func positionOf(p policy.Position, o Options) (file string, line int) {
	if p.File == "" || p.Line < 1 {
		return "", 0
	}
	file = p.File
	if o.PolicyDir != "" {
		rel, err := relative(o.PolicyDir, file)
		if err != nil {
			return "", 0
		}
		file = rel
	}
	file = path.Clean(filepath.ToSlash(file))
	if path.IsAbs(file) || filepath.IsAbs(p.File) && o.PolicyDir == "" || file == ".." || strings.HasPrefix(file, "../") {
		return "", 0
	}
	return file, p.Line
}

// relative is filepath.Rel for a file that may be relative to the working
// directory while dir is absolute: then it is taken to be relative to dir.
func relative(dir, file string) (string, error) {
	if filepath.IsAbs(dir) && !filepath.IsAbs(file) {
		return file, nil
	}
	return filepath.Rel(dir, file)
}

// place writes a position for people: as the policy was named, with the line.
func place(p policy.Position) string {
	switch {
	case p.File == "" && p.Line < 1:
		return "built-in default"
	case p.Line < 1:
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// ruleOf returns the rule that blocks a finding.
func ruleOf(r *gate.Result, id string) *policy.RuleResult {
	rules := r.Judged().Rules
	for i := range rules {
		if rules[i].Rule == id {
			return &rules[i]
		}
	}
	return nil
}

// toolName splits "imagegate 0.1.0" into its two words.
func toolName(s, fallback string) (name, version string) {
	name, version, _ = strings.Cut(strings.TrimSpace(s), " ")
	return cmp.Or(name, fallback), cmp.Or(version, "unknown")
}
