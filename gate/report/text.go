package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/words"
)

// textReport writes a run for a person who must decide what to do next. What
// keeps the image from passing comes first and in full; what passed is one line.
type textReport struct {
	*textWriter
	run *gate.Run
	o   Options
}

func textFormat() Format {
	return Format{
		Name: "text", Title: "the verdict and what to do next, for people",
		Where: "the terminal, the job log", Extension: ".txt", Stdout: true,
		write: whole(renderText),
	}
}

func renderText(run *gate.Run, o Options) ([]byte, error) {
	t := &textReport{&textWriter{color: o.Color, width: o.Width}, run, o}
	images := groups(run.Results)
	t.headline(images)
	t.release()
	if len(run.Results) > 1 {
		t.summary()
	}
	for _, g := range images {
		for _, r := range g {
			t.result(r, len(run.Results) > 1 || run.Release != nil)
		}
	}
	t.exceptions()
	t.footer()
	return t.buf.Bytes(), nil
}

// groups puts the results of one reference together: its platforms.
func groups(results []gate.Result) [][]*gate.Result {
	var out [][]*gate.Result
	for i := range results {
		r := &results[i]
		if n := len(out); n > 0 && sameReference(out[n-1], r) {
			out[n-1] = append(out[n-1], r)
			continue
		}
		out = append(out, []*gate.Result{r})
	}
	return out
}

// sameReference reports whether r is one more platform of the group's reference.
// The same reference asked for twice makes two groups.
func sameReference(group []*gate.Result, r *gate.Result) bool {
	if group[0].Ref != r.Ref || imageOf(r).platform == "" {
		return false
	}
	return !slices.ContainsFunc(group, func(g *gate.Result) bool {
		return imageOf(g).platform == imageOf(r).platform || imageOf(g).platform == ""
	})
}

// word is the verdict as people read it.
func word(d policy.Decision) string {
	return strings.ToUpper(strings.ReplaceAll(d.String(), "-", " "))
}

func decisionTint(d policy.Decision) tint {
	switch d {
	case policy.Passed:
		return green
	case policy.Denied:
		return red
	default:
		return yellow
	}
}

// headline is the first line: the verdict, what was judged, on which platforms.
func (t *textReport) headline(images [][]*gate.Result) {
	outcome := t.run.Outcome()
	verdict := t.paint(decisionTint(outcome), word(outcome)+excuse(t.run))
	switch {
	case t.run.Release != nil:
		t.line(verdict, "  ", safe.Terminal(workloadTally(t.run.Release)))
	case len(images) == 0:
		t.line(verdict, "  ", noImage)
	case len(images) == 1:
		t.line(verdict, "  ", safe.Terminal(groupPinned(images[0])), "  ", safe.Terminal(platforms(images[0])))
	default:
		t.line(verdict, "  ", tally(images))
	}
	for _, remark := range remarksOf(t.run) {
		t.entry(2, "note", yellow, remark)
	}
	if hint := promotionHint(t.run); hint != "" {
		t.entry(2, "to do", bold, safe.Lines(hint)...)
	}
}

// groupPinned names what a reference resolved to: the index when there is one,
// because that is what will be deployed.
func groupPinned(group []*gate.Result) string {
	img := imageOf(group[0])
	if img.index != "" {
		img.digest = img.index
	}
	return img.pinned()
}

// platforms lists the platforms that were judged, "" when none is known.
func platforms(group []*gate.Result) string {
	var out []string
	for _, r := range group {
		if p := imageOf(r).platform; p != "" {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "(" + strings.Join(out, ", ") + ")"
}

// tally counts the images by verdict: the worst platform decides for its image.
func tally(images [][]*gate.Result) string {
	counts := map[policy.Decision]int{}
	for _, g := range images {
		counts[groupDecision(g)]++
	}
	var parts []string
	for _, d := range []policy.Decision{policy.Denied, policy.Undecided, policy.Passed} {
		if counts[d] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[d], strings.ReplaceAll(d.String(), "-", " ")))
		}
	}
	return fmt.Sprintf("%d images: %s", len(images), strings.Join(parts, ", "))
}

func groupDecision(group []*gate.Result) policy.Decision {
	results := make([]gate.Result, len(group))
	for i, r := range group {
		results[i] = *r
	}
	return gate.Summarize(results)
}

// result writes one image and platform. It has a headline of its own only
// when there are several.
func (t *textReport) result(r *gate.Result, several bool) {
	t.gap()
	if several {
		img := imageOf(r)
		d := r.Decision()
		t.line(t.paint(decisionTint(d), word(d)), "  ", safe.Terminal(img.pinned()), "  ", safe.Terminal(img.platform))
	}
	if f := failureOf(r); f != nil {
		t.failure(f)
		t.skipped(r)
		return
	}
	if len(t.run.Results) <= textPlans && r.Fixes() != nil {
		t.plan(r)
		t.gap()
	}
	for _, rule := range stopping(r) {
		t.rule(rule)
	}
	t.passed(r)
	if id := imageOf(r).id; id != "" {
		t.entry(2, "image ID", dim, id)
	}
	if from := imageOf(r).from; from != "" {
		t.entry(2, "judged from", yellow, from+", and not from where its name says")
	}
	if r.InRelease != nil {
		t.entry(2, "by itself", decisionTint(r.Verdict.Decision), verdictText(r.Verdict.Decision)+": the release runs it as another user, or only mounts it")
	}
	if e := r.Evidence; e != nil && e.Reference.Endpoint != "" {
		t.entry(2, "read from", dim, "the engine at "+e.Reference.Endpoint)
	}
	t.entry(2, "saw", dim, saw(r))
	if e := r.Evidence; e != nil && e.Scan != nil && len(e.Scan.Coverage.Notes) > 0 {
		t.entry(2, "noted", dim, e.Scan.Coverage.Notes...)
	}
	for i := range r.Verdict.Overrides {
		t.entry(2, "override", dim, "the policy changes its rules for this image: "+place(r.Verdict.Overrides[i].Position))
	}
	t.skipped(r)
	t.findings(r)
}

// failure writes why there is no verdict and what to do. Why a promotion did not
// finish is told once, for all platforms.
func (t *textReport) failure(f *failure) {
	if f.phase == gate.PhasePromote && t.run.Promotion != nil {
		t.entry(2, "reason", yellow, "it passes, and its promotion did not finish: see the note at the top")
		return
	}
	if f.phase != "" {
		t.entry(2, "while", dim, phaseText(f.phase))
	}
	t.entry(2, "reason", yellow, safe.Lines(f.message)...)
	if f.hint != "" {
		t.entry(2, "to do", bold, safe.Lines(f.hint)...)
	}
}

// phaseText says what was being done, for people.
func phaseText(p gate.Phase) string {
	switch p {
	case gate.PhaseDatabase:
		return "preparing the advisory database"
	case gate.PhaseResolve:
		return "resolving the reference"
	case gate.PhaseFetch:
		return "fetching the image"
	case gate.PhaseScan:
		return "scanning the image"
	case gate.PhaseProve:
		return "reading signatures, attestations and the base image"
	case gate.PhaseEvaluate:
		return "evaluating the policy"
	case gate.PhasePromote:
		return "promoting the image"
	case gate.PhaseReport:
		return "writing the reports"
	}
	return string(p)
}

// maxDetails is how many details of one rule the text shows.
const maxDetails = 10

// rule writes a rule that did not pass: what was found, what is allowed, what
// would make it pass, and where the policy says so.
func (t *textReport) rule(r *policy.RuleResult) {
	t.entry(2, r.Result.String(), resultTint(r.Result), r.Rule+": "+r.Message)
	if r.Allowed != "" {
		t.entry(4, "allowed", dim, r.Allowed)
	}
	for i, d := range r.Details {
		if i == maxDetails && len(r.Details) > maxDetails+1 {
			t.entry(4, "", plain, fmt.Sprintf("… and %s more: use -o json", words.Count(len(r.Details)-i)))
			break
		}
		label := ""
		if i == 0 {
			label = "found"
		}
		t.entry(4, label, dim, d)
	}
	if r.Cure != "" {
		t.entry(4, "to pass", bold, r.Cure)
	}
	t.entry(4, "policy", dim, place(r.Position))
}

func resultTint(r policy.Result) tint {
	switch r {
	case policy.ResultFail:
		return red
	case policy.ResultUndecided, policy.ResultWarn:
		return yellow
	case policy.ResultPass:
		return green
	default:
		return dim
	}
}

// passed counts the rules that passed and those that are off, or lists them.
func (t *textReport) passed(r *gate.Result) {
	for _, group := range []struct {
		label  string
		color  tint
		result policy.Result
	}{{"pass", green, policy.ResultPass}, {"off", dim, policy.ResultOff}} {
		rules := rulesOf(r, group.result)
		if len(rules) == 0 {
			continue
		}
		text := words.Plural(len(rules), "rule")
		if t.o.All {
			names := make([]string, len(rules))
			for i, rule := range rules {
				names[i] = rule.Rule
			}
			text += ": " + strings.Join(names, ", ")
		}
		t.entry(2, group.label, group.color, text)
	}
}

// skipped lists manifests of the index that were not judged.
func (t *textReport) skipped(r *gate.Result) {
	for i, s := range r.Skipped {
		if i == maxDetails {
			t.entry(2, "", plain, fmt.Sprintf("… and %s more", words.Count(len(r.Skipped)-i)))
			return
		}
		t.entry(2, "not judged", dim, fmt.Sprintf("%s %s: %s", s.Platform, short(s.Digest), s.Reason))
	}
}
