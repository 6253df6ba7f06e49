package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

func (p *program) completionCommand() *cli.Command {
	command := &cli.Command{
		Name:  "completion",
		Usage: "print a completion script for a shell",
	}
	shells := []struct {
		name, install string
		script        func(*cli.App) string
	}{
		{"bash", `source <(imagegate completion bash)`, bashCompletion},
		{"zsh", `imagegate completion zsh > "${fpath[1]}/_imagegate"`, zshCompletion},
		{"fish", `imagegate completion fish > ~/.config/fish/completions/imagegate.fish`, fishCompletion},
		{"powershell", `imagegate completion powershell | Out-String | Invoke-Expression`, powershellCompletion},
	}
	for _, shell := range shells {
		command.Subcommands = append(command.Subcommands, &cli.Command{
			Name:        shell.name,
			Usage:       "print the script for " + shell.name,
			Description: "Install it with:\n\n  " + shell.install,
			Action: func(c *cli.Context) error {
				if err := noArguments(c); err != nil {
					return err
				}
				return p.print("%s", shell.script(c.App))
			},
		})
	}
	return command
}

// completionEntry is one command and the words that can follow it.
type completionEntry struct {
	path  string // "policy explain", "" for the program
	group bool   // subcommands follow, not arguments
	words []completionWord
}

type completionWord struct {
	word, usage string
	takesValue  bool
}

// completionEntries lists every command of the program.
func completionEntries(app *cli.App) []completionEntry {
	entries := []completionEntry{{group: true, words: commandWords(app.Commands)}}
	var walk func(prefix string, commands []*cli.Command)
	walk = func(prefix string, commands []*cli.Command) {
		for _, c := range commands {
			path := strings.TrimSpace(prefix + " " + c.Name)
			words := append(commandWords(c.Subcommands), flagWords(c.Flags)...)
			entries = append(entries, completionEntry{path, len(c.Subcommands) > 0, words})
			walk(path, c.Subcommands)
		}
	}
	walk("", app.Commands)
	return entries
}

func commandWords(commands []*cli.Command) []completionWord {
	var words []completionWord
	for _, c := range commands {
		words = append(words, completionWord{word: c.Name, usage: c.Usage})
	}
	return words
}

func flagWords(flags []cli.Flag) []completionWord {
	words := []completionWord{{word: "--help", usage: "print help"}}
	for _, f := range flags {
		doc := f.(cli.DocGenerationFlag)
		usage := doc.GetUsage()
		if doc.TakesValue() {
			_, usage = placeholderOf(usage)
		}
		usage, _, _ = strings.Cut(usage, "\n")
		words = append(words, completionWord{"--" + f.Names()[0], usage, doc.TakesValue()})
	}
	return words
}
