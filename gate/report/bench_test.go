package report

import (
	"io"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/evidencetest"
	"github.com/imagegate/imagegate/policy"
)

const benchmarkImages = 200

const benchmarkPolicy = `version: 1
extends: none
config: {user: non-root}
vulnerabilities:
  max: {critical: 30, high: 60}
  unfixed: warn
  grace: {high: 7d}
exceptions:
  - {id: CVE-2026-2003, package: "pkg:deb/debian/libpackage1-1", reason: not reachable, expires: 2027-01-31}
  - {id: CVE-2020-1005, images: ["registry.example.no/team-*/**"], reason: not reachable, expires: 2027-01-31}
`

func benchmarkGate(b testing.TB) *gate.Gate {
	b.Helper()
	p, err := policy.Parse("policy.yaml", []byte(benchmarkPolicy))
	if err != nil {
		b.Fatal(err)
	}
	return &gate.Gate{Policy: p, Now: func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }}
}

// Judging saved evidence, without reading it.
func BenchmarkJudge(b *testing.B) {
	images := evidencetest.Evidence(benchmarkImages)
	g := benchmarkGate(b)
	b.ReportAllocs()
	for b.Loop() {
		g.Judge(b.Context(), images)
	}
	b.ReportMetric(benchmarkImages*float64(b.N)/b.Elapsed().Seconds(), "images/s")
}

// Every format, for many images with many findings.
func BenchmarkFormats(b *testing.B) {
	images := evidencetest.Evidence(benchmarkImages)
	run := &gate.Run{Tool: "imagegate 0.1.0", Results: benchmarkGate(b).Judge(b.Context(), images)}
	for _, f := range Formats() {
		if f.Name == "cyclonedx" || f.Name == "spdx" {
			continue // of one image
		}
		b.Run("format="+f.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f.Write(io.Discard, run, Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(benchmarkImages*float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
