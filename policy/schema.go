package policy

import (
	_ "embed" // the schema
	"encoding/json"
)

//go:embed imagegate.schema.json
var schemaSource string

// Schema returns the JSON Schema (draft-07) of the policy file, for editors. It
// is made from the same list of keys that the parser reads.
func Schema() []byte { return []byte(schemaSource) }

// object is a piece of a JSON Schema.
type object map[string]any

// buildSchema makes the schema; a test keeps the file equal to it.
func buildSchema() ([]byte, error) {
	s := schemaOf(policyFields())
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["title"] = "imagegate policy"
	s["description"] = "Decides which container images may ship. See docs/policy.md."
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// schemaOf returns the schema of a mapping.
func schemaOf[T any](fields []field[T]) object {
	properties, required := object{}, []string{}
	for _, f := range fields {
		p := object{}
		if f.fields != nil {
			p = schemaOf(f.fields)
		}
		for k, v := range f.schema {
			p[k] = v
		}
		p["description"] = f.doc
		properties[f.key] = p
		if f.required {
			required = append(required, f.key)
		}
	}
	s := object{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func enum(words ...string) object { return object{"enum": words} }

func pattern(re string) object { return object{"type": "string", "pattern": re} }

func textSchema() object { return object{"type": "string", "minLength": 1} }

func numberSchema() object { return object{"type": "integer", "minimum": 0} }

func limitSchema() object {
	return object{"oneOf": []any{numberSchema(), object{"const": wordNoLimit}}}
}

func durationSchema() object { return pattern(durationForm.String()) }

func listOf(item object) object {
	return object{"type": "array", "minItems": 1, "uniqueItems": true, "items": item}
}

// severitySchema is a mapping from severity to a value.
func severitySchema(value object) object {
	properties := object{}
	for _, s := range severityWords() {
		properties[s] = value
	}
	return object{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": properties}
}
