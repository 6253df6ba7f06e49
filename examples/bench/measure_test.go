package main

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// Work of a grandchild that its parent does not wait for is counted all the
// same, and so is its memory.
func TestMeasureSeesTheWholeTree(t *testing.T) {
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skip("no /proc")
	}
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	const burn = `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done`
	one, err := measure(t.Context(), side{steps: []step{{[]string{"sh", "-c", burn}, []int{0}}}})
	if err != nil {
		t.Fatal(err)
	}
	two, err := measure(t.Context(), side{steps: []step{{[]string{"sh", "-c", "sh -c '" + burn + "' & " + burn + "; wait"}, []int{0}}}})
	if err != nil {
		t.Fatal(err)
	}
	if two.CPU < one.CPU*3/2 {
		t.Errorf("two processes took %v, one %v", two.CPU, one.CPU)
	}
	if one.PSS <= 0 || one.RSS < one.PSS || one.Wall <= 0 {
		t.Errorf("memory was not seen: %+v", one)
	}
}

func TestMeasureRefusesOtherExitCodes(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	for code, want := range map[string]bool{"0": true, "1": true, "2": false, "137": false} {
		_, err := measure(t.Context(), side{steps: []step{{[]string{"sh", "-c", "exit " + code}, []int{0, 1}}}})
		if (err == nil) != want {
			t.Errorf("exit code %s: %v", code, err)
		}
	}
}

func TestClean(t *testing.T) {
	got := clean([]string{"HOME=/root", "TRIVY_SEVERITY=LOW", "IMAGEGATE_POLICY=x", "PATH=/bin"})
	if want := []string{"HOME=/root", "PATH=/bin"}; !slices.Equal(got, want) {
		t.Errorf("clean = %v, want %v", got, want)
	}
}

func TestKilobytes(t *testing.T) {
	const rollup = "5600 ---p 0 00:00 0 [rollup]\nRss:                1234 kB\nPss:                 567 kB\nPss_Dirty:            9 kB\n"
	if got := kilobytes(rollup, "\nPss:"); got != 567<<10 {
		t.Errorf("Pss = %d", got)
	}
	if got := kilobytes("", "\nPss:"); got != 0 {
		t.Errorf("Pss of nothing = %d", got)
	}
}

func TestProcessorTellsProcesses(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc")
	}
	id, cpu, ok := processor(os.Getpid())
	if !ok || id == "" || cpu < 0 || cpu > time.Hour {
		t.Errorf("processor = %q, %v, %v", id, cpu, ok)
	}
}
