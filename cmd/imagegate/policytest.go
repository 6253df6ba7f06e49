package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/policytest"
	"github.com/imagegate/imagegate/policy/words"
)

func policyTestCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "run the tests of a policy",
		ArgsUsage: "FILE...",
		Description: `Each FILE names a policy and lists examples: an image or saved evidence, a date,
and the verdict, classes and rules that the policy must answer with. Exits 1 when
the policy says anything else. docs/policy.md describes the file.`,
		Flags:  policyFlags(),
		Action: p.action(policyTest),
	}
}

// policyTest runs all tests before it fails, so that one run shows everything.
func policyTest(p *program, c *cli.Context) error {
	if !c.Args().Present() {
		return usagef("imagegate policy test needs a file of tests").WithHint("imagegate policy test policy_test.yaml")
	}
	count, failed := 0, 0
	for _, path := range c.Args().Slice() {
		tests, pol, err := readTests(p, c, path)
		if err != nil {
			return err
		}
		for i := range tests.Tests {
			t := &tests.Tests[i]
			differences, err := runTest(p, c.Context, path, t, pol)
			if err != nil {
				return usagef("%s:%d: %s: %w", path, t.Line, t.Name, err)
			}
			count++
			if len(differences) > 0 {
				failed++
			}
			if err := tellTest(p, path, t, differences); err != nil {
				return err
			}
		}
	}
	if err := p.print("%s, %d failed\n", words.Plural(count, "test"), failed); err != nil {
		return err
	}
	if failed > 0 {
		return &outcomeError{policy.Denied}
	}
	return nil
}

func tellTest(p *program, path string, t *policytest.Test, differences []string) error {
	if len(differences) == 0 {
		return p.print("ok    %s\n", terminal(t.Name))
	}
	return p.print("FAIL  %s\n      %s:%d: %s\n", terminal(t.Name), terminal(path), t.Line, terminal(strings.Join(differences, "; ")))
}

// readTests reads a file of tests and the policy that it is about.
func readTests(p *program, c *cli.Context, path string) (*policytest.File, *policy.Policy, error) {
	src, err := input.ReadFile(c.Context, path, maxPolicy)
	if err != nil {
		return nil, nil, fileError("read the tests", err)
	}
	tests, err := policytest.Parse(path, src)
	if err != nil {
		return nil, nil, &cmdline.Error{Err: err}
	}
	flag := c.String("policy")
	if flag == "" && tests.Policy != "" {
		flag = beside(path, tests.Policy)
	}
	pol, _, err := choosePolicy(p, c, flag, demands{c.String("require-policy-digest"), c.String("require-base-policy")})
	return tests, pol, err
}

// beside returns the path of a file that another one names relative to itself.
func beside(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}

func runTest(p *program, ctx context.Context, path string, t *policytest.Test, pol *policy.Policy) ([]string, error) {
	var ref evidence.Reference
	var img *evidence.Image
	var err error
	if t.Image != "" {
		if ref, err = image.ParseReference(t.Image); err != nil {
			return nil, err
		}
	}
	if t.Evidence != "" {
		images, err := readSaved(ctx, beside(path, t.Evidence), saved.NewReader(), nil)
		switch {
		case err != nil:
			return nil, err
		case len(images) != 1 || images[0].image == nil:
			return nil, fmt.Errorf("%s must hold exactly one image that was seen", t.Evidence)
		}
		img = images[0].image
	}
	return t.Run(pol, ref, img, p.now())
}
