package manifests

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/imagegate/imagegate/policy"
)

// byDefault asks what the built-in policy asks about workloads.
const byDefault = `version: 1
extends: none
reference: {pin: any, deny-tags: [x]}
workload: {run-as-non-root: true, starts: true, deny-privileged: true, deny-mounts: [container-runtime], deny-ports: [2375, 2376]}
`

// expected reads the comments of a document that begin with a key, such as "# want: read".
func expected(data []byte, key string) (values []string) {
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "# "+key+": "); ok {
			values = strings.Fields(rest)
		}
	}
	return values
}

// Documents as charts, renderers and people write them are understood as a careful reader
// understands them.
func TestOrdinaryDocuments(t *testing.T) {
	archive, err := os.ReadFile("testdata/ordinary.txtar")
	if err != nil {
		t.Fatal(err)
	}
	p := mustPolicy(t, byDefault)
	for _, f := range txtar.Parse(archive).Files {
		t.Run(f.Name, func(t *testing.T) {
			v, r := judge(p, user{"10001", uid(10001)}, string(f.Data))
			var problems, unknown, images, fails []string
			for _, pr := range r.Documents[0].Problems {
				problems = append(problems, pr.At.String()+": "+pr.Field+": "+pr.Message+" ("+pr.Cure+")")
			}
			for _, o := range r.Unknown {
				group, _, _ := strings.Cut(o.APIVersion, "/")
				unknown = append(unknown, group+"/"+o.Kind)
			}
			for _, u := range r.Uses() {
				images = append(images, u.Image)
				if u.Problem != "" {
					problems = append(problems, u.At.String()+": "+u.Problem)
				}
			}
			for rule, result := range results(v) {
				if result == policy.ResultFail {
					fails = append(fails, rule)
				}
			}
			want := expected(f.Data, "want")
			if len(want) == 0 {
				want = []string{"read"}
			}
			switch want[0] {
			case "mistake":
				if !strings.Contains(strings.Join(problems, "\n"), strings.Join(want[1:], " ")) || len(problems) == 0 {
					t.Errorf("mistakes: %q, want %q", problems, want[1:])
				}
				return
			case "unknown":
				if !slices.Equal(unknown, want[1:]) {
					t.Errorf("unknown: %q, want %q", unknown, want[1:])
				}
			default:
				if len(unknown) > 0 || want[0] == "nothing" != (len(r.Workloads) == 0) {
					t.Errorf("unknown: %+v with %d workloads, want %s", r.Unknown, len(r.Workloads), want[0])
				}
			}
			if len(problems) > 0 {
				t.Errorf("mistakes: %q", problems)
			}
			wantImages := expected(f.Data, "images")
			slices.Sort(images)
			slices.Sort(wantImages)
			if !slices.Equal(images, wantImages) && strings.HasSuffix(f.Name, ".yaml") {
				t.Errorf("images: %q, want %q", images, wantImages)
			}
			wantFails := expected(f.Data, "fails")
			slices.Sort(fails)
			slices.Sort(wantFails)
			if !slices.Equal(fails, wantFails) {
				t.Errorf("fails: %q, want %q", fails, wantFails)
			}
		})
	}
}
