package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/policy"
)

func compile(t *testing.T, name string, schema []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func schemaFile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", "schemas", name))
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, "file:///"+name, src)
}

func parse(t *testing.T, doc []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatalf("%v in %.200s", err, doc)
	}
	return v
}

func TestReportsMatchTheirSchemas(t *testing.T) {
	ours := compile(t, "file:///report.schema.json", report.ReportSchema())
	sarifSchema := schemaFile(t, "sarif-2.1.0.schema.json")
	gitlab := schemaFile(t, "gitlab-container-scanning-15.2.1.schema.json")
	quality := schemaFile(t, "gitlab-codequality.schema.json")
	for name, run := range samples() {
		o := report.Options{DefaultBranchImage: strings.Repeat("x", 300)}
		if err := ours.Validate(parse(t, write(t, "json", run, o))); err != nil {
			t.Errorf("%s: json: %v", name, err)
		}
		if err := sarifSchema.Validate(parse(t, write(t, "sarif", run, o))); err != nil {
			t.Errorf("%s: sarif: %v", name, err)
		}
		if err := gitlab.Validate(parse(t, write(t, "gitlab", run, o))); err != nil {
			t.Errorf("%s: gitlab: %v", name, err)
		}
		issues, ok := parse(t, write(t, "codequality", run, o)).([]any)
		if !ok {
			t.Errorf("%s: codequality: no array", name)
		}
		for _, issue := range issues {
			if err := quality.Validate(issue); err != nil {
				t.Errorf("%s: codequality: %v", name, err)
			}
		}
		s, err := sarif.FromBytes(write(t, "sarif", run, o), sarif.WithStrictValidation())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(); name != "many" && err != nil {
			t.Errorf("%s: sarif by go-sarif's own schema: %v", name, err)
		}
	}
}

// TestSchemasReject proves that each schema check can fail: it refuses a document
// with one mistake.
func TestSchemasReject(t *testing.T) {
	for _, c := range []struct{ format, schema, old, bad string }{
		{"json", "", `"verdict": "fail"`, `"verdict": "maybe"`},
		{"json", "", `"tool":`, `"tools":`},
		{"sarif", "sarif-2.1.0.schema.json", `"level": "error"`, `"level": "fatal"`},
		{"gitlab", "gitlab-container-scanning-15.2.1.schema.json", `"severity": "Critical"`, `"severity": "CRITICAL"`},
		{"gitlab", "gitlab-container-scanning-15.2.1.schema.json", `"start_time": "2026-11-23T07:00:00"`, `"start_time": "2026-11-23T07:00:00Z"`},
		{"gitlab", "gitlab-container-scanning-15.2.1.schema.json", `"operating_system": "debian 12.5"`, `"operating_system": ""`},
	} {
		doc := string(write(t, c.format, failRun(), report.Options{}))
		if !strings.Contains(doc, c.old) {
			t.Errorf("%s has no %s", c.format, c.old)
		}
		schema := compile(t, "file:///report.schema.json", report.ReportSchema())
		if c.schema != "" {
			schema = schemaFile(t, c.schema)
		}
		if schema.Validate(parse(t, []byte(strings.ReplaceAll(doc, c.old, c.bad)))) == nil {
			t.Errorf("%s: %s is not refused", c.format, c.bad)
		}
	}
}

// TestSchemaHasEveryField walks the Go model and the schema side by side: a
// field that one has and the other has not is a drift.
func TestSchemaHasEveryField(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(report.ReportSchema(), &root); err != nil {
		t.Fatal(err)
	}
	s := schemaWalk{t: t, definitions: root["definitions"].(map[string]any), seen: map[reflect.Type]bool{}}
	s.walk("report", reflect.TypeFor[report.Document](), root)
	if s.fields < 100 {
		t.Errorf("only %d fields were compared", s.fields)
	}
}

type schemaWalk struct {
	t           *testing.T
	definitions map[string]any
	seen        map[reflect.Type]bool
	fields      int
}

func (s *schemaWalk) walk(path string, typ reflect.Type, schema map[string]any) {
	schema = s.resolve(schema)
	switch typ.Kind() {
	case reflect.Pointer:
		s.walk(path, typ.Elem(), schema)
	case reflect.Slice:
		s.walk(path+"[]", typ.Elem(), schema["items"].(map[string]any))
	case reflect.Map:
		s.walk(path+"{}", typ.Elem(), schema["additionalProperties"].(map[string]any))
	case reflect.Struct:
		if typ != reflect.TypeFor[time.Time]() && !s.seen[typ] {
			s.seen[typ] = true
			s.object(path, typ, schema)
		}
	}
}

// resolve follows $ref and takes the part of anyOf that is not null.
func (s *schemaWalk) resolve(schema map[string]any) map[string]any {
	if either, ok := schema["anyOf"].([]any); ok {
		return s.resolve(either[0].(map[string]any))
	}
	if ref, ok := schema["$ref"].(string); ok {
		return s.resolve(s.definitions[strings.TrimPrefix(ref, "#/definitions/")].(map[string]any))
	}
	return schema
}

func (s *schemaWalk) object(path string, typ reflect.Type, schema map[string]any) {
	properties, _ := schema["properties"].(map[string]any)
	if schema["additionalProperties"] != false {
		s.t.Errorf("%s: additionalProperties is not false", path)
	}
	required := fmt.Sprint(schema["required"])
	var names []string
	for _, field := range reflect.VisibleFields(typ) {
		if field.Anonymous {
			continue // its fields follow
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
		s.fields++
		property, ok := properties[name].(map[string]any)
		if !ok {
			s.t.Errorf("%s.%s is not in the schema", path, name)
			continue
		}
		always := !strings.Contains(options, "omitempty")
		if listed := slices.Contains(strings.Fields(strings.Trim(required, "[]")), name); listed != always {
			s.t.Errorf("%s.%s: required is %t in the schema, %t in the model", path, name, listed, always)
		}
		s.walk(path+"."+name, field.Type, property)
	}
	for name := range properties {
		if !slices.Contains(names, name) {
			s.t.Errorf("%s.%s is in the schema, but not in the model", path, name)
		}
	}
}

// The report knows every class of the policy, in its counts and in its findings.
func TestReportKnowsEveryClass(t *testing.T) {
	var schema struct {
		Definitions map[string]struct {
			Required   []string
			Properties map[string]struct{ Enum []string }
		}
	}
	if err := json.Unmarshal(report.ReportSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	for _, c := range policy.Classes() {
		if !slices.Contains(schema.Definitions["counts"].Required, string(c)) {
			t.Errorf("the report does not count %s", c)
		}
		if !slices.Contains(schema.Definitions["finding"].Properties["class"].Enum, string(c)) {
			t.Errorf("the report has no findings of class %s", c)
		}
	}
}
