package compose

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// byDefault asks what the built-in policy asks about workloads.
const byDefault = `version: 1
extends: none
reference: {pin: any, deny-tags: [x]}
workload: {run-as-non-root: true, starts: true, deny-privileged: true, deny-mounts: [container-runtime], deny-ports: [2375, 2376]}
`

// expected reads the comment of a file that begins with a key, such as "# want: read".
func expected(data []byte, key string) (values []string) {
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "# "+key+": "); ok {
			values = strings.Fields(rest)
		}
	}
	slices.Sort(values)
	return values
}

// Projects as people write them are understood as a careful reader understands them.
func TestOrdinaryProjects(t *testing.T) {
	archive, err := os.ReadFile("testdata/ordinary.txtar")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse("p.yaml", []byte(byDefault))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := txtar.Parse(archive).Files
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		project, base := filepath.Split(f.Name)
		if base != "compose.yaml" || strings.Count(project, "/") > 1 {
			continue
		}
		t.Run(project, func(t *testing.T) { ordinary(t, p, filepath.Join(dir, f.Name), f.Data) })
	}
}

func ordinary(t *testing.T, p *policy.Policy, name string, data []byte) {
	read, err := Read(context.Background(), name, func() (string, error) { return t.TempDir(), nil })
	if err != nil {
		t.Fatal(err)
	}
	var problems, found, built []string
	for _, pr := range read.Release.Documents[0].Problems {
		problems = append(problems, pr.At.String()+": "+pr.Message+" ("+pr.Cure+")")
	}
	var judged []*evidence.Image
	uid := int64(10001)
	for _, u := range read.Release.Uses() {
		switch {
		case u.Ref == "" && u.Image == "":
			built = append(built, u.Workload.Name)
			continue
		case u.Ref == "":
			problems = append(problems, u.At.String()+": "+u.Problem)
		}
		found = append(found, u.Image)
		judged = append(judged, &evidence.Image{
			SchemaVersion: evidence.SchemaVersion, Reference: evidence.Reference{Asked: u.Ref, Source: evidence.SourceRegistry, Name: u.Ref},
			Digest: "sha256:" + strings.Repeat("a", 64), Platform: "linux/amd64", Platforms: []string{"linux/amd64"}, Config: &evidence.Config{User: "10001"},
			Scan: &evidence.Scan{Need: evidence.NeedUser, User: &evidence.User{Spec: "10001", UID: &uid}},
		})
	}
	if strings.HasPrefix(string(data), "{") {
		if len(problems) > 0 || len(found) == 0 {
			t.Errorf("mistakes: %q", problems)
		}
		return
	}
	if rest, ok := strings.CutPrefix(strings.SplitN(string(data), "\n", 2)[0], "# want: mistake "); ok {
		if !strings.Contains(strings.Join(problems, "\n"), rest) {
			t.Errorf("mistakes: %q, want %q", problems, rest)
		}
		return
	}
	slices.Sort(found)
	if want := expected(data, "images"); len(problems) > 0 || !slices.Equal(found, want) || !slices.Equal(built, expected(data, "built")) {
		t.Errorf("mistakes: %q; images: %q, want %q; built: %q", problems, found, want, built)
	}
	var fails []string
	for _, w := range p.EvaluateRelease(read.Release, judged, time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)).Workloads {
		for _, r := range w.Rules {
			if r.Result == policy.ResultFail && !slices.Contains(fails, r.Rule) {
				fails = append(fails, r.Rule)
			}
		}
	}
	slices.Sort(fails)
	if want := expected(data, "fails"); !slices.Equal(fails, want) {
		t.Errorf("fails: %q, want %q", fails, want)
	}
}
