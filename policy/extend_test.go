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
)

// A pull request changes the policy file of a repository, and nothing of its base.
func TestPullRequestCannotWeakenTheBase(t *testing.T) {
	const base = `reference: {pin: version, allow: ["registry.example.no/**"], deny-tags: [latest]}
config: {user: numeric}
vulnerabilities: {max: {critical: 0, high: 0}, unfixed: fail}
secrets: {max: {critical: 0, high: 0}}
exception-limits: {max-days: 30, never: {severity: critical}}
`
	for name, child := range map[string]string{
		"level off":                      "levels: {config.user: off}\n",
		"level warn from a day on":       "levels: {config.user: {value: warn, from: 2020-01-01}}\n",
		"level of the limits":            "levels: {exception-limits: off}\n",
		"override":                       "overrides: [{images: [\"registry.example.no/app\"], config: {user: any}, owner: x, reason: x, expires: 2026-07-01}]\n",
		"override of a level":            "overrides: [{images: [\"registry.example.no/app\"], levels: {vulnerabilities.max: warn}, owner: x, reason: x, expires: 2026-07-01}]\n",
		"exception":                      "exceptions: [{id: CVE-2026-0001, reason: x, owner: x, expires: 2026-07-01}]\n",
		"one number for secrets":         "secrets: {max: 5}\n",
		"secrets without a rating":       "secrets: {max: {unknown: 3}}\n",
		"findings without a rating":      "vulnerabilities: {max: {unknown: 99}}\n",
		"severity of another source":     "vulnerabilities: {severity-source: [nvd]}\n",
		"only libraries":                 "vulnerabilities: {types: [library]}\n",
		"unfixed":                        "vulnerabilities: {unfixed: warn}\n",
		"unfixed by status":              "vulnerabilities: {unfixed: {status: {will_not_fix: ignore}}}\n",
		"grace":                          "vulnerabilities: {grace: {critical: 3650d}}\n",
		"any repository of the host":     "reference: {allow: [\"registry.example.no/**\", \"*.example.no/**\"]}\n",
		"release tags":                   "reference: {release-tags: [\"l*t\"]}\n",
		"no denied tag":                  "reference: {deny-tags: [nothing]}\n",
		"open":                           "open: [exceptions, overrides]\n",
		"longer exceptions":              "exception-limits: {max-days: 3650}\n",
		"exceptions for more severities": "exception-limits: {never: {severity: critical}, max-days: {critical: 3650, other: 1}}\n",
		"old database":                   "coverage: {database-max-age: 3650d}\n",
		"gaps":                           "coverage: {scanner-errors: warn}\n",
	} {
		if p, err := parseOn(base, child); err == nil || p != nil || !strings.Contains(err.Error(), "child.yaml:") {
			t.Errorf("%s: %v", name, err)
		}
	}
	load := func(string, Base) (string, []byte, error) { return "base.yaml", []byte("version: 1\n" + base), nil }
	want := sha256.Sum256([]byte("version: 1\n" + base))
	hash := hex.EncodeToString(want[:])
	if _, err := ParseOn("child.yaml", []byte("version: 1\nextends: {file: base.yaml, sha256: "+hash+"}\nconfig: {user: numeric}\n"), load); err != nil {
		t.Fatalf("the right hash: %v", err)
	}
	for name, header := range map[string]string{
		"another hash": "extends: {file: base.yaml, sha256: " + strings.Repeat("a", 64) + "}",
		"no hash":      "extends: {file: base.yaml}",
		"two bases":    "extends: {file: base.yaml, sha256: " + hash + ", oci: r.example.no/p, digest: sha256:" + hash + "}",
		"twice":        "extends: {file: base.yaml, sha256: " + hash + "}\nextends: none",
		"a tag":        "extends: {oci: \"r.example.no/p:1\", digest: sha256:" + hash + "}",
		"a word":       "extends: base.yaml",
	} {
		if _, err := ParseOn("child.yaml", []byte("version: 1\n"+header+"\nconfig: {user: numeric}\n"), load); err == nil {
			t.Errorf("%s is no mistake", name)
		}
	}
	// What leaves the base out is a policy. --require-base-policy refuses it, because
	// the base is not among the pinned parts.
	for _, header := range []string{"extends: default", "extends: none", ""} {
		p, err := ParseOn("child.yaml", []byte("version: 1\n"+header+"\nconfig: {user: any}\nsecrets: {max: 0}\n"), load)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range p.Parts() {
			if part.Pinned || part.SHA256 == hash {
				t.Errorf("%q: part %+v", header, part)
			}
		}
	}
}

// The bases of a policy are bounded, and one that cannot be read is a mistake at its
// place.
func TestChainsOfBases(t *testing.T) {
	files := map[string]string{"0": "version: 1\nconfig: {user: numeric}\n"}
	load := func(_ string, b Base) (string, []byte, error) {
		if src, ok := files[b.File]; ok {
			return b.File, []byte(src), nil
		}
		return "", nil, errors.New("no such file")
	}
	on := func(name string) string {
		sum := sha256.Sum256([]byte(files[name]))
		return fmt.Sprintf("version: 1\nextends: {file: \"%s\", sha256: %x}\n", name, sum)
	}
	for i := range maxBases + 1 {
		files[itoa(i+1)] = on(itoa(i)) + fmt.Sprintf("config: {max-layers: %d}\n", 90-i)
		_, err := ParseOn("p", []byte(files[itoa(i+1)]), load)
		if (err == nil) != (i < maxBases) {
			t.Errorf("%d bases: %v", i+1, err)
		}
	}
	p, err := ParseOn("p", []byte(files["3"]), load)
	if err != nil || len(p.Parts()) != 5 || p.Parts()[0].Pinned || !p.Parts()[3].Pinned || p.Parts()[4].Pinned {
		t.Errorf("%+v, %v", p.Parts(), err)
	}
	if _, err := ParseOn("p", []byte("version: 1\nextends: {file: x, sha256: "+strings.Repeat("a", 64)+"}\n"), load); err == nil || !strings.Contains(err.Error(), "p:2:10: ") {
		t.Errorf("a base that is not there: %v", err)
	}
}

// What the examples of the rules say, added to a policy on the built-in one, changes
// the keys that they name and no other: advice may be followed literally.
func TestExamplesChangeOnlyTheirKeys(t *testing.T) {
	byDefault := settingTexts(Default())
	for _, rule := range Rules() {
		src := "version: 1\n" + rule.Example
		if rule.ID == ruleLevels {
			src += "config: {require-labels: [a]}\n" // whose level the example sets
		}
		p, err := Parse("p", []byte(src))
		if err != nil {
			t.Errorf("%s: %v", rule.ID, err)
			continue
		}
		for _, s := range p.Settings() {
			_, last := splitPath(s.Key)
			line := s.Key + "=" + s.Value + "/" + s.Before
			if !slices.Contains(byDefault, line) && !strings.Contains(src, last+":") && !strings.HasPrefix(s.Key, rule.ID+".") {
				t.Errorf("the example of %s changes %s", rule.ID, line)
			}
		}
	}
}

// A base with a mistake is no base, and the exceptions and overrides of one apply
// before those of the policy.
func TestWhatComesFromABase(t *testing.T) {
	if p, err := parseOn("config: {usr: numeric}\n", "config: {user: numeric}\n"); p != nil || err == nil || !strings.Contains(err.Error(), "base.yaml:3:10: ") {
		t.Errorf("a base with a mistake: %v", err)
	}
	const account = ", reason: x, owner: x, expires: 2026-07-01}\n"
	piece := func(id, image string) string {
		return "exceptions:\n- {id: " + id + account + "overrides:\n- {images: [" + image + "], config: {user: any}" + account
	}
	p := mustParseOn(t, "open: [exceptions, overrides]\n"+piece("CVE-2026-0001", "r.no/a"), piece("CVE-2026-0002", "r.no/b"))
	var got []string
	for _, e := range p.Exceptions() {
		got = append(got, e.ID, e.Position.File)
	}
	for _, o := range p.Overrides() {
		got = append(got, o.Images[0], o.Position.File, string(o.Origin))
	}
	want := []string{"CVE-2026-0001", "base.yaml", "CVE-2026-0002", "child.yaml", "r.no/a", "base.yaml", "base", "r.no/b", "child.yaml", "file"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	img := goodImage()
	img.Reference.Name = "r.no/a"
	if v := p.Evaluate(img, noon()); len(v.Exceptions) != 2 {
		t.Errorf("exceptions of the verdict: %+v", v.Exceptions)
	}
}

// What a base opens is bound by its limits.
func TestOpenedPartsAreBoundByTheBase(t *testing.T) {
	const base = "open: [exceptions, overrides]\nexception-limits: {max-days: 30, require: [owner, ticket], never: {severity: critical}}\n"
	const account = ", reason: x, owner: x, ticket: T-1, expires: 2026-07-01}]\n"
	for child, want := range map[string]string{
		"overrides: [{images: [r.no/a], config: {user: any}" + account:                                                                  "",
		"exceptions: [{id: CVE-2026-0001" + account:                                                                                     "",
		"overrides: [{images: [r.no/a], config: {user: any}, reason: x, owner: x, expires: 2026-07-01}]\n":                              "ticket",
		"overrides: [{images: [r.no/a], config: {user: any}, reason: x, owner: x, ticket: T-1}]\n":                                      "no end",
		"overrides: [{images: [r.no/a], vulnerabilities: {max: {critical: 9}}" + account:                                                "never",
		"exceptions: [{id: CVE-2026-0001, reason: x, owner: x, expires: 2026-07-01}]\n":                                                 "ticket",
		"exception-limits: {require: [reason]}\noverrides: [{images: [r.no/a], config: {user: any}, reason: x, expires: 2026-07-01}]\n": "owner",
	} {
		_, err := parseOn(base, child)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", child, err, want)
		}
	}
	p := mustParseOn(t, base, "overrides: [{images: ['registry.example.no/**'], config: {user: any}, reason: x, owner: x, ticket: T-1, expires: 2027-07-01}]\n")
	img := goodImage()
	img.Config.User, img.Scan.User = "", nil
	if r := result(t, p.Evaluate(img, noon()), ruleUser); r.Result != ResultFail {
		t.Errorf("an override that ends after max-days of the base: %s", r.Result)
	}
}

// randomPiece writes some keys with values that pick chooses.
func randomPiece(r *rand.Rand, pick func(v values) []string) string {
	var pieces []string
	rows := keyValues()
	for _, l := range newLanguage().leaves {
		v, ok := rows[l.keyPath()]
		if choices := pick(v); ok && len(choices) > 0 && r.IntN(6) == 0 && l.keyPath() != ruleTrust && !aloneInvalid(l.keyPath()) {
			pieces = append(pieces, nest(l.keyPath(), choices[r.IntN(len(choices))]))
		}
	}
	return merged(append(companions(pieces), pieces...))
}

// aloneInvalid reports a key that no policy may have without others.
func aloneInvalid(path string) bool {
	return strings.HasPrefix(path, "baseline.") || strings.HasPrefix(path, "vex.") || path == ruleDeadlinesCeiling || path == ruleExploitedAge || path == ruleExploitedExceptions
}

// merged writes pieces as one mapping. YAML itself has no such thing.
func merged(pieces []string) string {
	var tree mapTree
	for _, p := range pieces {
		tree.add(strings.TrimSpace(p))
	}
	return tree.String()
}

// mapTree is a flow mapping of one or two levels of sections.
type mapTree struct {
	keys  []string
	below map[string]*mapTree
	value string
}

func (m *mapTree) add(piece string) {
	key, rest, _ := strings.Cut(piece, ": ")
	if m.below == nil {
		m.below = map[string]*mapTree{}
	}
	if m.below[key] == nil {
		m.keys, m.below[key] = append(m.keys, key), &mapTree{}
	}
	// A section of nest has one key; other mappings are values.
	if inner := strings.TrimSuffix(strings.TrimPrefix(rest, "{"), "}"); inner != rest && isSection(key) {
		m.below[key].add(inner)
		return
	}
	m.below[key].value = rest
}

func isSection(key string) bool {
	return slices.Contains([]string{"reference", "config", "vulnerabilities", "secrets", "licenses", "packages", "coverage", "levels", "unattributed", "grace", "signatures", "provenance", "decision", "base-image"}, key)
}

func (m *mapTree) String() string {
	var b strings.Builder
	for _, k := range m.keys {
		fmt.Fprintf(&b, "%s: %s\n", k, m.below[k].flow())
	}
	return b.String()
}

func (m *mapTree) flow() string {
	if m.value != "" {
		return m.value
	}
	var parts []string
	for _, k := range m.keys {
		parts = append(parts, k+": "+m.below[k].flow())
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// settingTexts lists what applies, without its places.
func settingTexts(p *Policy) []string {
	var out []string
	for _, s := range p.Settings() {
		out = append(out, s.Key+"="+s.Value+"/"+s.Before)
	}
	for _, o := range p.Overrides() {
		out = append(out, fmt.Sprint(o.Images, len(o.Settings), o.Loosens))
	}
	for _, e := range p.Exceptions() {
		out = append(out, e.ID)
	}
	return out
}

// Merging is associative: settings on settings on settings are the same whichever
// two are merged first.
func TestMergingIsAssociative(t *testing.T) {
	any := func(v values) []string { return slices.Concat(v.strict, v.loose, []string{v.base}) }
	tried := 0
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		var parts [3]settings
		var limits [3]exceptionLimits
		for i := range parts {
			src := "version: 1\nextends: none\n" + randomPiece(r, any)
			src += fmt.Sprintf("exception-limits: {max-days: %d, require: [%s]}\n", 1+r.IntN(90), []string{"owner", "ticket", "added"}[r.IntN(3)])
			p, err := Parse("p", []byte(src))
			if err != nil {
				continue // a piece that has no effect alone
			}
			tried++
			parts[i], limits[i] = p.base, p.limits
		}
		all := newLanguage().leaves
		a, b, c := &parts[0], &parts[1], &parts[2]
		left, right := a.with(b, all).with(c, all), a.with(b.with(c, all), all)
		for _, l := range all {
			if x, y := l.text(left), l.text(right); x != y {
				t.Errorf("seed %d: %s is %s or %s", seed, l.keyPath(), x, y)
			}
		}
		for _, pinned := range []bool{false, true} {
			x := limits[0].with(limits[1], pinned).with(limits[2], pinned)
			y := limits[0].with(limits[1].with(limits[2], pinned), pinned)
			slices.Sort(x.require.value)
			slices.Sort(y.require.value)
			if x.maxDays.value.String() != y.maxDays.value.String() || !slices.Equal(x.require.value, y.require.value) || x.never.value != y.never.value {
				t.Errorf("seed %d: limits are %+v or %+v", seed, x, y)
			}
		}
	}
	if tried < 200 { // of 1500
		t.Errorf("only %d of the pieces can be read", tried)
	}
}

// A policy above a pinned base lets no image pass that the base does not let pass.
func TestNothingPassesThatTheBaseRefuses(t *testing.T) {
	strict := func(v values) []string { return append(slices.Clone(v.strict), v.base) }
	bases := func(v values) []string { return []string{v.base} }
	tried, passed := 0, 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 2))
		base, child := randomPiece(r, bases), randomPiece(r, strict)
		alone, err := Parse("base.yaml", []byte("version: 1\nextends: default\n"+base))
		if err != nil {
			continue
		}
		above, err := parseOn(base, child)
		if err != nil {
			continue
		}
		tried++
		for range 60 {
			img := randomImage(r)
			if above.Evaluate(img, noon()).Decision != Passed {
				continue
			}
			passed++
			if d := alone.Evaluate(img, noon()).Decision; d != Passed {
				t.Errorf("seed %d: an image passes that is %s by the base\n%s\non\n%s", seed, d, child, base)
			}
		}
	}
	if tried < 30 || passed < 5 {
		t.Errorf("only %d policies and %d images tried", tried, passed)
	}
}

// A file without extends changes the keys that it names and no other.
func TestFileChangesOnlyItsKeys(t *testing.T) {
	byDefault := settingTexts(Default())
	for _, l := range newLanguage().leaves {
		v := valuesOf(t, l)
		for _, value := range slices.Concat(v.strict, v.loose, []string{v.base}) {
			p, err := Parse("p", []byte("version: 1\n"+join(v.with, nest(l.keyPath(), value))))
			if err != nil {
				continue // blinding keys belong into overrides
			}
			for _, line := range settingTexts(p) {
				key, _, _ := strings.Cut(line, "=")
				named := key == l.keyPath() || strings.HasPrefix(key, l.keyPath()+".") || strings.Contains(v.with, key[strings.LastIndex(key, ".")+1:]+":")
				if !named && !slices.Contains(byDefault, line) {
					t.Errorf("%s: %s changes %s", l.keyPath(), value, line)
				}
			}
		}
	}
}

// covered is right for every name, whatever the globs.
func TestCoveredIsSound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	word := func(alphabet []string, n int) string {
		var b strings.Builder
		for range 1 + r.IntN(n) {
			b.WriteString(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
	yes := 0
	for range 200000 {
		later, earlier := word([]string{"a", "b", "/", "*", "**", "/**", "/*"}, 5), word([]string{"a", "/", "*", "**", "/**", "**/"}, 4)
		if !covered(later, earlier) {
			continue
		}
		yes++
		for range 8 {
			name := word([]string{"a", "b", "/", "ab"}, 5)
			if !strings.Contains("/"+name+"/", "//") && matchImage(later, name) && !matchImage(earlier, name) {
				t.Fatalf("%q is covered by %q, but matches %q, which that does not", later, earlier, name)
			}
		}
	}
	if yes < 100 {
		t.Errorf("only %d pairs are covered", yes)
	}
	for _, pair := range [][2]string{{"r.no/a", "r.no/**"}, {"r.no/a/*", "r.no/*/*"}, {"r.no/a*", "r.no/*"}, {"r.no/a/**", "r.no/**"}, {"x/**/y/z", "x/**/z"}} {
		if !covered(pair[0], pair[1]) {
			t.Errorf("%q is not covered by %q", pair[0], pair[1])
		}
	}
}
