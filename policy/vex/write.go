package vex

import (
	"bytes"
	"crypto/sha256"
	"encoding/json/jsontext"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// Claim is that a vulnerability of a package does not affect images. [Write] makes a
// statement of it.
type Claim struct {
	Vulnerability string
	Package       string   // purl
	Images        []string // registry/repository; none for the package wherever it is
	Justification string
	Impact        string // why, in the words of the author
	Notes         string
}

// Draft is a document to write.
type Draft struct {
	Author  string
	Tooling string
	Time    time.Time
	Claims  []Claim
}

type (
	writtenDocument struct {
		Context    string             `json:"@context"`
		ID         string             `json:"@id"`
		Author     string             `json:"author"`
		Timestamp  time.Time          `json:"timestamp"`
		Version    int                `json:"version"`
		Tooling    string             `json:"tooling,omitempty"`
		Statements []writtenStatement `json:"statements"`
	}
	writtenStatement struct {
		ID            string               `json:"@id"`
		Vulnerability writtenVulnerability `json:"vulnerability"`
		Products      []writtenProduct     `json:"products"`
		Status        Status               `json:"status"`
		Notes         string               `json:"status_notes,omitempty"`
		Justification string               `json:"justification"`
		Impact        string               `json:"impact_statement,omitempty"`
	}
	writtenVulnerability struct {
		Name string `json:"name"`
	}
	writtenProduct struct {
		ID    string           `json:"@id"`
		Parts []writtenProduct `json:"subcomponents,omitempty"`
	}
)

// Write writes an OpenVEX document. Its id and those of its statements follow from what
// they say and not from the time, so that the same claims have the same ids every day.
func Write(d *Draft) ([]byte, error) {
	out := writtenDocument{Context: contexts[1], Author: d.Author, Timestamp: d.Time.UTC().Truncate(time.Second), Version: 1, Tooling: d.Tooling}
	if len(d.Claims) == 0 {
		return nil, fmt.Errorf("OpenVEX has no document without a statement")
	}
	seen := map[string]bool{}
	for i := range d.Claims {
		s, err := d.Claims[i].statement()
		if err != nil {
			return nil, err
		}
		if !seen[s.ID] {
			out.Statements = append(out.Statements, *s)
		}
		seen[s.ID] = true
	}
	slices.SortStableFunc(out.Statements, func(a, b writtenStatement) int {
		return strings.Compare(a.Vulnerability.Name, b.Vulnerability.Name)
	})
	var err error
	if out.ID, err = idOf(struct {
		Author     string
		Statements []writtenStatement
	}{out.Author, out.Statements}); err != nil {
		return nil, err
	}
	raw, err := strictjson.Marshal(out, jsontext.WithIndent("  "))
	if err != nil {
		return nil, err
	}
	raw = append(raw, '\n')
	// What is written must be what is read.
	if _, err := Parse(bytes.Clone(raw)); err != nil {
		return nil, fmt.Errorf("the document that was written cannot be read: %w", err)
	}
	return raw, nil
}

// statement makes the statement of a claim.
func (c *Claim) statement() (*writtenStatement, error) {
	s := &writtenStatement{
		Vulnerability: writtenVulnerability{c.Vulnerability}, Status: NotAffected,
		Justification: c.Justification, Impact: c.Impact, Notes: c.Notes,
	}
	for _, repository := range c.Images {
		name := repository[strings.LastIndex(repository, "/")+1:]
		s.Products = append(s.Products, writtenProduct{
			ID:    "pkg:oci/" + name + "?repository_url=" + strings.ReplaceAll(repository, ":", "%3A"),
			Parts: []writtenProduct{{ID: c.Package}},
		})
	}
	if len(c.Images) == 0 {
		s.Products = []writtenProduct{{ID: c.Package}}
	}
	var err error
	// The notes have the day on which the claim ends: it is renewed without becoming
	// another claim.
	s.ID, err = idOf(struct {
		Vulnerability, Package string
		Images                 []string
	}{strings.ToUpper(c.Vulnerability), c.Package, slices.Sorted(slices.Values(c.Images))})
	return s, err
}

// idOf returns a UUID of version 8 that follows from a value.
func idOf(v any) (string, error) {
	raw, err := strictjson.Marshal(v)
	if err != nil {
		return "", err
	}
	b := sha256.Sum256(append([]byte("imagegate vex\n"), raw...))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16]), nil
}
