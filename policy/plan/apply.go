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
	scan.Findings = nil
	for _, f := range img.Scan.Findings {
		to, upgraded := upgrades[placeOf(&f.Package)]
		if upgraded && clearedBy(ecosystem(&f.Package), f.FixedVersion, to) {
			continue
		}
		upgrade(&f.Package, upgrades)
		scan.Findings = append(scan.Findings, f)
	}
	if scan.Findings == nil && img.Scan.Findings != nil {
		scan.Findings = []evidence.Finding{}
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
