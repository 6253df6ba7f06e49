package vex

import (
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// The types below are CSAF 2.0. What says nothing about a product is not looked into.
type (
	csafDocument struct {
		Schema          string              `json:"$schema"`
		Document        *csafMeta           `json:"document"`
		ProductTree     csafTree            `json:"product_tree"`
		Vulnerabilities []csafVulnerability `json:"vulnerabilities"`
	}
	csafMeta struct {
		Acknowledgments   jsontext.Value `json:"acknowledgments"`
		AggregateSeverity jsontext.Value `json:"aggregate_severity"`
		Category          string         `json:"category"`
		Version           string         `json:"csaf_version"`
		Distribution      jsontext.Value `json:"distribution"`
		Lang              string         `json:"lang"`
		Notes             jsontext.Value `json:"notes"`
		Publisher         csafPublisher  `json:"publisher"`
		References        jsontext.Value `json:"references"`
		SourceLang        string         `json:"source_lang"`
		Title             string         `json:"title"`
		Tracking          csafTracking   `json:"tracking"`
	}
	csafPublisher struct {
		Category         string `json:"category"`
		ContactDetails   string `json:"contact_details"`
		IssuingAuthority string `json:"issuing_authority"`
		Name             string `json:"name"`
		Namespace        string `json:"namespace"`
	}
	csafTracking struct {
		Aliases   []string       `json:"aliases"`
		Current   *time.Time     `json:"current_release_date"`
		Generator *csafGenerator `json:"generator"`
		ID        string         `json:"id"`
		Initial   *time.Time     `json:"initial_release_date"`
		Revisions []csafRevision `json:"revision_history"`
		Status    string         `json:"status"`
		Version   string         `json:"version"`
	}
	csafGenerator struct {
		Date   *time.Time     `json:"date"`
		Engine jsontext.Value `json:"engine"`
	}
	csafRevision struct {
		Date          *time.Time `json:"date"`
		LegacyVersion string     `json:"legacy_version"`
		Number        string     `json:"number"`
		Summary       string     `json:"summary"`
	}
	csafVulnerability struct {
		Acknowledgments jsontext.Value    `json:"acknowledgments"`
		CVE             string            `json:"cve"`
		CWE             jsontext.Value    `json:"cwe"`
		Discovered      *time.Time        `json:"discovery_date"`
		Flags           []csafFlag        `json:"flags"`
		IDs             []csafID          `json:"ids"`
		Involvements    jsontext.Value    `json:"involvements"`
		Notes           jsontext.Value    `json:"notes"`
		Status          csafStatus        `json:"product_status"`
		References      jsontext.Value    `json:"references"`
		Released        *time.Time        `json:"release_date"`
		Remediations    []csafRemediation `json:"remediations"`
		Scores          jsontext.Value    `json:"scores"`
		Threats         []csafThreat      `json:"threats"`
		Title           string            `json:"title"`
	}
	csafID struct {
		System string `json:"system_name"`
		Text   string `json:"text"`
	}
	csafFlag struct {
		Date       *time.Time `json:"date"`
		GroupIDs   []string   `json:"group_ids"`
		Label      string     `json:"label"`
		ProductIDs []string   `json:"product_ids"`
	}
	csafThreat struct {
		Category   string     `json:"category"`
		Date       *time.Time `json:"date"`
		Details    string     `json:"details"`
		GroupIDs   []string   `json:"group_ids"`
		ProductIDs []string   `json:"product_ids"`
	}
	csafRemediation struct {
		Category     string         `json:"category"`
		Date         *time.Time     `json:"date"` // from which it is available: it may be to come
		Details      string         `json:"details"`
		Entitlements jsontext.Value `json:"entitlements"`
		GroupIDs     []string       `json:"group_ids"`
		ProductIDs   []string       `json:"product_ids"`
		Restart      jsontext.Value `json:"restart_required"`
		URL          string         `json:"url"`
	}
	csafStatus struct {
		FirstAffected      []string `json:"first_affected"`
		FirstFixed         []string `json:"first_fixed"`
		Fixed              []string `json:"fixed"`
		KnownAffected      []string `json:"known_affected"`
		KnownNotAffected   []string `json:"known_not_affected"`
		LastAffected       []string `json:"last_affected"`
		Recommended        []string `json:"recommended"`
		UnderInvestigation []string `json:"under_investigation"`
	}
)

// parseCSAF reads a document of the VEX profile of CSAF 2.0.
func parseCSAF(data []byte) (*Document, error) {
	var in csafDocument
	if err := strictjson.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	if in.Document == nil {
		return nil, errors.New("/document is missing")
	}
	if err := in.Document.check(); err != nil {
		return nil, err
	}
	if len(in.Vulnerabilities) == 0 {
		return nil, errors.New("/vulnerabilities is missing or empty")
	}
	products, err := readTree(&in.ProductTree)
	if err != nil {
		return nil, err
	}
	out := &Document{Author: in.Document.Publisher.Name}
	in.Document.note(out)
	r := &csafReader{products: products, out: out, at: *in.Document.Tracking.Current, cves: map[string]bool{}}
	for i := range in.Vulnerabilities {
		if err := r.vulnerability(i, &in.Vulnerabilities[i]); err != nil {
			return nil, err
		}
	}
	if len(out.Statements) == 0 {
		return nil, errors.New("/vulnerabilities: none has a product_status")
	}
	return out, nil
}

func (m *csafMeta) check() error {
	switch t := &m.Tracking; {
	case m.Version != "2.0":
		return fmt.Errorf(`/document/csaf_version is %q; only "2.0" is read`, clip(m.Version))
	case m.Category != "csaf_vex":
		return fmt.Errorf("/document/category is %q; only csaf_vex is read, which says why a product is not affected", clip(m.Category))
	case strings.TrimSpace(m.Publisher.Name) == "":
		return errors.New("/document/publisher/name is missing")
	case t.ID == "":
		return errors.New("/document/tracking/id is missing")
	case t.Status != "final" && t.Status != "interim":
		return fmt.Errorf("/document/tracking/status is %q; only final and interim are read", clip(t.Status))
	case t.Current == nil:
		return errors.New("/document/tracking/current_release_date is missing")
	}
	return nil
}

func (m *csafMeta) note(out *Document) {
	const at = "/document/tracking"
	t := &m.Tracking
	out.note(at+"/current_release_date", t.Current)
	out.note(at+"/initial_release_date", t.Initial)
	if t.Generator != nil {
		out.note(at+"/generator/date", t.Generator.Date)
	}
	for i := range t.Revisions {
		out.note(fmt.Sprintf("%s/revision_history/%d/date", at, i), t.Revisions[i].Date)
	}
}

// csafReader makes statements of vulnerabilities.
type csafReader struct {
	products *csafProducts
	out      *Document
	at       time.Time
	cves     map[string]bool
	named    int // products of all statements
}

// csafGroup is a list of product_status.
type csafGroup struct {
	name   string
	ids    []string
	status Status // "" for none
}

func (s *csafStatus) groups() []csafGroup {
	return []csafGroup{
		{"known_not_affected", s.KnownNotAffected, NotAffected},
		{"known_affected", s.KnownAffected, Affected}, {"first_affected", s.FirstAffected, Affected}, {"last_affected", s.LastAffected, Affected},
		{"fixed", s.Fixed, Fixed}, {"first_fixed", s.FirstFixed, Fixed},
		{"under_investigation", s.UnderInvestigation, UnderInvestigation},
		{"recommended", s.Recommended, ""},
	}
}

func (r *csafReader) vulnerability(i int, v *csafVulnerability) error {
	at := fmt.Sprintf("/vulnerabilities/%d", i)
	names, err := v.names(at)
	if err != nil {
		return err
	}
	if r.cves[names[0]] {
		return fmt.Errorf("%s is about %s, as another one before it", at, clip(names[0]))
	}
	r.cves[names[0]] = true
	why, err := r.reasons(at, v)
	if err != nil {
		return err
	}
	statuses := map[string]Status{}
	for _, g := range v.Status.groups() {
		place := at + "/product_status/" + g.name
		s := Statement{Place: fmt.Sprintf("vulnerability %d, %s", i+1, g.name), IDs: names, Status: g.status, At: r.at}
		byReason := map[string]*Statement{}
		var order []string
		for k, id := range g.ids {
			p, err := r.products.product(fmt.Sprintf("%s/%d", place, k), id)
			if err != nil {
				return err
			}
			if g.status == "" {
				continue
			}
			if other, twice := statuses[id]; twice && other != g.status {
				return fmt.Errorf("%s/%d: the product %q is %s and %s", place, k, clip(id), other, g.status)
			}
			statuses[id] = g.status
			if g.status == NotAffected && why[id] == "" {
				return fmt.Errorf("%s/%d: the product %q has neither a flag nor a threat of the category impact that says why", place, k, clip(id))
			}
			if r.named++; r.named > maxComponents {
				return fmt.Errorf("%s: the document names more than %d products", place, maxComponents)
			}
			reason := ""
			if g.status == NotAffected {
				reason = why[id]
			}
			if byReason[reason] == nil {
				one := s
				one.Why = reason
				byReason[reason], order = &one, append(order, reason)
			}
			byReason[reason].products = append(byReason[reason].products, p)
		}
		for _, reason := range order {
			if err := r.out.add(byReason[reason]); err != nil {
				return err
			}
		}
	}
	r.note(at, v)
	return nil
}

// names returns the CVE and the other ids of a vulnerability.
func (v *csafVulnerability) names(at string) ([]string, error) {
	var all []string
	if v.CVE != "" {
		if !cveForm.MatchString(v.CVE) {
			return nil, fmt.Errorf("%s/cve is %q, which is no CVE", at, clip(v.CVE))
		}
		all = append(all, v.CVE)
	}
	for _, id := range v.IDs {
		all = append(all, id.Text)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has neither cve nor ids", at)
	}
	names, err := ids(at+"/ids", all)
	if err != nil {
		return nil, err
	}
	if other := otherCVE(names); other != "" {
		return nil, fmt.Errorf("%s/ids has %s, which is another CVE than the cve", at, other)
	}
	return names, nil
}

// reasons returns why products are not affected, by product. The word of a flag goes
// before the text of a threat.
func (r *csafReader) reasons(at string, v *csafVulnerability) (map[string]string, error) {
	out := map[string]string{}
	set := func(place, reason string, products, groups []string) error {
		all, err := r.products.expand(place, products, groups)
		for _, id := range all {
			if out[id] == "" {
				out[id] = reason
			}
		}
		return err
	}
	for i := range v.Flags {
		f, place := &v.Flags[i], fmt.Sprintf("%s/flags/%d", at, i)
		if !slices.Contains(Justifications(), f.Label) {
			return nil, fmt.Errorf("%s/label is %q, which is no label of CSAF", place, clip(f.Label))
		}
		if err := set(place, f.Label, f.ProductIDs, f.GroupIDs); err != nil {
			return nil, err
		}
	}
	for i := range v.Threats {
		t := &v.Threats[i]
		reason := ""
		if t.Category == "impact" {
			reason = strings.TrimSpace(t.Details)
		}
		if err := set(fmt.Sprintf("%s/threats/%d", at, i), reason, t.ProductIDs, t.GroupIDs); err != nil {
			return nil, err
		}
	}
	for i := range v.Remediations { // they change nothing, and have to be about products that are there
		m := &v.Remediations[i]
		if _, err := r.products.expand(fmt.Sprintf("%s/remediations/%d", at, i), m.ProductIDs, m.GroupIDs); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *csafReader) note(at string, v *csafVulnerability) {
	r.out.note(at+"/discovery_date", v.Discovered)
	r.out.note(at+"/release_date", v.Released)
	for i := range v.Flags {
		r.out.note(fmt.Sprintf("%s/flags/%d/date", at, i), v.Flags[i].Date)
	}
	for i := range v.Threats {
		r.out.note(fmt.Sprintf("%s/threats/%d/date", at, i), v.Threats[i].Date)
	}
}
