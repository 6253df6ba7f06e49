package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

const baselineHash = "5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b"

// baselinePolicy has the limits of the whole section but ceiling, which it takes.
func baselinePolicy(ceiling, more string) string {
	return "vulnerabilities: {max: {critical: 0, high: 0}}\nbaseline: {ceiling: " + ceiling + ", until: 2026-06-30, files: [" + baselineHash + "]" + more + "}\n"
}

// based gives the image findings, and the baseline others.
func based(old, now []evidence.Finding) func(*evidence.Image) {
	return func(img *evidence.Image) {
		b := goodImage()
		b.Scan.Findings, img.Scan.Findings = old, now
		for _, f := range old {
			b.Scan.Packages = append(b.Scan.Packages, *f.Package)
		}
		img.Baseline = &evidence.Baseline{Source: "released.json", SHA256: baselineHash, Image: b}
	}
}

// sealedBaseline takes the place of the hash by a signature, for one place of images.
const sealedBaseline = trusting + "vulnerabilities: {max: {high: 0}}\nbaseline: {ceiling: {high: 5}, until: 2026-06-30, signed-by: [a], image: \"registry.example.no/prod/*\"}\n"

// sealed gives the image the findings of a baseline that a signer sealed for an image
// of a project.
func sealed(findings []evidence.Finding, signer, project string) func(*evidence.Image) {
	return func(img *evidence.Image) {
		based(findings, findings)(img)
		b := img.Baseline
		b.SignedBy, b.Image.Reference.Name, b.Image.Reference.Source = []string{signer}, "registry.example.no/"+project+"/app", evidence.SourceRegistry
	}
}

func high(id, pkg, version string, aliases ...string) evidence.Finding {
	f := finding(id, evidence.SeverityHigh)
	f.Aliases = aliases
	f.Package.Name, f.Package.Version, f.Package.PURL = pkg, version, "pkg:npm/"+pkg+"@"+version
	return f
}

func these(findings ...evidence.Finding) []evidence.Finding { return findings }

func TestBaselineTable(t *testing.T) {
	p := baselinePolicy("{high: 5}", "")
	one := high("CVE-2026-0001", "a", "1", "GHSA-aaaa-bbbb-cccc")
	critical := clone(one)
	critical.Severity = evidence.SeverityCritical
	two := high("CVE-2026-0002", "a", "1")
	medium := clone(one)
	medium.Severity = evidence.SeverityMedium
	unrated := clone(one)
	unrated.Severity = evidence.SeverityUnknown
	with := func(change func(*evidence.Image), old, now []evidence.Finding) func(*evidence.Image) {
		return func(img *evidence.Image) {
			based(old, now)(img)
			change(img)
		}
	}
	runRuleCases(t, map[string]ruleCase{
		"the same":                          {p, based(these(one), these(one)), ruleMax, ResultPass, ""},
		"another version":                   {p, based(these(one), these(high("CVE-2026-0001", "a", "2"))), ruleMax, ResultPass, ""},
		"an alias":                          {p, based(these(one), these(high("GHSA-aaaa-bbbb-cccc", "a", "2"))), ruleMax, ResultPass, ""},
		"another vulnerability":             {p, based(these(one), these(high("CVE-2026-0002", "a", "2"))), ruleMax, ResultFail, ""},
		"another package":                   {p, based(these(one), these(high("CVE-2026-0001", "b", "1"))), ruleMax, ResultFail, ""},
		"one occurrence more":               {p, based(these(one), these(one, one)), ruleMax, ResultFail, "1 high"},
		"as many occurrences":               {p, based(these(one, one), these(one, one)), ruleMax, ResultPass, ""},
		"a new advisory, old package":       {p, based(these(one), these(one, high("CVE-2026-0009", "a", "1"))), ruleMax, ResultPass, ""},
		"a new advisory, new version":       {p, based(these(one), these(one, high("CVE-2026-0009", "a", "2"))), ruleMax, ResultFail, ""},
		"a new advisory, another OS":        {p, with(func(i *evidence.Image) { i.Scan.OS.Release = "13" }, these(one), these(one, high("CVE-2026-0009", "a", "1"))), ruleMax, ResultFail, ""},
		"more than the ceiling":             {baselinePolicy("{high: 1}", ""), based(these(one, high("CVE-2026-0002", "b", "1")), these(one, high("CVE-2026-0002", "b", "1"))), ruleMax, ResultFail, "1 high"},
		"a severity without a ceiling":      {p, based(these(critical), these(critical)), ruleMax, ResultFail, "1 critical"},
		"worse than before":                 {baselinePolicy("{high: 5, critical: 5}", ""), based(these(one), these(critical)), ruleMax, ResultFail, "1 critical"},
		"unrated":                           {p, based(these(unrated), these(unrated)), ruleMax, ResultFail, ""},
		"never":                             {baselinePolicy("{high: 5}", ", never: high"), based(these(one), these(one)), ruleMax, ResultFail, ""},
		"never, and worse than this":        {baselinePolicy("{high: 5}", ", never: critical"), based(these(one), these(one)), ruleMax, ResultPass, ""},
		"no baseline":                       {p, with(func(i *evidence.Image) { i.Baseline = nil }, these(one), these(one)), ruleMax, ResultFail, ""},
		"another file":                      {p, with(func(i *evidence.Image) { i.Baseline.SHA256 = strings.Repeat("0", 64) }, these(one), these(one)), ruleMax, ResultFail, ""},
		"no hash":                           {p, with(func(i *evidence.Image) { i.Baseline.SHA256 = "" }, these(one), these(one)), ruleMax, ResultFail, ""},
		"another platform":                  {p, with(func(i *evidence.Image) { i.Baseline.Image.Platform = "linux/arm64" }, these(one), these(one)), ruleMax, ResultFail, ""},
		"no packages were looked at":        {p, with(func(i *evidence.Image) { i.Baseline.Image.Scan.Need = 0 }, these(one), these(one)), ruleMax, ResultFail, ""},
		"no image":                          {p, with(func(i *evidence.Image) { i.Baseline.Image = nil }, these(one), these(one)), ruleMax, ResultFail, ""},
		"exploited, which only warns":       {p + "exploited: {kev: warn}\n", with(func(i *evidence.Image) { i.Scan.Exploited.Known = []evidence.Exploitation{listedID} }, these(one), these(one)), ruleMax, ResultFail, ""},
		"denied, which only warns":          {"levels: {vulnerabilities.deny: warn}\n" + strings.Replace(p, "max:", "deny: [CVE-2026-0001], max:", 1), based(these(one), these(one)), ruleMax, ResultFail, ""},
		"what it covers is said":            {p, based(these(one), these(one)), ruleBaseline, ResultWarn, "1 finding of the baseline released.json does not block until 2026-06-30"},
		"what blocks all the same is said":  {baselinePolicy("{high: 1}", ""), based(these(one, two), these(one, two)), ruleBaseline, ResultWarn, "1 more high, which it has too: the ceiling allows 1"},
		"a severity that is left out":       {p, based(these(unrated), these(unrated)), ruleBaseline, ResultWarn, "1 more unknown, which it has too: the ceiling allows 0"},
		"what does not block is not said":   {p, based(these(medium), these(medium)), ruleBaseline, ResultPass, "no finding needs the baseline"},
		"nothing to cover":                  {p, based(these(one), nil), ruleBaseline, ResultPass, ""},
		"an image by its digest":            {strings.Replace(p, "files: ["+baselineHash+"]", "digests: [\""+digestA+"\"]", 1), with(func(i *evidence.Image) { i.Baseline.SHA256 = "" }, these(one), these(one)), ruleMax, ResultPass, ""},
		"a file by the digest of its image": {strings.Replace(p, "files: ["+baselineHash+"]", "digests: [\""+digestA+"\"]", 1), based(these(one), these(one)), ruleMax, ResultFail, ""},
		"an image by another digest":        {strings.Replace(p, "files: ["+baselineHash+"]", "digests: [\"sha256:"+baselineHash+"\"]", 1), with(func(i *evidence.Image) { i.Baseline.SHA256 = "" }, these(one), these(one)), ruleMax, ResultFail, ""},
		"sealed by the signer":              {sealedBaseline, sealed(these(one), "a", "prod"), ruleMax, ResultPass, ""},
		"sealed by another signer":          {sealedBaseline, sealed(these(one), "b", "prod"), ruleMax, ResultFail, ""},
		"sealed, of another image":          {sealedBaseline, sealed(these(one), "a", "test"), ruleMax, ResultFail, ""},
		"a secret":                          {p + "secrets: {max: 0}\n", func(i *evidence.Image) { secret("high")(i); based(nil, nil)(i); secret("high")(i.Baseline.Image) }, "secrets", ResultFail, ""},
		"a gap": {p, func(i *evidence.Image) {
			gap(evidence.GapPackageDatabase)(i)
			based(nil, nil)(i)
			gap(evidence.GapPackageDatabase)(i.Baseline.Image)
		}, ruleCoverage + string(evidence.GapPackageDatabase), ResultUndecided, ""},
	})
}

// A baseline ends.
func TestBaselineEnds(t *testing.T) {
	p := mustParse(t, "version: 1\ncoverage: {database-max-age: 90d}\n"+baselinePolicy("{high: 5}", ""))
	one := high("CVE-2026-0001", "a", "1")
	img := goodImage()
	based(these(one), these(one))(img)
	for day, want := range map[int]Decision{30: Passed, 31: Denied} { // of June
		if got := p.Evaluate(img, noon().AddDate(0, 0, day-15)).Decision; got != want {
			t.Errorf("June %d: %s, want %s", day, got, want)
		}
	}
	f := p.Evaluate(img, noon()).Findings[0]
	if f.Class != ClassBaseline || !strings.Contains(f.Reason, "from 2026-07-01 on") {
		t.Errorf("%s: %s", f.Class, f.Reason)
	}
}

// A baseline that no hash names has to be sealed by a signer whom the policy names, and
// to be of an image that it names.
func TestSealedBaseline(t *testing.T) {
	one := high("CVE-2026-0001", "a", "1")
	for name, tt := range map[string]struct {
		change func(*evidence.Baseline)
		want   bool
	}{
		"sealed":               {func(*evidence.Baseline) {}, true},
		"by several":           {func(b *evidence.Baseline) { b.SignedBy = []string{"c", "a"} }, true},
		"by another signer":    {func(b *evidence.Baseline) { b.SignedBy = []string{"b"} }, false},
		"not sealed":           {func(b *evidence.Baseline) { b.SignedBy = nil }, false},
		"of another image":     {func(b *evidence.Baseline) { b.Image.Reference.Name = "registry.example.no/test/app" }, false},
		"of a deeper image":    {func(b *evidence.Baseline) { b.Image.Reference.Name = "registry.example.no/prod/x/app" }, false},
		"of an image here":     {func(b *evidence.Baseline) { b.Image.Reference.Source = evidence.SourceOCI }, false},
		"judged from another":  {func(b *evidence.Baseline) { b.Image.Reference.JudgedFrom = "oci:bad" }, false},
		"an image, not a file": {func(b *evidence.Baseline) { b.SHA256 = "" }, false},
	} {
		p := mustParse(t, "version: 1\n"+sealedBaseline)
		img := goodImage()
		sealed(these(one), "a", "prod")(img)
		b := img.Baseline
		tt.change(b)
		if got := p.BaselineAllowed(b); got != tt.want {
			t.Errorf("%s: allowed is %v", name, got)
		}
		if got := p.Evaluate(img, noon()).Findings[0].Class == ClassBaseline; got != tt.want {
			t.Errorf("%s: covered is %v", name, got)
		}
	}
}

// A baseline covers no more findings of a severity than it has, than the ceiling, and
// never more occurrences of one than it has.
func TestBaselineNeverCoversMore(t *testing.T) {
	p := mustParse(t, "version: 1\nvulnerabilities: {max: {critical: 0, high: 0, medium: 0, low: 0}, grace: {low: 90d}}\n"+
		"exploited: {kev: warn}\nbaseline: {ceiling: {critical: 1, high: 3, medium: 2, low: 9}, until: 2026-06-30, files: ["+baselineHash+"]}\n")
	random := func(r *rand.Rand) []evidence.Finding {
		var out []evidence.Finding
		for range r.IntN(9) {
			f := high(fmt.Sprintf("CVE-2026-%04d", r.IntN(4)), fmt.Sprint("p", r.IntN(2)), fmt.Sprint(r.IntN(2)))
			f.Severity = evidence.Severities()[r.IntN(5)]
			if r.IntN(3) == 0 {
				f.Aliases = []string{fmt.Sprintf("GHSA-aaaa-bbbb-cc%02d", r.IntN(3))}
			}
			out = append(out, f)
		}
		return out
	}
	covered := 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 9))
		img := goodImage()
		based(random(r), random(r))(img)
		if r.IntN(2) == 0 {
			img.Scan.Exploited.Known = []evidence.Exploitation{listedID}
		}
		v := p.Evaluate(img, noon())
		without := *img
		without.Baseline = nil
		w := p.Evaluate(&without, noon())
		if v.Decision == Denied && w.Decision == Passed {
			t.Fatalf("seed %d: the baseline makes it worse", seed)
		}
		count, have := map[evidence.Severity]int{}, map[evidence.Severity]int{}
		exact, had := map[string]int{}, map[string]int{}
		for _, f := range v.Findings {
			if f.Class == ClassBaseline {
				covered++
				count[f.Severity]++
				exact[PackageIdentity(f.Package)+f.ID]++
				if f.KEV != nil {
					t.Fatalf("seed %d: an exploited finding is covered", seed)
				}
			}
		}
		for _, f := range img.Baseline.Image.Scan.Findings {
			have[f.Severity]++
			had[PackageIdentity(f.Package)]++
		}
		for sev, n := range count {
			if limit := map[evidence.Severity]int{"critical": 1, "high": 3, "medium": 2, "low": 9}[sev]; n > limit {
				t.Fatalf("seed %d: %d %s findings are covered, the ceiling is %d", seed, n, sev, limit)
			}
		}
		if len(img.Baseline.Image.Scan.Packages) == 1 && len(exact) > 0 { // only the package of the good image
			t.Fatalf("seed %d: a baseline without findings covers %v", seed, exact)
		}
	}
	if covered < 50 {
		t.Errorf("only %d findings were covered", covered)
	}
}

func TestBaselineKeysThatMakeNoSense(t *testing.T) {
	for src, want := range map[string]string{
		"baseline: {until: 2026-06-30, files: [" + baselineHash + "]}":                                                      "no ceiling",
		"baseline: {ceiling: {high: 1}, files: [" + baselineHash + "]}":                                                     "no until",
		"baseline: {ceiling: {high: 1}, until: 2026-06-30}":                                                                 "neither files nor digests nor signers",
		trusting + "baseline: {ceiling: {high: 1}, until: 2026-06-30, signed-by: [a]}":                                      "has no image",
		"baseline: {ceiling: {high: 1}, until: 2026-06-30, image: registry.example.no/prod/app}":                            "without signed-by",
		"baseline: {ceiling: {high: 1}, until: 2026-06-30, signed-by: [a], image: registry.example.no/prod/app}":            "trusts no signer",
		trusting + "baseline: {ceiling: {high: 1}, until: 2026-06-30, signed-by: [x], image: registry.example.no/prod/app}": "trust does not list",
		trusting + "baseline: {ceiling: {high: 1}, until: 2026-06-30, signed-by: [a], image: \"**\"}":                       "names no repository",
		trusting + "baseline: {ceiling: {high: 1}, until: 2026-06-30, signed-by: [a], image: \"oci:build\"}":                "names no repository",
		trusting + "baseline: {ceiling: {high: 1}, until: 2026-06-30, signed-by: [a], image: registry.example.no/app:1}":    "has a tag",
		"baseline: {ceiling: {high: unlimited}, until: 2026-06-30, files: [" + baselineHash + "]}":                          "unlimited",
		"baseline: {ceiling: 5, until: 2026-06-30, files: [x]}":                                                             "no such hash",
		"baseline: {ceiling: {high: 1}, until: 2026-06-30, digests: [" + baselineHash + "]}":                                "no such hash",
		"baseline: {ceiling: {high: 1}, until: never, files: [" + baselineHash + "]}":                                       "last day",
	} {
		_, err := Parse("p", []byte("version: 1\nvulnerabilities: {max: {critical: 0}}\n"+src+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", src, err, want)
		}
	}
}

var _ = addValues(baselineValues())

// baselineValues are the rows of keyValues for the section.
func baselineValues() map[string]values {
	const until, named = "until: 2027-03-31", "files: [" + baselineHash + "]"
	with := func(lines ...string) string { return "baseline: {" + strings.Join(lines, ", ") + "}\n" }
	const ceiling = "ceiling: {critical: 1}"
	other := strings.Repeat("b", 64)
	out := map[string]values{
		ruleBaselineUntil:   {with: with(ceiling, named), base: "2027-03-31", loose: []string{"2027-04-01"}, strict: []string{"2027-03-31", "2027-03-30"}},
		ruleBaselineNever:   {with: with(ceiling, until, named), base: "high", loose: []string{"critical"}, strict: []string{"high", "low"}},
		ruleBaselineFiles:   {with: with(ceiling, until), base: "[" + baselineHash + "]", loose: []string{"[" + baselineHash + ", " + other + "]"}, strict: []string{"[" + baselineHash + "]"}},
		ruleBaselineDigests: {with: with(ceiling, until), base: "['sha256:" + baselineHash + "']", loose: []string{"['sha256:" + other + "']", "['sha256:" + baselineHash + "', 'sha256:" + other + "']"}, strict: []string{"['sha256:" + baselineHash + "']"}},
	}
	signed := trusting + with(ceiling, until, "signed-by: [a, b]")
	out[ruleBaselineBy] = values{with: trusting + with(ceiling, until, "image: registry.example.no/prod/app"), base: "[a, b]", loose: []string{"[c]", "[a, c]"}, strict: []string{"[a]"}}
	out[ruleBaselineImage] = values{with: signed, base: "registry.example.no/prod/*", loose: []string{"registry.example.no/**", "registry.example.no/test/app"}, strict: []string{"registry.example.no/prod/app"}}
	for _, sev := range severityWords() {
		out[ruleBaseline+"."+sev] = values{with: with(until, named), base: "5", loose: []string{"6"}, strict: []string{"5", "0"}}
	}
	return out
}
