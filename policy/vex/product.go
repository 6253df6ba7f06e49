package vex

import (
	"maps"
	"regexp"
	"strings"

	"github.com/package-url/packageurl-go"
)

// productOf returns the product that a chain of components is: each is a part of the
// one behind it. partOf is false when one of them is only near the next one.
func productOf(chain []component, partOf bool) product {
	last := len(chain) - 1
	return product{component: chain[last], parts: chain[:last:last], distant: len(chain) > 2 || last > 0 && !partOf}
}

// otherHash is the hash of a component that has one which is not compared.
const otherHash = "other"

// withVersion returns the component with the version that the document gives beside its
// purl. The purl decides where it has a version. The version of an image is its digest
// or its tag.
func (c component) withVersion(version string) component {
	if c.purl == nil || c.purl.Version != "" || version == "" {
		return c
	}
	purl := *c.purl
	c.purl = &purl
	switch tag, tagged := c.qualifiers["tag"]; {
	case purl.Type != packageurl.TypeOCI, strings.HasPrefix(version, "sha256:"):
		purl.Version = version
	case tagged:
		c.ranged = c.ranged || tag != version
	default:
		qualifiers := map[string]string{"tag": version}
		maps.Copy(qualifiers, c.qualifiers)
		c.qualifiers = qualifiers
	}
	return c
}

var cveForm = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,19}$`)

// otherCVE returns an id among the others that is another CVE than the first, "" for
// none. Whoever reads a document looks at the CVE that it is about.
func otherCVE(all []string) string {
	if len(all) == 0 || !cveForm.MatchString(all[0]) {
		return ""
	}
	for _, id := range all[1:] {
		if cveForm.MatchString(id) && id != all[0] {
			return id
		}
	}
	return ""
}
