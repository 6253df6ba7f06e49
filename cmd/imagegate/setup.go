package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/progress"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/ci"
	"github.com/imagegate/imagegate/gate/exploited"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/policy"
)

// setup is what check and eval have in common: the policy, and where the
// reports go. All of it is checked before any work begins.
type setup struct {
	started  time.Time
	policy   *policy.Policy
	source   gate.PolicySource
	outputs  []report.Output
	evidence string // file to save the evidence in, "" for none
	dotenv   string // file for the variables of later jobs, "" for none
	color    bool   // allowed where the reader can show it
	all      bool   // of --show
	ci       ci.Environment
	progress *progress.Printer
	pinned   *pinnedOutput // of --write-pinned, nil without
	shard    shard         // of --shard
	share    *gate.Shard   // what that held, nil for everything
	// hypothetical is true when started is the moment of --at.
	hypothetical bool
	// feeds are those of exploited vulnerabilities that were named or fetched.
	feeds *exploited.Feeds
	// given is what --baseline and --history name.
	given given
}

// prepare reads the policy and the flags about reports. inputs are the other
// files that the command will read.
func prepare(p *program, c *cli.Context, inputs ...string) (*setup, error) {
	s := &setup{
		started:  p.now().UTC().Truncate(time.Second),
		evidence: c.String("evidence"),
		dotenv:   c.String("dotenv"),
		color:    !c.Bool("no-color") && p.env.get("NO_COLOR") == "",
		all:      c.String("show") == "all",
		progress: progress.New(p.stderr, c.Bool("quiet"), p.env.get),
	}
	var err error
	if s.started, s.hypothetical, err = momentOf(c, s.started); err != nil {
		return nil, err
	}
	if show := c.String("show"); show != "" && show != "all" {
		return nil, usagef("flag --show: %q cannot be shown", show).WithHint("write --show all")
	}
	if s.ci, err = ci.Choose(c.String("ci"), p.env.get); err != nil {
		return nil, usagef("flag --ci: %w", err)
	}
	if s.hypothetical {
		s.ci.System = ci.None
	}
	if s.outputs, err = parseOutputs(c.StringSlice("output"), s.evidence, s.dotenv); err != nil {
		return nil, err
	}
	if err := checkPlaces(s.places()); err != nil {
		return nil, err
	}
	if s.shard, err = parseShard(c.String("shard")); err != nil {
		return nil, err
	}
	path, err := policyPath(p, c.String("policy"))
	if err != nil {
		return nil, err
	}
	inputs = slices.Concat([]string{path, c.String("kev"), c.String("epss")}, givenFiles(c), inputs)
	if err := checkReadOnce(p, inputs...); err != nil {
		return nil, err
	}
	if err := checkNotRead(s.places(), append(inputs, c.StringSlice("ca-cert")...)); err != nil {
		return nil, err
	}
	s.policy, s.source, err = choosePolicy(p, c, c.String("policy"), demands{c.String("require-policy-digest"), c.String("require-base-policy")})
	if err != nil {
		return nil, err
	}
	s.feeds, err = readFeeds(p, c, s.policy)
	return s, err
}

// parseOutputs parses every --output. When none of them is text or goes to
// standard output, text is written there: a refusal has to tell its reasons.
func parseOutputs(values []string, evidence, dotenv string) ([]report.Output, error) {
	var outputs []report.Output
	used := map[string]string{} // who writes where
	if evidence != "" {
		used[place(evidence)] = "--evidence"
	}
	if dotenv != "" {
		if used[place(dotenv)] != "" {
			return nil, usagef("--evidence and --dotenv write to the same place").WithHint("give each a file of its own")
		}
		used[place(dotenv)] = "--dotenv"
	}
	readable := false
	for _, value := range values {
		o, err := report.ParseOutput(value)
		if err != nil {
			return nil, usagef("flag --output: %w", err)
		}
		where := place(o.Path)
		if other := used[where]; other != "" && where != os.DevNull {
			return nil, usagef("flag --output: %s and %s write to the same place", other, value).
				WithHint("give each report a file of its own: %s=FILE", o.Format.Name)
		}
		used[where] = value
		readable = readable || o.Path == "" || o.Format.Name == "text"
		outputs = append(outputs, o)
	}
	if !readable {
		text, err := report.Lookup("text")
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, report.Output{Format: text})
	}
	return outputs, nil
}

// places returns the files that the run writes.
func (s *setup) places() []string {
	paths := []string{s.evidence, s.dotenv}
	for _, o := range s.outputs {
		paths = append(paths, o.Path)
	}
	return slices.DeleteFunc(paths, func(path string) bool { return path == "" })
}

// checkPlaces refuses files that cannot be written, before any work begins.
func checkPlaces(places []string) error {
	for _, path := range places {
		if err := report.CheckPlace(path); err != nil {
			return fileError("check where the reports go", err)
		}
	}
	return nil
}

// checkNotRead refuses to write a report over a file that the run reads.
func checkNotRead(places, inputs []string) error {
	for _, path := range places {
		written, err := os.Stat(path)
		if err != nil || !written.Mode().IsRegular() {
			continue
		}
		for _, input := range inputs {
			if read, err := os.Stat(input); err == nil && os.SameFile(written, read) {
				return usagef("%s would be written over: the run reads it", input).WithHint("write the report to another file")
			}
		}
	}
	return nil
}

// localFiles returns the files that the images among refs are read from, as far
// as their names are known.
func localFiles(refs []string) []string {
	var files []string
	for _, text := range refs {
		ref, err := image.ParseReference(text)
		if err != nil || !ref.Source.Local() {
			continue
		}
		files = append(files, ref.Name, strings.TrimPrefix(ref.Name, ref.Source.Prefix()))
	}
	for _, name := range slices.Clone(files) {
		files = append(files, filepath.Join(name, "index.json"), filepath.Join(name, "oci-layout"))
	}
	return files
}

// place names a target of output so that two spellings of one file are equal.
func place(path string) string {
	if path == "" {
		return ""
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return path
}

// outputUsage lists the formats and where each goes.
func outputUsage() string {
	var b strings.Builder
	b.WriteString("write a report as `FORMAT[=FILE]`, on standard output without =FILE\n")
	for _, f := range report.Formats() {
		fmt.Fprintf(&b, "  %-17s %s\n  %-17s -> %s\n", f.Name, f.Title, "", f.Where)
	}
	return strings.TrimRight(b.String(), "\n")
}
