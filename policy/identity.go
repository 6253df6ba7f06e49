package policy

import (
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/imagegate/imagegate/policy/evidence"
)

// PackageIdentity names a package without its version and its place: two packages
// with one identity are versions of the same package. It is the type, namespace and
// name of the package's purl, or Trivy's type and the name where it has none.
func PackageIdentity(p *evidence.Package) string {
	if p.PURL != "" {
		if u, err := packageurl.FromString(p.PURL); err == nil {
			return "pkg:" + u.Type + "/" + u.Namespace + "/" + u.Name
		}
	}
	return string(p.Class) + " " + p.Type + " " + p.Name
}

// GroupFindings finds out which findings are about the same vulnerability of the
// same package, over several images: their packages have one identity, and an id of
// one is an id of the other, perhaps by a third finding that has ids of both. It
// returns the number of the group of each finding.
func GroupFindings(lists ...[]evidence.Finding) [][]int {
	g := &grouper{names: map[string]string{}, place: map[string]int{}}
	firsts := make([][]int, len(lists))
	for i, list := range lists {
		firsts[i] = make([]int, len(list))
		for k := range list {
			firsts[i][k] = g.add(&list[k])
		}
	}
	for _, list := range firsts {
		for k := range list {
			list[k] = g.root(list[k])
		}
	}
	return firsts
}

// grouper joins what has an id in common.
type grouper struct {
	names map[string]string // identities by purl, to parse each once
	place map[string]int    // by package and id
	above []int             // a member of the same group, or the place itself
}

// add returns the place of the finding's own id, joined with those of its aliases.
func (g *grouper) add(f *evidence.Finding) int {
	key := string(f.Package.Class) + " " + f.Package.Type + " " + f.Package.Name + " " + f.Package.PURL
	name, known := g.names[key]
	if !known {
		name = PackageIdentity(f.Package)
		g.names[key] = name
	}
	own := g.of(name, f.ID)
	for _, a := range f.Aliases {
		g.above[g.root(g.of(name, a))] = g.root(own)
	}
	return own
}

func (g *grouper) of(name, id string) int {
	key := name + "\x00" + strings.ToUpper(id)
	at, known := g.place[key]
	if !known {
		at = len(g.above)
		g.place[key] = at
		g.above = append(g.above, at)
	}
	return at
}

func (g *grouper) root(at int) int {
	for g.above[at] != at {
		g.above[at] = g.above[g.above[at]]
		at = g.above[at]
	}
	return at
}
