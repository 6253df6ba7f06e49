package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy"
)

func TestPolicyOfTheDemo(t *testing.T) {
	src, err := os.ReadFile("policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policy.Parse("policy.yaml", src); err != nil {
		t.Error(err)
	}
}

// The pair is honest only if nothing but the library's version differs.
func TestTheRepairIsTheVersionOfOneLibrary(t *testing.T) {
	lines := func(file string) []string {
		src, err := os.ReadFile("app/" + file)
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(strings.Split(string(src), "\n"), func(l string) bool { return strings.HasPrefix(l, "//") })
	}
	broken, fixed := lines("go.mod"), lines("go.fixed.mod")
	var differ []string
	for i := range broken {
		if broken[i] != fixed[i] {
			differ = append(differ, broken[i], fixed[i])
		}
	}
	want := []string{"require github.com/jackc/pgx/v5 v5.5.3", "require github.com/jackc/pgx/v5 v5.9.2"}
	if len(broken) != len(fixed) || !slices.Equal(differ, want) {
		t.Errorf("the two go.mod files differ in %q, want %q", differ, want)
	}
}

func TestTheShowHasEveryOutcome(t *testing.T) {
	got := map[int]bool{}
	for _, s := range steps("127.0.0.1:5000", "cache") {
		got[s.exit] = true
	}
	for _, code := range []int{0, 1, 2} {
		if !got[code] {
			t.Errorf("no step ends with %d", code)
		}
	}
}

func TestBrokenPromisesAreErrors(t *testing.T) {
	s := &show{out: &strings.Builder{}, program: "sh"}
	for _, st := range []step{
		{args: []string{"-c", "exit 0"}, exit: 1},
		{args: []string{"-c", "echo one"}, says: []string{"two"}},
	} {
		before := len(s.broken)
		if err := s.run(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if len(s.broken) != before+1 {
			t.Errorf("%v: %v", st, s.broken)
		}
	}
	if err := s.run(t.Context(), step{args: []string{"-c", "echo one; exit 3"}, exit: 3, says: []string{"one"}}); err != nil || len(s.broken) != 2 {
		t.Errorf("a kept promise: %v, %v", err, s.broken)
	}
}

func TestPipelineVariablesAreLeftOut(t *testing.T) {
	t.Setenv("GITHUB_STEP_SUMMARY", "somewhere")
	t.Setenv("IMAGEGATE_POLICY", "other.yaml")
	t.Setenv("DEMO_KEEPS_THIS", "yes")
	env := environment()
	for _, v := range env {
		if strings.HasPrefix(v, "GITHUB_") || strings.HasPrefix(v, "IMAGEGATE_") {
			t.Errorf("%s is passed on", v)
		}
	}
	if !slices.Contains(env, "DEMO_KEEPS_THIS=yes") {
		t.Error("an ordinary variable is lost")
	}
}
