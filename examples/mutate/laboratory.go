package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// laboratory is where mutants are tried.
type laboratory struct {
	temp    string        // for everything that is written
	timeout time.Duration // 0: as many times as patience says what the tests take
	first   string        // these tests are run before all others
	jobs    int
	known   map[[4]string]bool // equivalent mutants

	mu        sync.Mutex
	counts    map[string]map[outcome]int // by file
	survivors int
	builds    int
}

// tryPackage tries the mutants of one package.
func (l *laboratory) tryPackage(ctx context.Context, dir string, numbered map[int]mutant) error {
	for n, m := range numbered {
		before, after := m.diff()
		if l.known[[4]string{filepath.ToSlash(m.file), m.function, before, after}] {
			l.count(m, equivalent)
			delete(numbered, n)
		}
	}
	binary, cloned, rest, err := l.buildClones(ctx, dir, numbered)
	if err != nil {
		return err
	}
	// The control: tests that fail without a mutant would kill every one.
	limit, out := l.control(ctx, dir, binary)
	if out != nil {
		return fmt.Errorf("the tests fail without any mutant:\n%s", out)
	}
	queue := make(chan int)
	var wg sync.WaitGroup
	for range l.jobs {
		wg.Go(func() {
			for n := range queue {
				f, _ := l.test(ctx, dir, binary, n, limit)
				l.judge(ctx, cloned[n], f)
			}
		})
	}
	for _, n := range sortedKeys(cloned) {
		queue <- n
	}
	close(queue)
	wg.Wait()
	for _, n := range sortedKeys(rest) {
		f, err := l.single(ctx, dir, rest[n], limit)
		if err != nil {
			return err
		}
		l.judge(ctx, rest[n], f)
	}
	return ctx.Err()
}

// buildClones builds one test binary with all mutants that can be cloned, and
// returns those and the rest. What does not compile is counted.
func (l *laboratory) buildClones(ctx context.Context, dir string, numbered map[int]mutant) (binary string, cloned, rest map[int]mutant, err error) {
	files, rest, err := divide(numbered)
	if err != nil {
		return "", nil, nil, err
	}
	cloned = maps.Clone(numbered)
	for n := range rest {
		delete(cloned, n)
	}
	omit := map[int]bool{}
	drop := func(n int) {
		omit[n] = true
		l.count(cloned[n], broken)
		delete(cloned, n)
	}
	for range 20 { // the compiler does not tell everything at once
		replace, lines := map[string][]byte{}, map[string]map[int]int{}
		for _, c := range files {
			replace[c.name], lines[filepath.Base(c.name)] = c.source(omit)
			for _, n := range sortedKeys(cloned) {
				if cloned[n].file == c.name && !has(lines[filepath.Base(c.name)], n) {
					drop(n) // no Go at all
				}
			}
		}
		binary, out, err := l.build(ctx, dir, replace)
		if err == nil {
			return binary, cloned, rest, nil
		}
		guilty := mutantsOfErrors(out, lines)
		if len(guilty) == 0 {
			return "", nil, nil, fmt.Errorf("the clones do not compile: %w\n%s", err, out)
		}
		for n := range guilty {
			drop(n)
		}
	}
	return "", nil, nil, errors.New("the clones do not compile")
}

// divide prepares the files of a package for cloning. The rest are mutants
// outside of functions.
func divide(numbered map[int]mutant) ([]*clones, map[int]mutant, error) {
	files := map[string]map[int]mutant{}
	for n, m := range numbered {
		if files[m.file] == nil {
			files[m.file] = map[int]mutant{}
		}
		files[m.file][n] = m
	}
	var all []*clones
	rest := map[int]mutant{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		c, others, err := newClones(name, files[name])
		if err != nil {
			return nil, nil, err
		}
		all = append(all, c)
		maps.Copy(rest, others)
	}
	return all, rest, nil
}

func has(owners map[int]int, n int) bool {
	for _, m := range owners {
		if m == n {
			return true
		}
	}
	return false
}

// build builds the tests of a package with some files replaced.
func (l *laboratory) build(ctx context.Context, dir string, replace map[string][]byte) (string, []byte, error) {
	l.builds++
	work := filepath.Join(l.temp, strconv.Itoa(l.builds))
	if err := os.Mkdir(work, 0o700); err != nil {
		return "", nil, err
	}
	overlay := map[string]string{}
	add := func(name string, text []byte) error {
		absolute, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		overlay[absolute] = filepath.Join(work, filepath.Base(name))
		return os.WriteFile(overlay[absolute], text, 0o600)
	}
	for name, text := range replace {
		if err := add(name, text); err != nil {
			return "", nil, err
		}
	}
	if err := add(filepath.Join(dir, "mutant_chooser.go"), fmt.Appendf(nil, chooser, filepath.Base(dir))); err != nil {
		return "", nil, err
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return "", nil, err
	}
	list, binary := filepath.Join(work, "overlay.json"), filepath.Join(work, "tests")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		return "", nil, err
	}
	out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "-overlay", list, "-vet=off", "-p=1",
		"-gcflags=-e", "-ldflags=-s -w", "./"+filepath.ToSlash(dir)).CombinedOutput()
	return binary, out, err
}

// single builds and tests one mutant by itself.
func (l *laboratory) single(ctx context.Context, dir string, m mutant, limit time.Duration) (outcome, error) {
	binary, _, err := l.build(ctx, dir, map[string][]byte{m.file: m.apply()})
	if err != nil {
		return broken, ctx.Err()
	}
	defer os.Remove(binary)
	f, _ := l.test(ctx, dir, binary, 0, limit)
	return f, nil
}

// patience is how many times as long as without a mutant the tests may take.
const patience = 6

// control runs the tests without a mutant and returns how long they may take with one.
// The output is nil when they pass.
func (l *laboratory) control(ctx context.Context, dir, binary string) (time.Duration, []byte) {
	begin := time.Now()
	if f, out := l.run(ctx, dir, binary, 0, cmp.Or(l.timeout, time.Hour), "."); f != survived {
		return 0, out
	}
	return cmp.Or(l.timeout, max(time.Minute, patience*time.Since(begin))), nil
}

// test runs the tests on a mutant, those that are the first to run by themselves.
func (l *laboratory) test(ctx context.Context, dir, binary string, n int, limit time.Duration) (outcome, []byte) {
	if l.first != "" {
		if f, out := l.run(ctx, dir, binary, n, limit, l.first); f != survived {
			return f, out
		}
	}
	return l.run(ctx, dir, binary, n, limit, ".")
}

// run runs a test binary. The import rules are left out: no mutant changes an
// import, and listing packages takes longer than all other tests.
func (l *laboratory) run(ctx context.Context, dir, binary string, n int, limit time.Duration, tests string) (outcome, []byte) {
	cmd := exec.CommandContext(ctx, binary, "-test.short", "-test.failfast", "-test.run="+tests, "-test.skip=^TestImports", "-test.timeout="+limit.String())
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), variable+"="+strconv.Itoa(n))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return survived, out
	}
	return killed, bytes.TrimSpace(out)
}

// judge writes down what became of a mutant.
func (l *laboratory) judge(ctx context.Context, m mutant, f outcome) {
	if ctx.Err() == nil { // if it is canceled, the tests were stopped and have no result
		l.count(m, f)
	}
}

func (l *laboratory) count(m mutant, f outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts[m.file] == nil {
		l.counts[m.file] = map[outcome]int{}
	}
	l.counts[m.file][f]++
	if f == survived {
		l.survivors++
		before, after := m.diff()
		fmt.Printf("%s survived\n\t- %s\n\t+ %s\n", m, before, after)
	}
}
