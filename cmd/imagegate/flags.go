package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
)

// timeoutFlag ends a command, see program.deadline.
func timeoutFlag() cli.Flag {
	return &cli.DurationFlag{Name: "timeout", Value: defaultTimeout, Usage: "end the whole run after `DURATION` (default: 15m)"}
}

func evidenceFlag() cli.Flag {
	return &cli.StringFlag{Name: "evidence", Usage: "save what was seen in `FILE`, for imagegate eval"}
}

// workerFlags say how images are scanned.
func workerFlags() []cli.Flag {
	return cmdline.Group("Speed and memory",
		&cli.IntFlag{Name: "jobs", Usage: "let `N` scan workers work at once, each on one layer or image (default: what processors and memory allow)"},
		&cli.StringFlag{Name: "memory", Usage: "give each scan worker `SIZE` of memory, such as 2GiB (default: what the machine allows)"},
		timeoutFlag(),
		&cli.DurationFlag{Name: "scan-timeout", Value: defaultScanTimeout, Usage: "end the scan of one image after `DURATION` (default: 10m)"},
	)
}

func policyFlags() []cli.Flag {
	return cmdline.Group("Policy",
		&cli.StringFlag{Name: "policy", Aliases: []string{"p"}, Usage: "judge by the policy in `FILE`"},
		&cli.StringFlag{Name: "require-policy-digest", Usage: "refuse to run unless all that applies (policy, bases, built-in) has the digest `DIGEST`"},
		&cli.StringFlag{Name: "require-base-policy", Usage: "refuse to run unless the policy is, or builds on, the one with the SHA-256 hash `HASH`"},
	)
}

func reportFlags() []cli.Flag {
	return cmdline.Group("Reports",
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Usage: outputUsage()},
		&cli.StringFlag{Name: "show", Usage: "list `WHAT` in the text: all for every rule and every accepted finding"},
		&cli.StringFlag{Name: "ci", Value: "auto", Usage: "also report the way that `NAME` shows: auto (default), github, gitlab or none"},
		&cli.BoolFlag{Name: "quiet", Usage: "print no progress and no warnings"},
		&cli.BoolFlag{Name: "no-color", Usage: "print no colours; the variable NO_COLOR does the same, FORCE_COLOR and CLICOLOR_FORCE do the opposite"},
	)
}

// databaseFlags are the flags about the advisory databases that check has.
func databaseFlags() []cli.Flag {
	offline := cmdline.Group("Databases", &cli.BoolFlag{Name: "offline", Usage: "use the advisory database in the cache directory and fetch none"})
	return slices.Concat(offline, cacheFlags(), downloadFlags())
}

func cacheFlags() []cli.Flag {
	return cmdline.Group("Databases",
		&cli.StringFlag{Name: "cache-dir", Usage: "keep the advisory databases in `DIR`, laid out like Trivy's cache"},
	)
}

// layerCacheFlags are those of every command that uses the analyses of layers.
func layerCacheFlags() []cli.Flag {
	return cmdline.Group("Databases",
		&cli.StringFlag{Name: "cache", Usage: "keep the analyses of layers at `PLACE`: a directory, redis://[USER:PASSWORD@]HOST:PORT/DB,\n" +
			"rediss://... (with TLS) or none (default: the directory " + layersDir + " beside the advisory databases)"},
	)
}

func downloadFlags() []cli.Flag {
	return append(cmdline.Group("Databases",
		&cli.StringSliceFlag{Name: "db-repository", Usage: "fetch the advisory database from `REPOSITORY` (a name without a tag: tag 2); several are tried in order"},
		&cli.StringSliceFlag{Name: "java-db-repository", Usage: "fetch the database of Java archives from `REPOSITORY` (a name without a tag: tag 1); several are tried in order"},
	), sharedFlags()...)
}

// sharedFlags are those of every command that installs a database.
func sharedFlags() []cli.Flag {
	return cmdline.Group("Databases",
		&cli.BoolFlag{Name: "allow-db-rollback", Usage: "accept a database that was built before one that was used already: advisories can vanish with it"},
		&cli.DurationFlag{Name: "lock-timeout", Value: defaultLockTimeout, Usage: "wait `DURATION` for another imagegate that is busy with the same database (default: 5m)"},
	)
}

func caCertFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "ca-cert", Usage: "trust the certificates in `FILE` as well"}
}

func networkFlags() []cli.Flag {
	return cmdline.Group("Registries",
		caCertFlag(),
		&cli.StringSliceFlag{Name: "client-cert", Usage: "show a registry the client certificate in `HOST=CERT,KEY`, two PEM files"},
		&cli.StringSliceFlag{Name: "plain-http", Usage: "talk to `HOST[:PORT]` without TLS"},
		&cli.StringSliceFlag{Name: "private-host", Usage: "let a registry send us to `HOST[:PORT]` in a more private network than its own"},
		&cli.StringSliceFlag{Name: "limit", Usage: limitUsage()},
		&cli.StringFlag{Name: "tmp-dir", Usage: "keep temporary files below `DIR`"},
	)
}
