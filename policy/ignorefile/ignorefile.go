// Package ignorefile makes exceptions of the ignore files of Trivy and Grype.
//
// An exception has a reason, an owner and an end. Where an ignore file does not
// tell one of them, that is a mistake with its position: it never gets a default.
package ignorefile

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy"
)

// entry is one exception, with its place in the ignore file.
type entry struct {
	pos policy.Position

	ID      string   `yaml:"id"`
	Package string   `yaml:"package,omitempty"`
	Paths   []string `yaml:"paths,omitempty,flow"`
	Reason  string   `yaml:"reason"`
	Owner   string   `yaml:"owner"`
	Expires string   `yaml:"expires"`
}

// importer collects exceptions and mistakes.
type importer struct {
	file     string
	syntax   syntax
	entries  []*entry
	mistakes []policy.Diagnostic
}

// syntax is how a format tells the parts of an exception that ours must have.
type syntax struct{ reason, owner, end string }

var (
	grypeSyntax = syntax{"reason: ...", "owner: ...", "expires: 2027-01-31"}
	trivySyntax = syntax{"statement: ...", "owner: ...", "expired_at: 2027-01-31"}
	linesSyntax = syntax{"a comment in the line above", "a comment # owner: ... in a line above", "exp:2027-01-31 behind the id"}
)

// Import returns the exceptions of an ignore file as a part of a policy file. The
// name tells the format: .trivyignore, .trivyignore.yaml or .grype.yaml. Mistakes
// are a [*policy.Error] that holds all of them.
func Import(name string, src []byte) ([]byte, error) {
	im := &importer{file: name}
	switch base := path.Base(strings.ReplaceAll(name, `\`, "/")); {
	case strings.Contains(base, "grype") && isYAML(base):
		im.syntax = grypeSyntax
		im.yaml(src, im.grype)
	case isYAML(base):
		im.syntax = trivySyntax
		im.yaml(src, im.trivy)
	default:
		im.syntax = linesSyntax
		im.lines(string(src))
	}
	for _, e := range im.entries {
		im.check(e)
	}
	if len(im.entries) == 0 && len(im.mistakes) == 0 {
		im.fail(policy.Position{File: name}, "there is nothing to import", "the formats are .trivyignore, .trivyignore.yaml and .grype.yaml")
	}
	if len(im.mistakes) > 0 {
		return nil, &policy.Error{Diagnostics: im.mistakes}
	}
	return encode(im.entries)
}

func isYAML(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

func encode(entries []*entry) ([]byte, error) {
	return yaml.Marshal(map[string][]*entry{"exceptions": entries})
}

func (im *importer) fail(pos policy.Position, msg, cure string) {
	im.mistakes = append(im.mistakes, policy.Diagnostic{Pos: pos, Msg: msg, Cure: cure})
}

// probe begins the policy by which the exceptions are checked.
const probe = "version: 1\nvulnerabilities: {max: {critical: 0}}\n"

// check names what an entry lacks, and lets the policy parser read the rest.
func (im *importer) check(e *entry) {
	before := len(im.mistakes)
	for _, part := range []struct{ value, name, cure string }{
		{e.Reason, "reason", "say why it may ship: " + im.syntax.reason},
		{e.Owner, "owner", "say who is responsible: " + im.syntax.owner},
		{e.Expires, "end", "say when it ends: " + im.syntax.end},
	} {
		if strings.TrimSpace(part.value) == "" {
			im.fail(e.pos, fmt.Sprintf("%s has no %s", e.ID, part.name), part.cure)
		}
	}
	if len(im.mistakes) > before {
		return
	}
	doc, err := encode([]*entry{e})
	if err != nil {
		im.fail(e.pos, err.Error(), "")
		return
	}
	_, err = policy.Parse(im.file, append([]byte(probe), doc...))
	if wrong, ok := errors.AsType[*policy.Error](err); ok {
		for _, d := range wrong.Diagnostics {
			im.fail(e.pos, d.Msg, d.Cure)
		}
	} else if err != nil {
		im.fail(e.pos, err.Error(), "")
	}
}

// lines reads .trivyignore: an id on each line, exp:DATE behind it. The comment
// lines right above an id are about it.
func (im *importer) lines(src string) {
	var reason []string
	owner := ""
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(src, "\ufeff")) {
		number++
		text := strings.TrimSpace(line)
		comment, isComment := strings.CutPrefix(text, "#")
		switch {
		case text == "":
			reason, owner = nil, ""
		case isComment:
			if name, ok := strings.CutPrefix(strings.TrimSpace(comment), "owner:"); ok {
				owner = strings.TrimSpace(name)
			} else {
				reason = append(reason, strings.TrimSpace(comment))
			}
		default:
			im.line(policy.Position{File: im.file, Line: number, Column: 1 + strings.Index(line, text)}, text, strings.Join(reason, " "), owner)
			reason, owner = nil, ""
		}
	}
}

func (im *importer) line(pos policy.Position, text, reason, owner string) {
	text, comment, _ := strings.Cut(text, "#")
	reason = cmp.Or(reason, strings.TrimSpace(comment))
	fields := strings.Fields(text)
	e := &entry{pos: pos, ID: fields[0], Reason: reason, Owner: owner}
	for _, field := range fields[1:] {
		end, ok := strings.CutPrefix(field, "exp:")
		if !ok || e.Expires != "" {
			im.fail(pos, fmt.Sprintf("%q is not understood", field), "write ID exp:DATE")
			continue
		}
		e.Expires = end
	}
	im.entries = append(im.entries, e)
}

// yaml reads a YAML file with one document.
func (im *importer) yaml(src []byte, read func(*yaml.Node)) {
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		im.fail(policy.Position{File: im.file}, strings.TrimPrefix(err.Error(), "yaml: "), "")
		return
	}
	if len(doc.Content) == 1 {
		read(doc.Content[0])
	}
}

func (im *importer) at(n *yaml.Node) policy.Position {
	return policy.Position{File: im.file, Line: n.Line, Column: n.Column}
}

// each calls f for every key of a mapping. A key that is given twice, an alias
// and anything but a mapping are mistakes.
func (im *importer) each(n *yaml.Node, what string, f func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		im.fail(im.at(n), what+" is not a mapping", "")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case seen[key.Value]:
			im.fail(im.at(key), fmt.Sprintf("%q is given twice", key.Value), "")
		case key.Value == "<<" || value.Kind == yaml.AliasNode:
			im.fail(im.at(key), "anchors and aliases are not read", "write the value out")
		default:
			f(key, value)
		}
		seen[key.Value] = true
	}
}

func (im *importer) items(n *yaml.Node, what string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		im.fail(im.at(n), what+" is not a list", "")
		return nil
	}
	return n.Content
}

func (im *importer) text(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode {
		im.fail(im.at(n), what+" is not a text", "")
		return ""
	}
	return n.Value
}

func (im *importer) texts(n *yaml.Node, what string) []string {
	var out []string
	for _, item := range im.items(n, what) {
		out = append(out, im.text(item, what))
	}
	return out
}

// unknown refuses what no exception could say: leaving it out would make the
// exception wider than what was ignored.
func (im *importer) unknown(key *yaml.Node) {
	im.fail(im.at(key), fmt.Sprintf("%q has no counterpart in an exception", key.Value), "remove it if the exception may do without, or write the exception by hand")
}

// trivy reads .trivyignore.yaml.
func (im *importer) trivy(n *yaml.Node) {
	im.each(n, "the file", func(key, value *yaml.Node) {
		if key.Value != "vulnerabilities" {
			im.unknown(key)
			return
		}
		for _, item := range im.items(value, key.Value) {
			im.trivyEntry(item)
		}
	})
}

func (im *importer) trivyEntry(n *yaml.Node) {
	e := entry{pos: im.at(n)}
	var purls []string
	im.each(n, "the entry", func(key, value *yaml.Node) {
		switch key.Value {
		case "id":
			e.ID = im.text(value, key.Value)
		case "statement":
			e.Reason = im.text(value, key.Value)
		case "owner":
			e.Owner = im.text(value, key.Value)
		case "expired_at":
			e.Expires = im.text(value, key.Value)
		case "paths":
			e.Paths = im.texts(value, key.Value)
		case "purls":
			purls = im.texts(value, key.Value)
		default:
			im.unknown(key)
		}
	})
	if len(purls) == 0 {
		im.entries = append(im.entries, &e)
	}
	for _, purl := range purls {
		one := e
		one.Package, one.Paths = purl, slices.Clone(e.Paths)
		im.entries = append(im.entries, &one)
	}
}

// grype reads the ignore rules of .grype.yaml. Its other keys ignore nothing.
func (im *importer) grype(n *yaml.Node) {
	im.each(n, "the file", func(key, value *yaml.Node) {
		if key.Value != "ignore" {
			return
		}
		for _, item := range im.items(value, key.Value) {
			im.grypeRule(item)
		}
	})
}

func (im *importer) grypeRule(n *yaml.Node) {
	e := &entry{pos: im.at(n)}
	im.each(n, "the rule", func(key, value *yaml.Node) {
		switch key.Value {
		case "vulnerability":
			e.ID = im.text(value, key.Value)
		case "reason":
			e.Reason = im.text(value, key.Value)
		case "owner":
			e.Owner = im.text(value, key.Value)
		case "expires":
			e.Expires = im.text(value, key.Value)
		case "package":
			im.grypePackage(value, e)
		default:
			im.unknown(key)
		}
	})
	if e.ID == "" {
		im.fail(e.pos, "the rule names no vulnerability, and an exception is for one", "write vulnerability: ID, or a setting of the policy")
		return
	}
	im.entries = append(im.entries, e)
}

func (im *importer) grypePackage(n *yaml.Node, e *entry) {
	im.each(n, "package", func(key, value *yaml.Node) {
		switch key.Value {
		case "name":
			e.Package = im.text(value, key.Value)
		case "location":
			e.Paths = []string{strings.TrimPrefix(im.text(value, key.Value), "/")}
		default:
			im.unknown(key)
		}
	})
}
