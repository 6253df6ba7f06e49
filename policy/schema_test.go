package policy

import (
	"bytes"
	"os"
	"testing"
)

// update rewrites golden files: UPDATE=1 go test ./policy
func update() bool { return os.Getenv("UPDATE") != "" }

// The schema file is what the list of keys makes of it.
func TestSchemaIsCurrent(t *testing.T) {
	want, err := buildSchema()
	if err != nil {
		t.Fatal(err)
	}
	if update() {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(Schema(), want) {
		t.Error("policy/imagegate.schema.json is not what the keys of a policy are: UPDATE=1 go test ./policy")
	}
}
