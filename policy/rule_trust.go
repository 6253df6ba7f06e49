package policy

import "strings"

const ruleTrust = "trust"

var trustKey = &setting[[]Signer]{
	path: ruleTrust, doc: "Signers that the rules of the policy can name: public keys, and identities in certificates.",
	schema: trustSchema(), global: true, read: readSigners, order: keepsSigners, join: joinSigners,
}

func trustSchema() object {
	s := schemaOf(trustFields())
	s["oneOf"] = []any{
		object{"required": []string{"key"}, "not": object{"anyOf": []any{object{"required": []string{"identity"}}, object{"required": []string{"issuer"}}}}},
		object{"required": []string{"identity", "issuer"}, "not": object{"required": []string{"key"}}},
	}
	return listOf(s)
}

// exampleKey is a public key for examples. Its private key was not kept.
const exampleKey = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXEesvBy4U8wNWSp/R2u3JAtfrq/t\nAUUmpyrC1eWmtgdBazh0qWsN8oOkYc4iKY3vmAw2VcOqp0cyqkFg3uJlEA==\n-----END PUBLIC KEY-----\n"

func trustRule() *Rule {
	return &Rule{
		ID: ruleTrust, Title: "Signers that the rules can name.", Setting: true,
		Why: "Everyone can sign. The policy has to say whose signatures count, and for what.",
		How: "let one of the signers sign",
		Settings: "a list of signers, each with name, for, and either key, or identity and issuer. " +
			"key: a public key in PEM form, written out; files, key services and private keys are refused. " +
			"identity: the e-mail address or the URI of the workflow in the certificate of a keyless signature, a glob (* stays within one part of the path, ** goes across) that names the owner without wildcards. " +
			"issuer: the service that vouches for it, compared exactly. " +
			"for: decision, signature, provenance, approval, vex. A signer counts only for what is listed. " +
			"Above a base, signers are added to those of the base; above one that is pinned, its signers stay as they are.",
		Default: "no signer is trusted",
		Example: "trust:\n  - name: release\n    identity: https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*\n    issuer: https://token.actions.githubusercontent.com\n    for: [signature, provenance]\nsignatures: {require: [release]}\n",
		keys:    []key{trustKey},
	}
}

// indented puts spaces before every line but the first.
func indented(text, spaces string) string {
	return strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+spaces) + "\n"
}
