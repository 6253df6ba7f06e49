package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sampler watches process trees through /proc. Both programs are watched in the
// same way; where there is no /proc, as on macOS, its figures stay zero.
type sampler struct {
	stop chan struct{}
	done chan struct{}

	mu    sync.Mutex // guards roots
	roots []int

	pss, rss int64                    // highest sums over all trees, in bytes
	cpu      map[string]time.Duration // of each process ever seen, as last seen
}

// costShare bounds what watching costs: it sleeps so many times longer than a
// look takes, which is five per cent of one core.
const (
	costShare   = 20
	minInterval = 3 * time.Millisecond
)

func watch() *sampler {
	s := &sampler{stop: make(chan struct{}), done: make(chan struct{}), cpu: map[string]time.Duration{}}
	go s.loop()
	return s
}

// add puts a process and its descendants under watch.
func (s *sampler) add(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roots = append(s.roots, pid)
}

// end stops watching; only then may the figures be read.
func (s *sampler) end() {
	close(s.stop)
	<-s.done
}

func (s *sampler) loop() {
	defer close(s.done)
	for {
		start := time.Now()
		s.look()
		select {
		case <-s.stop:
			return
		case <-time.After(max(minInterval, costShare*time.Since(start))):
		}
	}
}

func (s *sampler) look() {
	s.mu.Lock()
	roots := s.roots
	s.mu.Unlock()
	var pss, rss int64
	for _, pid := range tree(roots) {
		p, r := memory(pid)
		pss, rss = pss+p, rss+r
		if id, cpu, ok := processor(pid); ok {
			s.cpu[id] = cpu
		}
	}
	s.pss, s.rss = max(s.pss, pss), max(s.rss, rss)
}

// seen is the processor time of all processes that were ever seen: a lower
// bound, because the last moments of each are missed.
func (s *sampler) seen() (sum time.Duration) {
	for _, d := range s.cpu {
		sum += d
	}
	return sum
}

// tree lists the processes and all their descendants. Children belong to the
// thread that started them.
func tree(pids []int) []int {
	all := append([]int(nil), pids...)
	for i := 0; i < len(all); i++ {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i]))
		for _, file := range files {
			raw, _ := os.ReadFile(file) // gone meanwhile: no children
			for field := range strings.FieldsSeq(string(raw)) {
				if pid, err := strconv.Atoi(field); err == nil {
					all = append(all, pid)
				}
			}
		}
	}
	return all
}

// memory reads the proportional and the resident set of a process.
func memory(pid int) (pss, rss int64) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0
	}
	return kilobytes(string(raw), "\nPss:"), kilobytes(string(raw), "\nRss:")
}

func kilobytes(rollup, key string) int64 {
	_, rest, _ := strings.Cut(rollup, key)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(fields[0], 10, 64)
	return n << 10
}

// tick is the unit of processor times in /proc: 1/100 s on every Linux that Go
// runs on.
const tick = 10 * time.Millisecond

// processor reads the processor time of a process without its children. The id
// tells it from a later process with the same number.
func processor(pid int) (id string, cpu time.Duration, ok bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, false
	}
	// The name in parentheses may hold anything, blanks and parentheses too.
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) < 20 {
		return "", 0, false
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return fmt.Sprintf("%d@%s", pid, fields[19]), time.Duration(user+system) * tick, true
}

// load is the machine's load average over one minute, 0 where it is not known.
func load() float64 {
	raw, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(raw), " ")
	average, _ := strconv.ParseFloat(first, 64)
	return average
}
