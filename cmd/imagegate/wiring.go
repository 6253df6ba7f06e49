package main

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/cmd/imagegate/machine"
	"github.com/imagegate/imagegate/cmd/imagegate/progress"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/image/local"
	"github.com/imagegate/imagegate/gate/image/remote"
	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/cache"
	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// connection is what reaches the network: registries and, through them, the
// advisory databases.
type connection struct {
	client      *remote.Client
	imageLimits image.Limits
	layerLimits layer.Limits
}

// connect reads the flags of networkFlags.
func connect(p *program, c *cli.Context, progress *progress.Printer) (*connection, error) {
	conn := &connection{imageLimits: image.DefaultLimits(), layerLimits: layer.DefaultLimits()}
	for _, value := range c.StringSlice("limit") {
		if err := conn.setLimit(value); err != nil {
			return nil, err
		}
	}
	var err error
	conn.client, err = remote.NewClient(c.Context, remote.Options{
		CACerts:      c.StringSlice("ca-cert"),
		ClientCerts:  c.StringSlice("client-cert"),
		PlainHTTP:    c.StringSlice("plain-http"),
		PrivateHosts: c.StringSlice("private-host"),
		Getenv:       p.env.get,
		UserAgent:    strings.ReplaceAll(toolVersion(), " ", "/"),
		Limits:       conn.imageLimits,
		Warn:         progress.Warn,
	})
	if err != nil {
		return nil, usagef("%w", err)
	}
	return conn, nil
}

// setLimit applies one --limit NAME=VALUE to every table that has a limit of that
// name.
func (conn *connection) setLimit(value string) error {
	name, amount, ok := strings.Cut(value, "=")
	if !ok {
		return usagef("flag --limit: %q is not NAME=VALUE", value)
	}
	inImage := slices.Contains(conn.imageLimits.Table().Names(), name)
	inLayer := slices.Contains(conn.layerLimits.Table().Names(), name)
	if !inImage && !inLayer {
		return usagef("flag --limit: there is no limit %q", name).
			WithHint("%s", cmdline.Suggest(name, limitNames(), "the limits are "+strings.Join(limitNames(), ", ")))
	}
	if inImage {
		if err := conn.imageLimits.Table().Set(name, amount); err != nil {
			return usagef("flag --limit: %w", err)
		}
	}
	if inLayer {
		if err := conn.layerLimits.Table().Set(name, amount); err != nil {
			return usagef("flag --limit: %w", err)
		}
	}
	return nil
}

// openDatabases opens the store of advisory databases. conn is nil for a command
// that fetches nothing.
func openDatabases(p *program, c *cli.Context, conn *connection, progress *progress.Printer) (*database.Store, error) {
	dir := cacheDir(p, c)
	repositories, err := databaseRepositories(c)
	if err != nil {
		return nil, err
	}
	o := database.Options{
		CacheDir:      dir,
		Repositories:  repositories,
		LockTimeout:   c.Duration("lock-timeout"),
		AllowRollback: c.Bool("allow-db-rollback"),
		Now:           p.now,
		Observe:       progress.Observe,
		Warn:          progress.Warn,
	}
	if conn != nil {
		o.Source, o.Files = conn.client, conn.client
	}
	if o.FeedURLs, err = feedURLs(c); err != nil {
		return nil, err
	}
	return database.New(o)
}

// cacheDir returns the directory of --cache-dir or its default, "" without any.
func cacheDir(p *program, c *cli.Context) string {
	if dir := c.String("cache-dir"); dir != "" {
		return dir
	}
	return database.DefaultCacheDir(p.env.get)
}

// feedURLs reads the flags that name mirrors of feeds.
func feedURLs(c *cli.Context) (map[database.Feed][]string, error) {
	urls := map[database.Feed][]string{}
	for flag, feed := range map[string]database.Feed{"kev-url": database.KEV, "epss-url": database.EPSS} {
		for _, value := range c.StringSlice(flag) {
			if err := checkFeedAddress(value); err != nil {
				return nil, usagef("flag --%s: that is not the address of a file: %w", flag, err).
					WithHint("write it as https://HOST/FILE, oci://HOST/NAME:TAG or oci://HOST/NAME@DIGEST")
			}
			urls[feed] = append(urls[feed], value)
		}
		if len(urls[feed]) > 0 && !c.Bool("exploited") {
			return nil, usagef("flag --%s has no effect without --exploited", flag).WithHint("add --exploited")
		}
	}
	return urls, nil
}

func checkFeedAddress(address string) error {
	ref, err := database.ParseFeedArtifact(address)
	switch {
	case err != nil:
		return err
	case ref != "":
		return checkRepository(ref)
	}
	_, err = remote.ParseFileAddress(address)
	return err
}

// databaseRepositories reads the flags that name repositories of databases. A
// name that cannot be right is a mistake before anything is fetched.
func databaseRepositories(c *cli.Context) (map[database.Kind][]string, error) {
	repositories := map[database.Kind][]string{}
	for flag, kind := range map[string]database.Kind{"db-repository": database.Vulnerability, "java-db-repository": database.Java} {
		for _, value := range c.StringSlice(flag) {
			ref, err := database.ParseRepository(kind, value)
			if err == nil {
				err = checkRepository(ref)
			}
			if err != nil {
				return nil, usagef("flag --%s: %q is not the name of a repository: %w", flag, value, err).
					WithHint("write it as HOST/NAME, HOST/NAME:TAG or HOST/NAME@DIGEST")
			}
			repositories[kind] = append(repositories[kind], ref)
		}
	}
	return repositories, nil
}

// checkRepository refuses references that the registry client does not accept.
func checkRepository(ref string) error {
	parsed, err := image.ParseReference(ref)
	if err == nil && parsed.Source != evidence.SourceRegistry {
		err = errors.New("it names a source of images on this machine")
	}
	return err
}

// scanOptions is what check needs to look into images.
type scanOptions struct {
	connection  *connection
	databases   *database.Store
	layers      cache.Store
	offline     bool
	maxAge      time.Duration
	jobs        int
	memory      int64
	layerMemory int64 // for what is known of layers
	scanTimeout time.Duration
	tempParent  string
	tempDir     func() (string, error)
	stdin       io.Reader
	getenv      func(string) string
	progress    *progress.Printer
}

func newScanOptions(p *program, c *cli.Context, s *setup) (*scanOptions, error) {
	o := &scanOptions{
		offline:     c.Bool("offline"),
		maxAge:      s.policy.DatabaseMaxAge(),
		scanTimeout: c.Duration("scan-timeout"),
		tempParent:  c.String("tmp-dir"),
		tempDir:     func() (string, error) { return p.tmp.Path(c.String("tmp-dir")) },
		stdin:       p.stdin,
		getenv:      p.env.get,
		progress:    s.progress,
	}
	if size := c.String("memory"); size != "" {
		var err error
		if o.memory, err = words.ParseSize(size); err != nil {
			return nil, usagef("flag --memory: %w", err)
		}
	}
	m := machine.This(os.DirFS("/"))
	m.LimitMemory()
	o.jobs, o.memory = m.Plan(c.Int("jobs"), o.memory)
	o.layerMemory = m.LayerMemory()
	var err error
	if o.connection, err = connect(p, c, s.progress); err != nil {
		return nil, err
	}
	if o.databases, err = openDatabases(p, c, o.connection, s.progress); err != nil {
		return nil, err
	}
	o.layers, err = openLayerCache(p, c, s.progress)
	return o, err
}

// closeStores closes the layer cache and the databases. A cache gives its last
// warnings when it is closed, so they are complete only then.
func (o *scanOptions) closeStores() {
	_ = o.layers.Close()
	_ = o.databases.Close()
}

// resolver returns what finds images, for the platforms that were asked for.
func (o *scanOptions) resolver(platforms []string) (gate.Resolver, error) {
	limits := o.connection.imageLimits
	sources := local.Sources(local.Options{Limits: limits, TempDir: o.tempDir, Stdin: o.stdin, Getenv: o.getenv})
	sources[evidence.SourceRegistry] = o.connection.client
	r, err := image.NewResolver(image.Options{Sources: sources, Platforms: platforms, Limits: limits})
	if err != nil {
		return nil, usagef("%w", err)
	}
	return r, nil
}

// limitNames lists every limit that --limit can change.
func limitNames() []string {
	r, l := image.DefaultLimits(), layer.DefaultLimits()
	names := append(r.Table().Names(), l.Table().Names()...)
	slices.Sort(names)
	return slices.Compact(names) // some limits hold in both
}

func limitUsage() string {
	return "change a limit by `NAME=VALUE`; the names are\n" + wrap(strings.Join(limitNames(), ", "), 70)
}

// wrap breaks text at spaces into lines of at most width letters.
func wrap(text string, width int) string {
	var b strings.Builder
	length := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case length+1+len(word) > width:
			b.WriteByte('\n')
			length = 0
		default:
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	return b.String()
}
