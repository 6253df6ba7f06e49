package plan

import (
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Apply returns the evidence as it would be after the steps: the packages have
// their new versions, and the findings that those fix are gone. img is not
// changed.
func Apply(img *evidence.Image, steps []Step) *evidence.Image {
	if img.Scan == nil || len(steps) == 0 {
		return img
	}
	out, scan := *img, *img.Scan
	out.Scan = &scan
	upgrades := map[place]string{}
	for i := range steps {
		for _, p := range steps[i].Packages {
			upgrades[placeOf(&p)] = steps[i].To
		}
	}
	scan.Packages = slices.Clone(scan.Packages)
	for i := range scan.Packages {
		upgrade(&scan.Packages[i], upgrades)
	}
	scan.Findings = make([]evidence.Finding, 0, len(img.Scan.Findings)-cleared(steps))
	for i := range img.Scan.Findings {
		f := &img.Scan.Findings[i]
		to, upgraded := upgrades[placeOf(f.Package)]
		if upgraded && clearedBy(ecosystem(f.Package), f.FixedVersion, to) {
			continue
		}
		kept := *f
		if upgraded {
			p := *f.Package
			upgrade(&p, upgrades)
			kept.Package = &p
		}
		scan.Findings = append(scan.Findings, kept)
	}
	return &out
}

// place is what identifies an installed package.
type place struct{ kind, name, version, path string }

func placeOf(p *evidence.Package) place { return place{p.Type, p.Name, p.Version, p.Path} }

func upgrade(p *evidence.Package, upgrades map[place]string) {
	to, ok := upgrades[placeOf(p)]
	if !ok {
		return
	}
	if base, after, has := strings.Cut(p.PURL, "@"+p.Version); has {
		p.PURL = base + "@" + to + after
	}
	p.Version = to
}

// cleared counts the blocking findings that the steps clear. Of several packages
// not each may have each finding, so it is the least.
func cleared(steps []Step) int {
	n := 0
	for i := range steps {
		n += len(steps[i].Clears)
	}
	return n
}
