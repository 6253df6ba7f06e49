package policy

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestRulesAreDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] {
			t.Errorf("%s is twice in the list", r.ID)
		}
		seen[r.ID] = true
		for name, text := range map[string]string{"Title": r.Title, "Why": r.Why, "How": r.How, "Settings": r.Settings, "Default": r.Default, "Since": r.Since} {
			if text == "" {
				t.Errorf("%s has no %s", r.ID, name)
			}
		}
		if r.Setting == (r.check != nil || r.ofRelease()) {
			t.Errorf("%s: a rule has a check, a setting has none", r.ID)
		}
		if !strings.HasSuffix(r.Title, ".") || strings.HasSuffix(r.How, ".") {
			t.Errorf("%s: a title is a sentence, a cure is a phrase", r.ID)
		}
		if Lookup(r.ID) == nil || Suggest(r.ID) != r.ID {
			t.Errorf("%s is not found: %v, %q", r.ID, Lookup(r.ID), Suggest(r.ID))
		}
		if r.ID != ruleEvidence {
			if _, err := Parse(r.ID, []byte(exampleOf(r))); err != nil {
				t.Errorf("the example of %s: %v", r.ID, err)
			}
		}
	}
	for _, k := range allGapKinds() {
		if !seen[ruleCoverage+string(k)] {
			t.Errorf("no rule judges gaps of kind %s", k)
		}
	}
}

// Every rule gets an answer, in the order of the list.
func TestVerdictHasEveryRule(t *testing.T) {
	v := Default().Evaluate(goodImage(), noon())
	i := 0
	for _, r := range Rules() {
		if r.Setting || r.ofRelease() {
			continue
		}
		if i >= len(v.Rules) || v.Rules[i].Rule != r.ID {
			t.Fatalf("place %d is not %s: %+v", i, r.ID, v.Rules)
		}
		i++
	}
	if i != len(v.Rules) {
		t.Errorf("%d results, want %d", len(v.Rules), i)
	}
}

func TestSuggest(t *testing.T) {
	for word, want := range map[string]string{
		"config.usr": ruleUser, "user": ruleUser, "denyTags": ruleDenyTags, "pin": rulePin, "unknown-os": ruleCoverage + "unknown-os",
		"vulnerability.max": ruleMax, "secret": ruleSecrets, "licences": ruleLicenses, "exception": ruleExceptions, "coverage.end_of_life": ruleEndOfLife,
		"qqqqqqqqqq": "", "": "", strings.Repeat("x", 1000): "",
	} {
		if got := Suggest(word); got != want {
			t.Errorf("Suggest(%.20q) = %q, want %q", word, got, want)
		}
	}
	if Lookup("nothing") != nil {
		t.Error("Lookup finds what is not there")
	}
}

const (
	docFile  = "../docs/policy.md"
	docBegin = "<!-- rules: written by UPDATE=1 go test ./policy -->\n"
	docEnd   = "<!-- end of rules -->\n"
)

// docs/policy.md holds every rule as the program explains it, and its examples
// are policies.
func TestReferenceIsCurrent(t *testing.T) {
	src, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(src), docBegin)
	_, tail, ok2 := strings.Cut(rest, docEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the rules", docFile)
	}
	golden(t, docFile, head+docBegin+ruleReference()+docEnd+tail)
	for _, m := range regexp.MustCompile("(?s)```yaml\n(version: 1\n.*?)```").FindAllStringSubmatch(head+tail, -1) {
		if _, err := Parse(docFile, []byte(m[1])); err != nil {
			t.Errorf("an example of %s: %v\n%s", docFile, err, m[1])
		}
	}
	for _, r := range Rules() {
		if !strings.Contains(string(src), "### `"+r.ID+"`") {
			t.Errorf("%s has no %s", docFile, r.ID)
		}
	}
	for _, key := range newLanguage().paths() {
		if _, last := splitPath(key); !strings.Contains(string(src), last) {
			t.Errorf("%s does not mention %s", docFile, key)
		}
	}
}

func settingsText(all []Setting) string {
	var out []string
	for _, s := range all {
		out = append(out, "`"+s.Key+": "+s.Value+"`")
	}
	return strings.Join(out, ", ")
}

// ruleReference writes the rules for people.
func ruleReference() string {
	var b strings.Builder
	for _, r := range Rules() {
		fmt.Fprintf(&b, "\n### `%s`\n\n%s %s\n\n", r.ID, r.Title, r.Why)
		fmt.Fprintf(&b, "- Values: %s\n- Without the key: %s\n", strings.ReplaceAll(r.Settings, "*", `\*`), r.Default)
		if set := r.InBuiltIn(); len(set) > 0 {
			b.WriteString("- In the built-in policy: " + settingsText(set) + "\n")
		}
		if !r.Setting {
			fmt.Fprintf(&b, "- If it is not met: %s\n", r.How)
		}
		if r.Levels {
			fmt.Fprintf(&b, "- `levels: {%s: warn}` or `off`\n", r.ID)
		}
		if r.Example != "" {
			fmt.Fprintf(&b, "\n```yaml\n%s```\n", r.Example)
		}
	}
	return b.String() + "\n"
}
