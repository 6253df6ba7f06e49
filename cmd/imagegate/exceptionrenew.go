package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/edit"
)

func exceptionRenewCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "renew",
		Usage:     "let exceptions of a policy end later, or earlier",
		ArgsUsage: "ID...",
		Description: `Changes the end of the exceptions for ID: the id of a vulnerability, or the rule,
licence or kind of gap of another exception. What exception-limits refuse is
refused; with --from, a JSON report or saved evidence, also by severity.`,
		Flags: []cli.Flag{
			policyFlag(),
			&cli.StringFlag{Name: "from", Usage: "take severities from `FILE`, a JSON report or saved evidence"},
			&cli.StringFlag{Name: "package", Usage: "only the exception for a `PACKAGE`, as the policy spells it"},
			&cli.StringFlag{Name: "expires", Usage: "the last `DAY` on which it applies: 2027-01-31"},
			&cli.IntFlag{Name: "days", Usage: "let it end in `N` days, instead of --expires"},
			dryRunFlag(),
		},
		Action: p.judging(materialSaved, exceptionRenew),
	}
}

func exceptionRenew(p *program, c *cli.Context) error {
	if !c.Args().Present() {
		return usagef("imagegate exception renew needs an id").WithHint("imagegate exception renew CVE-2026-12345 --days 30")
	}
	e, err := openPolicy(p, c)
	if err != nil {
		return err
	}
	end, err := endOf(p, c)
	if err != nil {
		return err
	}
	run, err := fromFlag(p, c, e)
	if err != nil {
		return err
	}
	var chosen []*policy.Exception
	for _, id := range c.Args().Slice() {
		found := e.named(id, c.String("package"))
		if len(found) == 0 {
			return usagef("%s has no exception for %s", e.path, strings.TrimSpace(id+" "+c.String("package"))).WithHint("imagegate exception list %s", e.path)
		}
		chosen = append(chosen, found...)
	}
	return e.renew(p, c, chosen, end, run)
}

// named returns the exceptions of the file for a subject.
func (e *editedPolicy) named(subject, pkg string) []*policy.Exception {
	var out []*policy.Exception
	for _, x := range e.own() {
		if strings.EqualFold(x.Subject(), subject) && (pkg == "" || x.Package == pkg) {
			out = append(out, x)
		}
	}
	return out
}

func (e *editedPolicy) renew(p *program, c *cli.Context, chosen []*policy.Exception, end time.Time, run *lastRun) error {
	src := e.src
	var err error
	var lines []string
	for _, x := range chosen {
		renewed := *x
		renewed.Expires = end
		if why := e.policy.Refuses(&renewed, run.worst(x), p.now()); why != "" {
			return usagef("the end of %s is refused and %s is as it was: %s", x.Name(), e.path, why)
		}
		if src, err = edit.Set(src, x.Position.Line, "expires", end.Format(time.DateOnly)); err != nil {
			break
		}
		lines = append(lines, fmt.Sprintf("%s:%d: %s ends on %s instead of %s", terminal(e.path), x.Position.Line, terminal(x.Name()), end.Format(time.DateOnly), x.Expires.Format(time.DateOnly)))
	}
	if _, err := e.check(p, c, src, err); err != nil {
		return err
	}
	if err := p.print("%s\n", strings.Join(lines, "\n")); err != nil {
		return err
	}
	return e.write(p, c, src)
}

func exceptionPruneCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "prune",
		Usage: "remove exceptions of a policy that have ended or are not used",
		Description: `Removes the exceptions whose last day is over. With --from it also removes those
that no image in it uses: name the JSON report or the saved evidence of all images
that the policy is for. A report must have been made with this very policy.`,
		Flags: []cli.Flag{
			policyFlag(),
			&cli.StringFlag{Name: "from", Usage: "also remove what is unused in `FILE`, a JSON report or saved evidence"},
			dryRunFlag(),
		},
		Action: p.judging(materialSaved, exceptionPrune),
	}
}

func exceptionPrune(p *program, c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	e, err := openPolicy(p, c)
	if err != nil {
		return err
	}
	run, err := fromFlag(p, c, e)
	if err != nil {
		return err
	}
	if run.file != "" && run.uses == nil {
		return usagef("%s was made with another policy than %s as it is now", run.file, e.path).
			WithHint("judge the images again, or name saved evidence")
	}
	var gone []int
	var lines []string
	for _, x := range e.own() {
		why := ""
		switch u, told := run.uses[x.Position.Line]; {
		case x.Expires.Before(today(p)):
			why = "it ended on " + x.Expires.Format(time.DateOnly)
		case told && u.Status == policy.ExceptionUnused:
			why = "no image has what it is for"
		default:
			continue
		}
		gone = append(gone, x.Position.Line)
		lines = append(lines, fmt.Sprintf("%s:%d: removed %s: %s", terminal(e.path), x.Position.Line, terminal(x.Name()), why))
	}
	if len(gone) == 0 {
		return p.print("%s has no exception to remove\n", terminal(e.path))
	}
	src, err := edit.Remove(e.src, gone)
	if _, err := e.check(p, c, src, err); err != nil {
		return err
	}
	if err := p.print("%s\n", strings.Join(lines, "\n")); err != nil {
		return err
	}
	return e.write(p, c, src)
}
