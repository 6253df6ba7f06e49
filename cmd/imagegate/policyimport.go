package main

import (
	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/policy/ignorefile"
)

func policyImportCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "make exceptions of an ignore file of Trivy or Grype",
		ArgsUsage: "FILE",
		Description: `FILE is a .trivyignore, .trivyignore.yaml or .grype.yaml. Prints exceptions for the
policy file. A reason, an owner or an end that FILE does not tell is a mistake:
the messages say where to write it. Exits 3 when there is one.`,
		Action: p.action(policyImport),
	}
}

func policyImport(p *program, c *cli.Context) error {
	if c.Args().Len() != 1 {
		return usagef("imagegate policy import needs one file").WithHint("imagegate policy import .trivyignore")
	}
	name := c.Args().First()
	src, err := input.ReadFile(c.Context, name, maxPolicy)
	if err != nil {
		return fileError("read the ignore file", err)
	}
	exceptions, err := ignorefile.Import(name, src)
	if err != nil {
		return &cmdline.Error{Err: err}
	}
	return p.print("%s", exceptions)
}
