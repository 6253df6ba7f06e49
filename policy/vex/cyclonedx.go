package vex

import (
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// The types below are CycloneDX 1.4 to 1.7. Keys around vulnerabilities that are not
// known are ignored, since a BOM has much that says nothing about them; the
// vulnerabilities are read strictly.
type (
	cdxDocument struct {
		Format          string           `json:"bomFormat"`
		SpecVersion     string           `json:"specVersion"`
		Serial          string           `json:"serialNumber"`
		Version         int64            `json:"version"`
		Metadata        cdxMetadata      `json:"metadata"`
		Components      []cdxComponent   `json:"components"`
		Services        []cdxService     `json:"services"`
		Vulnerabilities []jsontext.Value `json:"vulnerabilities"`
	}
	cdxMetadata struct {
		Timestamp    *time.Time    `json:"timestamp"`
		Component    *cdxComponent `json:"component"`
		Authors      []cdxParty    `json:"authors"`
		Supplier     *cdxParty     `json:"supplier"`
		Manufacture  *cdxParty     `json:"manufacture"`
		Manufacturer *cdxParty     `json:"manufacturer"`
	}
	cdxParty struct {
		Name string `json:"name"`
	}
	cdxComponent struct {
		Ref        string         `json:"bom-ref"`
		Version    string         `json:"version"`
		PURL       string         `json:"purl"`
		Hashes     []cdxHash      `json:"hashes"`
		Components []cdxComponent `json:"components"`
	}
	cdxHash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	cdxService struct {
		Ref      string       `json:"bom-ref"`
		Services []cdxService `json:"services"`
	}
	cdxVulnerability struct {
		Ref            string         `json:"bom-ref"`
		ID             string         `json:"id"`
		Source         jsontext.Value `json:"source"`
		References     []cdxReference `json:"references"`
		Ratings        jsontext.Value `json:"ratings"`
		CWEs           jsontext.Value `json:"cwes"`
		Description    string         `json:"description"`
		Detail         string         `json:"detail"`
		Recommendation string         `json:"recommendation"`
		Workaround     string         `json:"workaround"`
		Proof          jsontext.Value `json:"proofOfConcept"`
		Advisories     jsontext.Value `json:"advisories"`
		Created        *time.Time     `json:"created"`
		Published      *time.Time     `json:"published"`
		Updated        *time.Time     `json:"updated"`
		Rejected       *time.Time     `json:"rejected"`
		Credits        jsontext.Value `json:"credits"`
		Tools          jsontext.Value `json:"tools"`
		Analysis       *cdxAnalysis   `json:"analysis"`
		Affects        []cdxAffects   `json:"affects"`
		Properties     jsontext.Value `json:"properties"`
	}
	cdxReference struct {
		ID     string         `json:"id"`
		Source jsontext.Value `json:"source"`
	}
	cdxAnalysis struct {
		State         string     `json:"state"`
		Justification string     `json:"justification"`
		Response      []string   `json:"response"`
		Detail        string     `json:"detail"`
		FirstIssued   *time.Time `json:"firstIssued"`
		LastUpdated   *time.Time `json:"lastUpdated"`
	}
	cdxAffects struct {
		Ref      string       `json:"ref"`
		Versions []cdxVersion `json:"versions"`
	}
	cdxVersion struct {
		Version string `json:"version"`
		Range   string `json:"range"`
		Status  string `json:"status"`
	}
)

// cdxVersions are the versions of CycloneDX that are read.
var cdxVersions = []string{"1.4", "1.5", "1.6", "1.7"}

// cdxStates are the states of an analysis.
var cdxStates = map[string]Status{
	"not_affected": NotAffected, "false_positive": NotAffected, "exploitable": Affected, "in_triage": UnderInvestigation,
	"resolved": Fixed, "resolved_with_pedigree": Fixed,
}

// cdxJustifications are the words for why a component is not affected.
var cdxJustifications = []string{
	"code_not_present", "code_not_reachable", "requires_configuration", "requires_dependency", "requires_environment",
	"protected_by_compiler", "protected_at_runtime", "protected_at_perimeter", "protected_by_mitigating_control",
}

// parseCycloneDX reads the vulnerabilities of a CycloneDX document that have been
// analysed. Those without an analysis say nothing.
func parseCycloneDX(data []byte) (*Document, error) {
	var in cdxDocument
	if err := strictjson.Unmarshal(data, &in, strictjson.AllowUnknownKeys()); err != nil {
		return nil, err
	}
	switch {
	case in.Format != "CycloneDX":
		return nil, fmt.Errorf(`/bomFormat is %q, and not "CycloneDX"`, clip(in.Format))
	case !slices.Contains(cdxVersions, in.SpecVersion):
		return nil, fmt.Errorf("/specVersion is %q; only 1.4 to 1.7 are read", clip(in.SpecVersion))
	case in.Metadata.Timestamp == nil:
		return nil, errors.New("/metadata/timestamp is missing")
	case len(in.Vulnerabilities) > MaxStatements:
		return nil, fmt.Errorf("/vulnerabilities has more than %d entries", MaxStatements)
	}
	refs, err := in.refs()
	if err != nil {
		return nil, err
	}
	out := &Document{Author: in.Metadata.author()}
	out.note("/metadata/timestamp", in.Metadata.Timestamp)
	r := &cdxReader{document: &in, refs: refs, out: out}
	for i, raw := range in.Vulnerabilities {
		at := fmt.Sprintf("/vulnerabilities/%d", i)
		var v cdxVulnerability
		if err := strictjson.Unmarshal(raw, &v); err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		if err := r.vulnerability(at, i, &v); err != nil {
			return nil, err
		}
	}
	if len(out.Statements) == 0 {
		return nil, errors.New("/vulnerabilities has none with an analysis")
	}
	return out, nil
}

func (m *cdxMetadata) author() string {
	for _, p := range append([]*cdxParty{m.Supplier, m.Manufacturer, m.Manufacture}, pointers(m.Authors)...) {
		if p != nil && p.Name != "" {
			return p.Name
		}
	}
	return ""
}

func pointers[T any](all []T) []*T {
	var out []*T
	for i := range all {
		out = append(out, &all[i])
	}
	return out
}

// cdxReader makes statements of vulnerabilities.
type cdxReader struct {
	document *cdxDocument
	refs     cdxRefs
	out      *Document
	named    int // products of all statements
}

func (r *cdxReader) vulnerability(at string, i int, v *cdxVulnerability) error {
	r.note(at, v)
	if v.Analysis == nil {
		return nil
	}
	s := Statement{Place: fmt.Sprintf("vulnerability %d", i+1), At: *r.document.Metadata.Timestamp}
	var err error
	if s.IDs, err = v.names(at); err != nil {
		return err
	}
	if s.Status, s.Why, err = v.Analysis.status(at + "/analysis"); err != nil {
		return err
	}
	switch a := v.Analysis; {
	case a.LastUpdated != nil:
		s.At = *a.LastUpdated
	case a.FirstIssued != nil:
		s.At = *a.FirstIssued
	}
	if len(v.Affects) == 0 {
		return fmt.Errorf("%s/affects is missing or empty", at)
	}
	for k := range v.Affects {
		products, err := r.affects(fmt.Sprintf("%s/affects/%d", at, k), &v.Affects[k], s.Status == NotAffected)
		if err != nil {
			return err
		}
		if r.named += len(products); r.named > maxComponents {
			return fmt.Errorf("%s: the document names more than %d components", at, maxComponents)
		}
		s.products = append(s.products, products...)
	}
	return r.out.add(&s)
}

func (r *cdxReader) note(at string, v *cdxVulnerability) {
	r.out.note(at+"/created", v.Created)
	r.out.note(at+"/published", v.Published)
	r.out.note(at+"/updated", v.Updated)
	r.out.note(at+"/rejected", v.Rejected)
	if v.Analysis != nil {
		r.out.note(at+"/analysis/firstIssued", v.Analysis.FirstIssued)
		r.out.note(at+"/analysis/lastUpdated", v.Analysis.LastUpdated)
	}
}

// names returns the id of a vulnerability and those that its references give it.
func (v *cdxVulnerability) names(at string) ([]string, error) {
	if v.ID == "" {
		return nil, fmt.Errorf("%s/id is missing", at)
	}
	all := []string{v.ID}
	for i := range v.References {
		all = append(all, v.References[i].ID)
	}
	names, err := ids(at+"/references", all)
	if err != nil {
		return nil, err
	}
	if other := otherCVE(names); other != "" {
		return nil, fmt.Errorf("%s/references has %s, which is another CVE than the id", at, other)
	}
	return names, nil
}

// status reads the state of an analysis, and why a component is not affected.
func (a *cdxAnalysis) status(at string) (Status, string, error) {
	status, known := cdxStates[a.State]
	if !known {
		return "", "", fmt.Errorf("%s/state is %q, which is no state of CycloneDX", at, clip(a.State))
	}
	if a.Justification != "" && !slices.Contains(cdxJustifications, a.Justification) {
		return "", "", fmt.Errorf("%s/justification is %q, which is no justification of CycloneDX", at, clip(a.Justification))
	}
	why := a.Justification
	if detail := strings.TrimSpace(a.Detail); why == "" || a.State == "false_positive" {
		why = detail
	}
	switch {
	case status != NotAffected:
		return status, "", nil
	case why == "" && a.State == "false_positive":
		return "", "", fmt.Errorf("%s is false_positive, and has no detail that says why", at)
	case why == "":
		return "", "", fmt.Errorf("%s is not_affected, and has neither justification nor detail", at)
	}
	return status, why, nil
}

// affects returns the products that an entry of affects is about.
func (r *cdxReader) affects(at string, a *cdxAffects, strict bool) ([]product, error) {
	chain, err := r.chain(at+"/ref", a.Ref)
	if err != nil {
		return nil, err
	}
	if chain == nil {
		return []product{elsewhere(a.Ref)}, nil
	}
	for i := range a.Versions {
		v, place := &a.Versions[i], fmt.Sprintf("%s/versions/%d", at, i)
		switch {
		case (v.Version == "") == (v.Range == ""):
			return nil, fmt.Errorf("%s must have either version or range", place)
		case !slices.Contains([]string{"", "affected", "unaffected", "unknown"}, v.Status):
			return nil, fmt.Errorf("%s/status is %q, which is no status of CycloneDX", place, clip(v.Status))
		}
	}
	if len(a.Versions) == 0 || !strict {
		return []product{productOf(chain, true)}, nil
	}
	// Only the versions that are listed as unaffected are not affected, and ranges are
	// not compared.
	limited := slices.Clone(chain)
	limited[0].ranged = true
	out := []product{productOf(limited, true)}
	for i := range a.Versions {
		v, leaf := &a.Versions[i], chain[0]
		if v.Version == "" || v.Status != "unaffected" || leaf.purl == nil || leaf.purl.Version != "" && leaf.purl.Version != v.Version {
			continue
		}
		one := slices.Clone(chain)
		one[0] = leaf.withVersion(v.Version)
		out = append(out, productOf(one, true))
	}
	return out, nil
}

// chain returns the components that a ref stands for, nil for one of another document.
func (r *cdxReader) chain(at, ref string) ([]component, error) {
	if chain := r.refs[ref]; chain != nil {
		return chain, nil
	}
	link, isLink := strings.CutPrefix(ref, "urn:cdx:")
	if !isLink {
		return nil, fmt.Errorf("%s is %q, which is the bom-ref of no component: add a component with it, and with its purl", at, clip(ref))
	}
	bom, element, _ := strings.Cut(link, "#")
	if serial, ok := strings.CutPrefix(r.document.Serial, "urn:uuid:"); !ok || bom != fmt.Sprintf("%s/%d", serial, r.document.Version) {
		return nil, nil
	}
	if chain := r.refs[element]; chain != nil {
		return chain, nil
	}
	if plain, err := url.PathUnescape(element); err == nil && r.refs[plain] != nil {
		return r.refs[plain], nil
	}
	return nil, fmt.Errorf("%s is %q, which is the bom-ref of no component", at, clip(ref))
}

// elsewhere is a component of another document: nothing tells whether that one is about
// the image. Where its name is a purl, a finding of the package can be meant.
func elsewhere(ref string) product {
	_, element, _ := strings.Cut(ref, "#")
	if plain, err := url.PathUnescape(element); err == nil && !strings.HasPrefix(element, "pkg:") {
		element = plain
	}
	p := product{distant: true}
	if err := p.setPURL("", element); err != nil {
		p.sha256 = otherHash
	}
	return p
}
