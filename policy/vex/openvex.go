package vex

import (
	"cmp"
	"encoding/json/jsontext"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// contexts are the versions of OpenVEX that are read.
var contexts = []string{"https://openvex.dev/ns", "https://openvex.dev/ns/v0.2.0"}

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

// parseOpenVEX reads an OpenVEX document.
func parseOpenVEX(data []byte) (*Document, error) {
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
	out := &Document{Author: in.Author}
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
		st.Place = fmt.Sprintf("statement %d", i+1)
		out.note(at+"/timestamp", s.Timestamp)
		out.note(at+"/last_updated", s.LastUpdated)
		out.note(at+"/action_statement_timestamp", s.ActionStatementTimestamp)
		if err := out.add(st); err != nil {
			return nil, err
		}
	}
	return out, nil
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
	out.Why = cmp.Or(out.Why, strings.TrimSpace(in.ImpactStatement))
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
	if in.Vulnerability.Name == "" {
		return nil, fmt.Errorf("%s/vulnerability/name is missing", at)
	}
	if out.IDs, err = ids(at+"/vulnerability", append([]string{in.Vulnerability.Name}, in.Vulnerability.Aliases...)); err != nil {
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

// readComponent reads what names a product. One that is named only by what is not
// understood, such as a CPE, matches nothing.
func readComponent(at string, in *jsonComponent) (component, error) {
	var out component
	names := []struct{ place, text string }{{at + "/@id", in.ID}, {at + "/identifiers/purl", in.Identifiers["purl"]}}
	for _, n := range names {
		if !strings.HasPrefix(n.text, "pkg:") && (n.text == "" || n.place == at+"/@id") {
			continue
		}
		if err := out.setPURL(n.place, n.text); err != nil {
			return out, err
		}
	}
	if in.ID == "" && len(in.Identifiers) == 0 && len(in.Hashes) == 0 {
		return out, fmt.Errorf("%s names no product", at)
	}
	out.sha256 = strings.ToLower(in.Hashes["sha-256"])
	return out, nil
}
