//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/aquasecurity/trivy-db/pkg/vulnsrc/bucket"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/scan/ospkg"
	"github.com/aquasecurity/trivy/pkg/types"
)

// The client of Ubuntu Pro writes into var/lib/ubuntu-advantage/status.json that an
// image gets extended security maintenance (ESM). Trivy then asks the feed of ESM
// instead of the one of the release. Anyone can write that file, so that here it only
// adds findings: the packages are matched with both feeds.

// settleExtended makes the image one of its release alone and reports whether the feed
// of ESM is to be asked as well.
func (s *session) settleExtended(detail *ftypes.ArtifactDetail) bool {
	extended := detail.OS.Extended && detail.OS.Family == ftypes.Ubuntu
	detail.OS.Extended = false
	return extended && s.engine.advisories.has(bucket.NewUbuntu(detail.OS.Name+"-ESM").Name())
}

// addExtended adds what the feed of ESM knows about the packages of an Ubuntu release.
func addExtended(ctx context.Context, target types.ScanTarget, result *types.Result) error {
	target.OS.Extended = true
	more, _, err := ospkg.NewScanner().Scan(ctx, target, scanOptions())
	if err != nil {
		return fmt.Errorf("find vulnerabilities of OS packages in the feed of ESM: %w", err)
	}
	for _, v := range more.Vulnerabilities {
		at := slices.IndexFunc(result.Vulnerabilities, func(w types.DetectedVulnerability) bool {
			return v.VulnerabilityID == w.VulnerabilityID && v.PkgName == w.PkgName && v.InstalledVersion == w.InstalledVersion && v.PkgIdentifier.UID == w.PkgIdentifier.UID
		})
		switch {
		case at < 0:
			result.Vulnerabilities = append(result.Vulnerabilities, v)
		case result.Vulnerabilities[at].FixedVersion == "":
			result.Vulnerabilities[at] = v // it may name a fix
		}
	}
	return nil
}
