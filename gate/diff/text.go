package diff

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// textRows is how many rows a list of the text has.
const textRows = 25

// The titles of the lists of findings.
const (
	titleNew     = "New"
	titleFixed   = "Fixed"
	titleStaying = "Staying"
)

// Text writes the comparison for a terminal.
func Text(d *Document) []byte {
	var b strings.Builder
	for i := range d.Images {
		textPair(&b, &d.Images[i])
	}
	for _, u := range d.Unpaired {
		fmt.Fprintf(&b, "%s only: %s: %s\n\n", u.Side, safe.Terminal(strings.TrimSpace(u.Reference+" "+u.Platform)), safe.Terminal(u.Reason))
	}
	fmt.Fprintf(&b, "Both judged at %s by %s.\n", d.At.UTC().Format("2006-01-02 15:04 UTC"), safe.Terminal(d.Policy))
	return []byte(b.String())
}

func textPair(b *strings.Builder, p *Pair) {
	for _, side := range []struct {
		name string
		s    *Side
	}{{"old", &p.Old}, {"new", &p.New}} {
		fmt.Fprintf(b, "%s  %-10s  %s  %s  %s\n", side.name, shout(side.s.Verdict), safe.Terminal(side.s.Reference), safe.Terminal(side.s.Digest), safe.Terminal(p.Platform))
	}
	fmt.Fprintf(b, "\n  %s\n", summary(p))
	for _, note := range p.Notes {
		fmt.Fprintf(b, "  note: %s\n", safe.Terminal(note))
	}
	textFindings(b, titleNew, p.Findings.New)
	textFindings(b, titleFixed, p.Findings.Fixed)
	if n := len(p.Findings.Staying); n > 0 {
		fmt.Fprintf(b, "\n  "+titleStaying+" (%s)\n", bySeverity(p.Findings.Staying))
	}
	textList(b, "Packages", len(p.Packages), func(i int) string { return packageLine(&p.Packages[i], safe.Terminal) })
	textList(b, "Config", len(p.Config), func(i int) string {
		c := &p.Config[i]
		return fmt.Sprintf("%s: %s -> %s", safe.Terminal(c.What), cmp.Or(safe.Terminal(c.Old), "none"), cmp.Or(safe.Terminal(c.New), "none"))
	})
	b.WriteString("\n")
}

func textFindings(b *strings.Builder, title string, list []Finding) {
	textList(b, title+" ("+bySeverity(list)+")", len(list), func(i int) string {
		f := &list[i]
		line := fmt.Sprintf("%s %s %s %s: %s", f.ID, f.Severity, f.Package, versionText(f), because(f, title))
		if title == titleNew {
			line += "; " + string(f.Class)
			if f.FixedVersion != "" {
				line += ", fixed in " + f.FixedVersion
			}
		}
		return safe.Terminal(line)
	})
}

func textList(b *strings.Builder, title string, n int, line func(int) string) {
	if n == 0 {
		return
	}
	fmt.Fprintf(b, "\n  %s\n", title)
	for i := range min(n, textRows) {
		fmt.Fprintf(b, "    %s\n", line(i))
	}
	if n > textRows {
		fmt.Fprintf(b, "    and %s more: use --format json\n", words.Count(n-textRows))
	}
}

// summary is the comparison in one line.
func summary(p *Pair) string {
	parts := []string{
		fmt.Sprintf("%d new, %d fixed, %d staying", len(p.Findings.New), len(p.Findings.Fixed), len(p.Findings.Staying)),
		fmt.Sprintf("blocking %d -> %d", p.Old.Blocking, p.New.Blocking),
		words.Plural(len(p.Packages), "package") + " changed",
	}
	if p.Old.Size > 0 && p.New.Size > 0 {
		parts = append(parts, "size "+sizeText(p.Old.Size, p.New.Size))
	}
	return strings.Join(parts, "; ")
}

func sizeText(old, now int64) string {
	text := words.Size(old) + " -> " + words.Size(now)
	switch {
	case now > old:
		text += " (+" + words.Size(now-old) + ")"
	case now < old:
		text += " (-" + words.Size(old-now) + ")"
	}
	return text
}

// versionText is the version of a package on both sides.
func versionText(f *Finding) string {
	switch {
	case f.OldVersion == "" || f.OldVersion == f.NewVersion:
		return f.NewVersion
	case f.NewVersion == "":
		return f.OldVersion
	}
	return f.OldVersion + " -> " + f.NewVersion
}

// because says why only one image has the finding.
func because(f *Finding, title string) string {
	switch {
	case f.Cause == CauseVersion:
		return "another version"
	case f.Cause == CausePackage && title == titleNew:
		return "the package is new"
	case f.Cause == CausePackage:
		return "the package is gone"
	case f.Cause == CauseAdvisory:
		return "the package did not change, the advisories did"
	}
	return ""
}

func packageLine(c *PackageChange, encode func(string) string) string {
	name := encode(c.Name) + " (" + encode(c.Type) + "): "
	old, now := encode(strings.Join(c.Old, ", ")), encode(strings.Join(c.New, ", "))
	switch {
	case len(c.Old) == 0:
		return name + "added " + now
	case len(c.New) == 0:
		return name + "removed, was " + old
	}
	return name + old + " -> " + now
}

// bySeverity counts findings, the worst first: "1 critical, 3 high".
func bySeverity(list []Finding) string {
	counts := map[evidence.Severity]int{}
	for i := range list {
		counts[list[i].Severity]++
	}
	var parts []string
	for _, sev := range evidence.Severities() {
		if counts[sev] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[sev], sev))
			delete(counts, sev)
		}
	}
	rest := 0
	for _, n := range counts {
		rest += n
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("%d of another severity", rest))
	}
	return strings.Join(parts, ", ")
}

// shout is a verdict as people read it.
func shout(verdict string) string { return strings.ToUpper(strings.ReplaceAll(verdict, "-", " ")) }
