package cmdline

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// The scripts hold all words and never ask the program: starting a process of
// 150 MB at every key would be too slow.

// BashCompletion returns a script that offers commands and flags, and otherwise files.
func BashCompletion(app *cli.App) string {
	var words, groups strings.Builder
	for _, e := range completionEntries(app) {
		var names []string
		for _, w := range e.words {
			names = append(names, w.word)
		}
		fmt.Fprintf(&words, "    '%s') words='%s' ;;\n", e.path, strings.Join(names, " "))
		if e.group {
			fmt.Fprintf(&groups, "      '%s') command=\"$command $word\" ;;\n", e.path)
		}
	}
	return `# bash completion for imagegate
_imagegate() {
  local cur=${COMP_WORDS[COMP_CWORD]} command='' words='' word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] && continue
    case "$command" in
` + groups.String() + `    esac
    command=${command# }
  done
  case "$command" in
` + words.String() + `  esac
  COMPREPLY=()
  if [[ $cur == -* || $words != --* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  fi
}
complete -o filenames -F _imagegate imagegate
`
}

// ZshCompletion returns a script that offers commands and flags with their meaning.
func ZshCompletion(app *cli.App) string {
	var words, groups strings.Builder
	for _, e := range completionEntries(app) {
		fmt.Fprintf(&words, "    '%s') candidates=(", e.path)
		for _, w := range e.words {
			fmt.Fprintf(&words, "\n      %s", zshQuote(strings.ReplaceAll(w.word, ":", `\:`)+":"+w.usage))
		}
		words.WriteString(") ;;\n")
		if e.group {
			fmt.Fprintf(&groups, "      '%s') command=\"${command:+$command }$word\" ;;\n", e.path)
		}
	}
	return `#compdef imagegate
_imagegate() {
  local command='' word
  local -a candidates
  for word in "${(@)words[2,CURRENT-1]}"; do
    [[ $word == -* ]] && continue
    case "$command" in
` + groups.String() + `    esac
  done
  case "$command" in
` + words.String() + `  esac
  _describe -V imagegate candidates
  [[ ${words[CURRENT]} == -* ]] || _files
}
compdef _imagegate imagegate
`
}

func zshQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// FishCompletion returns a script that offers commands and flags with their meaning.
func FishCompletion(app *cli.App) string {
	var b strings.Builder
	b.WriteString("# fish completion for imagegate\n")
	for _, e := range completionEntries(app) {
		condition := "__fish_use_subcommand"
		if e.path != "" {
			var seen []string
			for _, name := range strings.Fields(e.path) {
				seen = append(seen, "__fish_seen_subcommand_from "+name)
			}
			condition = strings.Join(seen, "; and ")
		}
		for _, w := range e.words {
			option := "-f -a " + w.word
			if flag, ok := strings.CutPrefix(w.word, "--"); ok {
				option = "-l " + flag
				if w.takesValue {
					option += " -r"
				}
			}
			fmt.Fprintf(&b, "complete -c imagegate -n '%s' %s -d %s\n", condition, option, fishQuote(w.usage))
		}
	}
	return b.String()
}

func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// PowershellCompletion returns a script that offers commands and flags with their meaning.
func PowershellCompletion(app *cli.App) string {
	var words, groups strings.Builder
	for _, e := range completionEntries(app) {
		fmt.Fprintf(&words, "    '%s' = @(", e.path)
		for i, w := range e.words {
			if i > 0 {
				words.WriteString(", ")
			}
			fmt.Fprintf(&words, "@('%s', %s)", w.word, powershellQuote(w.usage))
		}
		words.WriteString(")\n")
		if e.group {
			fmt.Fprintf(&groups, "'%s', ", e.path)
		}
	}
	return `# PowerShell completion for imagegate
Register-ArgumentCompleter -Native -CommandName imagegate -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $commands = @{
` + words.String() + `  }
  $groups = @(` + strings.TrimSuffix(groups.String(), ", ") + `)
  $command = ''
  foreach ($element in $commandAst.CommandElements | Select-Object -Skip 1) {
    $word = $element.ToString()
    if ($word -like '-*' -or $word -eq $wordToComplete) { continue }
    if ($groups -contains $command) { $command = "$command $word".Trim() }
  }
  foreach ($entry in $commands[$command]) {
    if ($entry[0] -like "$wordToComplete*") {
      [System.Management.Automation.CompletionResult]::new($entry[0], $entry[0], 'ParameterValue', $entry[1])
    }
  }
}
`
}

func powershellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
