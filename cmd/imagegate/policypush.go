package main

import (
	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/policies"
	"github.com/imagegate/imagegate/gate/promote"
)

func policyPushCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "push",
		Usage:     "store a policy in a registry, for others to build on",
		ArgsUsage: "FILE REPOSITORY[:TAG]",
		Description: `Prints the digest. Policies name it: extends: {oci: REPOSITORY, digest: DIGEST}.
A tag is for people; a policy cannot build on a tag, because a tag can be moved.`,
		Flags:  networkFlags(),
		Action: p.action(policyPush),
	}
}

func policyPush(p *program, c *cli.Context) error {
	if c.Args().Len() != 2 {
		return usagef("imagegate policy push needs a file and a repository").
			WithHint("imagegate policy push base.yaml registry.example.no/policies/base:1")
	}
	path, ref := c.Args().Get(0), c.Args().Get(1)
	parsed, err := image.ParseRegistryReference(ref)
	if err != nil {
		return usagef("%w", err)
	}
	if _, err := readPolicy(p, c, path); err != nil {
		return err // a policy with a mistake is no base
	}
	src, err := input.ReadFile(c.Context, path, maxPolicy)
	if err != nil {
		return fileError("read the policy", err)
	}
	digest, err := pushTo(p, c, ref, func(target promote.Target) (string, error) {
		return policies.Push(c.Context, target, parsed.Tag, src)
	})
	if err != nil {
		return err
	}
	return p.print("extends: {oci: %s, digest: %s}\n", parsed.Name, digest)
}
