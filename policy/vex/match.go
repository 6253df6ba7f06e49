package vex

import (
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Match says how a statement meets a finding.
type Match int

// How a statement meets a finding, the nearer the higher.
const (
	OtherVulnerability Match = iota // the finding is another vulnerability
	OtherProduct                    // it is about another image or another package
	OtherVersion                    // it is about another version of the package
	Matches
)

// About returns the places of the statements that name the vulnerability of a finding,
// by its id or any alias, in order.
func (d *Document) About(f *evidence.Finding) []int {
	out := slices.Clone(d.byID[strings.ToUpper(f.ID)])
	for _, id := range f.Aliases {
		out = append(out, d.byID[strings.ToUpper(id)]...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Match compares a statement about the vulnerability of a finding with the package and
// the image.
func (s *Statement) Match(img *evidence.Image, pkg *evidence.Package) Match {
	best := OtherProduct
	have := purlOf(pkg)
	for i := range s.products {
		best = max(best, s.matchProduct(&s.products[i], img, have))
	}
	return best
}

func purlOf(pkg *evidence.Package) *packageurl.PackageURL {
	p, err := packageurl.FromString(pkg.PURL)
	if pkg.PURL == "" || err != nil {
		return nil
	}
	return &p
}

// matchProduct compares one product. What says that a package is affected may be about a
// whole product; what lets a finding pass must name the package.
func (s *Statement) matchProduct(p *product, img *evidence.Image, have *packageurl.PackageURL) Match {
	strict := s.Status == NotAffected
	if p.isImage(img) {
		if len(p.parts) == 0 && !strict {
			return Matches
		}
		best := OtherProduct
		for i := range p.parts {
			best = max(best, p.parts[i].matchPackage(have))
		}
		return best
	}
	if len(p.parts) > 0 && strict {
		return OtherProduct // about a part of another product
	}
	return p.matchPackage(have)
}

// isImage reports whether the product is the image. A purl without digest and without
// repository_url would be every repository's image of that name.
func (p *product) isImage(img *evidence.Image) bool {
	if p.purl == nil {
		return p.sha256 != "" && isDigest(img, "sha256:"+p.sha256)
	}
	if p.purl.Type != packageurl.TypeOCI || p.purl.Subpath != "" || p.purl.Namespace != "" {
		return false
	}
	if p.sha256 != "" && !isDigest(img, "sha256:"+p.sha256) {
		return false
	}
	pinned := p.purl.Version != ""
	if pinned && !isDigest(img, strings.ToLower(p.purl.Version)) {
		return false
	}
	named := false
	for k, v := range p.purl.Qualifiers.Map() {
		switch k {
		case "repository_url":
			if named = isRepository(img.Reference.Name, v, p.purl.Name); !named {
				return false
			}
		case "arch":
			if parts := strings.Split(img.Platform, "/"); len(parts) < 2 || parts[1] != v {
				return false
			}
		case "tag":
			if !pinned && img.Reference.Tag != v {
				return false
			}
		default:
			return false
		}
	}
	return pinned || named
}

func isDigest(img *evidence.Image, digest string) bool {
	return len(digest) == len("sha256:")+64 && (digest == img.Digest || digest == img.IndexDigest)
}

// isRepository compares the name of an image with a repository_url, which issuers write
// with and without the name at its end.
func isRepository(image, url, name string) bool {
	if name == "" || !strings.HasSuffix(image, "/"+name) {
		return false
	}
	return url == image || url+"/"+name == image
}

// placeQualifiers say where a package comes from. A version that is equal does not need
// them; issuers spell them differently.
var placeQualifiers = []string{"arch", "distro", "os_name", "os_version", "repository_url"}

// matchPackage compares a component with a package. A version must be equal or absent.
func (c *component) matchPackage(have *packageurl.PackageURL) Match {
	want := c.purl
	if want == nil || have == nil || want.Type != have.Type || want.Namespace != have.Namespace || want.Name != have.Name ||
		want.Subpath != have.Subpath || c.sha256 != "" {
		return OtherProduct
	}
	anyVersion := want.Version == ""
	asked, got := want.Qualifiers.Map(), have.Qualifiers.Map()
	for k, v := range asked {
		other, both := got[k]
		place := slices.Contains(placeQualifiers, k)
		if !place && other != v || place && anyVersion && both && other != v {
			return OtherProduct
		}
	}
	if anyVersion {
		return Matches
	}
	for k := range got { // such as the epoch, which is a part of the version
		if _, both := asked[k]; !both && !slices.Contains(placeQualifiers, k) {
			return OtherVersion
		}
	}
	if want.Version != have.Version {
		return OtherVersion
	}
	return Matches
}
