package manifests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// deployments returns n Deployments that differ in their names.
func deployments(t testing.TB, n int) []byte {
	one, _, _ := strings.Cut(sample(t, "hardened"), "---\n")
	var b strings.Builder
	for i := range n {
		b.WriteString("---\n")
		b.WriteString(strings.Replace(one, "name: web,", fmt.Sprintf("name: web-%d,", i), 1))
	}
	return []byte(b.String())
}

// BenchmarkDeployments reads and judges 300 Deployments, whose images are known.
func BenchmarkDeployments(b *testing.B) {
	data := deployments(b, 300)
	p := mustPolicy(b, all)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		r := Parse("m.yaml", data, Options{})
		if len(r.Workloads) != 300 {
			b.Fatal(len(r.Workloads))
		}
		var images []*evidence.Image
		for _, ref := range r.Refs(false) {
			images = append(images, imageWith(ref, user{"1000", uid(1000)}))
		}
		p.EvaluateRelease(r, images, noon())
	}
}
