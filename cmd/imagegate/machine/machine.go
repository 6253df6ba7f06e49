// Package machine finds out what a run may use of the computer, and divides it
// among scan workers.
package machine

import (
	"bufio"
	"io/fs"
	"math"
	"path"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	mebibyte = 1 << 20
	gibibyte = 1 << 30

	// workerLeast is the memory below which a worker cannot open the advisory
	// database and an ordinary image beside it.
	workerLeast = 768 * mebibyte
	// workerMost is what a worker gets on a large machine.
	workerMost = 4 * gibibyte
	// parentShare is the part of the memory that this process keeps: it streams
	// layers and never holds one.
	parentShare = 4 // a quarter
	mostJobs    = 8
	// layersMost and layersShare bound what is kept of layers for the images that
	// follow in the same run.
	layersMost  = 256 * mebibyte
	layersShare = 16 // a sixteenth, which is a quarter of the parent's share
)

// Machine is what a run may use of the computer.
type Machine struct {
	memory int64 // bytes for this run; 0 unknown
	cpus   int
}

// This returns the limits of the container or job that this process runs in.
// root is the file system, "/" except in tests. Go's own GOMAXPROCS already
// follows the cgroup's processor limit; its memory limit does not.
func This(root fs.FS) Machine {
	m := Machine{cpus: runtime.GOMAXPROCS(0)}
	for _, limit := range []int64{physicalMemory(root), cgroupMemory(root)} {
		if limit > 0 && (m.memory == 0 || limit < m.memory) {
			m.memory = limit
		}
	}
	return m
}

// LimitMemory tells Go's collector to stay within the parent's share, unless
// GOMEMLIMIT is set.
func (m Machine) LimitMemory() {
	if m.memory > 0 && debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(m.memory / parentShare)
	}
}

// Plan returns how many workers may work at once, and how many bytes each may
// use. A value that the user gives (not 0) stays as it is.
func (m Machine) Plan(jobs int, memory int64) (int, int64) {
	budget := m.memory - m.memory/parentShare
	if jobs == 0 {
		jobs = min(m.cpus, mostJobs)
		least := int64(workerLeast)
		if memory > 0 {
			least = memory
		}
		if m.memory > 0 {
			jobs = min(jobs, int(budget/least))
		}
		jobs = max(jobs, 1)
	}
	if memory == 0 {
		memory = workerMost
		if m.memory > 0 {
			memory = min(memory, budget/int64(jobs))
		}
		// Less cannot work. Should the machine really have less, the kernel ends
		// the worker and the image has no verdict.
		memory = max(memory, workerLeast)
	}
	return jobs, memory
}

// LayerMemory returns how many bytes the analyses of layers may use in memory.
func (m Machine) LayerMemory() int64 {
	if m.memory == 0 {
		return layersMost
	}
	return min(layersMost, m.memory/layersShare)
}

// physicalMemory reads /proc/meminfo; 0 when there is none.
func physicalMemory(root fs.FS) int64 {
	f, err := root.Open("proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			return n * 1024
		}
	}
	return 0
}

// cgroupMemory returns the smallest memory limit of this process's control
// group and those above it; 0 when there is none.
func cgroupMemory(root fs.FS) int64 {
	least := int64(0)
	keep := func(name string) {
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
		// "max" does not parse; version 1 writes a huge number instead.
		if err == nil && n > 0 && n < math.MaxInt64/2 && (least == 0 || n < least) {
			least = n
		}
	}
	v2, v1 := ownCgroups(root)
	for dir := v2; ; dir = path.Dir(dir) {
		keep(path.Join("sys/fs/cgroup", dir, "memory.max"))
		if dir == "/" {
			break
		}
	}
	for dir := v1; ; dir = path.Dir(dir) {
		keep(path.Join("sys/fs/cgroup/memory", dir, "memory.limit_in_bytes"))
		if dir == "/" {
			break
		}
	}
	return least
}

// ownCgroups returns the path of this process in the hierarchy of version 2 and
// in the memory hierarchy of version 1; "/" where it is unknown.
func ownCgroups(root fs.FS) (v2, v1 string) {
	v2, v1 = "/", "/"
	data, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		dir := path.Clean("/" + parts[2])
		switch {
		case parts[0] == "0" && parts[1] == "":
			v2 = dir
		case strings.Contains(","+parts[1]+",", ",memory,"):
			v1 = dir
		}
	}
	return v2, v1
}
