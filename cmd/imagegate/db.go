package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/progress"
	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// defaultLockTimeout is how long to wait for another imagegate that is busy
// with the same database.
const defaultLockTimeout = 5 * time.Minute

func dbCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "db",
		Usage:       "look after the advisory databases",
		Subcommands: []*cli.Command{dbUpdateCommand(p), dbStatusCommand(p), dbImportCommand(p), dbExportCommand(p), dbPushCommand(p)},
	}
}

// patience are the flags of a command that can take long.
func patience() []cli.Flag {
	return []cli.Flag{
		timeoutFlag(),
		&cli.BoolFlag{Name: "quiet", Usage: "print no progress and no warnings"},
	}
}

func dbUpdateCommand(p *program) *cli.Command {
	java := &cli.BoolFlag{Name: "java", Usage: "also the database of Java archives, which is needed for images with jars"}
	return &cli.Command{
		Name:        "update",
		Usage:       "fetch the newest advisory database",
		Description: "imagegate check does this by itself when the database is old. It does not fetch the\nfeeds of exploited vulnerabilities: --exploited does.",
		Flags:       slices.Concat([]cli.Flag{java}, feedFlags(), patience(), cacheFlags(), downloadFlags(), networkFlags()),
		Action:      p.action(dbUpdate),
	}
}

func dbStatusCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:   "status",
		Usage:  "tell which databases and feeds are installed, how old they are and where they are from",
		Flags:  append([]cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}}, cacheFlags()...),
		Action: p.action(dbStatus),
	}
}

func dbImportCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "install a database from a file, for machines without a network",
		ArgsUsage: "FILE",
		Description: `FILE is what imagegate db export, oras, crane or skopeo wrote (an OCI layout in a
tar archive), or the artifact's layer db.tar.gz itself.`,
		Flags:  slices.Concat(patience(), cacheFlags(), sharedFlags()),
		Action: p.action(dbImport),
	}
}

func dbExportCommand(p *program) *cli.Command {
	java := &cli.BoolFlag{Name: "java", Usage: "the database of Java archives instead"}
	return &cli.Command{
		Name:        "export",
		Usage:       "write the installed database to a file",
		ArgsUsage:   "FILE",
		Description: "The file can be imported elsewhere, or pushed to a mirror with oras, crane or skopeo.",
		Flags:       slices.Concat([]cli.Flag{java}, patience(), cacheFlags()),
		Action:      p.action(dbExport),
	}
}

// dbUpdate is the command "db update".
func dbUpdate(p *program, c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	progress := progress.New(p.stderr, c.Bool("quiet"), p.env.get)
	conn, err := connect(p, c, progress)
	if err != nil {
		return err
	}
	store, err := openDatabases(p, c, conn, progress)
	if err != nil {
		return err
	}
	ctx := c.Context
	kinds := []database.Kind{database.Vulnerability}
	if c.Bool("java") {
		kinds = append(kinds, database.Java)
	}
	for _, kind := range kinds {
		db, err := store.Update(ctx, kind)
		progress.Finish()
		if err != nil {
			return err
		}
		if err := p.print("%s: built %s, from %s\n", kind, date(db.UpdatedAt), terminal(db.Source)); err != nil {
			return err
		}
	}
	if c.Bool("exploited") {
		return updateFeeds(ctx, p, store)
	}
	return nil
}

// dbImport is the command "db import".
func dbImport(p *program, c *cli.Context) error {
	if c.Args().Len() != 1 {
		return usagef("imagegate db import needs one file")
	}
	progress := progress.New(p.stderr, c.Bool("quiet"), p.env.get)
	store, err := openDatabases(p, c, nil, progress)
	if err != nil {
		return err
	}
	ctx := c.Context
	kind, db, err := store.Import(ctx, c.Args().First())
	progress.Finish()
	if err != nil {
		return err
	}
	return p.print("%s: built %s, from %s\n", kind, date(db.UpdatedAt), terminal(db.Source))
}

// dbExport is the command "db export".
func dbExport(p *program, c *cli.Context) error {
	if c.Args().Len() != 1 {
		return usagef("imagegate db export needs the name of a file to write")
	}
	progress := progress.New(p.stderr, c.Bool("quiet"), p.env.get)
	store, err := openDatabases(p, c, nil, progress)
	if err != nil {
		return err
	}
	ctx := c.Context
	kind := database.Vulnerability
	if c.Bool("java") {
		kind = database.Java
	}
	db, err := store.Export(ctx, kind, c.Args().First())
	progress.Finish()
	if err != nil {
		return err
	}
	return p.print("%s: built %s, written to %s\n", kind, date(db.UpdatedAt), terminal(c.Args().First()))
}

// databaseStatus is one database as imagegate db status --json tells it.
type databaseStatus struct {
	Kind      string `json:"kind"`
	Directory string `json:"directory"`
	Installed bool   `json:"installed"`
	*evidence.Database
	AgeSeconds int64      `json:"ageSeconds,omitempty"`
	Size       int64      `json:"size,omitempty"`
	Checked    *time.Time `json:"checkedAt,omitempty"`
	Problem    string     `json:"problem,omitempty"`
}

// dbStatus is the command "db status". Without a database that can be used
// there is no verdict, so it exits like check would.
func dbStatus(p *program, c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	store, err := openDatabases(p, c, nil, progress.New(p.stderr, false, p.env.get))
	if err != nil {
		return err
	}
	var all []databaseStatus
	feeds, unusable := feedStatuses(p, store)
	for _, kind := range []database.Kind{database.Vulnerability, database.Java} {
		status, err := statusOf(c.Context, store, kind)
		all = append(all, status)
		// No Java database is no problem: check fetches it for images with jars.
		if err != nil && (kind == database.Vulnerability || !errors.Is(err, database.ErrMissing)) {
			unusable = errors.Join(unusable, err)
		}
	}
	if c.Bool("json") {
		err = p.printJSON(slices.Concat(untyped(all), untyped(feeds)))
	} else {
		err = p.print("%s%s", statusText(all), feedStatusText(feeds))
	}
	if err != nil {
		return err
	}
	return unusable
}

func statusOf(ctx context.Context, store *database.Store, kind database.Kind) (databaseStatus, error) {
	status := databaseStatus{Kind: kind.String(), Directory: store.Dir(kind)}
	d, err := store.Describe(ctx, kind)
	if err != nil {
		status.Problem = err.Error()
		return status, err
	}
	status.Installed = true
	status.Database = &d.Database
	status.Size = d.Size
	status.AgeSeconds = int64(d.Age / time.Second)
	if !d.Checked.IsZero() {
		status.Checked = &d.Checked
	}
	return status, nil
}

// statusText writes the databases for people.
func statusText(all []databaseStatus) string {
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "%s\n  directory   %s\n", s.Kind, terminal(s.Directory))
		if !s.Installed {
			fmt.Fprintf(&b, "  state       %s\n", terminal(s.Problem))
			continue
		}
		age := time.Duration(s.AgeSeconds) * time.Second
		fmt.Fprintf(&b, "  built       %s (%s)\n", date(s.UpdatedAt), words.Age(age))
		fmt.Fprintf(&b, "  source      %s\n", terminal(s.Source))
		if s.Digest != "" {
			fmt.Fprintf(&b, "  digest      %s\n", terminal(s.Digest))
		}
		fmt.Fprintf(&b, "  file        %s, %s\n", terminal(s.FileSHA256), words.BinarySize(s.Size))
		if s.DownloadedAt != nil {
			fmt.Fprintf(&b, "  downloaded  %s\n", date(*s.DownloadedAt))
		}
	}
	return b.String()
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
