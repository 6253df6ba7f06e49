// Package vex reads OpenVEX documents strictly, and tells which of their statements are
// about a vulnerability of a package in an image. It has no I/O and no clock.
//
// A statement can let a finding pass. Readers of VEX accept nearly anything (unknown
// status, no justification, no product), so everything that is not plainly a statement
// is refused here.
package vex

import (
	"encoding/json/jsontext"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"

	"github.com/imagegate/imagegate/gate/strictjson"
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

// The statuses of OpenVEX. Only NotAffected lets anything pass.
const (
	NotAffected        Status = "not_affected"
	Affected           Status = "affected"
	Fixed              Status = "fixed"
	UnderInvestigation Status = "under_investigation"
)

// Justifications lists the words of OpenVEX for why a product is not affected.
func Justifications() []string {
	return []string{
		"component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
		"vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist",
	}
}

// contexts are the versions of the format that are read.
var contexts = []string{"https://openvex.dev/ns", "https://openvex.dev/ns/v0.2.0"}

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
	Number int      // counted from 1
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
}

// component is a product or a part of one.
type component struct {
	purl   *packageurl.PackageURL // nil when it is named in another way
	sha256 string                 // hash of it, hex; "" for none
}

type jsonDocument struct {
	Context     string          `json:"@context"`
	ID          string          `json:"@id"`
	Author      string          `json:"author"`
	Role        string          `json:"role"`
	Timestamp   *time.Time      `json:"timestamp"`
	LastUpdated *time.Time      `json:"last_updated"`
	Version     jsontext.Value  `json:"version"`
	Tooling     string          `json:"tooling"`
	Supplier    string          `json:"supplier"`
	Statements  []jsonStatement `json:"statements"`
}

type jsonStatement struct {
	ID                       string            `json:"@id"`
	Version                  jsontext.Value    `json:"version"`
	Vulnerability            jsonVulnerability `json:"vulnerability"`
	Timestamp                *time.Time        `json:"timestamp"`
	LastUpdated              *time.Time        `json:"last_updated"`
	Products                 []jsonProduct     `json:"products"`
	Status                   string            `json:"status"`
	Supplier                 string            `json:"supplier"`
	StatusNotes              string            `json:"status_notes"`
	Justification            string            `json:"justification"`
	ImpactStatement          string            `json:"impact_statement"`
	ActionStatement          string            `json:"action_statement"`
	ActionStatementTimestamp *time.Time        `json:"action_statement_timestamp"`
}

type jsonVulnerability struct {
	ID          string   `json:"@id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Aliases     []string `json:"aliases"`
}

type jsonComponent struct {
	ID          string            `json:"@id"`
	Identifiers map[string]string `json:"identifiers"`
	Hashes      map[string]string `json:"hashes"`
	Supplier    string            `json:"supplier"`
}

type jsonProduct struct {
	ID            string            `json:"@id"`
	Identifiers   map[string]string `json:"identifiers"`
	Hashes        map[string]string `json:"hashes"`
	Supplier      string            `json:"supplier"`
	Subcomponents []jsonComponent   `json:"subcomponents"`
}

// Parse reads an OpenVEX document. The error names the place in it.
func Parse(data []byte) (*Document, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(data), MaxSize)
	}
	var in jsonDocument
	if err := strictjson.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(contexts, in.Context):
		return nil, fmt.Errorf("/@context is %q; only %q is read", clip(in.Context), contexts[1])
	case strings.TrimSpace(in.Author) == "":
		return nil, fmt.Errorf("/author is missing")
	case in.Timestamp == nil:
		return nil, fmt.Errorf("/timestamp is missing")
	case len(in.Statements) == 0:
		return nil, fmt.Errorf("/statements is missing or empty")
	case len(in.Statements) > MaxStatements:
		return nil, fmt.Errorf("/statements has more than %d entries", MaxStatements)
	}
	out := &Document{Author: in.Author, byID: map[string][]int{}}
	out.note("/timestamp", in.Timestamp)
	out.note("/last_updated", in.LastUpdated)
	components := 0
	for i := range in.Statements {
		s := &in.Statements[i]
		at := fmt.Sprintf("/statements/%d", i)
		for k := range s.Products {
			components += 1 + len(s.Products[k].Subcomponents)
		}
		if components > maxComponents {
			return nil, fmt.Errorf("%s: the document names more than %d products and subcomponents", at, maxComponents)
		}
		st, err := statement(at, s, *in.Timestamp)
		if err != nil {
			return nil, err
		}
		st.Number = i + 1
		out.note(at+"/timestamp", s.Timestamp)
		out.note(at+"/last_updated", s.LastUpdated)
		out.note(at+"/action_statement_timestamp", s.ActionStatementTimestamp)
		for _, id := range st.IDs {
			out.byID[id] = append(out.byID[id], i)
		}
		out.Statements = append(out.Statements, *st)
	}
	return out, nil
}

// note keeps the latest date.
func (d *Document) note(place string, t *time.Time) {
	if t != nil && t.After(d.Newest) {
		d.Newest, d.NewestAt = *t, place
	}
}

func statement(at string, in *jsonStatement, made time.Time) (*Statement, error) {
	out := &Statement{Status: Status(in.Status), At: made}
	switch out.Status {
	case NotAffected, Affected, Fixed, UnderInvestigation:
	case "":
		return nil, fmt.Errorf("%s/status is missing", at)
	default:
		return nil, fmt.Errorf("%s/status is %q, which is no status of OpenVEX", at, clip(in.Status))
	}
	if in.Justification != "" && !slices.Contains(Justifications(), in.Justification) {
		return nil, fmt.Errorf("%s/justification is %q, which is no justification of OpenVEX", at, clip(in.Justification))
	}
	out.Why = in.Justification
	if out.Why == "" {
		out.Why = strings.TrimSpace(in.ImpactStatement)
	}
	if out.Status == NotAffected && out.Why == "" {
		return nil, fmt.Errorf("%s is not_affected, and has neither justification nor impact_statement", at)
	}
	if in.Timestamp != nil {
		out.At = *in.Timestamp
	}
	if in.LastUpdated != nil && in.LastUpdated.After(out.At) {
		out.At = *in.LastUpdated
	}
	var err error
	if out.IDs, err = vulnerability(at+"/vulnerability", &in.Vulnerability); err != nil {
		return nil, err
	}
	if len(in.Products) == 0 {
		return nil, fmt.Errorf("%s/products is missing or empty", at)
	}
	for i := range in.Products {
		p := &in.Products[i]
		place := fmt.Sprintf("%s/products/%d", at, i)
		var made product
		if made.component, err = readComponent(place, &jsonComponent{p.ID, p.Identifiers, p.Hashes, p.Supplier}); err != nil {
			return nil, err
		}
		for k := range p.Subcomponents {
			part, err := readComponent(fmt.Sprintf("%s/subcomponents/%d", place, k), &p.Subcomponents[k])
			if err != nil {
				return nil, err
			}
			made.parts = append(made.parts, part)
		}
		out.products = append(out.products, made)
	}
	return out, nil
}

// vulnerability returns the ids of a vulnerability, each once.
func vulnerability(at string, in *jsonVulnerability) ([]string, error) {
	if len(in.Aliases) > maxAliases {
		return nil, fmt.Errorf("%s/aliases has more than %d entries", at, maxAliases)
	}
	var out []string
	for i, id := range append([]string{in.Name}, in.Aliases...) {
		id = strings.ToUpper(id)
		switch {
		case id == "" && i == 0:
			return nil, fmt.Errorf("%s/name is missing", at)
		case id == "" || strings.TrimSpace(id) != id:
			return nil, fmt.Errorf("%s has an id that is empty or has spaces around it", at)
		case !slices.Contains(out, id):
			out = append(out, id)
		}
	}
	return out, nil
}

// readComponent reads what names a product. One that is named only by what is not
// understood, such as a CPE, matches nothing.
func readComponent(at string, in *jsonComponent) (component, error) {
	var out component
	names := []struct{ place, text string }{{at + "/@id", in.ID}, {at + "/identifiers/purl", in.Identifiers["purl"]}}
	for _, n := range names {
		if !strings.HasPrefix(n.text, "pkg:") && (n.text == "" || n.place == at+"/@id") {
			continue
		}
		p, err := packageurl.FromString(n.text)
		if err != nil {
			return out, fmt.Errorf("%s is %q, which is no purl: %w", n.place, clip(n.text), err)
		}
		if out.purl != nil && out.purl.ToString() != p.ToString() {
			return out, fmt.Errorf("%s is another purl than %s/@id", n.place, at)
		}
		out.purl = &p
	}
	if in.ID == "" && len(in.Identifiers) == 0 && len(in.Hashes) == 0 {
		return out, fmt.Errorf("%s names no product", at)
	}
	out.sha256 = strings.ToLower(in.Hashes["sha-256"])
	return out, nil
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "..."
	}
	return s
}
