package main

import (
	"fmt"
	"slices"
)

// What a run is measured by.
func wall(u usage) float64    { return u.Wall.Seconds() }
func cpu(u usage) float64     { return u.CPU.Seconds() }
func pss(u usage) float64     { return float64(u.PSS) / mib }
func rss(u usage) float64     { return float64(u.RSS) / mib }
func largest(u usage) float64 { return float64(u.MaxRSS) / mib }

func column(runs []usage, of func(usage) float64) []float64 {
	out := make([]float64, 0, len(runs))
	for _, u := range runs {
		out = append(out, of(u))
	}
	return out
}

// ratio of both programs, pair by pair.
func (r result) ratio(of func(usage) float64) []float64 {
	return ratios(column(r.Ours, of), column(r.Theirs, of))
}

// rated is how many images are judged in a second of one core.
func (r result) rated() float64 {
	if c := median(column(r.Ours, cpu)); c > 0 {
		return float64(r.Images) / c
	}
	return 0
}

// findings is what both programs found. Times of two programs that do not find
// the same are not comparable, so a difference is shown in capitals.
func (r result) findings() string {
	a, b := counts(r.Ours), counts(r.Theirs)
	if len(r.Theirs) > 0 && a != b {
		return fmt.Sprintf("MISMATCH: %s, %s %s", a, r.Other, b)
	}
	return a
}

// layerless reports whether no run asked for a layer.
func (r result) layerless() bool {
	return !slices.ContainsFunc(r.Ours, func(u usage) bool { return u.Requests.Layers > 0 })
}

// counts is the number of findings of all runs, which should be one number.
func counts(runs []usage) string {
	var all []int
	for _, u := range runs {
		if !slices.Contains(all, u.Findings) {
			all = append(all, u.Findings)
		}
	}
	if len(all) == 1 {
		return fmt.Sprint(all[0])
	}
	return fmt.Sprint(all)
}

// spread is a median with its range.
func spread(xs []float64) string {
	if len(xs) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", median(xs), slices.Min(xs), slices.Max(xs))
}

// middle is a median alone.
func middle(xs []float64) string {
	if len(xs) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", median(xs))
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "NOT MET"
}
