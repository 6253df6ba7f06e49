package cmdline

import (
	"strings"

	"github.com/urfave/cli/v2"
)

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
