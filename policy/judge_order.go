package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// place is where a finding stands before the sort, and what decides most comparisons.
type place struct {
	group int32 // what blocks first, then by severity
	at    int32
	id    string
}

// sortFindings brings findings into the order of reports; equal ones keep theirs.
// There can be very many: places are sorted, which hold what most findings differ in,
// and each finding is moved once.
func sortFindings(findings []Judged) {
	order := make([]place, len(findings))
	for i := range findings {
		f := &findings[i]
		order[i] = place{group: groupOf(f), at: int32(i), id: f.ID}
	}
	slices.SortFunc(order, func(a, b place) int {
		if a.group != b.group {
			return cmp.Compare(a.group, b.group)
		}
		if c := strings.Compare(a.id, b.id); c != 0 {
			return c
		}
		if c := comparePackages(findings[a.at].Package, findings[b.at].Package); c != 0 {
			return c
		}
		return cmp.Compare(a.at, b.at)
	})
	for i := range order {
		follow(order, findings, int32(i))
	}
}

// follow moves the finding for place first to it, then the one for the place that has
// become free, and so on until a place gets the finding that was at first. A place that
// has its finding names itself.
func follow(order []place, findings []Judged, first int32) {
	if order[first].at == first {
		return
	}
	kept := findings[first]
	for free := first; ; {
		from := order[free].at
		order[free].at = free
		if from == first {
			findings[free] = kept
			return
		}
		findings[free] = findings[from]
		free = from
	}
}

// groupOf orders findings by whether they block, and then from the worst severity on.
func groupOf(f *Judged) int32 {
	group := -int32(rank(f.Severity))
	if f.Class != ClassBlocking {
		group += 100
	}
	return group
}

func comparePackages(a, b *evidence.Package) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Version, b.Version), strings.Compare(a.Type, b.Type))
}
