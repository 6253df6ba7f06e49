// Mutate tests the tests: it changes one thing at a time in the lines that can
// let an image pass, and runs the tests of the package on each such mutant. A
// mutant that no test kills is a mistake that nobody would notice.
//
//	go run ./examples/mutate
//	go run ./examples/mutate -files policy/evaluate.go -sample 50 -seed 7
//
// Run it at the root of the repository. The work tree is never touched: the
// compiler sees the mutants through an overlay.
package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// defaultFiles are the files that decide.
const defaultFiles = "gate/result.go,gate/check.go,gate/collect.go," +
	"policy/verdict.go,policy/evaluate.go,policy/judge_user.go,policy/judge_coverage.go,policy/judge_config.go," +
	"policy/judge_reference.go,policy/judge_vulnerabilities.go,policy/judge_exceptions.go,policy/tag.go,policy/versions.go"

// equivalents are mutants that do the same as the code, with the reason: file,
// line before, line after and reason, separated by tabs.
//
//go:embed equivalent.tsv
var equivalents string

// fate is what became of a mutant.
type fate string

const (
	killed     fate = "killed"
	survived   fate = "survived"
	broken     fate = "not compiled"
	equivalent fate = "equivalent"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	files := flag.String("files", defaultFiles, "mutate these `files`, separated by commas")
	sample := flag.Int("sample", 0, "try only `n` mutants, chosen at random; 0 means all")
	seed := flag.Uint64("seed", 1, "choose by this `number`")
	jobs := flag.Int("jobs", 1, "try `n` mutants at once")
	timeout := flag.Duration("timeout", 2*time.Minute, "a mutant that keeps the tests busy for longer is killed")
	flag.Parse()
	left, err := mutate(ctx, strings.Split(*files, ","), *sample, *seed, *jobs, *timeout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
	}
	if err != nil || left > 0 {
		os.Exit(1)
	}
}

// mutate tries the mutants of files and returns how many survived.
func mutate(ctx context.Context, files []string, sample int, seed uint64, jobs int, timeout time.Duration) (int, error) {
	var all []mutant
	for _, name := range files {
		found, err := mutantsOf(filepath.FromSlash(strings.TrimSpace(name)))
		if err != nil {
			return 0, err
		}
		all = append(all, found...)
	}
	if sample > 0 && sample < len(all) {
		r := rand.New(rand.NewPCG(seed, seed))
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:sample]
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	l := &laboratory{dir: dir, timeout: timeout, known: knownEquivalents(), counts: map[string]map[fate]int{}}
	if err := l.control(ctx, all); err != nil {
		return 0, err
	}
	begin := time.Now()
	l.tryAll(ctx, all, max(jobs, 1))
	l.summary(time.Since(begin))
	return l.survivors, cmp.Or(ctx.Err(), l.err)
}

// laboratory is where mutants are tried.
type laboratory struct {
	dir     string // for the files of the overlays
	timeout time.Duration
	known   map[[3]string]bool

	mu        sync.Mutex
	counts    map[string]map[fate]int // by file
	survivors int
	err       error
}

// control runs the tests without a mutant: tests that fail anyway kill all.
func (l *laboratory) control(ctx context.Context, all []mutant) error {
	packages := map[string]bool{}
	for _, m := range all {
		packages[filepath.Dir(m.file)] = true
	}
	for _, p := range slices.Sorted(maps.Keys(packages)) {
		if out, err := l.test(ctx, p, "{}"); err != nil {
			return fmt.Errorf("the tests of %s fail without any mutant:\n%s", p, out)
		}
	}
	return nil
}

func (l *laboratory) tryAll(ctx context.Context, all []mutant, jobs int) {
	queue := make(chan mutant)
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for m := range queue {
				if ctx.Err() == nil {
					l.try(ctx, m)
				}
			}
		})
	}
	for _, m := range all {
		queue <- m
	}
	close(queue)
	wg.Wait()
}

// try runs the tests on one mutant and writes down what became of it.
func (l *laboratory) try(ctx context.Context, m mutant) {
	src, err := os.ReadFile(m.file)
	if err != nil {
		l.fail(err)
		return
	}
	before, after := m.diff(src)
	f := equivalent
	if !l.known[[3]string{filepath.ToSlash(m.file), before, after}] {
		if f, err = l.run(ctx, m, src); err != nil {
			l.fail(err)
			return
		}
	}
	if ctx.Err() != nil {
		return // the tests were stopped: that says nothing about the mutant
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts[m.file] == nil {
		l.counts[m.file] = map[fate]int{}
	}
	l.counts[m.file][f]++
	if f == survived {
		l.survivors++
		fmt.Printf("%s survived\n\t- %s\n\t+ %s\n", m, before, after)
	}
}

func (l *laboratory) run(ctx context.Context, m mutant, src []byte) (fate, error) {
	changed, err := os.CreateTemp(l.dir, "*.go")
	if err != nil {
		return "", err
	}
	defer os.Remove(changed.Name())
	if _, err := changed.Write(m.apply(src)); err != nil {
		return "", err
	}
	if err := changed.Close(); err != nil {
		return "", err
	}
	original, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed.Name()}})
	if err != nil {
		return "", err
	}
	out, err := l.test(ctx, filepath.Dir(m.file), string(overlay))
	switch {
	case err == nil:
		return survived, nil
	case bytes.Contains(out, []byte("[build failed]")), bytes.Contains(out, []byte("[setup failed]")):
		return broken, nil
	}
	return killed, nil
}

// test runs the tests of a package. The import rules are left out: no mutant
// changes an import, and listing packages takes longer than all other tests.
func (l *laboratory) test(ctx context.Context, dir, overlay string) ([]byte, error) {
	file, err := os.CreateTemp(l.dir, "*.json")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	if _, err := file.WriteString(overlay); err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-overlay", file.Name(), "-short", "-count=1", "-failfast", "-vet=off",
		"-ldflags=-s -w", "-p=1", "-skip=^TestImports", "-timeout", l.timeout.String(), "./"+filepath.ToSlash(dir))
	return cmd.CombinedOutput()
}

func (l *laboratory) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = cmp.Or(l.err, err)
}

// summary prints a table.
func (l *laboratory) summary(took time.Duration) {
	fates := []fate{killed, survived, equivalent, broken}
	total := map[fate]int{}
	fmt.Printf("%-34s %8s %8s %10s %12s\n", "file", fates[0], fates[1], fates[2], fates[3])
	row := func(name string, c map[fate]int) {
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
func knownEquivalents() map[[3]string]bool {
	known := map[[3]string]bool{}
	for line := range strings.Lines(equivalents) {
		if fields := strings.Split(strings.TrimRight(line, "\n"), "\t"); len(fields) == 4 {
			known[[3]string(fields[:3])] = true
		}
	}
	return known
}
