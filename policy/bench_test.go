package policy

import (
	"fmt"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// An image with very many findings is judged in a moment, exceptions and all.
func BenchmarkEvaluate(b *testing.B) {
	src := "version: 1\nvulnerabilities: {max: {high: 0}}\nexceptions:\n"
	for i := range 500 {
		src += fmt.Sprintf("- {id: CVE-2026-%05d, package: \"pkg:npm/lodash@<5.0.0\", reason: a, expires: 2026-07-01}\n", i)
	}
	p, img := mustParse(b, src), goodImage()
	for i := range 20_000 {
		img.Scan.Findings = append(img.Scan.Findings, finding(fmt.Sprintf("CVE-2026-%05d", i%2000), evidence.SeverityHigh))
	}
	for b.Loop() {
		p.Evaluate(img, noon())
	}
}
