package cmdline

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestHelpGroupsFlags(t *testing.T) {
	t.Parallel()
	policy := Group("Policy", &cli.StringFlag{Name: "policy", Usage: "judge by `FILE`"})
	network := Group("Network", append(Group("Trust", &cli.StringSliceFlag{Name: "ca", Usage: "trust `FILE`\nas well"}), &cli.BoolFlag{Name: "offline"})...)
	flags := append(append(policy, network...), &cli.IntFlag{Name: "jobs"})
	help := CommandHelp([]string{"check"}, &cli.Command{Name: "check", Flags: flags})
	last := 0
	for _, want := range []string{
		"\nFlags:\n  --jobs",
		"\nPolicy:\n  --policy FILE\n",
		"\nTrust:\n  --ca FILE\n        trust FILE\n        as well (repeatable)\n",
		"\nNetwork:\n  --offline\n",
	} {
		at := strings.Index(help, want)
		if at < last {
			t.Errorf("%q is not in its place in the help:\n%s", want, help)
		}
		last = at
	}
}

func TestHelpOfOneGroupHasNoHeading(t *testing.T) {
	t.Parallel()
	help := CommandHelp([]string{"x"}, &cli.Command{Name: "x", Flags: Group("Policy", &cli.StringFlag{Name: "policy"})})
	if !strings.Contains(help, "\nFlags:\n  --policy") || strings.Contains(help, "Policy:") {
		t.Errorf("the help is:\n%s", help)
	}
}
