package dockerfile

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// Dockerfiles as people write them are understood as a careful reader understands them.
func TestOrdinaryDockerfiles(t *testing.T) {
	archive, err := os.ReadFile("testdata/ordinary.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range txtar.Parse(archive).Files {
		t.Run(f.Name, func(t *testing.T) {
			want := map[string]string{}
			for line := range strings.Lines(string(f.Data)) {
				if key, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "# "), ": "); ok && (key == "want" || key == "images") {
					want[key] = value
				}
			}
			r := Parse("Dockerfile", f.Data, Options{})
			if p := r.Documents[0].Problems; len(p) > 0 {
				t.Fatalf("mistakes: %+v", p)
			}
			var images []string
			for _, u := range r.Uses() {
				images = append(images, u.Image)
				if u.Problem != "" {
					t.Errorf("%s: %s", u.Image, u.Problem)
				}
			}
			slices.Sort(images)
			if got := strings.Join(slices.Compact(images), " "); got != want["images"] {
				t.Errorf("images: %s, want %s", got, want["images"])
			}
			s := r.Dockerfiles[0].Built()
			got := strings.TrimSpace("user " + s.User)
			if s.UserProblem != "" {
				got = "problem " + s.UserProblem
			}
			if !strings.HasPrefix(got, "problem") && got != want["want"] || strings.HasPrefix(got, "problem") && !strings.Contains(got, strings.TrimPrefix(want["want"], "problem ")) {
				t.Errorf("%s, want %s", got, want["want"])
			}
		})
	}
}
