package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// defaultRows is how many findings a person reads one by one. Beyond that the
// question is not which findings there are but which packages to upgrade.
const defaultRows = 25

// findings writes the blocking findings and counts the others.
func (t *textReport) findings(r *gate.Result) {
	all := judgedOf(r)
	blocking := inReportOrder(ofClass(all, policy.ClassBlocking))
	if len(blocking) > 0 {
		t.gap()
		t.line("  ", t.paint(bold, fmt.Sprintf("Blocking: %s (%s)", words.Plural(len(blocking), "finding"), bySeverity(blocking))))
		limit := cmp.Or(t.o.MaxRows, defaultRows)
		if len(blocking) <= limit {
			t.oneByOne(r, blocking)
		} else {
			t.byPackage(r, blocking, max(limit/3, 3))
		}
	}
	if rest := notBlocking(all); rest != "" {
		t.gap()
		t.entry(2, "not blocking", dim, rest)
	}
	for _, line := range dueLines(all, t.run.Started) {
		t.entry(2, "due", dim, line)
	}
	t.exploited(all)
	t.unfixedCriticals(all)
	if t.o.All {
		t.accepted(r, all)
	}
}

// unfixedCriticals names the critical findings without a fix. They do not block,
// but the reader has to know what is shipped.
func (t *textReport) unfixedCriticals(findings []*policy.Judged) {
	var names []string
	for _, f := range inReportOrder(ofClass(findings, policy.ClassUnfixed)) {
		if severity(f.Severity) == evidence.SeverityCritical {
			names = append(names, f.ID+" ("+f.Package.Name+" "+f.Package.Version+")")
		}
	}
	if left := len(names) - maxDetails; left > 0 {
		names = append(names[:maxDetails], more(left, "finding")+": use -o json")
	}
	if len(names) > 0 {
		t.entry(2, "critical", yellow, "without a fix: "+strings.Join(names, ", "))
	}
}

// accepted lists the findings that do not block, with their classes.
func (t *textReport) accepted(r *gate.Result, findings []*policy.Judged) {
	tab := &table{head: []string{"ID", "SEVERITY", "CLASS", "PACKAGE", "INSTALLED -> FIXED"}}
	for _, f := range inReportOrder(slices.Clone(findings)) {
		if f.Class != policy.ClassBlocking {
			tab.add(severityTint(f.Severity), f.ID, string(severity(f.Severity)), string(f.Class), f.Package.Name, f.Package.Version+" -> "+fixed(f))
		}
	}
	if len(tab.rows) > 0 {
		t.gap()
		t.line("  ", t.paint(bold, "Accepted: "+words.Plural(len(tab.rows), "finding")))
		tab.print(t.textWriter, 4)
	}
}

// bySeverity counts findings: "3 critical, 12 high".
func bySeverity(findings []*policy.Judged) string {
	counts := map[evidence.Severity]int{}
	for _, f := range findings {
		counts[severity(f.Severity)]++
	}
	var parts []string
	for _, s := range evidence.Severities() {
		if counts[s] > 0 {
			parts = append(parts, words.Count(counts[s])+" "+string(s))
		}
	}
	return strings.Join(parts, ", ")
}

// classText says why findings of a class do not block.
func classText(c policy.Class) string {
	switch c {
	case policy.ClassGrace:
		return "in their grace period"
	case policy.ClassBaseline:
		return "of the baseline"
	case policy.ClassUnfixed:
		return "without a fix"
	case policy.ClassDistroOwned:
		return "in packages that the distribution patches itself"
	case policy.ClassBelowThreshold:
		return "below the threshold"
	case policy.ClassExcepted:
		return "excepted"
	case policy.ClassNotAffected:
		return "not affected, by VEX"
	case policy.ClassIgnoredType:
		return "of package types the policy does not judge"
	}
	return string(c)
}

// notBlocking counts the findings that do not block, by class.
func notBlocking(findings []*policy.Judged) string {
	var parts []string
	for _, c := range policy.Classes()[1:] {
		if of := ofClass(findings, c); len(of) > 0 {
			parts = append(parts, fmt.Sprintf("%s %s (%s)%s", words.Count(len(of)), classText(c), bySeverity(of), graceEnd(of)))
		}
	}
	return strings.Join(parts, "; ")
}

// graceEnd says when the first of findings begins to block.
func graceEnd(findings []*policy.Judged) string {
	var first time.Time
	for _, f := range findings {
		if until := f.GraceUntil; f.Class == policy.ClassGrace && !until.IsZero() && (first.IsZero() || until.Before(first)) {
			first = until
		}
	}
	if first.IsZero() {
		return ""
	}
	return ", the first until " + first.UTC().Format(time.DateOnly)
}

func severityTint(s evidence.Severity) tint {
	switch s {
	case evidence.SeverityCritical:
		return red
	case evidence.SeverityHigh:
		return yellow
	default:
		return plain
	}
}

func (t *textReport) oneByOne(r *gate.Result, findings []*policy.Judged) {
	tab := &table{head: []string{"ID", "SEVERITY", "PACKAGE", "INSTALLED -> FIXED", "LAYER"}}
	scores := slices.ContainsFunc(findings, scored)
	if scores {
		tab.head = append(tab.head, "EPSS")
	}
	for _, f := range findings {
		row := []string{f.ID, string(severity(f.Severity)), f.Package.Name, f.Package.Version + " -> " + fixed(f), origin(r, f.Package)}
		if scores {
			row = append(row, scoreText(f))
		}
		tab.add(severityTint(f.Severity), row...)
	}
	tab.print(t.textWriter, 4)
}

func fixed(f *policy.Judged) string { return cmp.Or(f.FixedVersion, "no fix") }

// origin says where a package comes from: base image or own layer, and the file
// or the build step to look at.
func origin(r *gate.Result, p *evidence.Package) string {
	layer := layerOf(r, p.Layer)
	parts := []string{layerKind(r, layer), short(p.Layer)}
	switch {
	case p.Path != "":
		parts = append(parts, p.Path)
	case layer != nil:
		parts = append(parts, buildStep(layer.CreatedBy))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

func layerOf(r *gate.Result, diffID string) *evidence.Layer {
	if r.Evidence == nil || r.Evidence.Config == nil || diffID == "" {
		return nil
	}
	layers := r.Evidence.Config.Layers
	if i := slices.IndexFunc(layers, func(l evidence.Layer) bool { return l.DiffID == diffID }); i >= 0 {
		return &layers[i]
	}
	return nil
}

// layerKind says whose layer it is, and nothing when the history does not tell
// where the base image ends.
func layerKind(r *gate.Result, l *evidence.Layer) string {
	switch {
	case l == nil || !slices.ContainsFunc(r.Evidence.Config.Layers, func(l evidence.Layer) bool { return l.Base }):
		return ""
	case l.Base:
		return "base"
	}
	return "own"
}

// buildStep shortens a history line to what its Dockerfile says.
func buildStep(createdBy string) string {
	s := strings.Join(strings.Fields(createdBy), " ")
	s = strings.TrimSuffix(s, " # buildkit")
	if _, after, ok := strings.Cut(s, "#(nop) "); ok {
		return strings.TrimSpace(after)
	}
	for _, shell := range []string{"RUN /bin/sh -c ", "/bin/sh -c "} {
		if after, ok := strings.CutPrefix(s, shell); ok {
			return "RUN " + after
		}
	}
	return s
}

// bundle is one package with all its blocking findings.
type bundle struct {
	findings []*policy.Judged // the worst first
	worst    int              // how many have the severity of the first
}

// bundles groups findings by package, the most urgent package first.
func bundles(findings []*policy.Judged) []*bundle {
	type key struct{ typ, name, version, path string }
	byKey := make(map[key]*bundle, len(findings))
	var out []*bundle
	for _, f := range findings {
		k := key{f.Package.Type, f.Package.Name, f.Package.Version, f.Package.Path}
		b := byKey[k]
		if b == nil {
			b = &bundle{}
			byKey[k] = b
			out = append(out, b)
		}
		b.findings = append(b.findings, f)
		if compareSeverities(f.Severity, b.findings[0].Severity) == 0 {
			b.worst++
		}
	}
	slices.SortStableFunc(out, func(a, b *bundle) int {
		f, g := a.findings[0], b.findings[0]
		if c := compareSeverities(f.Severity, g.Severity); c != 0 {
			return c
		}
		if c := cmp.Or(cmp.Compare(b.worst, a.worst), cmp.Compare(len(b.findings), len(a.findings))); c != 0 {
			return c
		}
		return cmp.Or(
			cmp.Compare(f.Package.Name, g.Package.Name),
			cmp.Compare(f.Package.Version, g.Package.Version),
			cmp.Compare(f.Package.Path, g.Package.Path),
		)
	})
	return out
}

// fixes says which versions mend the findings. Which one is the highest cannot
// be told here: every ecosystem orders versions in its own way.
func (b *bundle) fixes() string {
	var versions []string
	unfixed := 0
	for _, f := range b.findings {
		switch {
		case f.FixedVersion == "":
			unfixed++
		case !slices.Contains(versions, f.FixedVersion):
			versions = append(versions, f.FixedVersion)
		}
	}
	switch {
	case len(versions) == 0:
		return "no fix"
	case len(versions) > 2:
		versions = append(versions[:2:2], fmt.Sprintf("+%d", len(versions)-2))
	}
	s := strings.Join(versions, ", ")
	if unfixed > 0 {
		s += fmt.Sprintf(" (%d no fix)", unfixed)
	}
	return s
}

// count counts the findings: those of the worst severity, then the others.
func (b *bundle) count() string {
	s := words.Count(b.worst) + " " + string(severity(b.findings[0].Severity))
	if rest := len(b.findings) - b.worst; rest > 0 {
		s += " + " + words.Count(rest)
	}
	return s
}

// byPackage writes one row per package, at most limit packages per severity.
func (t *textReport) byPackage(r *gate.Result, findings []*policy.Judged, limit int) {
	tab := &table{head: []string{"PACKAGE", "INSTALLED -> FIXED", "FINDINGS", "LAYER"}}
	rows := map[evidence.Severity]int{}
	var morePackages, moreFindings int
	for _, b := range bundles(findings) {
		f := b.findings[0]
		worst := severity(f.Severity)
		if rows[worst]++; rows[worst] > limit {
			morePackages++
			moreFindings += len(b.findings)
			continue
		}
		tab.add(severityTint(worst), f.Package.Name, f.Package.Version+" -> "+b.fixes(),
			b.count(), origin(r, f.Package))
	}
	tab.print(t.textWriter, 4)
	if morePackages > 0 {
		t.line("    ", fmt.Sprintf("… and %s in %s: use -o json=FILE for all of them",
			more(moreFindings, "finding"), words.Plural(morePackages, "package")))
	}
}
