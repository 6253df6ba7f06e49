// Mutate tests the tests: it changes one thing at a time in the lines that can
// let an image pass, and runs the tests of the package on each such mutant. A
// mutant that no test kills is a mistake that the tests would miss.
//
//	go run ./examples/mutate
//	go run ./examples/mutate -files policy/evaluate.go -sample 50 -seed 7
//
// Run it at the root of the repository. The work tree is never touched: the
// compiler sees the mutants through an overlay (go build -overlay).
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// defaultFiles are the files that decide.
const defaultFiles = "gate/result.go,gate/check.go,gate/collect.go," +
	"policy/verdict.go,policy/evaluate.go," +
	"policy/class.go,policy/order.go,policy/tighten.go,policy/extend.go,policy/setting.go,policy/judge_coverage.go,policy/rule_user.go,policy/rule_pin.go,policy/rule_deny_tags.go,policy/rule_allow.go,policy/rule_platforms.go,policy/rule_ports.go,policy/rule_labels.go,policy/rule_max_age.go,policy/rule_max_size.go,policy/rule_secrets.go,policy/judge_vulnerabilities.go,policy/judge_exceptions.go,policy/judge_excepted.go,policy/judge_overrides.go,policy/exception.go,policy/exception_kind.go,policy/exception_limits.go,policy/override.go,policy/from.go,policy/unfixed.go,policy/end_of_life.go,policy/license.go,policy/purl.go,policy/rule_packages.go,policy/rule_deny_history.go,policy/rule_max_layers.go,policy/tag.go,policy/version/version.go"

// equivalents are mutants that do the same as the code: file, function, line
// before, line after and reason, separated by tabs.
//
//go:embed equivalent.tsv
var equivalents string

// outcome is what a mutant ended as.
type outcome string

const (
	killed     outcome = "killed"
	survived   outcome = "survived"
	broken     outcome = "not compiled"
	equivalent outcome = "equivalent"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	files := flag.String("files", defaultFiles, "mutate these `files`, names or patterns separated by commas")
	sample := flag.Int("sample", 0, "try only `n` mutants, chosen at random; 0 means all")
	seed := flag.Uint64("seed", 1, "choose by this `number`")
	jobs := flag.Int("jobs", 1, "try `n` mutants at once")
	kinds := flag.String("kinds", "", "try only mutants of these `kinds`, separated by commas: order, row, constant, ...")
	first := flag.String("first", "", "run the tests that match this `expression` before all others")
	timeout := flag.Duration("timeout", 0, "a mutant that keeps the tests busy for longer is killed; 0 means six times what they take without one")
	flag.Parse()
	l := &laboratory{timeout: *timeout, first: *first, jobs: max(*jobs, 1), known: knownEquivalents(), counts: map[string]map[outcome]int{}}
	left, err := l.mutate(ctx, strings.Split(*files, ","), *kinds, *sample, *seed)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
	}
	if err != nil || left > 0 {
		os.Exit(1)
	}
}

// mutate tries the mutants of files and returns how many survived.
func (l *laboratory) mutate(ctx context.Context, files []string, kinds string, sample int, seed uint64) (int, error) {
	var all []mutant
	for _, pattern := range files {
		names, err := filepath.Glob(filepath.FromSlash(strings.TrimSpace(pattern)))
		if err != nil || len(names) == 0 {
			return 0, fmt.Errorf("there is no file %s", pattern)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			found, err := mutantsOf(name)
			if err != nil {
				return 0, err
			}
			all = append(all, found...)
		}
	}
	if kinds != "" {
		all = slices.DeleteFunc(all, func(m mutant) bool { return !slices.Contains(strings.Split(kinds, ","), m.kind) })
	}
	if sample > 0 && sample < len(all) {
		r := rand.New(rand.NewPCG(seed, seed))
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:sample]
	}
	temp, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(temp)
	l.temp = temp
	packages := map[string]map[int]mutant{}
	for i, m := range all {
		dir := filepath.Dir(m.file)
		if packages[dir] == nil {
			packages[dir] = map[int]mutant{}
		}
		packages[dir][i+1] = m // 0 is no mutant
	}
	begin := time.Now()
	fmt.Printf("%d mutants\n", len(all))
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		if err := l.tryPackage(ctx, dir, packages[dir]); err != nil {
			return l.survivors, fmt.Errorf("%s: %w", dir, err)
		}
	}
	l.summary(time.Since(begin))
	return l.survivors, nil
}

// summary prints a table.
func (l *laboratory) summary(took time.Duration) {
	outcomes := []outcome{killed, survived, equivalent, broken}
	total := map[outcome]int{}
	fmt.Printf("%-34s %8s %8s %10s %12s\n", "file", outcomes[0], outcomes[1], outcomes[2], outcomes[3])
	row := func(name string, c map[outcome]int) {
		fmt.Printf("%-34s %8d %8d %10d %12d\n", name, c[killed], c[survived], c[equivalent], c[broken])
	}
	for _, name := range slices.Sorted(maps.Keys(l.counts)) {
		row(name, l.counts[name])
		for f, n := range l.counts[name] {
			total[f] += n
		}
	}
	row("all", total)
	fmt.Printf("in %s\n", took.Round(time.Second))
}

// knownEquivalents reads the list of mutants that do the same as the code.
func knownEquivalents() map[[4]string]bool {
	known := map[[4]string]bool{}
	for line := range strings.Lines(equivalents) {
		if fields := strings.Split(strings.TrimRight(line, "\n"), "\t"); len(fields) == 5 {
			known[[4]string(fields[:4])] = true
		}
	}
	return known
}
