package report

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/words"
)

// What GitHub takes in one upload. A file above a limit is refused as a whole,
// so we cut, worst first, and say so.
const (
	sarifRuns    = 20
	sarifResults = 5000 // of 25,000 allowed per run, GitHub keeps these
	sarifTotal   = 25_000
	sarifGzip    = 10 << 20
	sarifText    = 1024
)

const (
	sarifSchema    = "https://json.schemastore.org/sarif-2.1.0.json"
	informationURI = "https://github.com/imagegate/imagegate"
	noVerdictRule  = "no-verdict"
)

func sarifFormat() Format {
	return Format{
		Name: "sarif", Title: "code scanning alerts (SARIF 2.1.0)",
		Where: "GitHub: github/codeql-action/upload-sarif", Extension: ".sarif",
		write: whole(renderSARIF),
	}
}

// renderSARIF writes one run per image and platform. It shrinks the number of
// results until the file is small enough to be uploaded.
func renderSARIF(run *gate.Run, o Options) ([]byte, error) {
	for limit := min(sarifResults, sarifTotal/max(min(len(run.Results), sarifRuns), 1)); ; limit /= 2 {
		report, cut := sarifReport(run, o, limit)
		doc, err := encodeJSON(report)
		if err != nil {
			return nil, err
		}
		if limit < 16 || len(doc) <= sarifGzip || gzipSize(doc) <= sarifGzip*9/10 {
			cut.tell(&o)
			return doc, nil
		}
	}
}

// sarifCut counts what a SARIF file leaves out.
type sarifCut struct{ images, findings int }

func (c sarifCut) tell(o *Options) {
	if c.images > 0 {
		o.leaveOut("the SARIF report leaves out %s, those that pass first: GitHub takes %d runs in a file (judge fewer images in a run, with --shard I/N or a run for each group)",
			words.Plural(c.images, "image"), sarifRuns)
	}
	if c.findings > 0 {
		o.leaveOut("the SARIF report leaves out %s, the least severe ones: GitHub takes files of a limited size (the JSON report has all; fewer images in a run leave room for more)",
			words.Plural(c.findings, "finding"))
	}
}

func gzipSize(doc []byte) int {
	var n countingWriter
	z, _ := gzip.NewWriterLevel(&n, gzip.BestSpeed) // an error only for an unknown level
	_, _ = io.Copy(z, bytes.NewReader(doc))
	_ = z.Close()
	return int(n)
}

type countingWriter int

func (n *countingWriter) Write(p []byte) (int, error) {
	*n += countingWriter(len(p))
	return len(p), nil
}

func sarifReport(run *gate.Run, o Options, limit int) (*sarif.Report, sarifCut) {
	report := sarif.NewReport()
	report.Schema = sarifSchema
	runs := sarifRuns
	ids := &identity{}
	if run.Release != nil {
		report.AddRun(releaseSARIF(run, o, limit, ids))
		runs--
	}
	results, cut := worstResults(run.Results, runs)
	left := sarifCut{images: cut}
	for _, r := range results {
		s := newSARIFRun(run, o, r, imageOf(r), limit)
		report.AddRun(s.build(ids))
		left.findings += s.cut
	}
	if len(report.Runs) == 0 {
		s := newSARIFRun(run, o, &gate.Result{}, image{}, limit)
		report.AddRun(s.build(ids))
	}
	if cut > 0 {
		first := report.Runs[0].Invocations[0]
		first.AddToolExecutionNotification(notification(sarif.LevelWarning,
			fmt.Sprintf("%s left out: a file may have %d runs. The JSON report has all of them.", words.Plural(cut, "result"), sarifRuns)))
	}
	return report, left
}

// worstResults returns at most n results in the order asked, leaving out passes
// first, and how many were left out.
func worstResults(results []gate.Result, n int) (kept []*gate.Result, cut int) {
	order := make([]int, len(results))
	for i := range order {
		order[i] = i
	}
	rank := func(i int) int {
		return slices.Index([]policy.Decision{policy.Denied, policy.Undecided, policy.Passed}, results[i].Decision())
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(a), rank(b)) })
	cut = max(len(order)-n, 0)
	order = order[:len(order)-cut]
	slices.Sort(order)
	for _, i := range order {
		kept = append(kept, &results[i])
	}
	return kept, cut
}

// sarifRun builds one run.
type sarifRun struct {
	run     *gate.Run
	o       Options
	r       *gate.Result
	img     image
	limit   int
	cut     int // findings or problems that were left out
	ids     identity
	driver  *sarif.ToolComponent
	rules   map[string]int // index by id
	results []*sarif.Result
}

func newSARIFRun(run *gate.Run, o Options, r *gate.Result, img image, limit int) *sarifRun {
	name, version := toolName(run.Tool, "imagegate")
	driver := sarif.NewToolComponent().WithName(name).WithVersion(version).WithInformationURI(informationURI)
	return &sarifRun{run: run, o: o, r: r, img: img, limit: limit, driver: driver, rules: map[string]int{}}
}

// invocation says when the run was and whether it came to a verdict.
func (s *sarifRun) invocation(d policy.Decision) *sarif.Invocation {
	return sarif.NewInvocation().WithExecutionSuccessful(d != policy.Undecided).WithStartTimeUtc(s.run.Started.UTC().Format(time.RFC3339))
}

func (s *sarifRun) build(categories *identity) *sarif.Run {
	for _, rule := range stopping(s.r) {
		s.addRule(rule)
	}
	invocation := s.invocation(s.r.Decision())
	s.addFailure(invocation)
	for _, remark := range remarksOf(s.run) {
		invocation.AddToolExecutionNotification(notification(sarif.LevelNote, remark))
	}
	for _, f := range findingsOf(s.r) {
		switch {
		case f.Class == policy.ClassIgnoredType, f.Class == policy.ClassDistroOwned:
		case len(s.results) >= s.limit:
			s.cut++
		default:
			s.addFinding(f)
		}
	}
	return s.finish(invocation, "finding", s.facts(), categories)
}

// finish puts the run together. what is the kind of thing that a limit may have left
// out.
func (s *sarifRun) finish(invocation *sarif.Invocation, what string, facts *sarif.PropertyBag, categories *identity) *sarif.Run {
	if s.cut > 0 {
		invocation.AddToolExecutionNotification(notification(sarif.LevelWarning,
			fmt.Sprintf("%s left out, the least severe ones; the verdict counts them. The JSON report has all of them.", words.Plural(s.cut, what))))
	}
	out := sarif.NewRun()
	out.Tool = sarif.NewTool().WithDriver(s.driver)
	out.Results = append(out.Results, s.results...)
	return out.WithAutomationDetails(sarif.NewRunAutomationDetails().WithID(s.category(categories))).
		WithInvocations([]*sarif.Invocation{invocation}).WithColumnKind("utf16CodeUnits").
		WithProperties(facts)
}

// category is the key by which GitHub separates alerts: image and platform. Two runs of
// one file may not share it, so the second of two tags gets a number.
func (s *sarifRun) category(seen *identity) string {
	id := cleanPath("imagegate/" + s.img.name + "/" + strings.ReplaceAll(s.img.platform, "/", "-"))
	if n := seen.ordinal(id); n > 1 {
		id += fmt.Sprintf("-%d", n)
	}
	return id + "/"
}

// facts are what a reader of the file needs to know about the verdict.
func (s *sarifRun) facts() *sarif.PropertyBag {
	p := sarif.NewPropertyBag().
		Add("verdict", s.r.Decision().String()).
		Add("reference", s.img.ref).
		Add("digest", s.img.digest).
		Add("platform", s.img.platform).
		Add("policy", s.run.Policy.Path).
		Add("policySHA256", s.run.Policy.SHA256)
	if s.img.id != "" {
		p.Add("imageID", s.img.id)
	}
	if s.img.from != "" {
		p.Add("judgedFrom", s.img.from)
	}
	if s.run.Database != nil {
		p.Add("databaseUpdatedAt", s.run.Database.UpdatedAt.UTC().Format(time.RFC3339)).
			Add("databaseDigest", s.run.Database.Digest)
	}
	return p
}

// addFailure says why there is no verdict: as a notification, and as a result,
// because GitHub shows only results, and a file without any would close every
// alert of the image as fixed.
func (s *sarifRun) addFailure(invocation *sarif.Invocation) {
	f := failureOf(s.r)
	if f == nil && (s.r.Decision() != policy.Undecided || len(s.results) > 0) {
		return
	}
	text := "No verdict: " + noImage + "."
	if f != nil {
		text = fmt.Sprintf("No verdict on %s while %s: %s", s.img.label(), phaseText(f.phase), f.line())
		if f.hint != "" {
			text += " (" + f.hint + ")"
		}
	}
	invocation.AddToolExecutionNotification(notification(sarif.LevelError, text))
	rule := s.rule(noVerdictRule, func() *sarif.ReportingDescriptor {
		return descriptor(noVerdictRule, "NoVerdict", "The image could not be judged",
			"An image without a verdict must not ship. The message says what was missing.", informationURI, sarif.LevelError)
	})
	s.addResult(rule, noVerdictRule, sarif.LevelError, text, s.location("", 0, ""), []string{s.img.name, s.img.platform, noVerdictRule})
}

func notification(level, text string) *sarif.Notification {
	return sarif.NewNotification().WithLevel(level).WithMessage(message(text))
}
