package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// randomExceptions are exceptions of every kind, as wide as the language allows.
func randomExceptions(r *rand.Rand) string {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	images := `images: ["registry.example.no/**"]`
	var out []string
	for i := range 2 + r.IntN(6) {
		var e string
		switch r.IntN(5) {
		case 0:
			e = fmt.Sprintf("id: CVE-2026-%04d", r.IntN(6))
		case 1:
			e = fmt.Sprintf(`secret: %s, path: %s, content: "%s"`, pick("private-key", "aws"), pick("app/key.pem", "etc/passwd"), pick(contentA, contentB))
		case 2:
			e = fmt.Sprintf("license: %s, package: %s", pick("GPL-3.0", "unknown", "Zlib"), pick("zlib1g", "lodash"))
		case 3:
			e = fmt.Sprintf(`gap: %s, %s, cause: "cut off here", %s`, pick(exceptableGaps()...), images, pick("paths: [\"app/vendor/**\"]", `package: "pkg:npm/lodash@4.17.15"`))
		default:
			e = "rule: " + pick(slices.DeleteFunc(exceptableRules(), func(r string) bool { return slices.Contains(workloadRules(), r) })...) + ", " + images
		}
		out = append(out, fmt.Sprintf("- {%s, reason: r%d, expires: 2026-07-01}\n", e, i))
	}
	return strings.Join(out, "")
}

// withFaults adds what exceptions of every kind can be for, and what they cannot.
func withFaults(r *rand.Rand, img *evidence.Image) {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	if img.Scan.Coverage.Gaps != nil {
		for range r.IntN(4) {
			kinds := append(allGapKinds(), "brand-new")
			img.Scan.Coverage.Gaps = append(img.Scan.Coverage.Gaps, evidence.Gap{
				Kind: kinds[r.IntN(len(kinds))], Detail: pick("cut off here", "another cause"),
				Path: pick("", "app/vendor/x", "var/lib/dpkg/status", "app/main"), Package: pick("", "lodash 4.17.15"),
			})
		}
	}
	for range r.IntN(3) {
		img.Scan.Secrets = append(img.Scan.Secrets, evidence.Secret{
			RuleID: pick("private-key", "aws"), Path: pick("app/key.pem", "app/other"), Content: pick("", contentA, contentB), Severity: evidence.Severity(pick("high", "low")),
		})
	}
	if img.Config != nil && r.IntN(2) == 0 {
		img.Config.User, img.Config.Labels = pick("", "root", "app"), nil
	}
}

// Exceptions never change what they may not cover: the evidence, denied ids,
// the gaps that blind the scan, gaps at paths that decide, and every rule that
// is not exceptable. An exception also never makes an answer worse.
func TestExceptionsTouchNothingElse(t *testing.T) {
	const base = `version: 1
reference: {pin: digest, deny-tags: [latest]}
config: {user: numeric, require-labels: [a], deny-ports: [22]}
vulnerabilities: {max: {critical: 0, high: 0, medium: 0}, deny: [CVE-2026-0005]}
secrets: {max: 0}
licenses: {deny: ["GPL-*"]}
packages: {deny: [telnet], require: [zlib1g]}
coverage: {unattributed: {max: 0}}
`
	tried := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 10))
		img := randomImage(r)
		withFaults(r, img)
		exceptions := strings.ReplaceAll(randomExceptions(r), "CVE-2026-0005", "CVE-2026-0004") // a denied id is a mistake
		p, err := Parse("p", alone(base+"exceptions:\n"+exceptions))
		if err != nil {
			continue // two alike
		}
		tried++
		plain, with := mustParse(t, base).Evaluate(img, noon()), p.Evaluate(img, noon())
		for i, before := range plain.Rules {
			after := with.Rules[i]
			touchable := slices.Contains(exceptableRules(), before.Rule) || slices.Contains([]string{
				ruleMax, ruleSecrets, ruleLicenses, ruleExceptions,
				ruleCoverage + "scanner-errors", ruleCoverage + "no-advisories", ruleCoverage + "hidden-files",
			}, before.Rule)
			if before.Result != after.Result && !touchable {
				t.Errorf("seed %d: %s was %s and is %s with\n%s", seed, before.Rule, before.Result, after.Result, exceptions)
			}
			if !stops(before.Result) && stops(after.Result) {
				t.Errorf("seed %d: %s was %s and is %s with\n%s", seed, before.Rule, before.Result, after.Result, exceptions)
			}
		}
		for _, g := range img.Scan.Coverage.Gaps {
			rule := gapRule(g.Kind)
			covered := slices.Contains(exceptableGaps(), string(g.Kind)) && g.Detail == "cut off here" && !decides(g.Path)
			if res := result(t, with, rule); !covered && res.Result == ResultPass {
				t.Errorf("seed %d: %s passes with the gap %+v", seed, rule, g)
			}
		}
		for _, f := range with.Findings {
			if f.ID == "CVE-2026-0005" && f.Class != ClassBlocking {
				t.Errorf("seed %d: a denied finding is %s", seed, f.Class)
			}
		}
	}
	if tried < 150 {
		t.Errorf("only %d of the policies can be read", tried)
	}
}
