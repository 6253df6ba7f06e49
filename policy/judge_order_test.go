package policy

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Findings are sorted where they are: each of them is there once afterwards, in the
// order that a stable sort of the standard library gives.
func TestSortFindings(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 60 {
		list := make([]Judged, n)
		for i := range list {
			id := fmt.Sprintf("CVE-2026-%04d", random.IntN(4))
			f := &evidence.Finding{Advisory: &evidence.Advisory{ID: id}, Package: &evidence.Package{Name: string(rune('a' + random.IntN(3)))}}
			list[i] = Judged{Finding: f, Severity: []evidence.Severity{evidence.SeverityLow, evidence.SeverityHigh}[random.IntN(2)]}
			if random.IntN(2) == 0 {
				list[i].Class = ClassBlocking
			}
		}
		want := slices.Clone(list)
		slices.SortStableFunc(want, func(a, b Judged) int {
			return cmp.Or(cmp.Compare(groupOf(&a), groupOf(&b)), strings.Compare(a.ID, b.ID), comparePackages(a.Package, b.Package))
		})
		sortFindings(list)
		for i := range list {
			if list[i] != want[i] {
				t.Fatalf("%d findings: at %d is %s of %s, want %s of %s", n, i, list[i].ID, list[i].Package.Name, want[i].ID, want[i].Package.Name)
			}
		}
	}
}
