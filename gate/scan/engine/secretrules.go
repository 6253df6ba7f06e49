//go:build goexperiment.jsonv2 && !go1.27

package engine

import "github.com/aquasecurity/trivy/pkg/fanal/secret"

// secretConfig adds rules of ours to Trivy's: for the files in which tools keep
// credentials, whatever these look like, and for private keys in base64, as in a kubeconfig.
func secretConfig() *secret.Config {
	config := new(secret.Config)
	for _, r := range ownRules {
		rule := secret.Rule{
			ID: r.id, Category: "Credentials", Title: r.title, Severity: "HIGH", Keywords: r.keywords,
			Regex: secret.MustCompile(r.text), SecretGroupName: "secret",
		}
		if r.file != "" {
			rule.Path = secret.MustCompile(r.file)
		}
		config.CustomRules = append(config.CustomRules, rule)
	}
	return config
}

// ownRules have the secret itself in the group "secret". What begins with $ or % is the
// name of a variable.
var ownRules = []struct {
	id, title  string
	file, text string
	keywords   []string
}{
	// Trivy's rule asks for quotes, which .npmrc has not.
	{"npm-access-token-unquoted", "npm access token", "", `(^|[^0-9A-Za-z_"'])(?P<secret>npm_[0-9A-Za-z]{36})([^0-9A-Za-z_]|$)`, []string{"npm_"}},
	{"private-key-base64", "Private key in base64", "",
		`(?P<secret>LS0tLS1CRUdJTiB(SU0EgUFJJVkFURSBLRVkt|QUklWQVRFIEtFWS0t|FQyBQUklWQVRFIEtFWS0t|PUEVOU1NIIFBSSVZBVEUgS0VZL)[0-9A-Za-z+/=]{64,})`, []string{"LS0tLS1CRUdJTi"}},
	{"registry-credentials", "Credentials for a registry", `(^|/)(\.docker/config\.json|\.dockercfg|\.dockerconfigjson|containers/auth\.json)$`,
		`"(auth|identitytoken|registrytoken)"\s*:\s*"(?P<secret>[^"\s$%]{8,})"`, []string{`"auth"`, "token"}},
	{"npm-credentials", "Credentials for a registry of npm", `(^|/)\.npmrc$`,
		`(?m)_(auth|authToken|password)\s*=\s*["']?(?P<secret>[^"'\s$%]{8,})`, []string{"_auth", "_password"}},
	{"password-in-url", "Password in an address", `(^|/)(\.git/config|\.git-credentials|git/credentials|pip\.conf|\.npmrc|\.yarnrc|\.condarc)$`,
		`https?://[^/\s:@]*:(?P<secret>[^/\s:@$%{}]{6,})@`, []string{"://"}},
	{"password-in-netrc", "Password for a host", `(^|/)[._]netrc$`, `password\s+(?P<secret>[^\s$%]{6,})`, []string{"password"}},
	{"password-in-pypirc", "Password for a package index", `(^|/)\.pypirc$`, `(?m)^\s*password\s*[:=]\s*(?P<secret>[^\s$%]{6,})`, []string{"password"}},
}
