package manifests

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// measured reads a document and returns the time, and the memory that it took from
// the system besides.
func measured(t *testing.T, document []byte) (problem string, workloads int, took time.Duration, grown uint64) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	r := Parse("m.yaml", document, Options{})
	took = time.Since(start)
	runtime.ReadMemStats(&after)
	return problems(r), len(r.Workloads), took, after.HeapSys - min(before.HeapSys, after.HeapSys)
}

// Input that is large, or that stands for more than it is, ends in time and with a
// word.
func TestLargeInput(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	merges := "a0: &a0 {x: 1}\n"
	for i := 1; i < 40; i++ {
		merges += fmt.Sprintf("a%d: &a%d {<<: [*a%d, *a%d], k%d: [*a%d, *a%d]}\n", i, i, i-1, i-1, i, i-1, i-1)
	}
	configMap := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: |\n" + strings.Repeat("    "+strings.Repeat("x", 95)+"\n", 10_000) + "---\n"
	// A bomb that goes off takes hours. A busy machine takes a minute for what takes a
	// second on a quiet one.
	const limit = 3 * time.Minute
	for name, tt := range map[string]struct {
		document  string
		workloads int
		problem   string // "" for none
	}{
		"5,000 documents":      {strings.Repeat("---\n"+oneContainer("    securityContext: {privileged: true}\n"), 5000), 5000, ""},
		"50 MB of ConfigMaps":  {strings.Repeat(configMap, 50) + oneContainer(""), 1, ""},
		"50 MB in one":         {"a: " + strings.Repeat("x", 50<<20), 0, "larger than 16 MiB"},
		"50 MB of items":       {strings.Repeat("- a\n", 13<<20), 0, "larger than 16 MiB"},
		"a bomb of aliases":    {bomb.String(), 0, "after its aliases are replaced"},
		"a bomb of merges":     {merges, 0, "after its aliases are replaced"},
		"a million containers": {head + "  containers:\n" + strings.Repeat("  - {}\n", 1_000_000), 0, "more than 200000 values"},
		"deep brackets":        {strings.Repeat("[", 1<<20), 0, "m.yaml:"},
		"many marks":           {strings.Repeat("---\n", 5<<20), 0, ""},
		"many problems":        {strings.Repeat("---\na: b\n", 20_000), 0, "no apiVersion"},
		"one long line":        {oneContainer("    args: [\"" + strings.Repeat("x", 10<<20) + "\"]\n"), 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			problem, workloads, took, grown := measured(t, []byte(tt.document))
			t.Logf("%.1f MB in %v, %d MiB of memory", float64(len(tt.document))/1e6, took.Round(time.Millisecond), grown>>20)
			if workloads != tt.workloads || (tt.problem == "") != (problem == "") || !strings.Contains(problem, tt.problem) {
				t.Errorf("%d workloads, problems %.300q", workloads, problem)
			}
			if took > limit || grown > 2<<30 {
				t.Errorf("took %v and %d MiB", took, grown>>20)
			}
		})
	}
}
