package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// configRow has a policy that needs no layer.
func (b *bench) configRow() ([]row, error) {
	r := row{
		id: "config", title: "reference and config rules alone", other: "crane config", target: 2, noLayers: true,
		ours: func(dir string) side {
			return side{steps: []step{b.check(filepath.Join(dir, "gate.json"), "config.yaml", noCache, nil, "debian-slim")}}
		},
		their: func(string) side {
			return side{steps: []step{{[]string{b.crane, "config", "--insecure", b.registry.ref("debian-slim")}, []int{0}}}}
		},
	}
	return []row{r}, nil
}

// eight runs a gate for each of eight images, each with its own cache, which may
// be the same.
func (b *bench) eight(dir string, atOnce bool, cache func(i int) string) side {
	s := side{atOnce: atOnce}
	var reports []string
	for i, image := range names("shared-%d", sharedImages) {
		report := filepath.Join(dir, fmt.Sprintf("gate-%d.json", i))
		reports = append(reports, report)
		s.steps = append(s.steps, b.check(report, "scan.yaml", cache(i), nil, image))
	}
	s.findings = func() (n int, err error) {
		for _, report := range reports {
			more, err := gateFindings(report)
			if err != nil {
				return 0, err
			}
			n += more
		}
		return n, nil
	}
	return s
}

// atOnceRows run eight gates at once on one cache and one database, and compare
// with the same eight one after another.
func (b *bench) atOnceRows() ([]row, error) {
	one := func(cache string) func(int) string { return func(int) string { return cache } }
	known := filepath.Join(b.work, "gate-at-once")
	rows := []row{
		{
			id: "at-once-cold", title: "8 gates at once, one empty cache", cached: true,
			ours: func(dir string) side { return b.eight(dir, true, one(filepath.Join(dir, "cache"))) },
			// Each begins with nothing, as each of the eight at once does.
			their: func(dir string) side {
				return b.eight(dir, false, func(i int) string { return filepath.Join(dir, fmt.Sprint("cache-", i)) })
			},
		},
		{
			id: "at-once-warm", title: "8 gates at once, layers known", cached: true, noLayers: true,
			ours:  func(dir string) side { return b.eight(dir, true, one(known)) },
			their: func(dir string) side { return b.eight(dir, false, one(known)) },
		},
		{
			id: "at-once-none", title: "8 gates at once, no cache",
			ours:  func(dir string) side { return b.eight(dir, true, one(noCache)) },
			their: func(dir string) side { return b.eight(dir, false, one(noCache)) },
		},
	}
	rows[1].fill = func(ctx context.Context) error { return b.once(ctx, rows[1].their) }
	for i := range rows {
		rows[i].other, rows[i].target = "one after another", 1
	}
	return rows, nil
}
