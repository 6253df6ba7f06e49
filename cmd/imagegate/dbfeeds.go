package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/policy/words"
)

// feedFlags are the flags of db update about the feeds of exploited vulnerabilities.
func feedFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "exploited", Usage: "also CISA's catalogue of exploited vulnerabilities (KEV) and the EPSS scores"},
		&cli.StringSliceFlag{Name: "kev-url", Usage: "fetch the catalogue from `URL`, or from a registry: oci://NAME@DIGEST; several are tried in order\n(default: " + database.DefaultFeedURL(database.KEV) + ")"},
		&cli.StringSliceFlag{Name: "epss-url", Usage: "fetch the EPSS scores from `URL`, or from a registry: oci://NAME@DIGEST; several are tried in order\n(default: " + database.DefaultFeedURL(database.EPSS) + ")"},
	}
}

// updateFeeds fetches both feeds. That one is not available does not keep the other
// from being fetched.
func updateFeeds(ctx context.Context, p *program, store *database.Store) error {
	var failed error
	for _, f := range database.Feeds() {
		feed, err := store.UpdateFeed(ctx, f)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if err := p.print("%s: of %s, %s, from %s\n", f, date(feed.Date), words.Plural(feed.Entries, "entry"), terminal(feed.Source)); err != nil {
			return err
		}
	}
	return failed
}

func dbPushCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "push",
		Usage:     "store a feed of exploited vulnerabilities in a registry, for machines that reach no other server",
		ArgsUsage: "FILE REPOSITORY[:TAG]",
		Description: `FILE is CISA's catalogue (KEV) or the EPSS scores. Prints the flag for imagegate db update
that fetches it by its digest.`,
		Flags:  networkFlags(),
		Action: p.action(dbPush),
	}
}

// dbPush is the command "db push".
func dbPush(p *program, c *cli.Context) error {
	if c.Args().Len() != 2 {
		return usagef("imagegate db push needs a file and a repository").
			WithHint("imagegate db push known_exploited_vulnerabilities.json registry.example.no/mirror/kev:latest")
	}
	path, ref := c.Args().Get(0), c.Args().Get(1)
	parsed, err := image.ParseRegistryReference(ref)
	if err != nil {
		return usagef("%w", err)
	}
	file, err := readFeed(c.Context, path)
	if err != nil {
		return err
	}
	feed, err := database.FeedOf(path, file)
	if err != nil {
		return fileError("read the feed", err)
	}
	digest, err := pushTo(p, c, ref, func(target promote.Target) (string, error) {
		return promote.PushFile(c.Context, target, parsed.Tag, database.FeedArtifactType, database.FeedLayerType, file)
	})
	if err != nil {
		return err
	}
	return p.print("--%s-url %s\n", feed.Short(), database.FeedAddress(parsed.Name, digest))
}

// feedStatus is a feed as imagegate db status --json tells it. Its keys have the
// names that those of a database have.
type feedStatus struct {
	Kind       string     `json:"kind"`
	Directory  string     `json:"directory"`
	Installed  bool       `json:"installed"`
	Source     string     `json:"source,omitempty"`
	FileSHA256 string     `json:"fileSHA256,omitempty"`
	Release    string     `json:"release,omitempty"` // of the catalogue, or of the model
	UpdatedAt  *time.Time `json:"updatedAt,omitempty"`
	AgeSeconds int64      `json:"ageSeconds,omitempty"`
	Entries    int        `json:"entries,omitempty"`
	Checked    *time.Time `json:"checkedAt,omitempty"`
	Problem    string     `json:"problem,omitempty"`
}

// feedStatuses describes both feeds. A feed that was never fetched is no error: few
// policies ask for it.
func feedStatuses(p *program, store *database.Store) (all []feedStatus, unusable error) {
	for _, f := range database.Feeds() {
		status := feedStatus{Kind: f.String(), Directory: store.FeedDir()}
		feed, err := store.FeedStatus(f)
		if err != nil {
			status.Problem = err.Error()
			if !errors.Is(err, database.ErrNoFeed) {
				unusable = errors.Join(unusable, err)
			}
		} else {
			status.Installed, status.Source, status.FileSHA256, status.Release = true, feed.Source, "sha256:"+feed.SHA256, feed.Version
			status.UpdatedAt, status.Entries, status.Checked = &feed.Date, feed.Entries, feed.CheckedAt
			status.AgeSeconds = int64(p.now().Sub(feed.Date) / time.Second)
		}
		all = append(all, status)
	}
	return all, unusable
}

// feedStatusText writes the feeds for people.
func feedStatusText(all []feedStatus) string {
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "%s\n  directory   %s\n", s.Kind, terminal(s.Directory))
		if !s.Installed {
			fmt.Fprintf(&b, "  state       %s\n", terminal(s.Problem))
			continue
		}
		fmt.Fprintf(&b, "  published   %s (%s)\n", date(*s.UpdatedAt), words.Age(time.Duration(s.AgeSeconds)*time.Second))
		fmt.Fprintf(&b, "  entries     %d\n", s.Entries)
		fmt.Fprintf(&b, "  source      %s\n", terminal(s.Source))
		fmt.Fprintf(&b, "  file        %s\n", terminal(s.FileSHA256))
		if s.Checked != nil { // of a fixed digest nothing newer can be known
			fmt.Fprintf(&b, "  checked     %s\n", date(*s.Checked))
		}
	}
	return b.String()
}

// untyped makes a list of values of any type.
func untyped[T any](list []T) []any {
	all := make([]any, len(list))
	for i := range list {
		all[i] = list[i]
	}
	return all
}
