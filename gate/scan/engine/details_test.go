//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"testing"

	dbtypes "github.com/aquasecurity/trivy-db/pkg/types"
)

// A change of the severities of one finding does not affect the next one.
func TestDetailsAreNotSharedWhereTheyAreWrittenTo(t *testing.T) {
	d := &details{known: map[string]detail{"CVE-1": {vulnerability: dbtypes.Vulnerability{
		Title: "known", VendorSeverity: dbtypes.VendorSeverity{"nvd": dbtypes.SeverityHigh},
	}}}}
	first, err := d.GetVulnerability("CVE-1")
	if err != nil || first.Title != "known" {
		t.Fatalf("%+v, %v", first, err)
	}
	first.VendorSeverity["debian"] = dbtypes.SeverityLow
	second, err := d.GetVulnerability("CVE-1")
	if _, leaked := second.VendorSeverity["debian"]; leaked || err != nil || len(second.VendorSeverity) != 1 {
		t.Errorf("severities %v, %v", second.VendorSeverity, err)
	}
}
