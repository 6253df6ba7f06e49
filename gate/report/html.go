package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/page"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// What the page shows in full. More makes a browser slow, and a person reads the
// worst first.
const (
	pageFindings = 5_000
	pageSections = 50 // images with a section of their own
)

func htmlFormat() Format {
	return Format{
		Name: "html", Title: "a page to open, mail, archive and print; needs no network",
		Where: "a browser, a mail, a job artifact", Extension: ".html",
		write: whole(renderHTML),
	}
}

// renderHTML writes one page that needs no other file and makes no request.
func renderHTML(run *gate.Run, o Options) ([]byte, error) {
	outcome := run.Outcome()
	d := &page.Document{
		Verdict: outcome.String(), Word: word(outcome) + excuse(run), Advice: advice(run), Title: pageTitle(run),
		Tool: run.Tool, When: run.Started.UTC().Format("2006-01-02 15:04 UTC"), Notes: notesOf(run), Basis: pageBasis(run),
	}
	if len(run.Results) == 1 && run.Release == nil {
		img := imageOf(&run.Results[0])
		d.Only = &page.Subject{DigestName: "digest", Digest: img.digest, Platform: img.platform}
		if img.id != "" {
			d.Only.DigestName, d.Only.Digest = "image ID", img.id
		}
	}
	pageRelease(d, run)
	shown := pageOrder(run)
	if len(run.Results) > 1 || run.Release != nil && len(run.Results) > 0 {
		pageFleet(d, run, shown)
	}
	for _, i := range shown {
		d.Images = append(d.Images, pageImage(run, i, o))
	}
	if left := len(run.Results) - len(shown); left > 0 {
		d.Warnings = append(d.Warnings, fmt.Sprintf("This page has sections for %d of %d images, those that do not pass first. Judge fewer images in one run, or use the JSON report, to see all.", len(shown), len(run.Results)))
	}
	pageExceptions(d, run)
	pageData(d, run)
	return page.Render(d)
}

func pageTitle(run *gate.Run) string {
	if run.Release != nil {
		return workloadTally(run.Release)
	}
	images := groups(run.Results)
	switch len(images) {
	case 0:
		return noImage
	case 1:
		return imageOf(images[0][0]).ref
	}
	return tally(images)
}

// pageOrder returns the places of the results that have a section: those that
// fail first, then those without a verdict, then the others.
func pageOrder(run *gate.Run) []int {
	order := make([]int, len(run.Results))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(urgency(&run.Results[a]), urgency(&run.Results[b]))
	})
	return order[:min(len(order), pageSections)]
}

func urgency(r *gate.Result) int {
	return slices.Index([]policy.Decision{policy.Denied, policy.Undecided, policy.Passed}, r.Decision())
}

// pageClass is the class of a verdict in the style of the page.
func pageClass(d policy.Decision) string {
	switch d {
	case policy.Passed:
		return "pass"
	case policy.Denied:
		return "fail"
	}
	return "none"
}

func anchor(i int) string { return fmt.Sprintf("image-%d", i+1) }

func pageBasis(run *gate.Run) []page.Fact {
	facts := []page.Fact{{Name: "Policy", Text: policyText(run.Policy)}}
	if run.Database != nil {
		facts = append(facts, page.Fact{Name: "Advisory database", Text: databaseText(run.Database)})
	}
	return append(facts, page.Fact{Name: "Judged by", Text: run.Tool + ", " + run.Engine})
}

// pageExceptions fills the time line of exceptions. A full bar is a quarter.
func pageExceptions(d *page.Document, run *gate.Run) {
	const days, pixels = 90, 180
	d.Timeline = fmt.Sprintf("Next %d days", days)
	for _, use := range allExceptions(run) {
		e := use.Exception
		x := page.Exception{
			ID: strings.TrimSpace(e.Name() + " " + e.Package), Owner: e.Owner, Ends: day(e), Reason: e.Reason,
			Status: string(use.Status), Class: "live", Left: words.Plural(max(use.DaysLeft, 0), "day") + " left",
		}
		switch {
		case e.Expires.IsZero():
			x.Left, x.Width = "no end", pixels
		case use.DaysLeft < 0:
			x.Class, x.Left, x.Width = "ended", "ended", 4
		default:
			x.Width = max(2, min(pixels, use.DaysLeft*pixels/days))
		}
		if use.EndsSoon {
			x.Class = "soon"
		}
		d.Exceptions = append(d.Exceptions, x)
	}
}

// pageData collects the findings for the list, the worst of all images first.
func pageData(d *page.Document, run *gate.Run) {
	// The script reads lists, and null is none.
	d.Data = page.Data{Images: []string{}, Findings: [][10]any{}, Packages: [][5]any{}, Layers: [][2]string{}}
	for _, s := range evidence.Severities() {
		d.Data.Severities = append(d.Data.Severities, string(s))
	}
	for _, c := range policy.Classes() {
		d.Data.Classes = append(d.Data.Classes, page.Class{Name: string(c), Label: strings.ReplaceAll(string(c), "-", " ")})
	}
	var all []located
	for i := range run.Results {
		d.Data.Images = append(d.Data.Images, imageOf(&run.Results[i]).label())
		for _, f := range judgedOf(&run.Results[i]) {
			all = append(all, located{i, f})
		}
	}
	slices.SortStableFunc(all, func(a, b located) int { return compareFindings(a.finding, b.finding) })
	if left := len(all) - pageFindings; left > 0 {
		all = all[:pageFindings]
		d.Warnings = append(d.Warnings, fmt.Sprintf("The list has the worst %s findings; %s are left out. The JSON report has all of them.", words.Count(pageFindings), words.Count(left)))
	}
	t := &pageTable{data: &d.Data, run: run, packages: map[evidence.Package]int{}, layers: map[string]int{}}
	for _, l := range all {
		t.add(l.image, l.finding)
	}
}

// located is a finding and the place of its result.
type located struct {
	image   int
	finding *policy.Judged
}

// pageTable writes each package and each layer once.
type pageTable struct {
	data     *page.Data
	run      *gate.Run
	packages map[evidence.Package]int
	layers   map[string]int
}

func (t *pageTable) add(image int, f *policy.Judged) {
	published := ""
	if f.Published != nil {
		published = f.Published.UTC().Format(time.DateOnly)
	}
	t.data.Findings = append(t.data.Findings, [10]any{
		image, f.ID, string(severity(f.Severity)), string(f.Class), t.pkg(image, f.Package), f.FixedVersion,
		clip(reasonOf(f), 2*cellRunes), clip(f.Title, cellRunes), clip(f.URL, 2*cellRunes), published,
	})
}

func (t *pageTable) pkg(image int, p *evidence.Package) int {
	if at, known := t.packages[*p]; known {
		return at
	}
	t.packages[*p] = len(t.data.Packages)
	t.data.Packages = append(t.data.Packages, [5]any{p.Name, p.Version, p.Type, p.Path, t.layer(image, p.Layer)})
	return t.packages[*p]
}

func (t *pageTable) layer(image int, diffID string) int {
	if diffID == "" {
		return -1
	}
	if at, known := t.layers[diffID]; known {
		return at
	}
	by := ""
	if l := layerOf(&t.run.Results[image], diffID); l != nil {
		by = clip(buildStep(l.CreatedBy), cellRunes)
	}
	t.layers[diffID] = len(t.data.Layers)
	t.data.Layers = append(t.data.Layers, [2]string{short(diffID), by})
	return t.layers[diffID]
}
