package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// statementOf writes a statement about lodash in the good image.
func statementOf(id, status, date, product string) string {
	why := ""
	if status == "not_affected" {
		why = `, "justification": "vulnerable_code_not_in_execute_path"`
	}
	return fmt.Sprintf(`{"vulnerability": {"name": %q}, "products": [%s], "status": %q, "timestamp": %q%s}`, id, product, status, date, why)
}

const (
	lodashProduct = `{"@id": "pkg:npm/lodash@4.17.15"}`
	vexDay        = "2026-06-01T00:00:00Z"
)

func documentOf(statements ...string) string {
	return `{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.no/vex/1", "author": "shop", "version": 1, "timestamp": "` + vexDay +
		`", "statements": [` + strings.Join(statements, ", ") + `]}`
}

func hashOf(src string) string {
	sum := sha256.Sum256([]byte(src))
	return hex.EncodeToString(sum[:])
}

// vexPolicyOf returns a policy that names documents, and what reads them.
func vexPolicyOf(more string, docs ...string) (src string, load Loader) {
	files := map[string]string{}
	var list []string
	for i, doc := range docs {
		name := fmt.Sprintf("vex/%d.json", i)
		files[name] = doc
		list = append(list, fmt.Sprintf("{path: %s, sha256: %s}", name, hashOf(doc)))
	}
	load = func(_ string, b Base) (string, []byte, error) {
		if doc, ok := files[b.File]; ok && b.VEX != nil {
			return b.File, []byte(doc), nil
		}
		return "", nil, errors.New("no such file")
	}
	return "version: 1\nextends: none\nvulnerabilities: {max: {critical: 0, high: 0}}\nvex: {files: [" + strings.Join(list, ", ") + "]" + more + "\n", load
}

func mustParseVEX(t testing.TB, more string, docs ...string) *Policy {
	t.Helper()
	src, load := vexPolicyOf(more, docs...)
	p, err := ParseOn("policy.yaml", []byte(src), load)
	if err != nil {
		t.Fatalf("%v\nof\n%s", err, src)
	}
	return p
}

// No statement covers more than it says, and nothing covers what is denied or exploited.
func TestVEXTable(t *testing.T) {
	const id = "CVE-2026-0001"
	image := func(purl string, parts ...string) string {
		return fmt.Sprintf(`{"@id": %q, "subcomponents": [%s]}`, purl, strings.Join(parts, ", "))
	}
	const repo = "?repository_url=registry.example.no/shop/app"
	not := func(product string) string { return documentOf(statementOf(id, "not_affected", vexDay, product)) }
	affected := statementOf(id, "affected", vexDay, lodashProduct)
	covers := statementOf(id, "not_affected", vexDay, lodashProduct)
	later := func(status string) string { return statementOf(id, status, "2026-06-02T00:00:00Z", lodashProduct) }
	for name, c := range map[string]struct {
		more  string
		docs  []string
		class Class
		say   string // part of why it is not covered
	}{
		"the package":                          {"}", []string{not(lodashProduct)}, ClassNotAffected, ""},
		"the package, encoded":                 {"}", []string{not(`{"@id": "pkg:npm/lodash@4%2e17.15"}`)}, ClassNotAffected, ""},
		"the package, any version":             {"}", []string{not(`{"@id": "pkg:npm/lodash"}`)}, ClassNotAffected, ""},
		"another place of the package":         {"}", []string{not(`{"@id": "pkg:npm/lodash@4.17.15?arch=arm64&repository_url=npm.example.no"}`)}, ClassNotAffected, ""},
		"another qualifier":                    {"}", []string{not(`{"@id": "pkg:npm/lodash@4.17.15?vcs_url=x"}`)}, ClassBlocking, "other products"},
		"another version":                      {"}", []string{not(`{"@id": "pkg:npm/lodash@4.17.16"}`)}, ClassBlocking, "another version"},
		"another type":                         {"}", []string{not(`{"@id": "pkg:pypi/lodash@4.17.15"}`)}, ClassBlocking, "other products"},
		"a scope":                              {"}", []string{not(`{"@id": "pkg:npm/%40x/lodash@4.17.15"}`)}, ClassBlocking, "other products"},
		"a subpath":                            {"}", []string{not(`{"@id": "pkg:npm/lodash@4.17.15#x"}`)}, ClassBlocking, "other products"},
		"no purl":                              {"}", []string{not(`{"@id": "lodash"}`)}, ClassBlocking, "other products"},
		"a part of the package":                {"}", []string{not(image("pkg:npm/lodash@4.17.15", `{"@id": "pkg:npm/other@1"}`))}, ClassBlocking, "other products"},
		"the package in another product":       {"}", []string{not(image("pkg:npm/other@1", lodashProduct))}, ClassBlocking, "other products"},
		"this image by digest":                 {"}", []string{not(image("pkg:oci/app@"+digestA, lodashProduct))}, ClassNotAffected, ""},
		"this index by digest":                 {"}", []string{not(image("pkg:oci/app@"+strings.Replace(digestB, ":", "%3A", 1), lodashProduct))}, ClassNotAffected, ""},
		"this image by name":                   {"}", []string{not(image("pkg:oci/app"+repo, lodashProduct))}, ClassNotAffected, ""},
		"this image by the parent":             {"}", []string{not(image("pkg:oci/app?repository_url=registry.example.no/shop", lodashProduct))}, ClassNotAffected, ""},
		"this image without a package":         {"}", []string{not(`{"@id": "pkg:oci/app` + repo + `"}`)}, ClassBlocking, "other products"},
		"this image, another package":          {"}", []string{not(image("pkg:oci/app"+repo, `{"@id": "pkg:npm/other@1"}`))}, ClassBlocking, "other products"},
		"this image, another tag":              {"}", []string{not(image("pkg:oci/app"+repo+"&tag=1.0", lodashProduct))}, ClassBlocking, "other products"},
		"this image, another architecture":     {"}", []string{not(image("pkg:oci/app"+repo+"&arch=arm64", lodashProduct))}, ClassBlocking, "other products"},
		"this image, another digest":           {"}", []string{not(image("pkg:oci/app@sha256:"+strings.Repeat("0", 64)+repo, lodashProduct))}, ClassBlocking, "other products"},
		"every repository's image of the name": {"}", []string{not(image("pkg:oci/app", lodashProduct))}, ClassBlocking, "other products"},
		"another repository":                   {"}", []string{not(image("pkg:oci/app?repository_url=registry.example.no/evil/app", lodashProduct))}, ClassBlocking, "other products"},
		"this digest in another repository":    {"}", []string{not(image("pkg:oci/app@"+digestA+"?repository_url=r.example.no/app", lodashProduct))}, ClassBlocking, "other products"},
		"a repository that ends alike":         {"}", []string{not(image("pkg:oci/pp?repository_url=registry.example.no/shop/app", lodashProduct))}, ClassBlocking, "other products"},
		"another vulnerability":                {"}", []string{documentOf(statementOf("CVE-2026-0002", "not_affected", vexDay, lodashProduct))}, ClassBlocking, "no VEX document names it"},
		"an alias in another case":             {"}", []string{documentOf(statementOf("ghsa-AAAA-bbbb-cccc", "not_affected", vexDay, lodashProduct))}, ClassNotAffected, ""},
		"affected":                             {"}", []string{documentOf(affected)}, ClassBlocking, "says affected"},
		"under investigation":                  {"}", []string{documentOf(later("under_investigation"))}, ClassBlocking, "says under_investigation"},
		"fixed":                                {"}", []string{documentOf(later("fixed"))}, ClassBlocking, "says fixed"},
		"as old, affected first":               {"}", []string{documentOf(affected, covers)}, ClassBlocking, "says affected"},
		"as old, affected last":                {"}", []string{documentOf(covers, affected)}, ClassBlocking, "says affected"},
		"superseded by affected":               {"}", []string{documentOf(later("affected"), covers)}, ClassBlocking, "says affected"},
		"superseded by not affected":           {"}", []string{documentOf(affected, later("not_affected"))}, ClassNotAffected, ""},
		"another document says affected":       {"}", []string{documentOf(later("not_affected")), documentOf(affected)}, ClassBlocking, "says affected"},
		"another document says more broadly":   {"}", []string{documentOf(covers), documentOf(statementOf(id, "affected", vexDay, `{"@id": "pkg:oci/app`+repo+`"}`))}, ClassBlocking, "says affected"},
		"too old":                              {", max-age: 10d}", []string{not(lodashProduct)}, ClassBlocking, "older than 10 days"},
		"too old by default":                   {"}", []string{documentOf(statementOf(id, "not_affected", "2026-01-01T00:00:00Z", lodashProduct))}, ClassBlocking, "older than 90 days"},
		"one too old, one not":                 {"}", []string{documentOf(statementOf(id, "not_affected", "2026-01-01T00:00:00Z", lodashProduct)), not(lodashProduct)}, ClassNotAffected, ""},
		"never":                                {", never: {severity: high}}", []string{not(lodashProduct)}, ClassBlocking, "covers high and worse"},
		"never, and worse than this":           {", never: {severity: critical}}", []string{not(lodashProduct)}, ClassNotAffected, ""},
		"exploited, which only warns":          {"}\nexploited: {kev: warn}", []string{not(lodashProduct)}, ClassBlocking, "exploited"},
		"denied, which only warns":             {"}\nlevels: {vulnerabilities.deny: warn}", []string{not(lodashProduct)}, ClassBlocking, "denied"},
	} {
		f := finding(id, evidence.SeverityHigh)
		f.Aliases = []string{"GHSA-aaaa-bbbb-cccc"}
		img := goodImage()
		with(f)(img)
		if strings.Contains(c.more, "kev") {
			img.Scan.Exploited.Known = []evidence.Exploitation{listedID}
		}
		src, load := vexPolicyOf(c.more, c.docs...)
		if strings.Contains(c.more, "deny") {
			src = strings.Replace(src, "max:", "deny: ["+id+"], max:", 1)
		}
		p, err := ParseOn("policy.yaml", []byte(src), load)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		v, steps := p.Explain(img, noon())
		record(ruleVEX, result(t, v, ruleVEX).Result, p)
		got := v.Findings[0]
		if got.Class != c.class || (v.Decision == Passed) != (c.class == ClassNotAffected) && !strings.Contains(name, "denied") {
			t.Errorf("%s: %s (%s), %s", name, got.Class, got.Reason, v.Decision)
		}
		if c.say == "" {
			continue
		}
		i := slices.IndexFunc(steps[0].Steps, func(s ExplainedStep) bool { return s.Rule == ruleVEX })
		if i < 0 || !strings.Contains(steps[0].Steps[i].Why, c.say) {
			t.Errorf("%s: the steps are %+v, want %q", name, steps[0].Steps, c.say)
		}
	}
}

// A date in the future, anywhere in a document, makes the verdict undecided, and so does
// a document that was not read.
func TestVEXOfTheFutureDecidesNothing(t *testing.T) {
	const id, future = "CVE-2026-0001", "2099-01-01T00:00:00Z"
	covers := statementOf(id, "not_affected", vexDay, lodashProduct)
	for name, doc := range map[string]string{
		"document":             strings.Replace(documentOf(covers), vexDay, future, 1),
		"document updated":     strings.Replace(documentOf(covers), `"version": 1`, `"last_updated": "`+future+`"`, 1),
		"statement":            documentOf(statementOf(id, "not_affected", future, lodashProduct)),
		"statement updated":    documentOf(strings.Replace(covers, `"status"`, `"last_updated": "`+future+`", "status"`, 1)),
		"statement of another": documentOf(covers, statementOf("CVE-2026-0002", "affected", future, lodashProduct)),
	} {
		img := goodImage()
		p := mustParseVEX(t, "}", doc)
		v := p.Evaluate(img, noon())
		r := result(t, v, ruleVEX)
		if v.Decision != Undecided || r.Result != ResultUndecided || !strings.Contains(r.Message, "/") || !strings.Contains(r.Message, "2099") {
			t.Errorf("%s: %s, %s", name, v.Decision, r.Message)
		}
		with(finding(id, evidence.SeverityHigh))(img)
		if v := p.Evaluate(img, noon()); v.Decision != Denied || v.Findings[0].Class != ClassBlocking {
			t.Errorf("%s: %s by a statement of the future", name, v.Findings[0].Class)
		}
	}
	src, _ := vexPolicyOf("}", documentOf(covers))
	p, err := Parse("policy.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if v := p.Evaluate(goodImage(), noon()); v.Decision != Undecided {
		t.Errorf("not read: %s", v.Decision)
	}
}

// Statements that met no finding are reported.
func TestUnusedVEXStatementsAreReported(t *testing.T) {
	p := mustParseVEX(t, "}", documentOf(
		statementOf("CVE-2026-0001", "not_affected", vexDay, lodashProduct), statementOf("CVE-2026-0002", "not_affected", vexDay, lodashProduct),
		statementOf("CVE-2026-0001", "not_affected", vexDay, `{"@id": "pkg:npm/lodash@1"}`), statementOf("CVE-2026-0001", "not_affected", vexDay, `{"@id": "pkg:npm/other"}`)))
	img := goodImage()
	with(finding("CVE-2026-0001", evidence.SeverityHigh))(img)
	r := result(t, p.Evaluate(img, noon()), ruleVEX)
	if r.Message != "1 finding not affected; 3 statements unused" {
		t.Error(r.Message)
	}
	for i, want := range []string{"statement 2, CVE-2026-0002: unused: no finding", "statement 3, CVE-2026-0001: unused: another version", "statement 4, CVE-2026-0001: unused: another product"} {
		if i >= len(r.Details) || !strings.Contains(r.Details[i], want) {
			t.Errorf("details are %q, want %q", r.Details, want)
		}
	}
}

// A document that is not what the policy names, and one that is no OpenVEX, is a mistake
// of the policy with its place.
func TestVEXFilesThatAreRefused(t *testing.T) {
	good := documentOf(statementOf("CVE-2026-0001", "not_affected", vexDay, lodashProduct))
	src, load := vexPolicyOf("}", good)
	bad, badLoad := vexPolicyOf("}", strings.Replace(good, `"not_affected"`, `"not-affected"`, 1))
	twice := strings.Replace(src, "files: [", "files: [{path: vex/0.json, sha256: "+hashOf(good)+"}, ", 1)
	for name, c := range map[string]struct {
		src  string
		load Loader
		want string
	}{
		"changed":     {strings.Replace(src, hashOf(good), strings.Repeat("a", 64), 1), load, "has sha256 " + hashOf(good)},
		"missing":     {strings.Replace(src, "0.json", "9.json", 1), load, "cannot be read"},
		"no hash":     {strings.Replace(src, ", sha256: "+hashOf(good), "", 1), load, "sha256"},
		"half a hash": {strings.Replace(src, hashOf(good), "abc", 1), load, "no sha256 of 64"},
		"no document": {bad, badLoad, "vex/0.json is refused: /statements/0/status"},
		"twice":       {twice, load, "in the list already"},
		"no list":     {"version: 1\nsecrets: {max: 0}\nvex: {files: x}\n", load, "list"},
		"no files":    {"version: 1\nsecrets: {max: 0}\nvex: {max-age: 3d}\n", load, "no effect"},
		"a level":     {src + "levels: {vex.files: warn}\n", load, "vex.files"},
	} {
		p, err := ParseOn("policy.yaml", []byte(c.src), c.load)
		if err == nil || p != nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "policy.yaml:") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := ParseOn("oci://r.example.no/p@sha256:0", []byte(src), load); err == nil || !strings.Contains(err.Error(), "registry") {
		t.Errorf("in a registry: %v", err)
	}
}

// A pull request cannot add a document above a pinned base that does not open the list.
func TestVEXAboveABase(t *testing.T) {
	covers := documentOf(statementOf("CVE-2026-0001", "not_affected", vexDay, lodashProduct))
	for open, wantErr := range map[string]bool{"": true, "open: [exceptions, overrides]\n": true, "open: [vex]\n": false} {
		base := "version: 1\nextends: none\n" + open + "vulnerabilities: {max: {high: 0}}\n"
		load := func(_ string, b Base) (string, []byte, error) {
			if b.VEX != nil {
				return b.File, []byte(covers), nil
			}
			return b.File, []byte(base), nil
		}
		child := "version: 1\nextends: {file: base.yaml, sha256: " + hashOf(base) + "}\nvex: {files: [{path: a.json, sha256: " + hashOf(covers) + "}]}\n"
		if _, err := ParseOn("child.yaml", []byte(child), load); (err != nil) != wantErr {
			t.Errorf("%q: %v", open, err)
		}
	}
}

// A document changes nothing but findings that it calls not affected.
func TestVEXChangesOnlyWhatItMatches(t *testing.T) {
	covered := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 11))
		var statements []string
		named := map[string]bool{}
		for range 1 + r.IntN(4) {
			id, version := fmt.Sprintf("CVE-2026-%04d", r.IntN(4)), fmt.Sprint(r.IntN(2))
			pkg := fmt.Sprintf("pkg:npm/p%d@%s", r.IntN(2), version)
			status := []string{"not_affected", "not_affected", "affected", "under_investigation", "fixed"}[r.IntN(5)]
			named[id+pkg] = named[id+pkg] || status == "not_affected"
			statements = append(statements, statementOf(id, status, fmt.Sprintf("2026-06-0%dT00:00:00Z", 1+r.IntN(3)), `{"@id": "`+pkg+`"}`))
		}
		img := randomImage(r)
		if img.Scan == nil {
			continue
		}
		img.Scan.Findings = nil
		for range r.IntN(8) {
			f := high(fmt.Sprintf("CVE-2026-%04d", r.IntN(4)), fmt.Sprint("p", r.IntN(2)), fmt.Sprint(r.IntN(2)))
			img.Scan.Findings = append(img.Scan.Findings, f)
		}
		p := mustParseVEX(t, "}\nsecrets: {max: 0}", documentOf(statements...))
		plain := mustParse(t, "version: 1\nvulnerabilities: {max: {critical: 0, high: 0}}\nsecrets: {max: 0}\n")
		a, b := p.Evaluate(img, noon()), plain.Evaluate(img, noon())
		before := map[*evidence.Finding]Class{}
		for _, f := range b.Findings {
			before[f.Finding] = f.Class
		}
		changed := 0
		for _, f := range a.Findings {
			switch {
			case f.Class == before[f.Finding]:
			case f.Class != ClassNotAffected || !named[f.ID+f.Package.PURL]:
				t.Fatalf("seed %d: %s in %s went from %s to %s", seed, f.ID, f.Package.PURL, before[f.Finding], f.Class)
			default:
				changed++
			}
		}
		covered += changed
		for _, rule := range b.Rules {
			now := result(t, a, rule.Rule)
			if now.Result != rule.Result && rule.Rule != ruleMax && rule.Rule != ruleVEX {
				t.Fatalf("seed %d: %s went from %s to %s", seed, rule.Rule, rule.Result, now.Result)
			}
		}
		if changed == 0 && a.Decision != b.Decision {
			t.Fatalf("seed %d: %s became %s without a finding that is covered", seed, b.Decision, a.Decision)
		}
	}
	if covered < 30 {
		t.Errorf("only %d findings were covered", covered)
	}
}

// sampleVEX is the document that [parseOn] reads.
var sampleVEX = documentOf(statementOf("CVE-2026-0001", "not_affected", vexDay, lodashProduct))

var _ = addValues(vexValues())

// vexValues are the rows of keyValues for the section.
func vexValues() map[string]values {
	file := func(sum string) string { return "[{path: a.json, sha256: " + sum + "}]" }
	with := "vex: {files: " + file(hashOf(sampleVEX)) + "}\n"
	both := file(hashOf(sampleVEX))
	return map[string]values{
		ruleVEX:                    {base: both, loose: []string{strings.Replace(both, "]", ", {path: b.json, sha256: "+hashOf(sampleVEX+"\n")+"}]", 1), "[{path: b.json, sha256: " + hashOf(sampleVEX+"\n") + "}]"}, strict: []string{both}},
		ruleVEXAge:                 {with: with, base: "30d", loose: []string{"31d"}, strict: []string{"30d", "29d"}},
		ruleVEXSignedBy:            {with: vexTrust + with, base: "[vendor]", loose: []string{"[team]", "[vendor, team]"}, strict: []string{"[vendor]"}},
		ruleVEXNever + ".severity": {with: with, base: "high", loose: []string{"critical"}, strict: []string{"high", "low"}},
	}
}
