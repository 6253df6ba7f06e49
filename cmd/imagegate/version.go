package main

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate/scan/engine"
)

// version and commit are set by the linker in make build. Where they are empty,
// what Go knows about the module is used.
var version, commit string

// versions is what imagegate version tells.
type versions struct {
	Imagegate string `json:"imagegate"`
	Commit    string `json:"commit,omitempty"`
	Go        string `json:"go"`
	Trivy     string `json:"trivy"`
	Registry  string `json:"go-containerregistry"`
	Platform  string `json:"platform"`
}

func versionCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the versions of imagegate and of what it is built with",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return printVersions(p, c.Bool("json"))
		},
	}
}

func printVersions(p *program, asJSON bool) error {
	v := readVersions()
	if asJSON {
		return p.printJSON(v)
	}
	commit := ""
	if v.Commit != "" {
		commit = " (" + v.Commit + ")"
	}
	return p.print("imagegate %s%s\ngo %s\ntrivy %s\ngo-containerregistry %s\nplatform %s\n",
		v.Imagegate, commit, v.Go, v.Trivy, v.Registry, v.Platform)
}

// readVersions asks the binary what it was linked from.
func readVersions() versions {
	v := versions{
		Imagegate: version,
		Commit:    commit,
		Go:        strings.TrimPrefix(runtime.Version(), "go"),
		Trivy:     strings.TrimPrefix(engine.Version(), "trivy "),
		Registry:  "unknown",
		Platform:  runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/google/go-containerregistry" {
			v.Registry = strings.TrimPrefix(dep.Version, "v")
		}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && v.Commit == "" {
			v.Commit = s.Value
		}
	}
	v.Imagegate = cmp.Or(v.Imagegate, info.Main.Version)
	if v.Imagegate == "" || v.Imagegate == "(devel)" {
		v.Imagegate = "0.0.0-dev"
	}
	v.Imagegate = strings.TrimPrefix(v.Imagegate, "v")
	return v
}

// toolVersion is how reports name this program: "imagegate 0.1.0".
func toolVersion() string { return "imagegate " + readVersions().Imagegate }

// noArguments refuses arguments where none have a meaning.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("%s takes no argument, but %q was given", c.Command.FullName(), c.Args().First())
	}
	return nil
}
