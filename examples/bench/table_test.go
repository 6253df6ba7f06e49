package main

import (
	"encoding/xml"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	tab := table{head: []string{"what", "s"}}
	tab.add("größer", "1.00")
	tab.add("b", "12.00")
	want := "" +
		"| what   |     s |\n" +
		"|--------|------:|\n" +
		"| größer |  1.00 |\n" +
		"| b      | 12.00 |\n"
	if diff := cmp.Diff(want, tab.String()); diff != "" {
		t.Error(diff)
	}
}

// sample is a row with runs of a and b seconds and as many findings.
func sample(a, b float64, findings, theirs int) result {
	run := func(s float64, n int) usage {
		return usage{Wall: time.Duration(s * float64(time.Second)), CPU: time.Second, PSS: 100 * mib, Findings: n,
			Requests: requests{Manifests: 1, Configs: 1}}
	}
	return result{ID: "x", Title: "an image", Other: trivyName, Target: 0.6,
		Ours: []usage{run(a, findings), run(a, findings)}, Theirs: []usage{run(b, theirs), run(b, theirs)}}
}

func TestWallTableSaysWhetherTheTargetIsMet(t *testing.T) {
	for _, tt := range []struct {
		name string
		row  result
		want string
	}{
		{"faster", sample(1, 2, 7, 7), "| 0.50 (0.50-0.50) | <= 0.60 | met |"},
		{"slower", sample(3, 2, 7, 7), "| 1.50 (1.50-1.50) | <= 0.60 | NOT MET |"},
		{"left out", result{Title: "warm", Other: trivyName, Target: 1, Skipped: "no flag"}, "| left out: no flag |"},
	} {
		got := tables([]result{tt.row})["wall"]
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: no %q in\n%s", tt.name, tt.want, got)
		}
	}
}

// Two programs that find different things do not do the same work.
func TestTrafficTableFlagsDifferentFindings(t *testing.T) {
	if got := tables([]result{sample(1, 1, 7, 8)})["traffic"]; !strings.Contains(got, "MISMATCH: 7, trivy 8") {
		t.Errorf("a difference was not flagged:\n%s", got)
	}
	if got := tables([]result{sample(1, 1, 7, 7)})["traffic"]; strings.Contains(got, "MISMATCH") || !strings.Contains(got, "1, 1, 0") {
		t.Errorf("equal findings, no layer request:\n%s", got)
	}
}

func TestPlace(t *testing.T) {
	const doc = "before\n<!-- bench:begin wall -->\nold\n<!-- bench:end -->\nafter\n"
	got, err := place(doc, "wall", "| new |\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "before\n<!-- bench:begin wall -->\n\n| new |\n\n<!-- bench:end -->\nafter\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if again, err := place(got, "wall", "| new |\n"); err != nil || again != got {
		t.Errorf("placed twice: %v\n%s", err, again)
	}
	for _, broken := range []string{"nothing", "<!-- bench:begin wall -->\nno end"} {
		if _, err := place(broken, "wall", "x"); err == nil {
			t.Errorf("%q: no error", broken)
		}
	}
}

func TestSelected(t *testing.T) {
	for _, tt := range []struct {
		id, only string
		want     bool
	}{
		{"fat-cold", "", true}, {"fat-cold", "fat", true}, {"fat-cold", "slim,fat-cold", true}, {"fat-cold", "slim,warm", false},
	} {
		if got := selected(tt.id, tt.only); got != tt.want {
			t.Errorf("selected(%q, %q) = %v, want %v", tt.id, tt.only, got, tt.want)
		}
	}
}

func TestCurveTableAndDrawing(t *testing.T) {
	c := curveResult{ID: "size", Title: "image size", Unit: "MB"}
	for _, x := range []float64{1, 10, 100, 1000} {
		c.Points = append(c.Points, pointResult{x, sample(x, x*x, 5, 5)})
	}
	if got := c.exponent(ours, wall); math.Abs(got-1) > 1e-6 {
		t.Errorf("exponent of a linear curve = %v", got)
	}
	if got := c.exponent(theirs, wall); math.Abs(got-2) > 1e-6 {
		t.Errorf("exponent of a quadratic curve = %v", got)
	}
	if got := curveTables([]curveResult{c}); !strings.Contains(got, "| exponent |") {
		t.Errorf("no exponent in\n%s", got)
	}
	svg := drawing([]curveResult{c, c})
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
		t.Errorf("not XML: %v", err)
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || strings.Count(svg, "<polyline") != 6 {
		t.Errorf("drawing:\n%s", svg)
	}
}

// Results of another binary must not be in the same table.
func TestResultsAreOfOneBinary(t *testing.T) {
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	write := func(body string) *bench {
		t.Helper()
		if err := os.WriteFile(gate, []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
		return &bench{gate: gate, trivy: gate, database: dir}
	}
	first := results{file: filepath.Join(dir, "results.json")}
	if err := first.load(write("one")); err != nil {
		t.Fatal(err)
	}
	if err := first.keep(sample(1, 2, 3, 3)); err != nil {
		t.Fatal(err)
	}
	if err := first.keepCurve(curveResult{ID: "c", Points: []pointResult{{1, sample(1, 2, 3, 3)}}}); err != nil {
		t.Fatal(err)
	}
	again := results{file: first.file}
	if err := again.load(write("one")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.Rows, again.Rows, cmp.AllowUnexported(result{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(first.Curves, again.Curves); diff != "" {
		t.Error(diff)
	}
	other := results{file: first.file}
	if err := other.load(write("two")); err != nil || len(other.Rows) != 0 || len(other.Curves) != 0 {
		t.Errorf("rows of another binary were kept: %v, %v", other.Rows, err)
	}
}
