package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// saw says in one line what the verdict rests on.
func saw(r *gate.Result) string {
	e := r.Evidence
	if e == nil {
		return "nothing"
	}
	if e.Proof != nil && e.Proof.Decision != nil {
		return "manifest, config and the signed decision of " + e.Proof.Decision.Time.UTC().Format("2006-01-02 15:04 UTC") + " (no layer was read)"
	}
	if e.Scan == nil {
		return "manifest and config only (the policy asks for nothing in the layers)"
	}
	parts := []string{osText(e.Scan.OS)}
	if e.Scan.Need.Has(evidence.NeedPackages) {
		parts = append(parts, packagesText(e.Scan.Packages))
	}
	if u := e.Scan.User; u != nil && u.UID != nil {
		parts = append(parts, fmt.Sprintf("runs as uid %d", *u.UID))
	}
	if n := len(e.Scan.Coverage.Gaps); n > 0 {
		parts = append(parts, words.Plural(n, "coverage gap"))
	}
	if n := e.Scan.Coverage.UnattributedCount; n > 0 {
		parts = append(parts, words.Plural(n, "executable")+" of no package")
	}
	return strings.Join(parts, "; ")
}

func osText(os *evidence.OS) string {
	if os == nil || os.Family == "" {
		return "no operating system"
	}
	return strings.TrimSpace(os.Family + " " + os.Release)
}

// packagesText counts packages by type, the most frequent first.
func packagesText(packages []evidence.Package) string {
	counts := map[string]int{}
	for _, p := range packages {
		counts[p.Type]++
	}
	types := make([]string, 0, len(counts))
	for typ := range counts {
		types = append(types, typ)
	}
	slices.SortFunc(types, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, typ := range types {
		types[i] = words.Count(counts[typ]) + " " + cmp.Or(typ, "of unknown type")
	}
	if len(types) == 0 {
		return "no packages"
	}
	return words.Plural(len(packages), "package") + ": " + strings.Join(types, ", ")
}

// exceptions tells what became of every exception of the policy.
func (t *textReport) exceptions() {
	uses := allExceptions(t.run)
	if len(uses) == 0 {
		return
	}
	t.gap()
	t.line(t.paint(bold, "Exceptions"))
	for i, use := range uses {
		if i == 3*maxDetails {
			t.line("  … and ", words.Count(len(uses)-i), " more: use -o json")
			break
		}
		label, color := exceptionLabel(use)
		t.entry(2, label, color, exceptionText(use))
	}
}

// exceptionLabel names what became of an exception in one word.
func exceptionLabel(use policy.ExceptionUse) (string, tint) {
	switch {
	case use.Status == policy.ExceptionExpired:
		return "expired", red
	case use.Status == policy.ExceptionRefused:
		return "refused", red
	case use.EndsSoon:
		return "ends soon", yellow
	case use.Status == policy.ExceptionUsed:
		return "used", plain
	case use.Status == policy.ExceptionOutOfScope:
		return "no match", yellow
	}
	return "unused", yellow
}

// exceptionText says what an exception did and what to do about it, with its
// name and place.
func exceptionText(use policy.ExceptionUse) string {
	name := use.Exception.Name()
	if scope := use.Exception.Scope(); scope != "" {
		name += " (" + scope + ")"
	}
	return name + ": " + exceptionFate(use) + " " + place(use.Exception.Position)
}

// exceptionFate says what became of an exception, what to do, and whom to ask.
func exceptionFate(use policy.ExceptionUse) string {
	e := use.Exception
	var s string
	switch {
	case use.Status == policy.ExceptionExpired:
		s = fmt.Sprintf("ended on %s and no longer applies; fix the finding, or renew it", day(e))
	case use.Status == policy.ExceptionUsed && use.EndsSoon:
		s = fmt.Sprintf("covers %s until %s (%s left)", words.Plural(use.Matches, covered(e)), day(e), words.Plural(use.DaysLeft, "day"))
	case use.Status == policy.ExceptionUsed:
		s = fmt.Sprintf("covers %s until %s", words.Plural(use.Matches, covered(e)), day(e))
	case use.Status == policy.ExceptionOutOfScope:
		s = "what it is for was found, but not in this scope" + because(use.Why) + "; correct the scope or remove it"
	case use.Status == policy.ExceptionRefused:
		s = "it matches, but the policy does not allow it" + because(use.Why)
	default:
		s = "nothing needs it; remove it"
	}
	who := slices.DeleteFunc([]string{e.Reason, e.Owner, e.Ticket}, func(s string) bool { return s == "" })
	if len(who) > 0 {
		s += " [" + strings.Join(who, ", ") + "]"
	}
	return s
}

// covered is the noun for what an exception covers.
func covered(e *policy.Exception) string {
	if e.Kind() == "id" {
		return "finding"
	}
	return e.Kind()
}

// because puts a reason in brackets, if there is one.
func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// summary is the table of all images, for runs with several: a line for each. The
// digests follow with the images.
func (t *textReport) summary() {
	t.gap()
	tab := &table{head: []string{"VERDICT", "BLOCKING", "PLATFORM", "IMAGE"}, middle: true}
	for i := range t.run.Results {
		r := &t.run.Results[i]
		img := imageOf(r)
		blocking := "-"
		if r.Err == nil {
			blocking = words.Count(r.Verdict.Count(policy.ClassBlocking))
		}
		tab.add(decisionTint(r.Decision()), r.Decision().String(), blocking, cmp.Or(img.platform, "-"), img.ref)
	}
	tab.print(t.textWriter, 2)
}

// footer tells what judged: policy, database and tools. The last line repeats
// the verdict, because that is where people look first in a job log.
func (t *textReport) footer() {
	t.gap()
	run := t.run
	t.entry(0, "policy", dim, policyText(run.Policy))
	if db := run.Database; db != nil {
		t.entry(0, "database", dim, databaseText(db)+", "+age(db.UpdatedAt, t.o.Now))
	}
	t.entry(0, "judged by", dim, strings.Join(slices.DeleteFunc([]string{run.Tool, run.Engine}, func(s string) bool { return s == "" }), ", "))
	for _, note := range run.Notes { // the remarks are at the top
		t.entry(0, "note", dim, note)
	}
	t.gap()
	outcome := run.Outcome()
	t.line("Verdict: ", t.paint(decisionTint(outcome), word(outcome)+excuse(run)), ". ", safe.Terminal(advice(run)))
}

func policyText(p gate.PolicySource) string {
	s := p.Path
	if p.SHA256 != "" {
		s += ", sha256 " + p.SHA256
	}
	for i := len(p.Parts) - 2; i >= 0; i-- {
		s += "; on " + p.Parts[i].Name + ", sha256 " + p.Parts[i].SHA256
	}
	if p.Digest != "" {
		s += "; digest of all that applies " + p.Digest
	}
	return s
}

func databaseText(db *evidence.Database) string {
	s := "built " + db.UpdatedAt.UTC().Format("2006-01-02 15:04 UTC")
	if db.Digest != "" {
		s += ", " + db.Digest
	} else if db.FileSHA256 != "" {
		s += ", file " + db.FileSHA256
	}
	if db.Source != "" {
		s = db.Source + ", " + s
	}
	return s
}

// advice tells in one sentence what to do next.
func advice(run *gate.Run) string {
	failing, undecided := namesOf(run, policy.ResultFail), namesOf(run, policy.ResultUndecided)
	broken := slices.ContainsFunc(run.Results, func(r gate.Result) bool { return r.Err != nil }) || releaseFailure(run.Release) != nil
	switch outcome := run.Outcome(); {
	case run.Hypothetical:
		return "Hypothetical: this is the verdict for " + run.Started.UTC().Format(time.DateOnly) + " and not for today."
	case outcome == policy.Passed && run.SealedBy != "":
		return "The sealed evidence passes. Advisories that came out since are not known: use imagegate check to decide what ships today."
	case outcome == policy.Passed && run.Saved:
		return "The saved evidence passes. It is not sealed, so this does not say that an image may ship: use imagegate check for that."
	case outcome == policy.Passed && len(namesOf(run, policy.ResultWarn)) > 0:
		return "What was judged may ship; mind the warnings." + deployAdvice(run)
	case outcome == policy.Passed:
		return "What was judged may ship." + deployAdvice(run)
	case run.Excused():
		return "A person decided to promote it although it does not pass. Failing: " + sample(failing) + "; replace it before " + run.Promotion.Emergency.Until.UTC().Format(time.DateOnly) + " is over."
	case run.Unfinished():
		return "The promotion in an emergency did not finish. See the reason, then run it again. Failing: " + sample(failing) + "."
	case outcome == policy.Denied:
		return "Do not ship. Failing: " + sample(failing) + "; see \"to pass\"."
	case run.Promotion != nil && run.Promotion.Failed:
		return "Do not ship: the image passes, and its promotion did not finish. See the note, then run it again."
	case broken:
		return "Do not ship: the image could not be judged. See the reason, then run again."
	case len(undecided) > 0:
		return "Do not ship. Without an answer: " + sample(undecided) + "; see \"to pass\"."
	}
	return "Do not ship: nothing was judged."
}

// deployAdvice says how to deploy what passed. An image ID is no digest: nothing
// can be deployed by it.
func deployAdvice(run *gate.Run) string {
	if len(run.Results) == 0 {
		return ""
	}
	pushed := true
	for i := range run.Results {
		img := imageOf(&run.Results[i])
		if img.digest == "" {
			return ""
		}
		pushed = pushed && img.from == ""
	}
	if !pushed {
		return " Push it unchanged, and deploy it by its digest."
	}
	return " Deploy it by its digest."
}

// namesOf lists the rules with that result in any image, each once.
func namesOf(run *gate.Run, result policy.Result) []string {
	var names []string
	for _, o := range objections(run.Release) {
		if o.problem.Result == result && !slices.Contains(names, o.rule.Rule) {
			names = append(names, o.rule.Rule)
		}
	}
	for i := range run.Results {
		for _, rule := range rulesOf(&run.Results[i], result) {
			if !slices.Contains(names, rule.Rule) {
				names = append(names, rule.Rule)
			}
		}
	}
	return names
}

// sample joins the first few names.
func sample(names []string) string { return sampleOf(names, ", ") }

func sampleOf(names []string, separator string) string {
	const few = 5
	if len(names) <= few {
		return strings.Join(names, separator)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], separator), len(names)-few)
}
