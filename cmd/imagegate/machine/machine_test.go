package machine

import (
	"testing"
	"testing/fstest"

	"github.com/imagegate/imagegate/policy/words"
)

func files(m map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range m {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func TestThisMachineFollowsTheSmallestLimit(t *testing.T) {
	const meminfo = "MemTotal:       16777216 kB\nMemFree: 1 kB\n" // 16 GiB
	tests := []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing known", nil, 0},
		{"physical memory", map[string]string{"proc/meminfo": meminfo}, 16 * gibibyte},
		{"container, version 2", map[string]string{
			"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": "1073741824\n"}, gibibyte},
		{"no limit in version 2", map[string]string{
			"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": "max\n"}, 16 * gibibyte},
		{"own group on the host", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/ci/job-1\n",
			"sys/fs/cgroup/ci/job-1/memory.max": "max\n", "sys/fs/cgroup/ci/memory.max": "2147483648\n"}, 2 * gibibyte},
		{"version 1", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu,memory:/docker/x\n1:name=systemd:/\n",
			"sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "536870912\n"}, gibibyte / 2},
		{"no limit in version 1", map[string]string{
			"proc/meminfo": meminfo,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 16 * gibibyte},
		{"path that climbs", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../../..\n", "sys/fs/cgroup/memory.max": "1073741824"}, gibibyte},
		{"garbage", map[string]string{"proc/meminfo": "MemTotal: lots kB\n", "sys/fs/cgroup/memory.max": "-1"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := This(files(tt.files)).memory; got != tt.want {
				t.Errorf("memory = %d, want %d", got, tt.want)
			}
		})
	}
}

func TestPlanStaysWithinTheMachine(t *testing.T) {
	tests := []struct {
		name       string
		machine    Machine
		jobs       int
		memory     int64
		wantJobs   int
		wantMemory int64
	}{
		{"large machine", Machine{64 * gibibyte, 4}, 0, 0, 4, workerMost},
		{"many processors", Machine{256 * gibibyte, 64}, 0, 0, mostJobs, workerMost},
		{"memory bounds the jobs", Machine{4 * gibibyte, 16}, 0, 0, 4, 768 * mebibyte},
		{"small machine still runs one", Machine{512 * mebibyte, 2}, 0, 0, 1, workerLeast},
		{"unknown memory", Machine{0, 2}, 0, 0, 2, workerMost},
		{"the user decides", Machine{4 * gibibyte, 2}, 6, gibibyte, 6, gibibyte},
		{"memory for each bounds the jobs", Machine{8 * gibibyte, 8}, 0, 3 * gibibyte, 2, 3 * gibibyte},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			jobs, memory := tt.machine.Plan(tt.jobs, tt.memory)
			if jobs != tt.wantJobs || memory != tt.wantMemory {
				t.Errorf("plan = %d jobs with %s, want %d with %s", jobs, words.BinarySize(memory), tt.wantJobs, words.BinarySize(tt.wantMemory))
			}
		})
	}
}

func TestMemoryForLayers(t *testing.T) {
	for memory, want := range map[int64]int64{0: 256 * mebibyte, gibibyte: 64 * mebibyte, 4 * gibibyte: 256 * mebibyte, 64 * gibibyte: 256 * mebibyte} {
		if got := (Machine{memory: memory, cpus: 2}).LayerMemory(); got != want {
			t.Errorf("of %s, %s are for layers, want %s", words.BinarySize(memory), words.BinarySize(got), words.BinarySize(want))
		}
	}
}
