package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/progress"
	"github.com/imagegate/imagegate/gate/scan/cache"
	"github.com/imagegate/imagegate/policy/words"
)

// layersDir is the directory for the analyses of layers below the cache directory.
const layersDir = "layers"

func cacheCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "cache",
		Usage:       "look after the analyses of layers that are kept from run to run",
		Subcommands: []*cli.Command{cacheInfoCommand(p), cachePruneCommand(p)},
	}
}

func cacheInfoCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:   "info",
		Usage:  "tell where the layer cache is, how large it is and when it was used",
		Flags:  slices.Concat([]cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}}, maintenanceFlags()),
		Action: p.action(cacheInfo),
	}
}

func cachePruneCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "prune",
		Usage:       "delete analyses from the layer cache",
		Description: "It may run while others use the cache. What is deleted is analysed anew when it is\nneeded. With both --max-age and --max-size, each deletes.",
		Flags: slices.Concat([]cli.Flag{
			&cli.DurationFlag{Name: "max-age", Usage: "delete what was not used for `DURATION`, like 720h"},
			&cli.StringFlag{Name: "max-size", Usage: "delete what was not used for longest until the rest has at most `SIZE`, like 10GiB"},
			&cli.BoolFlag{Name: "all", Usage: "delete everything"},
		}, maintenanceFlags()),
		Action: p.action(cachePrune),
	}
}

// maintenanceFlags are those of the commands that look after the layer cache.
func maintenanceFlags() []cli.Flag {
	return slices.Concat(layerCacheFlags(), cacheFlags(), []cli.Flag{caCertFlag()}, patience())
}

// layerCachePlace returns where the analyses of layers are kept.
func layerCachePlace(p *program, c *cli.Context) (string, error) {
	if place := c.String("cache"); place != "" {
		return place, nil
	}
	dir := cacheDir(p, c)
	if dir == "" { // never the current directory: it may be a checkout
		return "", usagef("there is no cache directory: neither HOME nor IMAGEGATE_CACHE_DIR is set").
			WithHint("name one with --cache or --cache-dir")
	}
	return filepath.Join(dir, layersDir), nil
}

// cacheKeyVariable holds the secret that the entries of a shared cache are
// authenticated with.
const cacheKeyVariable = "IMAGEGATE_CACHE_KEY"

// layerCache opens the layer cache for scanning. A machine that has no place
// for one does without, unless it was asked for.
func openLayerCache(p *program, c *cli.Context, progress *progress.Printer) (cache.Store, error) {
	place, err := layerCachePlace(p, c)
	if err != nil {
		place = cache.None
	}
	o := cache.Options{Warn: progress.Warn, Now: p.now, CACerts: c.StringSlice("ca-cert")}
	if secret, ok := p.env.lookup(cacheKeyVariable); ok {
		if len(secret) < cache.MinKey {
			return nil, usagef("the variable %s has %d bytes, and a secret of at least %d is needed", cacheKeyVariable, len(secret), cache.MinKey).
				WithHint("is the secret not handed to this job? without the variable, the cache is used without a secret")
		}
		o.Key = []byte(secret)
	}
	store, err := cache.Open(c.Context, place, o)
	if err != nil {
		return nil, usagef("flag --cache: %w", err)
	}
	return store, nil
}

// maintainCache opens the layer cache for maintenance. That trusts no entry and so
// needs no IMAGEGATE_CACHE_KEY.
func maintainCache(p *program, c *cli.Context) (cache.Store, error) {
	if err := noArguments(c); err != nil {
		return nil, err
	}
	place, err := layerCachePlace(p, c)
	if err != nil {
		return nil, err
	}
	store, err := cache.Open(c.Context, place, cache.Options{
		Maintenance: true,
		Warn:        progress.New(p.stderr, c.Bool("quiet"), p.env.get).Warn,
		Now:         p.now,
		CACerts:     c.StringSlice("ca-cert"),
	})
	if err != nil {
		return nil, usagef("%w", err)
	}
	return store, nil
}

// cacheStatus is the layer cache as imagegate cache info --json tells it.
type cacheStatus struct {
	Place   string     `json:"place"`
	Entries int        `json:"entries"`
	Bytes   int64      `json:"bytes"`
	Oldest  *time.Time `json:"oldestUse,omitempty"`
	Newest  *time.Time `json:"newestUse,omitempty"`
}

// cacheInfo is the command "cache info".
func cacheInfo(p *program, c *cli.Context) error {
	store, err := maintainCache(p, c)
	if err != nil {
		return err
	}
	defer store.Close()
	ctx := c.Context
	info, err := store.Info(ctx)
	if err != nil {
		return err
	}
	if !c.Bool("json") {
		return p.print("%s", cacheText(info))
	}
	status := cacheStatus{Place: info.Place, Entries: info.Entries, Bytes: info.Bytes}
	if !info.Oldest.IsZero() {
		oldest, newest := info.Oldest.UTC(), info.Newest.UTC()
		status.Oldest, status.Newest = &oldest, &newest
	}
	return p.printJSON(status)
}

// cacheText writes what is in the layer cache for people.
func cacheText(info cache.Info) string {
	var b strings.Builder
	fmt.Fprintf(&b, "layer cache\n  place       %s\n", terminal(info.Place))
	fmt.Fprintf(&b, "  layers      %d, %s\n", info.Entries, words.BinarySize(info.Bytes))
	if !info.Oldest.IsZero() {
		fmt.Fprintf(&b, "  last used   between %s and %s\n", date(info.Oldest), date(info.Newest))
	}
	return b.String()
}

// cachePrune is the command "cache prune".
func cachePrune(p *program, c *cli.Context) error {
	what, err := pruneOf(c)
	if err != nil {
		return err
	}
	store, err := maintainCache(p, c)
	if err != nil {
		return err
	}
	defer store.Close()
	ctx := c.Context
	done, err := store.Prune(ctx, what)
	if err != nil {
		return err
	}
	return p.print("deleted %s (%s), kept %s (%s)\n", words.Plural(done.Deleted, "layer"), words.BinarySize(done.DeletedBytes),
		words.Plural(done.Kept, "layer"), words.BinarySize(done.KeptBytes))
}

// pruneOf reads what to delete.
func pruneOf(c *cli.Context) (cache.Prune, error) {
	what := cache.Prune{MaxAge: c.Duration("max-age"), All: c.Bool("all")}
	if size := c.String("max-size"); size != "" {
		var err error
		if what.MaxSize, err = words.ParseSize(size); err != nil {
			return what, usagef("flag --max-size: %w", err)
		}
	}
	switch limited := what.MaxAge > 0 || what.MaxSize > 0; {
	case what.All && limited:
		return what, usagef("flag --all deletes everything, and --max-age and --max-size keep some").
			WithHint("leave out --all or the others")
	case !what.All && !limited:
		return what, usagef("imagegate cache prune needs to know what to delete").
			WithHint("give --max-age 720h, --max-size 10GiB or both, or --all")
	}
	return what, nil
}
