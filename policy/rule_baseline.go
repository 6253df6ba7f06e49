package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	ruleBaseline        = "baseline.ceiling"
	ruleBaselineUntil   = "baseline.until"
	ruleBaselineNever   = "baseline.never"
	ruleBaselineFiles   = "baseline.files"
	ruleBaselineDigests = "baseline.digests"
)

// ClassBaseline is the class of findings that the baseline has already.
const ClassBaseline Class = "baseline"

var (
	baselineCeilingKey = perSeverity(ruleBaseline, "How many findings of each severity the baseline may keep from blocking. A severity left out is not covered.",
		numberSchema(), (*decoder).count, smaller[int], new(int))
	baselineUntilKey = &setting[time.Time]{
		path: ruleBaselineUntil, doc: "The last day on which the baseline applies, UTC.", schema: pattern(dayForm.String()),
		read: (*decoder).day, order: func(child, base time.Time) bool { return !child.After(base) },
	}
	baselineNeverKey = neverFrom(ruleBaselineNever, "The severity from which on the baseline covers nothing.")
	// A list of baselines in a policy above a pinned base would let pass what the base
	// refuses, also where the base names none.
	baselineFilesKey = &setting[[]string]{
		path: ruleBaselineFiles, doc: "SHA-256 hashes of the files of evidence that may be baselines.",
		schema: listOf(pattern(hexForm.String())), read: hashes(hexForm), order: shorter(same), unset: &[]string{},
	}
	baselineDigestsKey = &setting[[]string]{
		path: ruleBaselineDigests, doc: "Digests of the images that may be baselines.",
		schema: listOf(pattern(baselineDigestForm.String())), read: hashes(baselineDigestForm), order: shorter(same), unset: &[]string{},
	}
	baselineDigestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// hashes reads a list of hashes.
func hashes(form *regexp.Regexp) func(*decoder, *yaml.Node, string) ([]string, bool) {
	return func(d *decoder, n *yaml.Node, name string) ([]string, bool) {
		return listOfForm(d, n, name, true, form, "write it as "+strings.Trim(form.String(), "^$"), ", which is no such hash")
	}
}

func baselineSection() section {
	const (
		hash    = "5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b"
		ceiling = "baseline:\n  ceiling: {high: 20}\n"
		until   = "  until: 2027-03-31\n"
		example = ceiling + until
		files   = "  files: [" + hash + "]\n"
	)
	return section{name: "baseline", doc: "An image whose findings do not block again: only new ones do.", rules: slices.Concat([]*Rule{
		{
			ID: ruleBaseline, Title: "How many findings of a severity the baseline may keep from blocking.",
			Why: "A team that begins with hundreds of findings can at least stop new ones; the ceiling keeps the pile from growing.",
			How: "fix the findings before the baseline ends",
			Settings: "For each of critical, high, medium, low and unknown a number. A finding is in the baseline if the image of --baseline has it too: the same package, in whatever version, and a " +
				"vulnerability that has an id in common. It covers at most as many occurrences as the baseline has, and no denied or exploited finding. Gaps, secrets and the config are never covered.",
			Default:  "no baseline",
			Example:  example + files,
			keys:     []key{baselineCeilingKey},
			modifies: true, check: checkBaseline,
		},
		{
			ID: ruleBaselineUntil, Title: "The last day on which the baseline applies.", Setting: true,
			Why: "A baseline is a plan to get rid of it.", How: "fix the findings",
			Settings: "a day such as 2027-03-31; it applies through its end, UTC", Default: "must be set with a ceiling",
			Example: example + files,
			keys:    []key{baselineUntilKey}, modifies: true,
		},
		{
			ID: ruleBaselineNever, Title: "The severity from which on the baseline covers nothing.", Setting: true,
			Why: "Some findings are too bad to wait.", How: "fix the findings",
			Settings: "critical, high, medium or low. Findings without a severity count as high.", Default: "none",
			Example: ceiling + "  never: critical\n" + until + files,
			keys:    []key{baselineNeverKey}, modifies: true,
		},
		{
			ID: ruleBaselineFiles, Title: "Which files of evidence may be baselines.", Setting: true,
			Why: "Whoever can write the file could lower the bar.", How: "name the hash of the file",
			Settings: "a list of SHA-256 hashes in hex, as sha256sum prints them", Default: "none",
			Example: example + files,
			keys:    []key{baselineFilesKey}, modifies: true,
		},
		{
			ID: ruleBaselineDigests, Title: "Which images may be baselines.", Setting: true,
			Why: "Whoever can push the image could lower the bar.", How: "name the digest of the image",
			Settings: "a list of digests, of an index or of a platform's manifest", Default: "none",
			Example: example + "  digests: [\"sha256:" + hash + "\"]\n",
			keys:    []key{baselineDigestsKey}, modifies: true,
		},
	}, sealedBaselineRules(example))}
}

// TakesBaseline reports whether the policy or an override has the section baseline.
func (p *Policy) TakesBaseline() bool {
	return slices.ContainsFunc(p.everySettings(), func(s *settings) bool { _, set := s.set(baselineCeilingKey); return set })
}

// BaselineAllowed reports whether the policy or an override names a baseline: by the
// hash of its file, by who sealed it, or by the digest of its image.
func (p *Policy) BaselineAllowed(b *evidence.Baseline) bool {
	return slices.ContainsFunc(p.everySettings(), func(s *settings) bool { return s.allowsBaseline(b) })
}

func (s *settings) allowsBaseline(b *evidence.Baseline) bool {
	if b == nil || b.Image == nil {
		return false
	}
	if b.SHA256 != "" {
		return slices.Contains(baselineFilesKey.value(s), b.SHA256) || s.takesSealedBaseline(b)
	}
	digests := baselineDigestsKey.value(s)
	return b.Image.Digest != "" && slices.Contains(digests, b.Image.Digest) || b.Image.IndexDigest != "" && slices.Contains(digests, b.Image.IndexDigest)
}

// baselineState is what is left of a baseline while findings are classified.
type baselineState struct {
	problem     string // why it covers nothing, "" when it does
	groups      []int  // of the findings of the image, by their place
	occurrences map[int]int
	left        map[evidence.Severity]int // under the ceiling
	covered     int
	limited     map[evidence.Severity]bool // severities of which the baseline has more than the ceiling allows
	above       map[*evidence.Finding]bool // findings that the baseline has, and that the ceiling does not cover
}

// baseline returns the state of the baseline; it is made when it is first asked for.
func (j *judge) baseline() *baselineState {
	if j.base == nil {
		j.base = &baselineState{problem: j.baselineProblem()}
		if j.base.problem == "" {
			j.countBaseline()
		}
	}
	return j.base
}

// baselineProblem says why no finding is in a baseline, or "".
func (j *judge) baselineProblem() string {
	b := j.img.Baseline
	until := baselineUntilKey.of(j.s)
	_, asked := j.s.set(baselineCeilingKey)
	switch {
	case !asked || !until.set:
		return "the policy has no baseline"
	case b == nil:
		return "no baseline was given"
	case !j.s.allowsBaseline(b):
		return "the policy does not name the baseline " + b.Source
	case !j.now.Before(until.value.AddDate(0, 0, 1)):
		return "the baseline ended on " + until.value.Format(time.DateOnly)
	case b.Image.Platform != j.img.Platform:
		return "the baseline is of " + b.Image.Platform
	case b.Image.Scanned(evidence.NeedPackages) == nil:
		return "packages of the baseline were not looked at"
	}
	return ""
}

// countBaseline counts what the baseline has. Both images are judged by the same
// advisories: a package of the baseline in the version that a finding of the image is
// about has the same finding, also when its evidence was collected before that was
// known.
func (j *judge) countBaseline() {
	b, s := j.img.Baseline.Image.Scan, j.base
	known := slices.Clone(b.Findings)
	known = append(known, j.laterFindings(b)...)
	groups := GroupFindings(j.img.Scan.Findings, known)
	s.groups, s.occurrences, s.left, s.limited = groups[0], map[int]int{}, map[evidence.Severity]int{}, map[evidence.Severity]bool{}
	s.above = map[*evidence.Finding]bool{}
	have := map[evidence.Severity]int{}
	for i := range known {
		s.occurrences[groups[1][i]]++
		have[j.severity(&known[i])]++
	}
	for _, sev := range evidence.Severities() {
		ceiling := baselineCeilingKey.at(j.s, sev).value
		s.left[sev], s.limited[sev] = min(have[sev], ceiling), have[sev] > ceiling
	}
}

// laterFindings are findings of the image in packages that the baseline has in the same
// version, and that its evidence does not list.
func (j *judge) laterFindings(b *evidence.Scan) []evidence.Finding {
	if !sameOS(b.OS, j.img.Scan.OS) {
		return nil
	}
	type exact struct{ identity, version string }
	of := func(p *evidence.Package) exact { return exact{PackageIdentity(p), p.Version} }
	packages := map[exact]int{}
	for i := range b.Packages {
		packages[of(&b.Packages[i])]++
	}
	type one struct {
		exact
		id string
	}
	listed := map[one]int{}
	for i := range b.Findings {
		f := &b.Findings[i]
		listed[one{of(f.Package), strings.ToUpper(f.ID)}]++
		for _, a := range f.Aliases {
			listed[one{of(f.Package), strings.ToUpper(a)}]++
		}
	}
	var out []evidence.Finding
	added := map[one]bool{}
	for i := range j.img.Scan.Findings {
		f := &j.img.Scan.Findings[i]
		at := of(f.Package)
		have := 0
		for _, id := range append([]string{f.ID}, f.Aliases...) {
			have = max(have, listed[one{at, strings.ToUpper(id)}])
		}
		key := one{at, strings.ToUpper(f.ID)}
		if added[key] {
			continue
		}
		added[key] = true
		for range packages[at] - have {
			out = append(out, *f)
		}
	}
	return out
}

func sameOS(a, b *evidence.OS) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Family == b.Family && a.Release == b.Release
}

// isInBaseline reports a finding that the baseline has already.
func (j *judge) isInBaseline(f *Judged) bool {
	why, above := j.outsideBaseline(f)
	if above {
		j.base.above[f.Finding] = true
	}
	if why != "" {
		return false
	}
	b := j.baseline()
	b.occurrences[b.groups[len(j.findings)]]--
	b.left[f.Severity]--
	b.covered++
	f.Reason = "the baseline has it already; it blocks from " + baselineUntilKey.value(j.s).AddDate(0, 0, 1).Format(time.DateOnly) + " on"
	return true
}

// notInBaseline says why a finding is not in the baseline.
func (j *judge) notInBaseline(f *Judged) string {
	why, _ := j.outsideBaseline(f)
	return why
}

// outsideBaseline says why a finding is not in the baseline, "" when it is. above is
// true when the baseline has the finding and only the ceiling keeps it out.
func (j *judge) outsideBaseline(f *Judged) (why string, above bool) {
	if j.img.Baseline == nil {
		return "no baseline was given", false
	}
	b := j.baseline()
	if b.problem != "" {
		return b.problem, false
	}
	if why := j.tooBad(f, "baseline", ruleBaselineNever, baselineNeverKey); why != "" {
		return why, false
	}
	switch {
	case j.overdue[f.Finding] != "":
		return j.overdue[f.Finding] + ", and no baseline covers that", false
	case b.occurrences[b.groups[len(j.findings)]] <= 0:
		return "the baseline does not have it, or not as often", false
	case b.left[f.Severity] <= 0 && !b.limited[f.Severity]:
		return fmt.Sprintf("the baseline has no more %s findings", f.Severity), false
	case b.left[f.Severity] <= 0:
		return fmt.Sprintf("the baseline has it too, and %s allows no more %s findings", ruleBaseline, f.Severity), true
	}
	return "", false
}

// checkBaseline reports what the baseline keeps from blocking.
func checkBaseline(j *judge) answer {
	b := j.baseline()
	until := baselineUntilKey.value(j.s).Format(time.DateOnly)
	above := map[evidence.Severity]int{} // that block
	for i := range j.findings {
		if f := &j.findings[i]; f.Class == ClassBlocking && b.above[f.Finding] {
			above[f.Severity]++
		}
	}
	switch {
	case b.problem != "":
		return passing("%s: every finding counts", b.problem)
	case b.covered == 0 && len(above) == 0:
		return passing("no finding needs the baseline, which ends on %s", until)
	}
	verb := "do"
	if b.covered == 1 {
		verb = "does"
	}
	a := answer{
		result: ResultWarn, message: fmt.Sprintf("%s of the baseline %s %s not block until %s", words.Plural(b.covered, "finding"), j.img.Baseline.Source, verb, until),
		allowed: "what the baseline has, up to the ceiling, until " + until,
	}
	for _, sev := range evidence.Severities() {
		if n := above[sev]; n > 0 {
			a.details = append(a.details, fmt.Sprintf("%d more %s, which it has too: the ceiling allows %d", n, sev, baselineCeilingKey.at(j.s, sev).value))
		}
	}
	return a
}

// checkBaselineKeys reports a baseline without an end, without a ceiling, or that no
// file and no image can be.
func (d *decoder) checkBaselineKeys(p *Policy) {
	for _, s := range p.everySettings() {
		at, any := s.set(baselineCeilingKey, baselineUntilKey, baselineNeverKey, baselineFilesKey, baselineDigestsKey, baselineByKey, baselineImageKey)
		if !any {
			continue
		}
		_, ceiling := s.set(baselineCeilingKey)
		_, until := s.set(baselineUntilKey)
		_, named := s.set(baselineFilesKey, baselineDigestsKey, baselineByKey, baselineImageKey)
		switch {
		case !ceiling:
			d.failPos(at, "add ceiling: {high: 20}", "baseline has no ceiling, so it covers nothing")
		case !until:
			d.failPos(at, "add until: 2027-03-31", "baseline has no until: a baseline ends")
		case !named:
			d.failPos(at, "add files with the SHA-256 hash of the evidence, digests, or signed-by with image", "baseline names neither files nor digests nor signers, so no baseline can be used")
		default:
			mistakes := len(d.diags)
			if d.checkSealedBaseline(p, s); len(d.diags) == mistakes {
				continue
			}
		}
		return
	}
}
