package main

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"
)

// curve says how cost grows with one quantity while the others stay.
type curve struct {
	id, title, unit string
	points          []point
}

// point is one image, or several, and how much of the quantity they are.
type point struct {
	x      float64
	images []string
}

// curveResult is what a curve came to.
type curveResult struct {
	ID, Title, Unit string
	Points          []pointResult
}

type pointResult struct {
	X      float64
	Result result
}

// linear is the exponent that a curve may have. The part above 1 is for noise
// and for the logarithm of a sort.
const linear = 1.15

func curves() []curve {
	var cs []curve
	each := func(id, title, unit, format string, xs ...int) {
		c := curve{id: id, title: title, unit: unit}
		for _, x := range xs {
			c.points = append(c.points, point{float64(x), []string{fmt.Sprintf(format, x)}})
		}
		cs = append(cs, c)
	}
	each("size", "image size, in 4 layers", "MB packed", "size-%d", curveSizes()...)
	each("layers", "layers", "layers", "layers-%d", curveLayers()...)
	each("files", "files in a layer", "files", "files-%d", curveFiles()...)
	each("findings", "vulnerable packages", "packages", "findings-%d", curveFindings()...)
	run := curve{id: "images", title: "images in one run, 4 MB each", unit: "images"}
	for _, n := range curveRuns() {
		run.points = append(run.points, point{float64(n), names("run-%d", n)})
	}
	return append(cs, run)
}

func curveSizes() []int    { return []int{10, 30, 100, 300, 600} }
func curveLayers() []int   { return []int{1, 3, 10, 30, 100} }
func curveFiles() []int    { return []int{1000, 5000, 20_000, 70_000, 200_000} }
func curveFindings() []int { return []int{2, 10, 50, 200, 800} }
func curveRuns() []int     { return []int{1, 4, 16, 64} }

// curveImages are the images of the curves.
func curveImages() []image {
	base := gz("small-base", debian(debianPackages(slimPackages), "amd64", 10*mib))
	var images []image
	for _, mb := range curveSizes() {
		layers := []recipe{gz(fmt.Sprintf("size-%d-base", mb), debian(debianPackages(slimPackages), "amd64", int64(mb)*1_000_000/4))}
		for i := 1; i < 4; i++ {
			layers = append(layers, gz(fmt.Sprintf("size-%d-%d", mb, i), blobs(fmt.Sprintf("srv/d%d", i), 20_000, int64(mb)*1_000_000/4)))
		}
		images = append(images, single(fmt.Sprintf("size-%d", mb), layers...))
	}
	for _, n := range curveLayers() {
		images = append(images, manyLayers(fmt.Sprintf("layers-%d", n), n))
	}
	for _, n := range curveFiles() {
		images = append(images, single(fmt.Sprintf("files-%d", n), base, gz(fmt.Sprintf("files-%d", n), smallFiles("srv/data", n, 300))))
	}
	for _, n := range curveFindings() {
		images = append(images, single(fmt.Sprintf("findings-%d", n), base, gz(fmt.Sprintf("findings-%d", n), vulnerable(n))))
	}
	for i := range curveRuns()[len(curveRuns())-1] {
		own := gz(fmt.Sprintf("run-%d", i+1), debian(debianPackages(40), "amd64", 4*mib))
		images = append(images, single(fmt.Sprintf("run-%d", i+1), own))
	}
	return images
}

// vulnerable is the same vulnerable package n times, in as many applications.
func vulnerable(n int) content {
	return func(w *layerWriter) {
		for i := range n {
			p := library{"handlebars", "4.5.3"}
			nodePackage(w, fmt.Sprintf("srv/app-%d/node_modules/%s", i, p.name), p, 4)
		}
	}
}

func (b *bench) measureCurves(ctx context.Context, cs []curve, only string, keep func(curveResult) error) error {
	for _, c := range cs {
		if !selected(c.id, only) {
			continue
		}
		out := curveResult{ID: c.id, Title: c.title, Unit: c.unit}
		for _, p := range c.points {
			targets, err := b.targets(p.images...)
			if err != nil {
				return err
			}
			start := time.Now()
			r, err := b.measureRow(ctx, b.cold(fmt.Sprintf("%s-%.0f", c.id, p.x), "", targets, p.images...))
			if err != nil {
				return err
			}
			log.Printf("%s (%.0f s)", r.line(), time.Since(start).Seconds())
			out.Points = append(out.Points, pointResult{p.x, r})
		}
		if err := keep(out); err != nil {
			return err
		}
	}
	return nil
}

// values of one side along the curve.
func (c curveResult) values(runs func(result) []usage, of func(usage) float64) (xs, ys []float64) {
	for _, p := range c.Points {
		xs, ys = append(xs, p.X), append(ys, median(column(runs(p.Result), of)))
	}
	return xs, ys
}

func ours(r result) []usage   { return r.Ours }
func theirs(r result) []usage { return r.Theirs }

// exponent is that of the upper part of the curve. In the lower part the start
// of the program takes most of the time, and every curve looks flat.
func (c curveResult) exponent(runs func(result) []usage, of func(usage) float64) float64 {
	xs, ys := c.values(runs, of)
	from := max(0, len(xs)-3)
	return slope(xs[from:], ys[from:])
}

func curveTables(cs []curveResult) string {
	if len(cs) == 0 {
		return notMeasured
	}
	var b strings.Builder
	b.WriteString("![Time by size, layers, files, findings and images, both axes logarithmic](growth.svg)\n\n")
	for _, c := range cs {
		t := table{head: []string{c.Unit, "imagegate, s", "trivy, s", "ratio", "CPU s", "trivy", "peak PSS MiB", "trivy", "findings"}}
		for _, p := range c.Points {
			one := func(format string, runs []usage, of func(usage) float64) string {
				return fmt.Sprintf(format, median(column(runs, of)))
			}
			t.add(fmt.Sprintf("%.0f", p.X), spread(column(p.Result.Ours, wall)), spread(column(p.Result.Theirs, wall)), middle(p.Result.ratio(wall)),
				one("%.2f", p.Result.Ours, cpu), one("%.2f", p.Result.Theirs, cpu), one("%.0f", p.Result.Ours, pss), one("%.0f", p.Result.Theirs, pss), p.Result.findings())
		}
		grows := func(of func(usage) float64) []string {
			return []string{fmt.Sprintf("%.2f", c.exponent(ours, of)), fmt.Sprintf("%.2f", c.exponent(theirs, of))}
		}
		w, u, m := grows(wall), grows(cpu), grows(pss)
		t.add("exponent", w[0], w[1], "", u[0], u[1], m[0], m[1], verdict(c.exponent(ours, cpu) <= linear))
		fmt.Fprintf(&b, "**%s**\n\n%s\n", c.Title, &t)
	}
	return b.String()
}
