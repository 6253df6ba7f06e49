package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
)

// advice is a piece of a policy in a message.
type advice struct {
	piece      string
	inOverride bool
}

var pieceForm = sync.OnceValue(func() *regexp.Regexp {
	var sections []string
	for _, s := range newLanguage().sections {
		if s.name != "" {
			sections = append(sections, s.name)
		}
	}
	return regexp.MustCompile(`(?:^|[^a-z-])((?:levels|rules|` + strings.Join(sections, "|") + `): \{)`)
})

// adviceIn returns the pieces of a policy in a message: a section and what is between
// its braces, or "set KEY to VALUE".
func adviceIn(message string) []advice {
	var out []advice
	for _, at := range pieceForm().FindAllStringSubmatchIndex(message, -1) {
		depth, end := 0, 0
		for i := at[2]; i < len(message) && end == 0; i++ {
			switch message[i] {
			case '{':
				depth++
			case '}':
				if depth--; depth == 0 {
					end = i + 1
				}
			}
		}
		if end > 0 {
			out = append(out, advice{message[at[2]:end], strings.Contains(message, "in an override")})
		}
	}
	for _, m := range setForm.FindAllStringSubmatch(message, -1) {
		out = append(out, advice{strings.TrimSuffix(nest(m[1], m[2]), "\n"), false})
	}
	return out
}

// setForm is the other way in which messages name a key and its value.
var setForm = regexp.MustCompile(`\bset ((?:[a-z]+(?:-[a-z]+)*\.)+[a-z]+(?:-[a-z]+)*) to ([a-z]+)`)

// named returns the paths of the keys that a piece sets.
func (a advice) named() []string {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(a.piece), &root); err != nil {
		return nil
	}
	var out []string
	var walk func(prefix string, n *yaml.Node)
	walk = func(prefix string, n *yaml.Node) {
		if n.Kind != yaml.MappingNode || len(n.Content) == 0 || strings.Count(prefix, ".") > 1 {
			out = append(out, prefix)
			return
		}
		for i := 0; i < len(n.Content); i += 2 {
			walk(strings.TrimPrefix(prefix+"."+n.Content[i].Value, "."), n.Content[i+1])
		}
	}
	walk("", root.Content[0])
	return out
}

// followed writes the piece below what a policy has, for all images or for one.
func (a advice) followed(policy, image string) string {
	if a.inOverride {
		return policy + "\noverrides:\n- images: ['" + image + "']\n  reason: x\n  owner: x\n  expires: 2026-07-31\n  " + a.piece + "\n"
	}
	return policy + "\n" + a.piece + "\n"
}

// changesOnlyWhatItNames puts a piece into an empty policy, and compares every setting
// with that of the built-in policy.
func (a advice) changesOnlyWhatItNames(t *testing.T, at string) {
	t.Helper()
	p, err := Parse("policy.yaml", []byte(a.followed("version: 1", "registry.example.no/static/app")))
	if err != nil {
		t.Errorf("%s: following %q is a mistake: %v", at, a.piece, err)
		return
	}
	names := a.named()
	isNamed := func(key string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return n == key || strings.HasPrefix(key, n+".") || strings.HasPrefix(n, key+".") })
	}
	before := map[string]string{}
	for _, s := range Default().Settings() {
		before[s.Key] = s.Value
	}
	for _, s := range p.Settings() {
		if !isNamed(s.Key) && before[s.Key] != s.Value {
			t.Errorf("%s: %q changes %s from %q to %q", at, a.piece, s.Key, before[s.Key], s.Value)
		}
		delete(before, s.Key)
	}
	if len(before) > 0 {
		t.Errorf("%s: %q takes away %v", at, a.piece, before)
	}
	for _, s := range settingsOfOverrides(p) {
		if !isNamed(s.Key) {
			t.Errorf("%s: %q changes %s too", at, a.piece, s.Key)
		}
	}
	if !slices.ContainsFunc(append(p.Settings(), settingsOfOverrides(p)...), func(s Setting) bool { return s.Origin == OriginFile }) {
		t.Errorf("%s: %q sets nothing", at, a.piece)
	}
}

// followAdvice follows the advice of a verdict: no answer but that of the rules whose
// keys it names may get better.
func followAdvice(t *testing.T, policy string, img *evidence.Image, v Verdict) {
	t.Helper()
	for _, r := range v.Rules {
		for _, text := range append([]string{r.Message, r.Cure}, r.Details...) {
			for _, a := range adviceIn(text) {
				a.changesOnlyWhatItNames(t, r.Rule)
				p, err := Parse("policy.yaml", alone(a.followed("version: 1\n"+policy, img.Reference.Name)))
				if err != nil {
					continue // the policy has the section already
				}
				followedAdvice.Store(a.piece, true) // TestMain counts them
				for _, after := range p.Evaluate(img, noon()).Rules {
					i := slices.IndexFunc(v.Rules, func(b RuleResult) bool { return b.Rule == after.Rule })
					if i >= 0 && stops(v.Rules[i].Result) && !stops(after.Result) && after.Rule != r.Rule {
						t.Errorf("%s: %q turns %s from %s into %s", r.Rule, a.piece, after.Rule, v.Rules[i].Result, after.Result)
					}
				}
			}
		}
	}
}

// placeholder is what a reader has to replace, and a value that is known at run time.
var placeholder = regexp.MustCompile(`%|\.\.\.|\b(NAME|N)\b`)

// notAdvice are pieces that tell what a policy has, not what to write.
func notAdvice() []string { return []string{"deadlines: {clock: first-seen}"} }

// followedAdvice has the pieces that were followed.
var followedAdvice sync.Map

// Every piece of a policy in a text of this repository changes the keys that it names
// and no other. Texts with %s in a piece are built at run time, and followAdvice sees
// them.
func TestAdviceOfEveryPackage(t *testing.T) {
	tried := 0
	for _, dir := range []string{".", "../gate", "../cmd"} {
		err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "gatetest") {
				return err
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if kv, ok := n.(*ast.KeyValueExpr); ok {
					if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Example" {
						return false // the examples of the rules are tried as whole policies
					}
				}
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				text, _ := strconv.Unquote(lit.Value)
				for _, a := range adviceIn(text) {
					if !placeholder.MatchString(a.piece) && !slices.Contains(notAdvice(), a.piece) {
						tried++
						a.changesOnlyWhatItNames(t, set.Position(lit.Pos()).String())
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if tried < 15 {
		t.Errorf("only %d pieces were found", tried)
	}
}
