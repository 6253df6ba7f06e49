package main

import (
	"math"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		xs   []float64
		want float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 2, 3}, 2.5},
	} {
		before := slices.Clone(tt.xs)
		if got := median(tt.xs); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.xs, got, tt.want)
		}
		if !slices.Equal(tt.xs, before) {
			t.Errorf("median changed its argument to %v: the pairs are lost", tt.xs)
		}
	}
}

// A disturbance that both halves of a pair share does not change its ratio.
func TestRatios(t *testing.T) {
	got := ratios([]float64{1, 10, 1}, []float64{2, 20, 2})
	if want := []float64{0.5, 0.5, 0.5}; !slices.Equal(got, want) {
		t.Errorf("ratios = %v, want %v", got, want)
	}
	if got := ratios([]float64{1, 2}, []float64{0, 4}); !slices.Equal(got, []float64{0.5}) {
		t.Errorf("a pair without a time was not left out: %v", got)
	}
	if got := ratios([]float64{1}, nil); len(got) != 0 {
		t.Errorf("ratios without a second program = %v", got)
	}
}

func TestSlope(t *testing.T) {
	xs := []float64{1, 10, 100, 1000}
	power := func(k float64) []float64 {
		var ys []float64
		for _, x := range xs {
			ys = append(ys, 7*math.Pow(x, k))
		}
		return ys
	}
	for _, k := range []float64{0, 1, 2, 0.5} {
		if got := slope(xs, power(k)); math.Abs(got-k) > 1e-9 {
			t.Errorf("slope of x^%v = %v", k, got)
		}
	}
	if got := slope([]float64{5}, []float64{5}); got != 0 {
		t.Errorf("slope of one point = %v, want 0", got)
	}
	if got := slope([]float64{0, 1, 10}, []float64{3, 1, 10}); math.Abs(got-1) > 1e-9 {
		t.Errorf("slope with a point at zero = %v, want 1", got)
	}
}
