package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Sizes of the drawing, in pixels.
const (
	panelWidth, panelHeight = 280, 200
	margin                  = 46
)

// drawing is the growth curves as SVG: one panel each, both axes logarithmic, with
// a dashed line for linear growth.
func drawing(cs []curveResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n",
		len(cs)*panelWidth, panelHeight+30)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, c := range cs {
		fmt.Fprintf(&b, `<g transform="translate(%d,0)">`+"\n", i*panelWidth)
		panel(&b, c)
		b.WriteString("</g>\n")
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" fill="#0a58ca">imagegate</text><text x="%d" y="%d" fill="#b02a37">trivy</text><text x="%d" y="%d" fill="#888">linear, dashed</text>`+"\n</svg>\n",
		margin, panelHeight+20, margin+70, panelHeight+20, margin+110, panelHeight+20)
	return b.String()
}

func panel(b *strings.Builder, c curveResult) {
	xs, a := c.values(ours, wall)
	_, t := c.values(theirs, wall)
	x, y := scale(xs, margin, panelWidth-14), scale(append(a, t...), panelHeight-margin, 30)
	fmt.Fprintf(b, `<text x="%d" y="18">seconds by %s</text>`+"\n", margin, c.Title)
	fmt.Fprintf(b, `<path d="M%d 30V%dH%d" fill="none" stroke="#888"/>`+"\n", margin, panelHeight-margin, panelWidth-14)
	for _, v := range xs {
		fmt.Fprintf(b, `<text x="%.0f" y="%d" text-anchor="middle">%s</text>`+"\n", x(v), panelHeight-margin+14, short(v))
	}
	for _, v := range []float64{min(slices.Min(a), slices.Min(t)), max(slices.Max(a), slices.Max(t))} {
		fmt.Fprintf(b, `<text x="%d" y="%.0f" text-anchor="end">%.1f</text>`+"\n", margin-4, y(v)+4, v)
	}
	// Linear growth that ends where ours does, as far down as the panel shows it.
	last := len(xs) - 1
	from := max(xs[0], xs[last]*min(slices.Min(a), slices.Min(t))/a[last])
	line(b, []float64{from, xs[last]}, []float64{a[last] * from / xs[last], a[last]}, x, y, `#888" stroke-dasharray="4 4`)
	line(b, xs, a, x, y, "#0a58ca")
	line(b, xs, t, x, y, "#b02a37")
}

func line(b *strings.Builder, xs, ys []float64, x, y func(float64) float64, colour string) {
	var points []string
	for i := range xs {
		points = append(points, fmt.Sprintf("%.1f,%.1f", x(xs[i]), y(ys[i])))
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), colour)
}

// scale maps values to pixels between from and to by their logarithm.
func scale(values []float64, from, to float64) func(float64) float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = min(low, math.Log(v)), max(high, math.Log(v))
	}
	return func(v float64) float64 {
		if high == low {
			return from
		}
		return from + (math.Log(v)-low)/(high-low)*(to-from)
	}
}

func short(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0fk", v/1000)
	}
	return fmt.Sprintf("%.0f", v)
}
