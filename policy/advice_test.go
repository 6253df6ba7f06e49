package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// notKeys are words with dots in texts that look like keys of a policy and are the names
// of fields that expressions know, or of fields of documents.
func notKeys() []string { return []string{"config.labels", "packages.exists"} }

// Every key of a policy that a text of this package names is one: advice that names
// another would be followed by a mistake.
func TestTextsNameKeysThatExist(t *testing.T) {
	lang := newLanguage()
	keys := append(lang.paths(), "vulnerabilities.max", "vulnerabilities.grace", "exception-limits.max-days", "exception-limits.never", "exception-limits.require", "exception-limits.never.severity")
	for _, l := range lang.leaves {
		keys = append(keys, l.keyPath())
	}
	var sections []string
	for _, s := range lang.sections {
		if s.name != "" {
			sections = append(sections, s.name)
		}
	}
	key := regexp.MustCompile(`(?:^|[^a-z0-9./-])((?:levels\.)?(?:` + strings.Join(sections, "|") + `)(?:\.[a-z]+(?:-[a-z]+)*)+)`)
	named := 0
	for at, text := range textsOf(t) {
		for _, m := range key.FindAllStringSubmatch(text, -1) {
			name := strings.TrimPrefix(m[1], levelsPrefix)
			named++
			if !slices.Contains(keys, name) && !slices.Contains(notKeys(), name) {
				t.Errorf("%s names %s, which is no key: %q", at, m[1], text)
			}
		}
	}
	if named < 100 {
		t.Errorf("only %d keys were found in the texts", named)
	}
}

// textsOf returns the constant texts of the package by their places.
func textsOf(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	set := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				out[set.Position(lit.Pos()).String()] = text
			}
			return true
		})
	}
	return out
}

// A piece of a policy in the advice of a rule can be put into a policy as it is, for all
// images or, where the advice says so, in an override, and changes the keys that it names
// and no other.
func TestAdviceChangesWhatItNames(t *testing.T) {
	piece := regexp.MustCompile(`([a-z-]+): \{([a-z-]+): [^{}]*\}`)
	tried := 0
	for _, r := range Rules() {
		for _, m := range piece.FindAllStringSubmatch(r.How+"\n"+r.NoLevel, -1) {
			if m[1] == "capabilities" || m[1] == "securityContext" {
				continue // of Kubernetes
			}
			tried++
			src := "version: 1\n" + m[0] + "\n"
			if strings.Contains(r.How, "in an override") {
				src = "version: 1\noverrides:\n- images: [registry.example.no/static/app]\n  reason: x\n  owner: x\n  expires: 2026-09-01\n  " + m[0] + "\n"
			}
			p, err := Parse("policy.yaml", []byte(src))
			if err != nil {
				t.Errorf("%s: %v", r.ID, err)
				continue
			}
			var set []string
			for _, s := range append(p.Settings(), settingsOfOverrides(p)...) {
				if s.Origin == OriginFile {
					set = append(set, s.Key)
				}
			}
			for _, k := range set {
				if section, _, _ := strings.Cut(k, "."); section != m[1] || !strings.Contains(m[0], strings.TrimPrefix(k, section+".")) {
					t.Errorf("%s: %s sets %s too", r.ID, m[0], k)
				}
			}
			if len(set) == 0 {
				t.Errorf("%s: %s sets nothing", r.ID, m[0])
			}
		}
	}
	if tried < 2 {
		t.Errorf("only %d pieces were found", tried)
	}
}

func settingsOfOverrides(p *Policy) []Setting {
	var out []Setting
	for _, o := range p.Overrides() {
		out = append(out, o.Settings...)
	}
	return out
}
