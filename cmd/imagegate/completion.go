package main

import (
	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
)

// shell is a shell that there is a completion script for.
type shell struct {
	name, install string
	script        func(*cli.App) string
}

func shells() []shell {
	return []shell{
		{"bash", `source <(imagegate completion bash)`, cmdline.BashCompletion},
		{"zsh", `imagegate completion zsh > "${fpath[1]}/_imagegate"`, cmdline.ZshCompletion},
		{"fish", `imagegate completion fish > ~/.config/fish/completions/imagegate.fish`, cmdline.FishCompletion},
		{"powershell", `imagegate completion powershell | Out-String | Invoke-Expression`, cmdline.PowershellCompletion},
	}
}

func completionCommand(p *program) *cli.Command {
	command := &cli.Command{Name: "completion", Usage: "print a completion script for a shell"}
	for _, s := range shells() {
		command.Subcommands = append(command.Subcommands, &cli.Command{
			Name:        s.name,
			Usage:       "print the script for " + s.name,
			Description: "Install it with:\n\n  " + s.install,
			Action: func(c *cli.Context) error {
				if err := noArguments(c); err != nil {
					return err
				}
				return p.print("%s", s.script(c.App))
			},
		})
	}
	return command
}
