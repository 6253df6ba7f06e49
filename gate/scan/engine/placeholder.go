//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"regexp"
	"slices"

	"github.com/aquasecurity/trivy/pkg/fanal/secret"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// placeholders are texts that Trivy's rules take for secrets and that are none.
// Each expression matches the whole text that a rule has found, so that nothing
// beside a placeholder is left out.
var placeholders = secret.AllowRules{
	// ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx in a README. No generator makes
	// sixteen equal letters.
	{ID: "placeholder-x", Regex: &secret.Regexp{Regexp: regexp.MustCompile(`^[^0-9A-Za-z]?[0-9A-Za-z_.-]{0,12}(x{16,}|X{16,})([._-](x{16,}|X{16,}))*[^0-9A-Za-z]?$`)}},
	// The examples in the settings.xml that comes with Maven.
	{ID: "placeholder-maven", Regex: &secret.Regexp{Regexp: regexp.MustCompile(`^<(password>repopwd</password|passphrase>optional; leave empty if not used\.</passphrase)>$`)}},
	// The keys that the emulators of Azure Storage and Cosmos DB have in every installation.
	{ID: "placeholder-azure", Regex: &secret.Regexp{Regexp: regexp.MustCompile(`(?i)^(AccountKey\s*=\s*)?(?-i:Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw|C2y6yDjf5/R\+ob0N8A7Cgv30VRDJIWEHLM\+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw)==$`)}},
}

// keyPlaceholders are texts between the marks of a private key that are no key.
var keyPlaceholders = secret.AllowRules{
	// YOUR PRIVATE KEY GOES HERE. The Base64 of a key is not made of words.
	{ID: "placeholder-words", Regex: keyBody(keySpace + `*(` + keyWord + keySpace + `+)*(` + keyWord + `)?`)},
	// The shortest keys, of Ed25519, have 64 characters.
	{ID: "placeholder-short", Regex: keyBody(`(` + keySpace + `*[0-9A-Za-z+/=]){1,51}` + keySpace + `*`)},
}

// keyBody matches a private key with nothing but the expression between its marks.
func keyBody(expr string) *secret.Regexp {
	const name = `[ A-Za-z0-9_]*PRIVATE KEY( BLOCK)?\s*-----`
	return &secret.Regexp{Regexp: regexp.MustCompile(`^-----\s*BEGIN` + name + expr + `-----\s*END` + name + `$`)}
}

const (
	// keySpace is a space, or a line end as JSON and shells write it.
	keySpace = `(\s|\\[nrt])`
	keyWord  = `([A-Z]+|[a-z]+|[A-Z][a-z]{1,15})`
)

// keyRule is the rule for private keys.
const keyRule = "private-key"

// withKeyPlaceholders returns the rules with those exceptions, which hold for no other
// rule.
func withKeyPlaceholders(rules []secret.Rule) []secret.Rule {
	rules = slices.Clone(rules)
	for i := range rules {
		if rules[i].ID == keyRule {
			rules[i].AllowRules = append(slices.Clip(rules[i].AllowRules), keyPlaceholders...)
		}
	}
	return rules
}

// withoutAccounts returns the findings without those of the words "service_account" in a
// file that has no private key: no one can use the account with such a file.
func withoutAccounts(findings []ftypes.SecretFinding) []ftypes.SecretFinding {
	if slices.ContainsFunc(findings, func(f ftypes.SecretFinding) bool { return f.RuleID == keyRule }) {
		return findings
	}
	return slices.DeleteFunc(findings, func(f ftypes.SecretFinding) bool { return f.RuleID == "gcp-service-account" })
}
