//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"maps"

	trivydb "github.com/aquasecurity/trivy-db/pkg/db"
	dbtypes "github.com/aquasecurity/trivy-db/pkg/types"
)

// maxDetails is how many descriptions of vulnerabilities are kept in memory.
const maxDetails = 20_000

// details is the vulnerability database with a cache of descriptions. A
// vulnerability is found in many packages, and images of one run share most of
// their vulnerabilities. Only one image is matched at a time.
type details struct {
	trivydb.Config
	known map[string]detail
}

type detail struct {
	vulnerability dbtypes.Vulnerability
	err           error
}

// GetVulnerability describes a vulnerability. FillInfo writes into the map of
// severities, so every caller gets a copy of it. Callers share all other fields.
func (d *details) GetVulnerability(id string) (dbtypes.Vulnerability, error) {
	k, ok := d.known[id]
	if !ok {
		k.vulnerability, k.err = d.Config.GetVulnerability(id)
		if d.known == nil || len(d.known) >= maxDetails {
			d.known = map[string]detail{}
		}
		d.known[id] = k
	}
	v := k.vulnerability
	v.VendorSeverity = maps.Clone(v.VendorSeverity)
	return v, k.err
}
