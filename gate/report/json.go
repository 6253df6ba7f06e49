package report

import (
	"bufio"
	_ "embed" // for the schema
	"io"
	"iter"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

//go:embed report.schema.json
var reportSchema []byte

// ReportSchema returns the JSON Schema of the JSON report.
func ReportSchema() []byte { return slices.Clone(reportSchema) }

func jsonFormat() Format {
	return Format{
		Name: "json", Title: "everything, for programs; has a JSON Schema",
		Where: "a file, jq, your own tools", Extension: ".json",
		write: writeJSON,
	}
}

func writeJSON(w io.Writer, run *gate.Run, _ Options) error {
	return WriteJSON(w, run, func(yield func(*gate.Result) bool) {
		for i := range run.Results {
			if !yield(&run.Results[i]) {
				return
			}
		}
	})
}

// SharedWriter is a writer for documents that hold the same texts many times.
type SharedWriter interface {
	io.Writer
	// WriteShared writes a text that does not change any more.
	WriteShared(text []byte) (int, error)
}

// WriteJSON writes the JSON report of results, image by image: with all findings
// of a thousand images, the document would take too much memory as a whole. It reads
// Tool, Started and Policy of run first, and the other fields when results has
// ended. The results in run decide the verdict of the whole run. They need not have
// findings, evidence or exceptions. A [SharedWriter] gets the advisories as shared
// texts.
func WriteJSON(w io.Writer, run *gate.Run, results iter.Seq[*gate.Result]) error {
	out, flush := w, func() error { return nil }
	if _, ok := w.(SharedWriter); !ok {
		b := bufio.NewWriterSize(w, 64<<10)
		out, flush = b, b.Flush
	}
	list := &listWriter{w: out, key: "results"}
	if err := list.begin(documentOf(run, nil)); err != nil {
		return err
	}
	type element struct {
		result *gate.Result
		json   [][]byte
	}
	texts := &advisoryTexts{}
	all := gate.Result{} // with the exceptions of all results so far
	err := inOrder(results, func(r *gate.Result) (element, error) {
		pieces, err := texts.encodeResult(r)
		return element{r, pieces}, err
	}, func(e element) error {
		all.Verdict.Exceptions = exceptionsOf([]gate.Result{all, *e.result})
		return list.write(e.json...)
	})
	if err != nil {
		return err
	}
	if err := list.end(documentOf(run, exceptionsOf([]gate.Result{all, releaseUses(run)}))); err != nil {
		return err
	}
	return flush()
}

// inOrder makes something of all items, on all processors, and uses it in the
// order of the items. Only as many pieces as there are processors wait to be
// used, so that the memory is limited.
func inOrder[S, T any](items iter.Seq[S], produce func(S) (T, error), use func(T) error) error {
	type piece struct {
		value T
		err   error
	}
	pieces := make(chan chan piece, runtime.GOMAXPROCS(0))
	go func() {
		defer close(pieces)
		for item := range items {
			c := make(chan piece, 1)
			pieces <- c
			go func() {
				value, err := produce(item)
				c <- piece{value, err}
			}()
		}
	}()
	var failed error
	for c := range pieces {
		p := <-c
		if failed == nil {
			failed = p.err
		}
		if failed == nil {
			failed = use(p.value)
		}
	}
	return failed
}

// documentOf returns the report without its images.
func documentOf(run *gate.Run, exceptions []policy.ExceptionUse) *Document {
	return &Document{
		SchemaVersion: SchemaVersion,
		Verdict:       run.Outcome().String(),
		Tool:          run.Tool,
		Engine:        run.Engine,
		StartedAt:     run.Started.UTC(),
		Hypothetical:  run.Hypothetical,
		Policy:        policyInfo(run.Policy),
		Database:      databaseInfo(run.Database),
		Shard:         (*ShardInfo)(run.Shard),
		Promotion:     promotionInfo(run.Promotion),
		Results:       []ImageResult{},
		Release:       releaseInfo(run),
		Exceptions:    exceptionResults(exceptions),
		Notes:         notesOf(run),
	}
}

func policyInfo(p gate.PolicySource) PolicyInfo {
	return PolicyInfo{
		Path: p.Path, SHA256: p.SHA256, Digest: p.Digest, Unasked: list(p.Unasked),
		Parts: convert(p.Parts, func(p policy.Part) PartInfo { return PartInfo(p) }),
	}
}

// imageResult returns an image of the report without its findings, and the
// findings in the order of the report.
func imageResult(r *gate.Result) (ImageResult, []*policy.Judged) {
	img := imageOf(r)
	out := ImageResult{
		Reference: img.ref, JudgedFrom: img.from, Name: img.name, Digest: img.digest, ImageID: img.id, IndexDigest: img.index, Platform: img.platform,
		Verdict:  r.Decision().String(),
		Rules:    []RuleInfo{},
		Findings: []FindingInfo{},
		Secrets:  []SecretInfo{},
		Licenses: []LicenseInfo{},
		Skipped:  convert(r.Skipped, func(s evidence.Skipped) SkippedInfo { return SkippedInfo(s) }),
		Excepted: []ExceptionResult{}, Overrides: []OverrideInfo{},
	}
	if f := failureOf(r); f != nil {
		out.Error = &ErrorInfo{Phase: string(f.phase), Message: f.message, Hint: f.hint}
		return out, nil
	}
	out.Rules = convert(r.Judged().Rules, ruleInfo)
	out.OwnVerdict = r.Verdict.Decision.String()
	out.Counts = countsOf(&r.Verdict)
	out.Fixes = fixesOf(r)
	out.Overrides = convert(r.Verdict.Overrides, overrideInfo)
	uses := slices.DeleteFunc(slices.Clone(r.Verdict.Exceptions), func(u policy.ExceptionUse) bool { return u.Exception == nil })
	sortUses(uses)
	out.Excepted = exceptionResults(uses)
	if r.Evidence != nil && r.Evidence.Scan != nil {
		addScan(&out, r.Evidence.Scan)
	}
	return out, findingsOf(r)
}

// addScan adds what the scan saw.
func addScan(out *ImageResult, s *evidence.Scan) {
	out.OS, out.User, out.Packages = s.OS, s.User, len(s.Packages)
	out.Secrets = convert(s.Secrets, func(s evidence.Secret) SecretInfo {
		return SecretInfo{s.RuleID, s.Category, string(s.Severity), s.Title, s.Path, s.StartLine, s.EndLine, s.Layer, s.Content}
	})
	out.Licenses = convert(s.Licenses, func(l evidence.License) LicenseInfo { return LicenseInfo(l) })
	c := &s.Coverage
	out.Coverage = &CoverageInfo{
		Gaps: list(c.Gaps), Counts: list(c.Counts), SBOMs: list(c.SBOMs), Notes: list(c.Notes),
		Unattributed: list(c.Unattributed), UnattributedCount: c.UnattributedCount, Executables: c.Executables,
	}
}

func ruleInfo(r policy.RuleResult) RuleInfo {
	return RuleInfo{
		Rule: r.Rule, Result: r.Result.String(), Message: r.Message, Allowed: r.Allowed, Cure: r.Cure,
		Details: list(r.Details), Control: r.Control, Position: Position(r.Position),
	}
}

func overrideInfo(o policy.AppliedOverride) OverrideInfo {
	info := OverrideInfo{
		Position: Position(o.Position), Loosens: list(o.Loosens), Ended: o.Ended,
		Reason: o.Reason, Owner: o.Owner, Ticket: o.Ticket, ApprovedBy: o.ApprovedBy,
	}
	if !o.Expires.IsZero() {
		info.Expires = o.Expires.UTC().Format(time.DateOnly)
	}
	return info
}

func countsOf(v *policy.Verdict) Counts {
	return Counts{
		Total:          len(v.Findings),
		Blocking:       v.Count(policy.ClassBlocking),
		Grace:          v.Count(policy.ClassGrace),
		Baseline:       v.Count(policy.ClassBaseline),
		Unfixed:        v.Count(policy.ClassUnfixed),
		BelowThreshold: v.Count(policy.ClassBelowThreshold),
		DistroOwned:    v.Count(policy.ClassDistroOwned),
		Excepted:       v.Count(policy.ClassExcepted),
		NotAffected:    v.Count(policy.ClassNotAffected),
		IgnoredType:    v.Count(policy.ClassIgnoredType),
	}
}

// findingInfo returns a finding without its advisory.
func findingInfo(r *gate.Result, f *policy.Judged) FindingInfo {
	return FindingInfo{
		ID: f.ID, Package: packageInfo(r, f.Package),
		FixedVersion: f.FixedVersion, Status: f.Status,
		Severity: string(severity(f.Severity)),
		Class:    string(f.Class), Rule: f.Rule, Reason: f.Reason,
		Exception: exceptionPointer(f.Exception), GraceUntil: moment(f.GraceUntil),
		Due: moment(f.Due), FirstSeen: moment(f.FirstSeen), KEV: kevInfo(f), EPSS: (*EPSSInfo)(f.EPSS),
	}
}

func advisoryInfo(f *evidence.Finding) *AdvisoryInfo {
	return &AdvisoryInfo{
		Aliases:         list(f.Aliases),
		ScannerSeverity: string(severity(f.Severity)),
		SeveritySource:  f.SeveritySource,
		VendorSeverity:  severities(f.VendorSeverity),
		CVSS:            scores(f.CVSS),
		Title:           f.Title, Description: f.Description, URL: f.URL, References: list(f.References), CWEs: list(f.CWEs),
		Published: utc(f.Published), Modified: utc(f.Modified), DataSource: f.DataSource,
	}
}

func packageInfo(r *gate.Result, p *evidence.Package) PackageInfo {
	info := PackageInfo{
		Name: p.Name, Version: p.Version, Type: p.Type, Class: string(p.Class),
		PURL: p.PURL, Path: p.Path, SourceName: p.SourceName, OwnedBy: p.OwnedBy,
	}
	if p.Layer != "" {
		info.Layer = &LayerInfo{DiffID: p.Layer}
		if l := layerOf(r, p.Layer); l != nil {
			info.Layer.Base, info.Layer.CreatedBy = l.Base, l.CreatedBy
		}
	}
	return info
}

func exceptionResults(uses []policy.ExceptionUse) []ExceptionResult {
	return convert(uses, func(u policy.ExceptionUse) ExceptionResult {
		return ExceptionResult{*exceptionPointer(u.Exception), u.Status, u.Matches, u.Why, u.DaysLeft, u.EndsSoon}
	})
}

func exceptionPointer(e *policy.Exception) *ExceptionInfo {
	if e == nil {
		return nil
	}
	info := &ExceptionInfo{
		ID: e.ID, Secret: e.Secret, License: e.License, Gap: e.Gap, Rule: e.Rule,
		Package: e.Package, Images: list(e.Images), Paths: list(e.Paths), Path: e.Path, Content: e.Content, Cause: e.Cause, Workload: e.Workload,
		Reason: e.Reason, Owner: e.Owner, Ticket: e.Ticket, ApprovedBy: e.ApprovedBy, Justification: e.Justification,
		Position: Position(e.Position),
	}
	if !e.Expires.IsZero() {
		info.Expires = day(e)
	}
	return info
}

// databaseInfo brings the dates to UTC, so that equal runs give equal bytes.
func databaseInfo(db *evidence.Database) *evidence.Database {
	if db == nil {
		return nil
	}
	out := *db
	out.UpdatedAt, out.NextUpdate, out.DownloadedAt = db.UpdatedAt.UTC(), utc(db.NextUpdate), utc(db.DownloadedAt)
	return &out
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return moment(*t)
}

// list returns s, and an empty list for nil: readers need not expect null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func convert[S, T any](in []S, f func(S) T) []T {
	out := make([]T, len(in))
	for i, s := range in {
		out[i] = f(s)
	}
	return out
}

func severities(in map[string]evidence.Severity) map[string]string {
	out := make(map[string]string, len(in))
	for source, s := range in {
		out[source] = string(severity(s))
	}
	return out
}

func scores(in map[string]evidence.CVSS) map[string]evidence.CVSS {
	if in == nil {
		return map[string]evidence.CVSS{}
	}
	return maps.Clone(in)
}

// moment returns nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
