package policy

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

const schemaComment = "# yaml-language-server: $schema=./" + schemaFile + "\n"

func TestExamplesParse(t *testing.T) {
	files, err := filepath.Glob("../examples/policies/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(filepath.Base(f), src); err != nil {
			t.Errorf("%v", err)
		}
		if !bytes.HasPrefix(src, []byte(schemaComment)) {
			t.Errorf("%s does not begin with %s", f, schemaComment)
		}
	}
}

// The example of a base names its hash, and the policy above it is stricter.
func TestExampleOfABase(t *testing.T) {
	const dir = "../examples/policies/platform-base/"
	src, err := os.ReadFile(dir + "team-above-base.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseOn("team-above-base.yaml", src, func(_ string, b Base) (string, []byte, error) {
		src, err := os.ReadFile(dir + b.File)
		return b.File, src, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if parts := p.Parts(); len(parts) != 3 || !parts[1].Pinned || parts[0].Pinned {
		t.Errorf("parts = %+v", parts)
	}
}

func TestDefaultIsTheExample(t *testing.T) {
	src, err := os.ReadFile("../examples/policies/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(src, DefaultSource()) {
		t.Error("examples/policies/default.yaml differs from policy/default.yaml")
	}
}

// What is commented out in the default policy can be switched on as it is.
func TestDefaultWithEverythingOn(t *testing.T) {
	src := string(DefaultSource())
	for _, line := range []string{
		"  # grace:", "  # unattributed:", "# exceptions:", "#   - id:", "#     package:", "#     images:", "#     reason:",
		"#     owner:", "#     expires:", "# overrides:", "#   - images:", "#     coverage:",
	} {
		on := strings.Replace(line, "# ", "", 1)
		if !strings.Contains(src, line) {
			t.Fatalf("the default has no line with %q", line)
		}
		if line[0] == '#' {
			on = line[2:]
		}
		src = strings.ReplaceAll(src, line, on)
	}
	mustParse(t, src)
}

// asJSON reads YAML the way an editor does before it applies the schema.
func asJSON(t *testing.T, src []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(src, &v); err != nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	// Dates are texts to an editor.
	b = bytes.ReplaceAll(b, []byte(`T00:00:00Z"`), []byte(`"`))
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaFile, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The schema takes what the parser takes.
func TestSchemaTakesPolicies(t *testing.T) {
	s := compiledSchema(t)
	sources := map[string]string{"default": string(DefaultSource())}
	files, _ := filepath.Glob("../examples/policies/*.yaml")
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		sources[f] = string(src)
	}
	for _, r := range Rules() {
		sources[r.ID] = exampleOf(r)
	}
	delete(sources, ruleEvidence)
	for name, src := range sources {
		if err := s.Validate(asJSON(t, []byte(src))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The schema refuses what it can express: keys, types, words and forms.
func TestSchemaRefuses(t *testing.T) {
	s := compiledSchema(t)
	const ok = "version: 1\n"
	for _, src := range []string{
		"secrets: {max: 0}", "version: 2", "version: \"1\"", ok + "secret: {max: 0}", ok + "config: {user: nonroot}", ok + "config: {max-age: 7}",
		ok + "config: {deny-ports: [ssh]}", ok + "config: {deny-ports: [0]}", ok + "vulnerabilities: {max: {hihg: 0}}", ok + "vulnerabilities: {max: {high: -1}}",
		ok + "vulnerabilities: {types: [oss]}", ok + "vulnerabilities: {deny: [\"*\"]}", ok + "coverage: {unknown-os: off}", ok + "levels: {config.usr: warn}",
		ok + "levels: {coverage.unknown-os: warn}", ok + "exceptions: [{id: CVE-2026-0001, expires: 2027-01-31}]", ok + "exceptions: []", ok + "platforms: [amd64]",
		ok + "overrides: [{secrets: {max: 1}}]", ok + "secrets: {max: -1}", ok + "config: {}", ok + "reference: {allow: []}", ok + "licenses: {deny: [a, a]}",
	} {
		if err := s.Validate(asJSON(t, []byte(src))); err == nil {
			t.Errorf("the schema takes %q", src)
		}
		if _, err := Parse("p", alone(src)); err == nil {
			t.Errorf("the parser takes %q", src)
		}
	}
}
