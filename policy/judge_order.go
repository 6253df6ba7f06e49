package policy

import (
	"cmp"
	"slices"
)

// sorted brings findings into the order of reports; equal ones keep theirs.
// Places are sorted and each finding is moved once.
func sorted(findings []Judged) []Judged {
	order := make([]int32, len(findings))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		if c := compareJudged(&findings[a], &findings[b]); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	out := make([]Judged, len(findings))
	for i, at := range order {
		out[i] = findings[at]
	}
	return out
}

func compareJudged(a, b *Judged) int {
	block := func(f *Judged) int {
		if f.Class == ClassBlocking {
			return 0
		}
		return 1
	}
	// Most findings differ early, and there can be very many.
	if c := cmp.Compare(block(a), block(b)); c != 0 {
		return c
	}
	if c := cmp.Compare(rank(b.Severity), rank(a.Severity)); c != 0 {
		return c
	}
	if c := cmp.Compare(a.ID, b.ID); c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(a.Package.Name, b.Package.Name),
		cmp.Compare(a.Package.Path, b.Package.Path),
		cmp.Compare(a.Package.Version, b.Package.Version),
		cmp.Compare(a.Package.Type, b.Package.Type),
	)
}
