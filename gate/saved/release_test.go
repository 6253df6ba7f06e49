package saved

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/evidence"
)

// What documents say survives being written and read, and comes before the images.
func TestReleaseIsKept(t *testing.T) {
	uid := int64(10001)
	docs := &evidence.Release{
		SchemaVersion: evidence.SchemaVersion, Namespace: "shop",
		Documents: []evidence.Document{{File: "compose.yaml", Kind: evidence.DocumentCompose, SHA256: strings.Repeat("a", 64), Problems: []evidence.DocumentProblem{{Message: "x"}}}},
		Workloads: []evidence.Workload{{Object: evidence.Object{Kind: "service", Name: "web"}, Document: evidence.DocumentCompose,
			Containers: []evidence.Container{{Name: "web", Security: evidence.Security{RunAsUser: &uid}, Places: map[string]evidence.Place{"user": {File: "compose.yaml", Line: 3}}}}}},
		Dockerfiles: []evidence.Dockerfile{{File: "Dockerfile", Stages: []evidence.Stage{{Scratch: true}}}},
	}
	var b bytes.Buffer
	if err := WriteRun(&b, &gate.Run{Release: &gate.Release{Evidence: docs, Alone: []string{"app:1"}}}); err != nil {
		t.Fatal(err)
	}
	var got *Release
	reader := NewReader()
	reader.OnRelease = func(r *Release) error { got = r; return nil }
	if _, err := reader.Read(&b, func(*evidence.Image) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&Release{Documents: *docs, Alone: []string{"app:1"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestReleaseIsReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		`{"schemaVersion":2,"release":{"documents":{"schemaVersion":9,"documents":[],"workloads":[]},"alone":[]},"images":[]}`: "schemaVersion is 9",
		`{"schemaVersion":2,"release":{"documents":{},"alone":[]},"images":[]}`:                                                "schemaVersion is 0",
		`{"schemaVersion":2,"release":{"documents":{"schemaVersion":1,"new":1}},"images":[]}`:                                  "new",
	} {
		_, err := NewReader().Read(strings.NewReader(text), func(*evidence.Image) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
