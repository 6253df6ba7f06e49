package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// clockSkew is how far a build date may be in the future: clocks differ by
// minutes. More means that one of them is wrong, and then no age is known.
const clockSkew = 10 * time.Minute

// asksFor reports whether a coverage rule has to be met. A policy that does
// not look into the layers has nothing to miss there; one that looks only for
// the user or secrets misses nothing with an unknown package manager.
func (j *judge) asksFor(id string) bool {
	switch id {
	case ruleCoverage + string(evidence.GapScannerErrors), ruleCoverage + string(evidence.GapHiddenFiles):
		return j.need.Layers()
	case ruleCoverage + string(evidence.GapJavaDatabase):
		return j.need.Has(evidence.NeedJava)
	}
	return j.need.Has(evidence.NeedPackages)
}

// ofPackages is a check that looks at the packages of the scan.
func ofPackages(rule string, check func(j *judge, sc *evidence.Scan) answer) func(j *judge) answer {
	return func(j *judge) answer {
		if !j.asksFor(rule) {
			return off("no rule of the policy looks at it")
		}
		sc, lack := j.scanned(evidence.NeedPackages)
		if lack != nil {
			return *lack
		}
		return check(j, sc)
	}
}

// checkGaps judges the gaps of one kind. At level fail they give no verdict:
// what was not seen is neither good nor bad.
func checkGaps(j *judge, kind evidence.GapKind) answer {
	id := ruleCoverage + string(kind)
	if !j.asksFor(id) {
		return off("no rule of the policy looks at it")
	}
	sc, lack := j.scanned(gapNeed(kind))
	if lack != nil {
		return *lack
	}
	if sc.Coverage.Gaps == nil {
		return missing("the scan does not say what it could not see")
	}
	var details, excepted, cures []string
	count := 0
	for _, g := range append(impliedGaps(j, kind), sc.Coverage.Gaps...) {
		if gapRule(g.Kind) != id {
			continue
		}
		if e := j.exceptGap(&g); e != nil {
			excepted = append(excepted, gapLine(g, kind)+"; "+e.until())
			continue
		}
		details = append(details, gapLine(g, kind))
		count += max(g.Count, 1)
		if !slices.Contains(cures, g.Cure) {
			cures = append(cures, g.Cure)
		}
	}
	switch {
	case len(details) == 0 && len(excepted) > 0:
		return answer{
			result: ResultWarn, message: words.Plural(len(excepted), "gap") + ", excepted", allowed: "none",
			details: excepted, cure: "fix the cause before the exception ends",
		}
	case len(details) == 0 && kind == evidence.GapUnknownOS && sc.Coverage.SelfContained:
		return passing("there is no operating system, and every program is accounted for by its own build information")
	case len(details) == 0:
		return whole(j.policy, sc.OS, kind)
	}
	a := undecided("%s: %s", words.Plural(count, "gap"), details[0])
	a.details = details
	if len(details) == 1 {
		a.message, a.details = details[0], nil
	}
	a.allowed = "none"
	if len(cures) == 1 {
		a.cure = cures[0] // "" leaves it to the rule
	}
	if gapKeys[kind].value(j.s) == levelWarn {
		a.result = ResultWarn
	}
	return a
}

// whole says what a rule without gaps means for this image.
func whole(p *Policy, os *evidence.OS, kind evidence.GapKind) answer {
	if os == nil {
		return passing("nothing was missed")
	}
	if kind == evidence.GapUnknownOS {
		return passing("%s", strings.TrimSpace(os.Family+" "+os.Release))
	}
	title := p.lang.lookup(ruleCoverage + string(kind)).Title
	return passing("%s", strings.ToLower(title[:1])+strings.TrimSuffix(title[1:], "."))
}

func gapNeed(kind evidence.GapKind) evidence.Need {
	switch kind {
	case evidence.GapScannerErrors, evidence.GapHiddenFiles:
		return 0
	case evidence.GapJavaDatabase:
		return evidence.NeedJava
	}
	return evidence.NeedPackages
}

func gapLine(g evidence.Gap, kind evidence.GapKind) string {
	line := cmp.Or(g.Detail, "something could not be seen")
	if g.Subject != "" {
		line = g.Subject + ": " + line
	}
	if layer, ok := strings.CutPrefix(g.Layer, "sha256:"); ok {
		line += " (layer " + layer[:min(len(layer), 12)] + ")"
	}
	if g.Kind != kind {
		line = string(g.Kind) + ": " + line
	}
	return line
}

// impliedGaps are gaps that the evidence shows but does not list. The collector
// should have listed them; the image does not pass because it did not.
func impliedGaps(j *judge, kind evidence.GapKind) []evidence.Gap {
	sc := j.img.Scan
	named := func(kind evidence.GapKind) bool {
		return slices.ContainsFunc(sc.Coverage.Gaps, func(g evidence.Gap) bool { return g.Kind == kind })
	}
	var out []evidence.Gap
	switch kind {
	case evidence.GapUnknownOS:
		if (sc.OS == nil || sc.OS.Family == "") && !sc.Coverage.SelfContained && !named(kind) {
			out = append(out, evidence.Gap{Kind: kind, Detail: "no operating system was identified"})
		}
	case evidence.GapPackageDatabase:
		for _, c := range sc.Coverage.Counts {
			if c.Got < c.Expected && !named(kind) {
				out = append(out, evidence.Gap{Kind: kind, Subject: c.Path,
					Detail: fmt.Sprintf("holds %s, but the scanner returned %d", words.Plural(c.Expected, c.Type+" package"), c.Got)})
			}
		}
	case evidence.GapJavaDatabase:
		if db := sc.JavaDatabase; db != nil && (db.UpdatedAt.IsZero() || db.UpdatedAt.After(j.now.Add(clockSkew))) {
			out = append(out, evidence.Gap{Kind: kind, Detail: "the Java database has no date, or one in the future"})
		}
	}
	return out
}

func checkEndOfLife(j *judge, sc *evidence.Scan) answer {
	a := endOfLife(j, sc)
	if a.result == ResultOff {
		return a
	}
	a.allowed = "an operating system that is supported"
	if a.result == ResultFail && endOfLifeKey.value(j.s).level == levelWarn {
		a.result = ResultWarn
	}
	return a
}

func endOfLife(j *judge, sc *evidence.Scan) answer {
	os := sc.OS
	if os == nil || os.Family == "" {
		if sc.Coverage.SelfContained || gapKeys[evidence.GapUnknownOS].value(j.s) == levelWarn {
			return passing("there is no operating system that could end")
		}
		// One cause is reported once.
		return off("the operating system is not known: see coverage.unknown-os")
	}
	name := strings.TrimSpace(os.Family + " " + os.Release)
	switch {
	case os.EndOfLife != nil && !j.now.Before(dayOf(*os.EndOfLife).Add(24*time.Hour)):
		return failing("%s is out of support since %s", name, os.EndOfLife.UTC().Format(time.DateOnly))
	case os.Ended:
		return failing("%s is out of support", name)
	case os.EndOfLife == nil:
		return passing("no end of support is published for %s", name)
	}
	a := passing("%s is supported until %s", name, os.EndOfLife.UTC().Format(time.DateOnly))
	if before := endOfLifeKey.value(j.s).warnBefore; before > 0 && j.now.Add(before).After(*os.EndOfLife) {
		a.result = ResultWarn
	}
	return a
}

func checkDatabaseAge(j *judge, sc *evidence.Scan) answer {
	limit := databaseAgeKey.value(j.s)
	db := sc.Database
	if db == nil {
		return missing("no advisory database was used")
	}
	a := answer{allowed: "at most " + words.Duration(limit) + " old"}
	day := db.UpdatedAt.UTC().Format(minuteForm)
	switch age := j.now.Sub(db.UpdatedAt); {
	case db.UpdatedAt.IsZero():
		a.message = "the advisory database does not say when it was built"
	case age < -clockSkew:
		a.message = "the advisory database was built on " + day + ", which is in the future"
		a.cure = "set the clock of this machine, or update the database: imagegate db update"
	case age > limit:
		a.message = "the advisory database was built on " + day + ", " + words.Duration(age) + " ago"
	default:
		a.result, a.message = ResultPass, "the advisory database was built on "+day
	}
	return a
}

func checkUnattributed(j *judge, sc *evidence.Scan) answer {
	n := max(sc.Coverage.UnattributedCount, len(sc.Coverage.Unattributed))
	found := fmt.Sprintf("%d of %s accounted for by no package, build info or owner", n, words.Plural(max(n, sc.Coverage.Executables), "executable"))
	if !unattributedKey.of(j.s).set {
		return off("%s; the policy sets no limit", found)
	}
	a := passing("%s", found)
	a.allowed = fmt.Sprintf("at most %d", unattributedKey.value(j.s))
	switch {
	case sc.Coverage.Gaps == nil:
		return missing("the scan does not say what it could not see")
	case sc.Coverage.UnattributedCount < 0:
		return undecided("the number of executables is not known")
	case n > unattributedKey.value(j.s):
		a.result, a.details = ResultFail, append([]string(nil), sc.Coverage.Unattributed...)
	}
	return a
}

func checkBundledSBOMs(j *judge) answer {
	level := bundledKey.value(j.s)
	if !j.asksFor(ruleBundledSBOMs) || level == levelIgnore {
		return off("the policy does not ask")
	}
	sc, lack := j.scanned(evidence.NeedPackages)
	switch {
	case lack != nil:
		return *lack
	case sc.Coverage.Gaps == nil:
		return missing("the scan does not say what it could not see")
	case len(sc.Coverage.SBOMs) == 0:
		return passing("none found")
	}
	bills := append([]string(nil), sc.Coverage.SBOMs...)
	if level == levelWarn {
		repeating := func(path string) bool { return slices.Contains(sc.Coverage.SBOMsRepeating, path) }
		if bills = slices.DeleteFunc(bills, repeating); len(bills) == 0 {
			return passing("%s of materials, with packages only that are known from elsewhere in the image", words.Plural(len(sc.Coverage.SBOMs), "bill"))
		}
	}
	a := failing("%s of materials inside the image", words.Plural(len(bills), "bill"))
	a.details, a.allowed = bills, "none"
	if level == levelWarn {
		a.message += " with packages that are known from nowhere else, or that cannot be read"
		a.result = ResultWarn
	}
	return a
}
