package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

func exceptionCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "exception",
		Usage: "list, add, renew and remove the exceptions of policies",
		Subcommands: []*cli.Command{exceptionAddCommand(p), exceptionRenewCommand(p), exceptionPruneCommand(p), {
			Name:      "list",
			Usage:     "list exceptions with owner, end, age and use",
			ArgsUsage: "[FILE|DIR...]",
			Description: `Lists the exceptions of policy files, those that end first at the top. Of a DIR it
reads every .yaml and .yml file that is a policy. Without FILE, DIR and --policy it
reads the policy that imagegate check would choose. With --evidence it also tells
which exceptions are used: name the saved evidence of all images that the
policies are for.`,
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "policy", Aliases: []string{"p"}, Usage: "list the exceptions of the policy in `FILE`"},
				&cli.StringFlag{Name: "format", Value: "text", Usage: "print `NAME`: text (default), csv or json"},
				trustedRootFlag(),
				&cli.StringSliceFlag{Name: "evidence", Usage: "judge the images in `FILE` to tell which exceptions are used"},
			},
			Action: p.judging(materialSaved, exceptionList),
		}},
	}
}

// listed is one exception in a list for auditors.
type listed struct {
	Policy     string `json:"policy"`
	Line       int    `json:"line"`
	Kind       string `json:"kind"` // id, secret, license, gap or rule
	Subject    string `json:"subject"`
	Scope      string `json:"scope"` // what it is limited to, "" for nothing
	Owner      string `json:"owner"`
	Ticket     string `json:"ticket"`
	ApprovedBy string `json:"approvedBy"`
	Reason     string `json:"reason"`
	Added      string `json:"added"` // YYYY-MM-DD, "" when it is not known
	AgeDays    *int   `json:"ageDays"`
	Expires    string `json:"expires"`
	DaysLeft   int    `json:"daysLeft"`
	// Use is what became of it: expired, or with evidence also used, unused,
	// out-of-scope or refused; "" when it is not known.
	Use     policy.ExceptionStatus `json:"use"`
	Matches int                    `json:"matches"`
}

func exceptionList(p *program, c *cli.Context) error {
	write, ok := map[string]func(*program, []listed) error{"text": listAsText, "csv": listAsCSV, "json": listAsJSON}[c.String("format")]
	if !ok {
		return usagef("flag --format: %q is no format", c.String("format")).WithHint("write text, csv or json")
	}
	var images []evidence.Image
	if files := c.StringSlice("evidence"); len(files) > 0 {
		all, err := readAllSaved(c.Context, files, shard{}, nil)
		if err != nil {
			return err
		}
		images, _ = splitSaved(all)
	}
	named, err := listedPolicies(p, c)
	if err != nil {
		return err
	}
	paths, err := policyFilesIn(c.Context, named)
	if err != nil {
		return err
	}
	var out []listed
	for _, path := range paths {
		pol, _, err := choosePolicy(p, c, path, demands{})
		if err != nil {
			return err
		}
		out = append(out, exceptionsIn(p, pol, images)...)
	}
	slices.SortStableFunc(out, func(a, b listed) int {
		return cmp.Or(strings.Compare(a.Expires, b.Expires), strings.Compare(a.Policy, b.Policy), cmp.Compare(a.Line, b.Line))
	})
	return write(p, out)
}

// listedPolicies returns the arguments and the file of --policy. Without them it is the
// policy that check would choose.
func listedPolicies(p *program, c *cli.Context) ([]string, error) {
	if named := c.Args().Slice(); len(named) > 0 {
		if file := c.String("policy"); file != "" && !slices.Contains(named, file) {
			named = append(named, file)
		}
		return named, nil
	}
	path, err := policyPath(p, c.String("policy"))
	if err == nil && path == "" {
		err = usagef("there is no policy file, and the built-in policy has no exceptions").WithHint("imagegate exception list FILE")
	}
	return []string{path}, err
}

// policyFilesIn returns the files that are named and the policies in the
// directories that are named.
func policyFilesIn(ctx context.Context, args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, fileError("look for policies", err)
		}
		if !info.IsDir() {
			out = append(out, arg)
			continue
		}
		before := len(out)
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if ext := filepath.Ext(path); !d.Type().IsRegular() || ext != ".yaml" && ext != ".yml" {
				return nil
			}
			src, err := input.ReadFile(ctx, path, maxPolicy)
			if err != nil {
				return err
			}
			if isPolicy(src) {
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			return nil, fileError("look for policies", err)
		}
		if len(out) == before {
			return nil, usagef("%s holds no policy", arg).WithHint("a policy is a .yaml or .yml file that begins with version: 1")
		}
	}
	return out, nil
}

// isPolicy reports whether a file is meant to be a policy: it has the version of
// the policy language and one of its sections. A policy with mistakes is one
// too, so that its exceptions are not overlooked.
func isPolicy(src []byte) bool {
	var head map[string]any
	if yaml.Unmarshal(src, &head) != nil {
		return strings.Contains(string(src), "exceptions:")
	}
	if v, ok := head["version"].(int); !ok || v != 1 {
		return false
	}
	for _, r := range policy.Rules() {
		section, _, _ := strings.Cut(r.ID, ".")
		if _, ok := head[section]; ok {
			return true
		}
	}
	return false
}

// exceptionsIn lists the exceptions of a policy. Of images that are judged, each
// says what became of the exceptions.
func exceptionsIn(p *program, pol *policy.Policy, images []evidence.Image) []listed {
	var all [][]policy.ExceptionUse
	for i := range images {
		v := pol.Evaluate(&images[i], p.now())
		all = append(all, v.Exceptions)
	}
	uses := map[policy.Position]policy.ExceptionUse{}
	for _, u := range policy.MergeUses(all...) {
		uses[u.Exception.Position] = u
	}
	var out []listed
	for _, e := range pol.Exceptions() {
		out = append(out, listedException(p, e, uses[e.Position]))
	}
	return out
}

func listedException(p *program, e *policy.Exception, u policy.ExceptionUse) listed {
	today := p.now().UTC().Truncate(24 * time.Hour)
	days := func(from, to time.Time) int { return int(to.Sub(from) / (24 * time.Hour)) }
	l := listed{
		Policy: e.Position.File, Line: e.Position.Line, Kind: e.Kind(), Subject: e.Subject(), Scope: e.Scope(),
		Owner: e.Owner, Ticket: e.Ticket, ApprovedBy: e.ApprovedBy, Reason: e.Reason,
		Expires: e.Expires.Format(time.DateOnly), DaysLeft: days(today, e.Expires), Use: u.Status, Matches: u.Matches,
	}
	if !e.Added.IsZero() {
		age := days(e.Added, today)
		l.Added, l.AgeDays = e.Added.Format(time.DateOnly), &age
	}
	if l.DaysLeft < 0 {
		l.Use = policy.ExceptionExpired
	}
	return l
}

func listAsJSON(p *program, all []listed) error {
	if all == nil {
		all = []listed{}
	}
	return p.printJSON(all)
}

func listAsText(p *program, all []listed) error {
	if len(all) == 0 {
		return p.print("no exceptions\n")
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ENDS\tLEFT\tAGE\tUSE\tOWNER\tFOR\tPOLICY\tREASON")
	for _, l := range all {
		subject := strings.TrimSpace(l.Subject + " " + l.Scope)
		if l.Kind != "id" {
			subject = l.Kind + " " + subject
		}
		age := "-"
		if l.AgeDays != nil {
			age = strconv.Itoa(*l.AgeDays) + "d"
		}
		fmt.Fprintf(w, "%s\t%dd\t%s\t%s\t%s\t%s\t%s:%d\t%s\n", l.Expires, l.DaysLeft, age, cmp.Or(string(l.Use), "-"),
			cmp.Or(terminal(l.Owner), "-"), terminal(subject), terminal(l.Policy), l.Line, terminal(l.Reason))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

func listAsCSV(p *program, all []listed) error {
	w := csv.NewWriter(p.stdout)
	rows := [][]string{{
		"policy", "line", "kind", "subject", "scope", "owner", "ticket", "approved-by", "reason", "added", "age-days", "expires", "days-left", "use", "matches",
	}}
	for _, l := range all {
		age := ""
		if l.AgeDays != nil {
			age = strconv.Itoa(*l.AgeDays)
		}
		rows = append(rows, []string{
			cell(l.Policy), strconv.Itoa(l.Line), l.Kind, cell(l.Subject), cell(l.Scope), cell(l.Owner), cell(l.Ticket), cell(l.ApprovedBy), cell(l.Reason),
			l.Added, age, l.Expires, strconv.Itoa(l.DaysLeft), string(l.Use), strconv.Itoa(l.Matches),
		})
	}
	if err := errors.Join(w.WriteAll(rows), w.Error()); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

// cell keeps a spreadsheet from taking a text for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
