package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// csafOf is a CSAF document about lodash in the good image.
func csafOf(id, status, date string) string {
	flags := ""
	if status == "known_not_affected" {
		flags = `, "flags": [{"label": "vulnerable_code_not_present", "product_ids": ["L"]}]`
	}
	return fmt.Sprintf(`{"document": {"category": "csaf_vex", "csaf_version": "2.0", "publisher": {"name": "vendor"}, "tracking": {"id": "V", "status": "final", "current_release_date": %q}},
  "product_tree": {"full_product_names": [{"name": "app", "product_id": "A", "product_identification_helper": {"purl": "pkg:oci/app?repository_url=registry.example.no/shop/app"}},
    {"name": "lodash", "product_id": "P", "product_identification_helper": {"purl": "pkg:npm/lodash@4.17.15"}}],
    "relationships": [{"category": "default_component_of", "product_reference": "P", "relates_to_product_reference": "A", "full_product_name": {"name": "x", "product_id": "L"}}]},
  "vulnerabilities": [{"cve": %q, "product_status": {%q: ["L"]}%s}]}`, date, id, status, flags)
}

// cyclonedxOf is a CycloneDX document about lodash in the good image.
func cyclonedxOf(id, state, date string) string {
	return fmt.Sprintf(`{"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"timestamp": %q, "component": {"type": "container", "name": "app", "purl": "pkg:oci/app?repository_url=registry.example.no/shop/app"}},
  "components": [{"type": "library", "name": "lodash", "bom-ref": "l", "purl": "pkg:npm/lodash@4.17.15"}],
  "vulnerabilities": [{"id": %q, "analysis": {"state": %q, "detail": "it is not called"}, "affects": [{"ref": "l"}]}]}`, date, id, state)
}

// Documents of every form are asked, and the stricter one holds.
func TestVEXForms(t *testing.T) {
	const id, future = "CVE-2026-0001", "2099-01-01T00:00:00Z"
	open := documentOf(statementOf(id, "not_affected", vexDay, lodashProduct))
	for name, c := range map[string]struct {
		docs  []string
		class Class
		say   string // in the reason, or in why it is not covered
	}{
		"CSAF":                      {[]string{csafOf(id, "known_not_affected", vexDay)}, ClassNotAffected, "vulnerable_code_not_present (vulnerability 1, known_not_affected of vex/0.json, 2026-06-01)"},
		"CycloneDX":                 {[]string{cyclonedxOf(id, "not_affected", vexDay)}, ClassNotAffected, "it is not called (vulnerability 1 of vex/0.json, 2026-06-01)"},
		"falsely found":             {[]string{cyclonedxOf(id, "false_positive", vexDay)}, ClassNotAffected, "it is not called"},
		"CSAF by an alias":          {[]string{strings.Replace(csafOf(id, "known_not_affected", vexDay), `"cve": "CVE-2026-0001"`, `"ids": [{"system_name": "g", "text": "GHSA-aaaa-bbbb-cccc"}]`, 1)}, ClassNotAffected, ""},
		"CSAF, another one":         {[]string{csafOf("CVE-2026-0002", "known_not_affected", vexDay)}, ClassBlocking, "no VEX document names it"},
		"CycloneDX, another one":    {[]string{cyclonedxOf("CVE-2026-0002", "not_affected", vexDay)}, ClassBlocking, "no VEX document names it"},
		"CSAF, affected":            {[]string{csafOf(id, "known_affected", vexDay)}, ClassBlocking, "says affected"},
		"CSAF, fixed":               {[]string{csafOf(id, "fixed", vexDay)}, ClassBlocking, "says fixed"},
		"CSAF, investigated":        {[]string{csafOf(id, "under_investigation", vexDay)}, ClassBlocking, "says under_investigation"},
		"CSAF, recommended":         {[]string{csafOf(id, "known_not_affected", vexDay), open}, ClassNotAffected, ""},
		"CycloneDX, exploitable":    {[]string{cyclonedxOf(id, "exploitable", vexDay)}, ClassBlocking, "says affected"},
		"CycloneDX, resolved":       {[]string{cyclonedxOf(id, "resolved", vexDay)}, ClassBlocking, "says fixed"},
		"CSAF against OpenVEX":      {[]string{open, csafOf(id, "known_affected", vexDay)}, ClassBlocking, "of vex/1.json says affected"},
		"CycloneDX against CSAF":    {[]string{csafOf(id, "known_not_affected", vexDay), cyclonedxOf(id, "in_triage", "2026-01-01T00:00:00Z")}, ClassBlocking, "of vex/1.json says under_investigation"},
		"CSAF, too old":             {[]string{csafOf(id, "known_not_affected", "2026-01-01T00:00:00Z")}, ClassBlocking, "older than 90 days"},
		"CycloneDX, too old":        {[]string{cyclonedxOf(id, "not_affected", "2026-01-01T00:00:00Z")}, ClassBlocking, "older than 90 days"},
		"CSAF of the future":        {[]string{open, csafOf("CVE-2026-0002", "known_not_affected", future)}, ClassBlocking, "/document/tracking/current_release_date is 2099"},
		"CycloneDX of the future":   {[]string{open, cyclonedxOf("CVE-2026-0002", "exploitable", future)}, ClassBlocking, "/metadata/timestamp is 2099"},
		"an analysis of the future": {[]string{open, strings.Replace(cyclonedxOf(id, "not_affected", vexDay), `"state"`, `"lastUpdated": "`+future+`", "state"`, 1)}, ClassBlocking, "/vulnerabilities/0/analysis/lastUpdated is 2099"},
	} {
		f := finding(id, evidence.SeverityHigh)
		f.Aliases = []string{"GHSA-aaaa-bbbb-cccc"}
		img := goodImage()
		with(f)(img)
		p := mustParseVEX(t, "}", c.docs...)
		v, steps := p.Explain(img, noon())
		got := v.Findings[0]
		text := got.Reason
		for _, s := range steps[0].Steps {
			if s.Rule == ruleVEX {
				text += s.Why
			}
		}
		if got.Class != c.class || !strings.Contains(text, c.say) {
			t.Errorf("%s: %s, %s; want %s, %q", name, got.Class, text, c.class, c.say)
		}
		if future := strings.Contains(name, "future"); future != (result(t, v, ruleVEX).Result == ResultUndecided) {
			t.Errorf("%s: %+v", name, result(t, v, ruleVEX))
		}
	}
}
