package cmdline

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

// testApp is a command line like that of the program, in small.
func testApp() *cli.App {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "policy", Aliases: []string{"p"}},
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}},
		&cli.StringFlag{Name: "images"},
		&cli.BoolFlag{Name: "offline"},
		&cli.DurationFlag{Name: "timeout"},
		&cli.IntFlag{Name: "jobs"},
	}
	return &cli.App{Name: "imagegate", Commands: []*cli.Command{
		{Name: "check", Flags: flags},
		{Name: "version"},
		{Name: "policy", Subcommands: []*cli.Command{{Name: "explain"}, {Name: "validate"}}},
	}}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want []string // canonical, without the program
	}{
		{"flags before the image", []string{"check", "-p", "p.yaml", "--offline", "app:1"},
			[]string{"check", "--policy=p.yaml", "--offline=true", "--", "app:1"}},
		{"flags after the image", []string{"check", "app:1", "-p", "p.yaml", "--offline"},
			[]string{"check", "--policy=p.yaml", "--offline=true", "--", "app:1"}},
		{"flags between images", []string{"check", "a", "--policy=p.yaml", "b", "-o=json", "c"},
			[]string{"check", "--policy=p.yaml", "--output=json", "--", "a", "b", "c"}},
		{"repeated output keeps order and commas", []string{"check", "a", "-o", "text", "-o", "json=a,b.json"},
			[]string{"check", "--output=text", "--output=json=a,b.json", "--", "a"}},
		{"after -- everything is an argument", []string{"check", "--", "-p", "--offline"},
			[]string{"check", "--", "-p", "--offline"}},
		{"an image may be called like a command", []string{"check", "help", "check", "h"},
			[]string{"check", "--", "help", "check", "h"}},
		{"a value may begin with a dash after =", []string{"check", "a", "--policy=-p.yaml"},
			[]string{"check", "--policy=-p.yaml", "--", "a"}},
		{"a single dash is a value", []string{"check", "--images", "-"},
			[]string{"check", "--images=-", "--"}},
		{"false is said explicitly", []string{"check", "a", "--offline=false"},
			[]string{"check", "--offline=false", "--", "a"}},
		{"days are those of policies", []string{"check", "a", "--timeout", "7d"},
			[]string{"check", "--timeout=168h", "--", "a"}},
		{"subcommand", []string{"policy", "explain", "config.user"},
			[]string{"policy", "explain", "--", "config.user"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			line, err := Parse(testApp(), tt.args)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.args, err)
			}
			if diff := cmp.Diff(tt.want, line.Canonical("imagegate")[1:]); diff != "" {
				t.Errorf("canonical form (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string // in the message
		hint string // in the hint
	}{
		{"misspelt flag", []string{"check", "a", "--polcy", "p"}, "unknown flag --polcy", "did you mean --policy?"},
		{"one dash too few", []string{"check", "a", "-policy", "p"}, "unknown flag -policy", "did you mean --policy?"},
		{"one dash too many", []string{"check", "a", "--p", "p"}, "unknown flag --p", "did you mean -p?"},
		{"joined short flag", []string{"check", "a", "-pp.yaml"}, "unknown flag -pp.yaml", "imagegate check --help"},
		{"a habit: severity", []string{"check", "a", "--severity", "HIGH"}, "unknown flag --severity", "vulnerabilities: {max:"},
		{"a habit: unfixed", []string{"check", "--ignore-unfixed", "a"}, "unknown flag --ignore-unfixed", "unfixed: ignore"},
		{"a habit: exit code", []string{"check", "--exit-code", "1", "a"}, "unknown flag --exit-code", "leave it out"},
		{"a habit: format", []string{"check", "a", "--format", "json"}, "unknown flag --format", "-o json=report.json"},
		{"a habit: -f", []string{"check", "a", "-f", "json"}, "unknown flag -f", "-o json=report.json"},
		{"a habit: scan", []string{"scan", "--quiet", "app:1"}, `unknown command "scan"`, "imagegate check app:1"},
		{"a habit: image", []string{"image", "app:1"}, `unknown command "image"`, "imagegate check app:1"},
		{"an image for a command", []string{"app:1"}, `unknown command "app:1"`, "imagegate check app:1"},
		{"flag of another command", []string{"version", "--offline"}, "unknown flag --offline", "imagegate version --help"},
		{"misspelt command", []string{"chekc", "a"}, `unknown command "chekc"`, "did you mean check?"},
		{"misspelt subcommand", []string{"policy", "valdate"}, `unknown command "policy valdate"`, "did you mean validate?"},
		{"flag before the command", []string{"--policy", "p", "check"}, "before the command", "after the command"},
		{"single flag twice", []string{"check", "-p", "a", "--policy=b", "x"}, "--policy is given twice", ""},
		{"boolean twice", []string{"check", "--offline", "--offline=false", "x"}, "--offline is given twice", ""},
		{"empty value", []string{"check", "-p", "", "x"}, "--policy has an empty value", "variable unset"},
		{"empty value with =", []string{"check", "--policy=", "x"}, "--policy has an empty value", ""},
		{"blank value", []string{"check", "--policy= ", "x"}, "--policy has an empty value", ""},
		{"empty repeatable value", []string{"check", "-o", "", "x"}, "--output has an empty value", ""},
		{"value missing at the end", []string{"check", "x", "-p"}, "--policy needs a value", ""},
		{"flag instead of value", []string{"check", "x", "-p", "--offline"}, "but --offline follows", "--policy=--offline"},
		{"boolean with a value", []string{"check", "x", "--offline=1"}, "takes no value but true or false", ""},
		{"bad duration", []string{"check", "x", "--timeout", "15"}, "not a duration", "15m"},
		{"negative duration", []string{"check", "x", "--timeout=-1s"}, "not a duration", ""},
		{"bad number", []string{"check", "x", "--jobs", "none"}, "not a number", ""},
		{"zero jobs", []string{"check", "x", "--jobs=0"}, "not a number from 1", ""},
		{"empty image", []string{"check", "a", ""}, "argument 2 of imagegate check is empty", "variable unset"},
		{"blank image", []string{"check", " \t"}, "argument 1 of imagegate check is empty", ""},
		{"command after --", []string{"--", "check"}, `unknown command "check"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(testApp(), tt.args)
			var usage *Error
			if !errors.As(err, &usage) {
				t.Fatalf("Parse(%q) = %v, want a usage error", tt.args, err)
			}
			if !strings.Contains(usage.Error(), tt.want) || !strings.Contains(usage.Hint, tt.hint) {
				t.Errorf("Parse(%q)\n got %q, hint %q\nwant %q, hint %q", tt.args, usage.Error(), usage.Hint, tt.want, tt.hint)
			}
		})
	}
}

// For all arguments, no flag is taken for an image and no argument is lost.
func TestParseLosesNothing(t *testing.T) {
	words := []string{"check", "policy", "explain", "eval", "help", "a", "b:1", "--", "-", "-p", "-p=x", "--policy", "--policy=y", "-o", "json",
		"--output=json=a,b", "--offline", "--offline=false", "--images", "", " ", "=", "--=", "-x", "--jobs=2", "--timeout", "1m"}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	accepted := 0
	for range 20_000 {
		args := []string{"check"}
		for range random.IntN(8) {
			args = append(args, words[random.IntN(len(words))])
		}
		got, err := Parse(testApp(), args)
		if err != nil || got.Help {
			continue
		}
		accepted++
		verbatim := slices.Index(args, "--")
		for _, arg := range got.rest {
			if len(arg) > 1 && arg[0] == '-' && verbatim < 0 {
				t.Fatalf("seed %d, %q: flag %s was taken for an image", seed, args, arg)
			}
		}
		// Each flag comes from one or two arguments; all others are positional.
		total := len(got.Path) + len(got.rest) + len(got.flags)
		if verbatim >= 0 {
			total++
		}
		if total > len(args) || total+len(got.flags) < len(args) {
			t.Fatalf("seed %d, %q: %d arguments became %q", seed, args, len(args), got.Canonical("imagegate"))
		}
	}
	if accepted < 1000 {
		t.Errorf("only %d command lines were accepted: the test proves little", accepted)
	}
}
