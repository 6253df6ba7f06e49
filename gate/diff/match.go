package diff

import (
	"cmp"
	"slices"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// matched tells which findings two images have in common.
type matched struct {
	onlyOld, onlyNew []*policy.Judged
	both             [][2]*policy.Judged // old and new
}

// match pairs the findings of two images: those of one group, first of the same
// package in the same place, then in the same place, then the others in order.
func match(old, now []policy.Judged) matched {
	groups := policy.GroupFindings(plain(old), plain(now))
	type sides struct{ old, now []*policy.Judged }
	byGroup := map[int]*sides{}
	var order []int
	of := func(group int) *sides {
		if byGroup[group] == nil {
			byGroup[group] = &sides{}
			order = append(order, group)
		}
		return byGroup[group]
	}
	for i := range old {
		s := of(groups[0][i])
		s.old = append(s.old, &old[i])
	}
	for i := range now {
		s := of(groups[1][i])
		s.now = append(s.now, &now[i])
	}
	var m matched
	for _, group := range order {
		m.pair(byGroup[group].old, byGroup[group].now)
	}
	return m
}

func plain(findings []policy.Judged) []evidence.Finding {
	out := make([]evidence.Finding, len(findings))
	for i := range findings {
		out[i] = *findings[i].Finding
	}
	return out
}

// pair pairs the findings of one group.
func (m *matched) pair(old, now []*policy.Judged) {
	for _, list := range [][]*policy.Judged{old, now} {
		slices.SortStableFunc(list, compareJudged)
	}
	for _, same := range []func(a, b *policy.Judged) bool{
		func(a, b *policy.Judged) bool {
			return a.ID == b.ID && a.Package.Path == b.Package.Path && a.Package.Version == b.Package.Version
		},
		func(a, b *policy.Judged) bool { return a.Package.Path == b.Package.Path },
		func(*policy.Judged, *policy.Judged) bool { return true },
	} {
		old = slices.DeleteFunc(old, func(a *policy.Judged) bool {
			k := slices.IndexFunc(now, func(b *policy.Judged) bool { return same(a, b) })
			if k < 0 {
				return false
			}
			m.both = append(m.both, [2]*policy.Judged{a, now[k]})
			now = slices.Delete(now, k, k+1)
			return true
		})
	}
	m.onlyOld, m.onlyNew = append(m.onlyOld, old...), append(m.onlyNew, now...)
}

func compareJudged(a, b *policy.Judged) int {
	return cmp.Or(
		cmp.Compare(a.Package.Path, b.Package.Path), cmp.Compare(a.Package.Version, b.Package.Version), cmp.Compare(a.ID, b.ID),
	)
}

// versionsOf returns the versions of each package, sorted, each once.
func versionsOf(packages []evidence.Package) map[string][]string {
	out := map[string][]string{}
	for i := range packages {
		id := policy.PackageIdentity(&packages[i])
		if !slices.Contains(out[id], packages[i].Version) {
			out[id] = append(out[id], packages[i].Version)
		}
	}
	for _, versions := range out {
		slices.Sort(versions)
	}
	return out
}

// packageChanges lists the packages whose versions differ, by type and name.
func packageChanges(old, now []evidence.Package) []PackageChange {
	before, after := versionsOf(old), versionsOf(now)
	out, seen := []PackageChange{}, map[string]bool{}
	for _, list := range [][]evidence.Package{old, now} {
		for i := range list {
			id := policy.PackageIdentity(&list[i])
			if seen[id] || slices.Equal(before[id], after[id]) {
				continue
			}
			seen[id] = true
			out = append(out, PackageChange{list[i].Name, list[i].Type, append([]string{}, before[id]...), append([]string{}, after[id]...)})
		}
	}
	slices.SortFunc(out, func(a, b PackageChange) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), slices.Compare(a.Old, b.Old), slices.Compare(a.New, b.New))
	})
	return out
}
