// Package vex reads VEX documents strictly, and tells which of their statements are
// about a vulnerability of a package in an image. It has no I/O and no clock.
//
// A statement can let a finding pass. Readers of VEX accept nearly anything (unknown
// status, no justification, no product), so everything that is not plainly a statement
// is refused here.
package vex

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"
)

// Limits of a document.
const (
	MaxSize       = 16 << 20 // bytes
	MaxStatements = 20_000
	maxComponents = 100_000 // products and subcomponents of all statements
	maxAliases    = 100     // of one vulnerability
)

// Status is what a statement says of a vulnerability in a product.
type Status string

// The statuses of VEX, in the words of OpenVEX. Only NotAffected lets anything pass.
const (
	NotAffected        Status = "not_affected"
	Affected           Status = "affected"
	Fixed              Status = "fixed"
	UnderInvestigation Status = "under_investigation"
)

// Justifications lists the words of OpenVEX for why a product is not affected. CSAF
// has the same.
func Justifications() []string {
	return []string{
		"component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
		"vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist",
	}
}

// Document is a document that was read.
type Document struct {
	Author     string
	Statements []Statement
	// Newest is the latest date that the document has anywhere, and NewestAt its place.
	Newest   time.Time
	NewestAt string

	byID map[string][]int // places in Statements by id, in upper case
}

// Statement is what a document says of one vulnerability.
type Statement struct {
	Place  string   // what messages call it, such as "statement 1"
	IDs    []string // name and aliases of the vulnerability, in upper case
	Status Status
	Why    string // the justification, or the impact statement
	// At is when it was made or last confirmed.
	At       time.Time
	products []product
}

// product is what a statement is about.
type product struct {
	component
	parts []component
	// distant is true when the parts are parts of parts, or are near the product and
	// no parts of it. Then nothing that is said of them lets a finding pass.
	distant bool
}

// component is a product or a part of one.
type component struct {
	purl       *packageurl.PackageURL // nil when it is named in another way
	qualifiers map[string]string      // of the purl
	sha256     string                 // hash of it, hex; "" for none
	// ranged is true when some versions are meant, and which ones is not understood.
	ranged bool
}

// add adds a statement. number counts those that the document has.
func (d *Document) add(s *Statement) error {
	if len(d.Statements) == MaxStatements {
		return fmt.Errorf("the document has more than %d statements", MaxStatements)
	}
	if d.byID == nil {
		d.byID = map[string][]int{}
	}
	for _, id := range s.IDs {
		d.byID[id] = append(d.byID[id], len(d.Statements))
	}
	d.Statements = append(d.Statements, *s)
	return nil
}

// note keeps the latest date.
func (d *Document) note(place string, t *time.Time) {
	if t != nil && t.After(d.Newest) {
		d.Newest, d.NewestAt = *t, place
	}
}

// ids returns the ids of a vulnerability in upper case, each once. The first is its name.
func ids(at string, all []string) ([]string, error) {
	if len(all) > maxAliases+1 {
		return nil, fmt.Errorf("%s has more than %d aliases", at, maxAliases)
	}
	var out []string
	for _, id := range all {
		id = strings.ToUpper(id)
		switch {
		case id == "" || strings.TrimSpace(id) != id:
			return nil, fmt.Errorf("%s has an id that is empty or has spaces around it", at)
		case !slices.Contains(out, id):
			out = append(out, id)
		}
	}
	return out, nil
}

// setPURL names the component by a purl.
func (c *component) setPURL(place, text string) error {
	p, err := packageurl.FromString(text)
	if err != nil {
		return fmt.Errorf("%s is %q, which is no purl: %w", place, clip(text), err)
	}
	if c.purl != nil && c.purl.ToString() != p.ToString() {
		return fmt.Errorf("%s is another purl than the one before it", place)
	}
	c.purl, c.qualifiers = &p, p.Qualifiers.Map()
	return nil
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "..."
	}
	return s
}
