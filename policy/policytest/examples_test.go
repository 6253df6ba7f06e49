package policytest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// examples/policies are policies with tests of their own.
func TestExamplePolicies(t *testing.T) {
	const dir = "../../examples/policies/tests"
	files, err := filepath.Glob(dir + "/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("tests of the examples: %v, %v", files, err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests, err := Parse(file, src)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		src, err = os.ReadFile(filepath.Join(dir, tests.Policy))
		if err != nil {
			t.Fatal(err)
		}
		p, err := policy.ParseOn(tests.Policy, src, func(from string, b policy.Base) (string, []byte, error) {
			src, err := os.ReadFile(filepath.Join(dir, filepath.Dir(from), b.File))
			return b.File, src, err
		})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for i := range tests.Tests {
			tt := &tests.Tests[i]
			differences, err := tt.Run(p, plainReference(tt.Image), nil, today())
			if err != nil || len(differences) > 0 {
				t.Errorf("%s:%d: %s: %v %v", file, tt.Line, tt.Name, differences, err)
			}
		}
	}
}

// plainReference reads registry/repository:tag@digest; the examples have no others.
func plainReference(s string) evidence.Reference {
	ref := evidence.Reference{Asked: s, Source: evidence.SourceRegistry}
	s, ref.Digest, _ = strings.Cut(s, "@")
	ref.Name, ref.Tag, _ = strings.Cut(s, ":")
	ref.Registry, ref.Repository, _ = strings.Cut(ref.Name, "/")
	return ref
}
