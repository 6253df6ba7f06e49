package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/edit"
	"github.com/imagegate/imagegate/policy/evidence"
)

// exceptionKinds are the kinds that have a flag of their own; ids are arguments.
func exceptionKinds() []string { return []string{"secret", "license", "gap", "rule"} }

func exceptionAddCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "add",
		Usage:     "add exceptions to a policy",
		ArgsUsage: "[ID...]",
		Description: `Adds exceptions for vulnerabilities, or for what --secret, --license, --gap or
--rule names, and keeps everything else in the file as it is. --from names a JSON
report or saved evidence, and fills in packages, images, paths and hashes from it;
without ID it lists what blocks there, and with --all it adds exceptions for all of
that which has none yet. What exception-limits refuse is refused here. The policy is written only if
it has no mistake afterwards.`,
		Flags: append(givenFlags(),
			policyFlag(),
			trustedRootFlag(),
			&cli.StringFlag{Name: "from", Usage: "fill in what `FILE` says, a JSON report or saved evidence"},
			&cli.BoolFlag{Name: "all", Usage: "add exceptions for all that blocks in the file of --from"},
			&cli.StringFlag{Name: "reason", Usage: "`TEXT` that says why it may ship"},
			&cli.StringFlag{Name: "owner", Usage: "`NAME` of the team or person that is responsible"},
			&cli.StringFlag{Name: "ticket", Usage: "`ID` of the record of the decision"},
			&cli.StringFlag{Name: "approved-by", Usage: "`NAME` of the person who accepted the risk"},
			&cli.StringFlag{Name: "justification", Usage: "`WORD` of OpenVEX that says why a vulnerability does no harm"},
			&cli.StringFlag{Name: "expires", Usage: "the last `DAY` on which it applies: 2027-01-31"},
			&cli.IntFlag{Name: "days", Usage: "let it end in `N` days, instead of --expires"},
			&cli.StringFlag{Name: "package", Usage: "limit it to a `PACKAGE`: a name or purl"},
			&cli.StringSliceFlag{Name: "image", Usage: "limit it to images that match `GLOB`"},
			&cli.StringSliceFlag{Name: "paths", Usage: "limit it to paths that match `GLOB`"},
			&cli.StringFlag{Name: "secret", Usage: "except a secret that `RULE` found"},
			&cli.StringFlag{Name: "path", Usage: "the `FILE` that holds the secret"},
			&cli.StringFlag{Name: "content", Usage: "the `HASH` of that file, as reports print it"},
			&cli.StringFlag{Name: "license", Usage: "except the licence `NAME` of a package"},
			&cli.StringFlag{Name: "gap", Usage: "except a gap of a `KIND`"},
			&cli.StringFlag{Name: "cause", Usage: "a part of `TEXT` that reports print about the gap"},
			&cli.StringFlag{Name: "rule", Usage: "except images from a `RULE`"},
			&cli.StringFlag{Name: "workload", Usage: "limit a rule about workloads to a `WORKLOAD`"},
			dryRunFlag(),
		),
		Action: p.judging(materialSaved, exceptionAdd),
	}
}

// addition is one exception that is added.
type addition struct {
	entry    edit.Entry
	severity evidence.Severity // "" when it is not known
}

func exceptionAdd(p *program, c *cli.Context) error {
	e, err := openPolicy(p, c)
	if err != nil {
		return err
	}
	run, err := fromFlag(p, c, e)
	if err != nil {
		return err
	}
	wanted, err := wantedSubjects(c, run)
	if err != nil {
		return err
	}
	if wanted == nil {
		if c.IsSet("reason") || c.IsSet("days") || c.IsSet("expires") {
			return usagef("imagegate exception add has a reason or an end, and nothing that it is for").
				WithHint("name an id, or add --all for all that blocks in %s; without --reason, --days and --expires it lists what blocks", run.file)
		}
		return propose(p, run)
	}
	if c.Bool("all") {
		if wanted, err = e.withoutExcepted(p, wanted); err != nil || len(wanted) == 0 {
			return err
		}
	}
	if len(c.StringSlice("image")) == 0 {
		if err := run.checkNames(wanted); err != nil {
			return err
		}
	}
	end, err := endOf(p, c)
	if err != nil {
		return err
	}
	if strings.TrimSpace(c.String("reason")) == "" {
		return usagef("the exception has no reason").WithHint("say why it may ship: --reason TEXT")
	}
	var add []addition
	for _, s := range wanted {
		add = append(add, newAddition(p, c, s, end))
	}
	return e.add(p, c, add, run)
}

// wantedSubjects returns what exceptions are to be added for, nil for nothing.
func wantedSubjects(c *cli.Context, run *lastRun) ([]*exceptable, error) {
	var out []*exceptable
	names := map[string][]string{"id": c.Args().Slice()}
	for _, kind := range exceptionKinds() {
		if name := c.String(kind); name != "" {
			names[kind] = []string{name}
		}
	}
	for _, kind := range append([]string{"id"}, exceptionKinds()...) {
		for _, name := range names[kind] {
			found, err := run.wanted(c, kind, name)
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		}
	}
	switch {
	case c.Bool("all") && run.file == "":
		return nil, usagef("flag --all needs --from").WithHint("name a JSON report or saved evidence")
	case c.Bool("all") && len(out) > 0:
		return nil, usagef("flag --all is for all that blocks, so it takes no ID")
	case c.Bool("all"):
		if out = run.blocking(); len(out) == 0 {
			return nil, usagef("nothing in %s blocks that an exception can be for", run.file)
		}
	case len(out) == 0 && run.file == "":
		return nil, usagef("imagegate exception add needs an id").WithHint("imagegate exception add CVE-2026-12345 --package pkg:deb/debian/zlib1g --reason TEXT --owner NAME --days 30")
	}
	return out, nil
}

// wanted returns what the last run knows of a subject that was named. A package that
// was named narrows it.
func (r *lastRun) wanted(c *cli.Context, kind, name string) ([]*exceptable, error) {
	pkg := c.String("package")
	if r.file == "" {
		return []*exceptable{{kind: kind, name: name}}, nil
	}
	found := r.find(kind, name)
	if kind == "secret" && c.String("path") != "" {
		found = slices.DeleteFunc(found, func(s *exceptable) bool { return s.path != strings.TrimPrefix(c.String("path"), "/") })
	}
	if len(found) == 0 {
		return nil, usagef("%s has no %s %s", r.file, kindName(kind), name).WithHint("imagegate exception add --from %s lists what blocks", r.file)
	}
	if pkg != "" && kind == "id" {
		narrowed := slices.DeleteFunc(slices.Clone(found), func(s *exceptable) bool {
			return s.pkg != withoutVersion(pkg) && !strings.HasSuffix(s.pkg, "/"+pkg) && s.pkg != pkg
		})
		if len(narrowed) == 0 {
			return nil, usagef("%s has %s in %s, and not in %s", r.file, name, found[0].pkg, pkg)
		}
		return narrowed, nil
	}
	return found, nil
}

func kindName(kind string) string {
	if kind == "id" {
		return "vulnerability"
	}
	return kind
}

// endOf returns the last day of new exceptions.
func endOf(p *program, c *cli.Context) (time.Time, error) {
	day, days := c.String("expires"), c.Int("days")
	switch {
	case c.IsSet("expires") == c.IsSet("days"):
		return time.Time{}, usagef("say when the exception ends").WithHint("write --expires 2027-01-31 or --days 30")
	case c.IsSet("days") && (days < 1 || days > 3650):
		return time.Time{}, usagef("flag --days: %d is not a number of days", days)
	case c.IsSet("days"):
		return today(p).AddDate(0, 0, days), nil
	}
	end, err := time.Parse(time.DateOnly, day)
	switch {
	case err != nil:
		return time.Time{}, usagef("flag --expires: %q is no day", day).WithHint("write it as 2027-01-31")
	case end.Before(today(p)):
		return time.Time{}, usagef("flag --expires: %s is over", day)
	}
	return end, nil
}

func today(p *program) time.Time { return p.now().UTC().Truncate(24 * time.Hour) }

// newAddition writes an exception for a subject. Flags come before what the last run
// says.
func newAddition(p *program, c *cli.Context, s *exceptable, end time.Time) addition {
	images := c.StringSlice("image")
	if len(images) == 0 {
		images = slices.Sorted(slices.Values(s.images))
	}
	paths := c.StringSlice("paths")
	if len(paths) == 0 && s.kind == "gap" && s.path != "" {
		paths = []string{s.path}
	}
	e := edit.Entry{{Key: s.kind, Value: s.name}}
	add := func(key, value string) { e = append(e, edit.Field{Key: key, Value: value}) }
	pkg := s.pkg
	if s.kind != "id" || pkg == "" {
		pkg = cmp.Or(c.String("package"), pkg)
	} else if named := c.String("package"); strings.Contains(named, "@") {
		pkg = named // a version that was named narrows it further
	}
	add("package", pkg)
	if s.kind == "secret" {
		add("path", cmp.Or(strings.TrimPrefix(c.String("path"), "/"), s.path))
		add("content", cmp.Or(c.String("content"), s.content))
	}
	if s.kind == "gap" {
		add("cause", cmp.Or(c.String("cause"), s.cause))
	}
	add("workload", c.String("workload"))
	if len(images) > 0 {
		e = append(e, edit.Field{Key: "images", List: images})
	}
	if len(paths) > 0 {
		e = append(e, edit.Field{Key: "paths", List: paths})
	}
	add("reason", c.String("reason"))
	for _, key := range []string{"owner", "ticket", "approved-by"} {
		add(key, c.String(key))
	}
	if s.kind == "id" {
		add("justification", c.String("justification"))
	}
	add("added", today(p).Format(time.DateOnly))
	add("expires", end.Format(time.DateOnly))
	return addition{e, s.severity}
}

// add writes exceptions into the policy, unless its limits refuse one.
func (e *editedPolicy) add(p *program, c *cli.Context, all []addition, run *lastRun) error {
	var entries []edit.Entry
	for _, a := range all {
		entries = append(entries, a.entry)
	}
	src, err := edit.Add(e.src, entries)
	pol, err := e.check(p, c, src, err)
	if err != nil {
		return err
	}
	changed := editedPolicy{path: e.path, policy: pol}
	added := changed.own()[len(e.own()):]
	if len(added) != len(all) {
		return fmt.Errorf("internal error: %d exceptions were added, not %d", len(added), len(all))
	}
	uses := run.becomes(p, e.path, pol)
	for i, x := range added {
		why := pol.Refuses(x, all[i].severity, p.now())
		if u := uses[x.Position.Line]; why == "" && u.Status == policy.ExceptionRefused {
			why = u.Why
		}
		if why != "" {
			return usagef("the exception for %s is refused and %s is as it was: %s", x.Name(), e.path, why)
		}
	}
	for i, x := range added {
		line := fmt.Sprintf("%s:%d: added %s", terminal(e.path), x.Position.Line, describeException(x))
		if u, judged := uses[x.Position.Line]; judged && u.Status != policy.ExceptionUsed {
			line += "; no image in " + terminal(run.file) + " is covered by it"
		}
		if all[i].severity == "" && (x.Kind() == "id" || x.Kind() == "secret") {
			line += "; its severity is not known, so exception-limits.never may still refuse it (name a report with --from)"
		}
		if err := p.print("%s\n", line); err != nil {
			return err
		}
	}
	return e.write(p, c, src)
}

func describeException(x *policy.Exception) string {
	text := x.Name()
	if scope := x.Scope(); scope != "" {
		text += ", " + scope
	}
	return terminal(text) + ", until " + x.Expires.Format(time.DateOnly)
}

// propose lists what blocks.
func propose(p *program, run *lastRun) error {
	blocking := run.blocking()
	if len(blocking) == 0 {
		return p.print("nothing in %s blocks that an exception can be for\n", terminal(run.file))
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SEVERITY\tFOR\tPACKAGE OR FILE\tIMAGES")
	for _, s := range blocking {
		name := s.name
		if s.kind != "id" {
			name = "--" + s.kind + " " + name
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", cmp.Or(string(s.severity), "-"), terminal(name), terminal(cmp.Or(s.pkg, s.path, "-")), terminal(strings.Join(s.images, " ")))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return p.print("\nimagegate exception add ID --from %s --reason TEXT --owner NAME --days N adds an exception for one of them, and --all for all.\n", terminal(run.file))
}
