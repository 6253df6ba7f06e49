package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Class is the one class that a finding ends in.
type Class string

// The classes. Their counts add up to the number of findings.
const (
	ClassBlocking       Class = "blocking"
	ClassBelowThreshold Class = "below-threshold"
	ClassGrace          Class = "grace"
	ClassUnfixed        Class = "unfixed"
	ClassDistroOwned    Class = "distro-owned"
	ClassIgnoredType    Class = "ignored-type"
	ClassExcepted       Class = "excepted"
)

// ClassStep is one row of the table of classes: a question that is asked of
// every finding, and the class of the findings for which the answer is yes.
type ClassStep struct {
	Class Class
	// Rule is the rule that decides.
	Rule string
	// When completes the sentence "a finding is in this class when ...".
	When string
	// Softens is true where the class keeps a finding from blocking.
	Softens bool

	// takes reports whether a finding is in the class, and then says why. nil
	// marks the last steps, which count all findings that are left.
	takes func(j *judge, f *Judged) bool
	// unless says why a finding is not in the class.
	unless func(j *judge, f *Judged) string
}

// ClassSteps returns the table of classes. Every finding is asked the questions
// in this order and gets the class of the first that it answers with yes.
//
// Steps that tighten come before steps that soften, so that no exception and no
// other setting lets pass a finding that is denied by its id or exploited. The deadline
// of exploited findings comes later: it is for policies that only warn of them, so that
// exceptions and missing fixes soften it. No limit of a severity does.
func ClassSteps() []ClassStep {
	return []ClassStep{
		{ClassBlocking, ruleDeny, "`vulnerabilities.deny` names it", false, (*judge).isDenied, (*judge).notDenied},
		{ClassBlocking, ruleKEV, "`exploited.kev` is `fail`, and the catalogue of exploited vulnerabilities lists it", false, (*judge).isListed, (*judge).notListed},
		{ClassBlocking, ruleEPSS, "its probability of exploitation reaches a limit of `exploited.epss`", false, (*judge).isLikely, (*judge).notLikely},
		{ClassExcepted, ruleExceptions, "an exception covers it", true, (*judge).isExcepted, (*judge).notExcepted},
		{ClassNotAffected, ruleVEX, "a document of `vex.files` says that it does not affect the image", true, (*judge).isNotAffected, (*judge).notNotAffected},
		{ClassIgnoredType, ruleTypes, "`vulnerabilities.types` does not list the type of its package", true, (*judge).isIgnoredType, (*judge).notIgnoredType},
		{ClassDistroOwned, ruleDistroOwned, "it is about a language package that the distribution installed, and `vulnerabilities.distro-owned` is `warn` or `ignore`", true, (*judge).isDistroOwned, (*judge).notDistroOwned},
		{ClassUnfixed, ruleUnfixed, "it has no fixed version, and `vulnerabilities.unfixed` is `warn` or `ignore`", true, (*judge).isUnfixed, (*judge).notUnfixed},
		{ClassGrace, ruleGrace, "it was published less than `vulnerabilities.grace` ago, or its deadline of `deadlines` is not over", true, (*judge).isInGrace, (*judge).notInGrace},
		{ClassBaseline, ruleBaseline, "the image of `--baseline` has it too, and `baseline` covers it", true, (*judge).isInBaseline, (*judge).notInBaseline},
		{ClassBlocking, ruleMax, "more findings of its severity are left than `vulnerabilities.max` allows", false, nil, nil},
		{ClassBlocking, ruleDeadlines, "it is left, and its deadline by a row of `deadlines` with `kev` or `epss` is over", false, nil, nil},
		{ClassBelowThreshold, ruleMax, "it is left, and `vulnerabilities.max` allows it", true, nil, nil},
	}
}

// Classes lists every class in the order of reports: what blocks, and then what
// is next to block.
func Classes() []Class {
	return []Class{
		ClassBlocking, ClassGrace, ClassBaseline, ClassUnfixed, ClassBelowThreshold, ClassDistroOwned, ClassExcepted, ClassNotAffected, ClassIgnoredType,
	}
}

// classSteps are the steps that ask about one finding at a time.
var classSteps = slices.DeleteFunc(ClassSteps(), func(s ClassStep) bool { return s.takes == nil })

// classify puts every finding into exactly one class.
func (j *judge) classify() {
	j.index = newExceptionIndex(j.policy)
	counts := map[evidence.Severity]int{}
	if j.img.Scan != nil {
		j.findings = slices.Grow(j.findings, len(j.img.Scan.Findings))
		// One variable for all: a step is a value of a function, so that what it is
		// given is allocated. No step keeps it.
		var f Judged
		for i := range j.img.Scan.Findings {
			f = Judged{Finding: &j.img.Scan.Findings[i]}
			f.Severity = j.severity(f.Finding)
			j.mark(&f)
			j.markDeadline(&f)
			j.place(&f)
			if f.Class == "" {
				counts[f.Severity]++
			}
			j.findings = append(j.findings, f)
		}
	}
	j.weighAll(counts)
	j.relied = j.index.blocksForTooLong(j.findings)
	sortFindings(j.findings)
}

// place gives a finding the class that does not depend on other findings.
// Findings without such a class count against the limits.
func (j *judge) place(f *Judged) {
	// Every exception is compared with the finding, also when an earlier step
	// takes the finding: the report says what became of each exception.
	j.covering = j.index.find(j, f)
	for i := range classSteps {
		s := &classSteps[i]
		if !s.takes(j, f) {
			j.explainNo(s, f)
			continue
		}
		if f.Class = s.Class; s.Class == ClassBlocking {
			f.Rule = s.Rule
		}
		j.explainYes(s, f)
		return
	}
}

func (j *judge) isDenied(f *Judged) bool {
	id := j.deniedID(f.Finding)
	if id == "" || j.s.level(ruleDeny) != levelFail {
		return false
	}
	f.Reason = id + " is denied"
	return true
}

// deniedID returns the id of the finding that the policy denies, or "".
func (j *judge) deniedID(f *evidence.Finding) string {
	for _, id := range denyKey.value(j.s) {
		if HasID(f, id) {
			return id
		}
	}
	return ""
}

func (j *judge) isExcepted(f *Judged) bool {
	e := j.covering
	if e == nil {
		return false
	}
	f.Exception = &e.Exception
	f.Reason = fmt.Sprintf("exception until %s: %s", e.Expires.Format(time.DateOnly), e.Reason)
	return true
}

func (j *judge) isIgnoredType(f *Judged) bool {
	if j.s.judgesType(f.Package.Type, f.Package.Class) {
		return false
	}
	f.Reason = fmt.Sprintf("the policy does not judge packages of type %s", f.Package.Type)
	return true
}

// isDistroOwned reports a language package that the distribution installed.
// Its maintainers patch it without raising its version, and publish advisories
// for the package that they made of it. The advisories for the version alone
// know nothing of that.
func (j *judge) isDistroOwned(f *Judged) bool {
	if distroOwnedKey.value(j.s) == levelFail || !j.distroOwned(f.Package) {
		return false
	}
	f.Reason = fmt.Sprintf("installed by the distribution's package %s, whose advisories count instead", f.Package.OwnedBy)
	return true
}

// distroOwned reports whether a package is proven to belong to the
// distribution. An owner that is not among the OS packages of the image owns
// nothing: then the evidence contradicts itself.
func (j *judge) distroOwned(p *evidence.Package) bool {
	if p.OwnedBy == "" || p.Class != evidence.ClassLanguage {
		return false
	}
	if j.osPackages == nil {
		j.osPackages = map[string]bool{}
		for i := range j.img.Scan.Packages {
			if o := &j.img.Scan.Packages[i]; o.Class == evidence.ClassOS {
				j.osPackages[o.Name] = true
			}
		}
	}
	name, _, _ := strings.Cut(p.OwnedBy, " ")
	return j.osPackages[name]
}

func (j *judge) isUnfixed(f *Judged) bool {
	if f.FixedVersion != "" || unfixedKey.value(j.s).level(f.Severity, f.Status) == levelFail {
		return false
	}
	f.Reason = "there is no fixed version"
	return true
}

// minuteForm is how reports write a moment.
const minuteForm = "2006-01-02 15:04 UTC"

// isInGrace gives grace. A date of publication in the future would give it for
// as long as the date says, so it gives none.
func (j *judge) isInGrace(f *Judged) bool {
	if len(deadlinesKey.value(j.s)) > 0 {
		return j.isBeforeDeadline(f)
	}
	grace := graceKey.at(j.s, f.Severity).value
	if grace == 0 || f.Published == nil || f.Published.After(j.now.Add(futureToleranceHours*time.Hour)) {
		return false
	}
	until := f.Published.Add(grace)
	if !j.now.Before(until) {
		return false
	}
	f.GraceUntil = until
	f.Reason = fmt.Sprintf("published %s, grace until %s", f.Published.UTC().Format(time.DateOnly), until.UTC().Format(minuteForm))
	return true
}
