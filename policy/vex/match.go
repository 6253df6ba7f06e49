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

// Package is a package that statements are compared with. Its purl is parsed once for
// all of them.
type Package struct {
	purl       *packageurl.PackageURL // nil when it has none
	qualifiers map[string]string
}

// PackageOf prepares a package for [Statement.Match].
func PackageOf(pkg *evidence.Package) *Package {
	p, err := packageurl.FromString(pkg.PURL)
	if pkg.PURL == "" || err != nil {
		return &Package{}
	}
	return &Package{purl: &p, qualifiers: p.Qualifiers.Map()}
}

// Match compares a statement about the vulnerability of a finding with the package and
// the image. What lets a finding pass is compared strictly. What keeps it from passing
// also meets it where the statement leaves open what is meant.
func (s *Statement) Match(img *evidence.Image, pkg *Package) Match {
	best := OtherProduct
	for i := range s.products {
		best = max(best, s.products[i].match(img, pkg, s.Status == NotAffected))
	}
	return best
}

// match compares one product. What says that a package is affected may be about a
// whole product; what lets a finding pass must name the package.
func (p *product) match(img *evidence.Image, pkg *Package, strict bool) Match {
	switch {
	case p.distant && strict:
		return OtherProduct
	case p.isImage(img) && len(p.parts) == 0:
		if strict {
			return OtherProduct
		}
		return Matches
	case p.isImage(img), !strict && p.isUnnamed():
		return p.matchParts(pkg, strict)
	case len(p.parts) > 0 && strict:
		return OtherProduct // about a part of another product
	}
	return p.matchPackage(pkg, strict)
}

func (p *product) matchParts(pkg *Package, strict bool) Match {
	best := OtherProduct
	for i := range p.parts {
		best = max(best, p.parts[i].matchPackage(pkg, strict))
	}
	return best
}

// isUnnamed reports whether nothing says which product is meant, so that it could be
// the image.
func (c *component) isUnnamed() bool { return c.purl == nil && c.sha256 == "" }

// isImage reports whether the product is the image. A purl without digest and without
// repository_url would be every repository's image of that name.
func (c *component) isImage(img *evidence.Image) bool {
	if c.ranged {
		return false
	}
	if c.purl == nil {
		return c.sha256 != "" && isDigest(img, "sha256:"+c.sha256)
	}
	if c.purl.Type != packageurl.TypeOCI || c.purl.Subpath != "" || c.purl.Namespace != "" {
		return false
	}
	if c.sha256 != "" && !isDigest(img, "sha256:"+c.sha256) {
		return false
	}
	pinned := c.purl.Version != ""
	if pinned && !isDigest(img, strings.ToLower(c.purl.Version)) {
		return false
	}
	named := false
	for k, v := range c.qualifiers {
		switch k {
		case "repository_url":
			if named = isRepository(img.Reference.Name, v, c.purl.Name); !named {
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
func (c *component) matchPackage(pkg *Package, strict bool) Match {
	want, have := c.purl, pkg.purl
	if want == nil || have == nil || want.Type != have.Type || want.Namespace != have.Namespace || want.Name != have.Name {
		return OtherProduct
	}
	if strict && (want.Subpath != have.Subpath || c.sha256 != "") {
		return OtherProduct
	}
	if c.ranged {
		if strict {
			return OtherVersion
		}
		return Matches
	}
	anyVersion := want.Version == ""
	for k, v := range c.qualifiers {
		other, both := pkg.qualifiers[k]
		place := slices.Contains(placeQualifiers, k)
		if !place && other != v || place && anyVersion && both && other != v {
			return OtherProduct
		}
	}
	if anyVersion {
		return Matches
	}
	for k := range pkg.qualifiers { // such as the epoch, which is a part of the version
		if _, both := c.qualifiers[k]; !both && !slices.Contains(placeQualifiers, k) {
			return OtherVersion
		}
	}
	if want.Version != have.Version {
		return OtherVersion
	}
	return Matches
}
