package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/page"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// pageImage is the section of one image.
func pageImage(run *gate.Run, i int, o Options) page.Image {
	r := &run.Results[i]
	img := imageOf(r)
	out := page.Image{
		Anchor: anchor(i), Class: pageClass(r.Decision()), Word: word(r.Decision()), Ref: img.ref, Platform: img.platform,
		Digest: img.digest, Summary: "Seen: " + saw(r) + ".",
	}
	if f := failureOf(r); f != nil {
		out.Error = &page.Failure{Message: f.message, Hint: f.hint}
	}
	if img.from != "" {
		out.Summary += " Judged from " + img.from + ", and not from where its name says."
	}
	if r.InRelease != nil && r.Err == nil {
		out.Summary += " By itself the image has the verdict " + verdictText(r.Verdict.Decision) + ": this release runs it as another user, or only mounts it."
	}
	for _, rule := range stopping(r) {
		out.Reasons = append(out.Reasons, pageRule(rule, o))
	}
	for _, rule := range rulesOf(r, policy.ResultPass) {
		out.Passed = append(out.Passed, page.Rule{Rule: rule.Rule, Message: rule.Message})
	}
	for _, rule := range rulesOf(r, policy.ResultOff) {
		out.NotAsked = append(out.NotAsked, rule.Rule)
	}
	out.Plan = pagePlan(anchor(i)+"-plan", r)
	out.Accepted = pageAccepted(r)
	out.Layers = pageLayers(r)
	out.Coverage = pageCoverage(r)
	return out
}

func pageRule(r *policy.RuleResult, o Options) page.Rule {
	class := "none"
	if r.Result == policy.ResultFail {
		class = "fail"
	}
	return page.Rule{
		Class: class, Word: r.Result.String(), Rule: r.Rule, Message: r.Message, Allowed: r.Allowed, Cure: r.Cure,
		Details: r.Details, At: place(r.Position),
	}
}

// pagePlan is what would make the image pass, nil when no package is in the way.
func pagePlan(id string, r *gate.Result) *page.Plan {
	fixes := r.Fixes()
	if fixes == nil {
		return nil
	}
	p := &page.Plan{ID: id, Promise: planPromise(fixes), Rest: planRest(fixes)}
	for i := range fixes.Steps {
		s := &fixes.Steps[i]
		p.Steps = append(p.Steps, page.Step{
			Advice: s.Advice, Command: s.Command, Clears: "clears " + words.Plural(s.Findings, "finding") + ": " + sample(s.Clears), From: stepOrigin(r, s),
		})
	}
	return p
}

// pageAccepted says what does not block, and why.
func pageAccepted(r *gate.Result) []page.Fact {
	var facts []page.Fact
	findings := findingsOf(r)
	for _, c := range policy.Classes() {
		of := ofClass(findings, c)
		if c == policy.ClassBlocking || len(of) == 0 {
			continue
		}
		text := strings.TrimPrefix(words.Plural(len(of), "finding"), words.Count(len(of))+" ") + " " + classText(c) + " (" + bySeverity(of) + ")" + graceEnd(of)
		var critical []string
		for _, f := range of {
			if f.Severity == evidence.SeverityCritical {
				critical = append(critical, f.ID+" in "+f.Package.Name)
			}
		}
		if len(critical) > 0 {
			text += ". Critical: " + sample(critical)
		}
		facts = append(facts, page.Fact{Name: words.Count(len(of)), Text: text})
	}
	return facts
}

func pageCoverage(r *gate.Result) []string {
	if r.Evidence == nil || r.Evidence.Scan == nil {
		return nil
	}
	var lines []string
	c := r.Evidence.Scan.Coverage
	for _, g := range c.Gaps {
		lines = append(lines, fmt.Sprintf("%s: %s %s", g.Kind, g.Subject, g.Detail))
	}
	for _, n := range c.Counts {
		lines = append(lines, fmt.Sprintf("%s: %s counted in %s, %d read", n.Type, words.Plural(n.Expected, "package"), n.Path, n.Got))
	}
	return append(lines, c.Notes...)
}

// pageLayers draws the findings of each layer, bottom first.
func pageLayers(r *gate.Result) []page.Layer {
	if r.Evidence == nil || r.Evidence.Config == nil || r.Err != nil {
		return nil
	}
	counts, most := map[string]map[evidence.Severity]int{}, 1
	for _, f := range judgedOf(r) {
		id := f.Package.Layer
		if counts[id] == nil {
			counts[id] = map[evidence.Severity]int{}
		}
		counts[id][severity(f.Severity)]++
	}
	for _, c := range counts {
		most = max(most, total(c))
	}
	var out []page.Layer
	for i := range r.Evidence.Config.Layers {
		l := &r.Evidence.Config.Layers[i]
		out = append(out, pageLayer(l, counts[l.DiffID], most))
	}
	return out
}

func pageLayer(l *evidence.Layer, counts map[evidence.Severity]int, most int) page.Layer {
	const pixels = 160
	out := page.Layer{
		ID: short(l.DiffID), Kind: "own", Size: words.Size(l.Size), By: clip(buildStep(l.CreatedBy), cellRunes), Width: pixels, Total: words.Count(total(counts)),
	}
	if l.Base {
		out.Kind = "base"
	}
	var label []string
	x := 0
	for _, s := range evidence.Severities() {
		if counts[s] == 0 {
			continue
		}
		w := max(2, counts[s]*pixels/most)
		out.Bars = append(out.Bars, page.Bar{Class: string(s), X: x, W: w})
		label = append(label, fmt.Sprintf("%d %s", counts[s], s))
		x += w
	}
	out.Label = cmp.Or(strings.Join(label, ", "), "no findings")
	return out
}

func total(counts map[evidence.Severity]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// pageFleet is the overview of several images.
func pageFleet(d *page.Document, run *gate.Run, shown []int) {
	tallies := map[policy.Decision]int{}
	for i := range run.Results {
		r := &run.Results[i]
		img := imageOf(r)
		row := page.Row{
			Class: pageClass(r.Decision()), Word: word(r.Decision()), Ref: img.ref, Platform: img.platform, Blocking: len(ofClass(judgedOf(r), policy.ClassBlocking)),
		}
		if slices.Contains(shown, i) {
			row.Anchor = anchor(i)
		}
		var names []string
		for _, rule := range rulesOf(r, policy.ResultFail, policy.ResultUndecided) {
			names = append(names, rule.Rule)
		}
		row.Reason = sample(names)
		if f := failureOf(r); f != nil {
			row.Reason = clip(f.message, cellRunes)
		}
		tallies[r.Decision()]++
		d.Fleet = append(d.Fleet, row)
	}
	for _, c := range []policy.Decision{policy.Denied, policy.Undecided, policy.Passed} {
		d.Tallies = append(d.Tallies, page.Tally{Class: pageClass(c), Name: strings.ToLower(word(c)), Count: tallies[c]})
	}
	d.Common = commonPackages(run)
}

// commonPackages lists the packages that block most images.
func commonPackages(run *gate.Run) []page.Common {
	type key struct{ name, version string }
	found, last := map[key]*page.Common{}, map[key]int{}
	for i := range run.Results {
		for _, f := range ofClass(judgedOf(&run.Results[i]), policy.ClassBlocking) {
			k := key{f.Package.Name, f.Package.Version}
			if found[k] == nil {
				found[k] = &page.Common{Name: k.name, Version: k.version}
			}
			if last[k] != i+1 {
				last[k] = i + 1
				found[k].Images++
			}
			found[k].Findings++
		}
	}
	var out []page.Common
	for _, c := range found {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b page.Common) int {
		return cmp.Or(cmp.Compare(b.Images, a.Images), cmp.Compare(b.Findings, a.Findings), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return out[:min(len(out), 15)]
}
