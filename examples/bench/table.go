package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table is a Markdown table whose source is readable too: columns are padded,
// and all but the first are set to the right.
type table struct {
	head []string
	rows [][]string
}

// notMeasured replaces a table without rows.
const notMeasured = "Not measured yet.\n"

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	if len(t.rows) == 0 {
		return notMeasured
	}
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell), 3)
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		for i, cell := range cells {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				fmt.Fprintf(&b, "| %s%s ", cell, pad)
			} else {
				fmt.Fprintf(&b, "| %s%s ", pad, cell)
			}
		}
		b.WriteString("|\n")
	}
	line(t.head)
	for i, w := range width {
		if i == 0 {
			fmt.Fprintf(&b, "|%s", strings.Repeat("-", w+2))
		} else {
			fmt.Fprintf(&b, "|%s:", strings.Repeat("-", w+1))
		}
	}
	b.WriteString("|\n")
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// tables renders all results.
func tables(results []result) map[string]string {
	return map[string]string{
		"wall": wallTable(results), "cost": costTable(results), "traffic": trafficTable(results),
		"rate": rateTable(results), "floor": floorTable(results),
	}
}

func wallTable(results []result) string {
	t := table{head: []string{"what", "imagegate, s", "the other, s", "", "ratio", "target", ""}}
	for _, r := range results {
		switch {
		case r.Rate > 0:
		case r.Skipped != "":
			t.add(r.Title, "-", "-", r.Other, "-", atMost(r.Target), "left out: "+r.Skipped)
		default:
			met := ""
			if r.Target > 0 {
				met = verdict(median(r.ratio(wall)) <= r.Target)
			}
			t.add(r.Title, spread(column(r.Ours, wall)), spread(column(r.Theirs, wall)), r.Other, spread(r.ratio(wall)), atMost(r.Target), met)
		}
	}
	return t.String()
}

// atMost prints a ratio not to exceed.
func atMost(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("<= %.2f", x)
}

func costTable(results []result) string {
	t := table{head: []string{"what", "CPU s", "other", "ratio", "peak PSS MiB", "other", "ratio", "peak RSS MiB", "other", "largest process MiB", "other", "target, PSS"}}
	for _, r := range results {
		if r.Skipped != "" || r.Rate > 0 {
			continue
		}
		met := ""
		if r.Memory > 0 {
			met = atMost(r.Memory) + " " + verdict(median(r.ratio(pss)) <= r.Memory)
		}
		one := func(format string, runs []usage, of func(usage) float64) string {
			return fmt.Sprintf(format, median(column(runs, of)))
		}
		t.add(r.Title, one("%.2f", r.Ours, cpu), one("%.2f", r.Theirs, cpu), middle(r.ratio(cpu)),
			one("%.0f", r.Ours, pss), one("%.0f", r.Theirs, pss), middle(r.ratio(pss)),
			one("%.0f", r.Ours, rss), one("%.0f", r.Theirs, rss),
			one("%.0f", r.Ours, largest), one("%.0f", r.Theirs, largest), met)
	}
	return t.String()
}

// trafficTable shows what the last run of each row asked the registry for. It
// measures that a warm run needs no layer.
func trafficTable(results []result) string {
	t := table{head: []string{"what", "findings", "manifests, configs, layers", "layers, MB", "no layer", "the other", "MB"}}
	for _, r := range results {
		if r.Skipped != "" || r.Rate > 0 || len(r.Ours) == 0 {
			continue
		}
		a, other, bytes, none := r.Ours[len(r.Ours)-1].Requests, "", "", ""
		if r.NoLayers {
			none = verdict(r.layerless())
		}
		if len(r.Theirs) > 0 {
			b := r.Theirs[len(r.Theirs)-1].Requests
			other, bytes = b.String(), fmt.Sprintf("%.1f", float64(b.Bytes)/1e6)
		}
		t.add(r.Title, r.findings(), a.String(), fmt.Sprintf("%.1f", float64(a.Bytes)/1e6), none, other, bytes)
	}
	return t.String()
}

// String lists the requests by kind.
func (r requests) String() string { return fmt.Sprintf("%d, %d, %d", r.Manifests, r.Configs, r.Layers) }

func rateTable(results []result) string {
	t := table{head: []string{"what", "images in a run", "wall, s", "CPU, s", "images per second and core", "target", ""}}
	for _, r := range results {
		if r.Rate > 0 {
			t.add(r.Title, fmt.Sprint(r.Images), spread(column(r.Ours, wall)), spread(column(r.Ours, cpu)),
				fmt.Sprintf("%.0f", r.rated()), fmt.Sprintf(">= %.0f", r.Rate), verdict(r.rated() >= r.Rate))
		}
	}
	return t.String()
}

func floorTable(results []result) string {
	t := table{head: []string{"what", "gzip and tar, s", "CPU, s", "imagegate: wall", "CPU", "trivy: wall", "CPU"}}
	for _, r := range results {
		if len(r.Floor) == 0 {
			continue
		}
		over := func(runs []usage, of func(usage) float64) string {
			return middle(ratios(column(runs, of), column(r.Floor, of)))
		}
		t.add(r.Title, spread(column(r.Floor, wall)), spread(column(r.Floor, cpu)),
			over(r.Ours, wall), over(r.Ours, cpu), over(r.Theirs, wall), over(r.Theirs, cpu))
	}
	return t.String()
}
