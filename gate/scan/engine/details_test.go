//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"testing"

	dbtypes "github.com/aquasecurity/trivy-db/pkg/types"
)

// What one finding writes into its severities is not in the next one's.
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
