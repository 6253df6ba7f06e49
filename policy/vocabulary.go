package policy

import (
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// packageTypes lists every word that vulnerabilities.types knows. A word
// outside this list would silently stop every finding from being judged.
func packageTypes() []string {
	return slices.Concat([]string{typeOS, typeLibrary}, evidence.OSTypes(), evidence.LibraryTypes())
}

// severitySources lists the sources that rate findings in Trivy's database.
func severitySources() []string {
	return strings.Fields(`nvd ghsa redhat redhat-oval redhat-csaf-vex debian ubuntu centos rocky fedora
		amazon oracle-oval suse-cvrf alpine arch-linux alma azure cbl-mariner photon ruby-advisory-db
		php-security-advisories nodejs-security-wg glad osv wolfi chainguard bitnami k8s govulndb julia
		seal aqua bottlerocket echo minimos rootio rapidfort`)
}
