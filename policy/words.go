package policy

import (
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Ids of the rules that code refers to by name.
const (
	ruleEvidence         = "evidence"
	rulePin              = "reference.pin"
	ruleDenyTags         = "reference.deny-tags"
	ruleAllow            = "reference.allow"
	ruleUser             = "config.user"
	ruleDenyPorts        = "config.deny-ports"
	ruleLabels           = "config.require-labels"
	ruleMaxAge           = "config.max-age"
	ruleMaxSize          = "config.max-size"
	ruleHealthcheck      = "config.require-healthcheck"
	ruleDenyEnv          = "config.deny-env"
	rulePlatforms        = "platforms"
	ruleMax              = "vulnerabilities.max"
	ruleUnfixed          = "vulnerabilities.unfixed"
	ruleDistroOwned      = "vulnerabilities.distro-owned"
	ruleGrace            = "vulnerabilities.grace"
	ruleTypes            = "vulnerabilities.types"
	ruleSeveritySource   = "vulnerabilities.severity-source"
	ruleDeny             = "vulnerabilities.deny"
	ruleSecrets          = "secrets"
	ruleLicenses         = "licenses"
	ruleCoverage         = "coverage."
	ruleEndOfLife        = "coverage.end-of-life"
	ruleDatabaseAge      = "coverage.database-max-age"
	ruleUnattributed     = "coverage.unattributed"
	ruleBundledSBOMs     = "coverage.bundled-sboms"
	ruleExceptions       = "exceptions"
	ruleExceptionLimits  = "exception-limits"
	ruleOverrides        = "overrides"
	ruleLevels           = "levels"
	sinceFirst           = "0.1.0"
	schemaFile           = "imagegate.schema.json"
	builtIn              = "built-in default"
	endsSoonDays         = 14
	maxDetails           = 20
	futureToleranceHours = 24
)

// gapRule returns the id of the coverage rule that judges a kind of gap. A
// kind this version does not know is judged as a scanner error, so that a new
// kind can never be overlooked.
func gapRule(k evidence.GapKind) string {
	for _, known := range gapKinds() {
		if k == known {
			return ruleCoverage + string(k)
		}
	}
	return ruleCoverage + string(evidence.GapScannerErrors)
}

// gapKinds lists the kinds of gaps in the order of the rules.
func gapKinds() []evidence.GapKind {
	return []evidence.GapKind{
		evidence.GapUnknownOS, evidence.GapUnsupportedOS, evidence.GapOSMismatch, evidence.GapPackageDatabase,
		evidence.GapNoAdvisories, evidence.GapUnsupportedPackages, evidence.GapScannerErrors, evidence.GapJavaDatabase, evidence.GapHiddenFiles,
	}
}

// blinding reports the coverage rules without which an empty list of findings
// says nothing: only an override that names its images may soften them.
func blinding(id string) bool {
	switch id {
	case ruleCoverage + string(evidence.GapUnknownOS), ruleCoverage + string(evidence.GapUnsupportedOS),
		ruleCoverage + string(evidence.GapOSMismatch), ruleCoverage + string(evidence.GapPackageDatabase):
		return true
	}
	return false
}

// osTypes lists what Trivy 0.74 calls the types of OS packages.
func osTypes() []string {
	return strings.Fields(`activestate alma alpine amazon azurelinux bottlerocket cbl-mariner centos
		centos-stream chainguard coreos debian echo fedora minimos opensuse opensuse-leap
		opensuse-tumbleweed oracle photon redhat rocky sles slem ubuntu wolfi`)
}

// libraryTypes lists what Trivy 0.74 calls the types of libraries.
func libraryTypes() []string {
	return strings.Fields(`bitnami bun bundler cargo cocoapods composer composer-vendor conan
		conda-environment conda-pkg dotnet-core gemspec gobinary gomod gradle hex jar javascript julia
		kubernetes node-pkg npm nuget packages-props pip pipenv pnpm poetry pom pub pylock python-pkg
		rustbinary sbt swift uv yarn`)
}

// packageTypes lists every word that vulnerabilities.types knows. A word
// outside this list would silently stop every finding from being judged.
func packageTypes() []string {
	return append(append([]string{typeOS, typeLibrary}, osTypes()...), libraryTypes()...)
}

// severitySources lists the sources that rate findings in Trivy's database.
func severitySources() []string {
	return strings.Fields(`nvd ghsa redhat redhat-oval redhat-csaf-vex debian ubuntu centos rocky fedora
		amazon oracle-oval suse-cvrf alpine arch-linux alma azure cbl-mariner photon ruby-advisory-db
		php-security-advisories nodejs-security-wg glad osv wolfi chainguard bitnami k8s govulndb julia
		seal aqua bottlerocket echo minimos rootio rapidfort`)
}

// normalSeverity brings a foreign spelling into ours. What is no severity is
// unknown, never harmless.
func normalSeverity(s evidence.Severity) evidence.Severity {
	if rank(s) > 0 {
		return s
	}
	s = evidence.Severity(strings.ToLower(strings.TrimSpace(string(s))))
	if rank(s) == 0 {
		return evidence.SeverityUnknown
	}
	return s
}

// rank orders severities: 4 is critical, 1 low, 0 unknown.
func rank(s evidence.Severity) int {
	switch s {
	case evidence.SeverityCritical:
		return 4
	case evidence.SeverityHigh:
		return 3
	case evidence.SeverityMedium:
		return 2
	case evidence.SeverityLow:
		return 1
	}
	return 0
}
