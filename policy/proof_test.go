package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	github = "https://token.actions.githubusercontent.com"
	login  = "https://login.example.no"
	keyA   = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
)

func workflow() evidence.Signer {
	return evidence.Signer{Identity: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.4.2", Issuer: github, Time: ptr(noon().Add(-time.Hour))}
}

func person(mail string) evidence.Signer { return evidence.Signer{Identity: mail, Issuer: login} }

// goodProof is what the examples of the rules ask for.
func goodProof() *evidence.Proof {
	pipeline := evidence.Signer{Identity: "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/tags/v1.4.2", Issuer: "https://gitlab.com"}
	return &evidence.Proof{
		Repository: "registry.example.no/shop/app", Attached: true, Asked: goodAsked(), Root: &evidence.TrustedRoot{Source: "trusted_root.json", SHA256: digestA},
		Signatures: []evidence.Signature{{Subject: digestB, Signers: []evidence.Signer{workflow(), person("a@example.no"), person("b@example.no")}, From: "sha256:01"}, {Subject: digestA, Signers: []evidence.Signer{pipeline}, From: "sha256:02"}},
		Statements: []evidence.Statement{{
			Subject: digestA, PredicateType: ProvenanceV1, Signers: []evidence.Signer{workflow(), person("a@example.no"), person("b@example.no")}, From: "sha256:03",
			Provenance: &evidence.Provenance{Version: "1", Builder: "https://github.com/actions/runner/github-hosted", Sources: []string{"github.com/acme/app"}, Refs: []string{"refs/tags/v1.4.2"}},
		}},
		Base: &evidence.BaseImage{Candidates: []evidence.BaseCandidate{{
			Name: "registry.example.no/base/debian", Tag: "12", Digest: digestA, Resolved: digestA, NamedBy: []string{"label org.opencontainers.image.base.name"},
			Proven: true, Layers: 1, Created: ptr(noon().AddDate(0, 0, -10)),
		}}},
	}
}

// goodAsked are the signers of trusting and of the examples of rules.
func goodAsked() []evidence.Signer {
	return []evidence.Signer{
		person("a@example.no"), person("b@example.no"), {Identity: "https://github.com/acme/**", Issuer: github},
		{Identity: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*", Issuer: github},
		{Identity: "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/tags/*", Issuer: "https://gitlab.com"},
		{Identity: "*@example.no", Issuer: "https://other.example.no"}, person("*@example.no"),
	}
}

// trusting is a trust section with the signers a, b and c.
const trusting = `trust: [{name: a, identity: a@example.no, issuer: "https://login.example.no", for: [signature, provenance, approval, decision]}, ` +
	`{name: b, identity: b@example.no, issuer: "https://login.example.no", for: [signature, provenance, approval, decision]}, ` +
	`{name: c, identity: "https://github.com/acme/**", issuer: "https://token.actions.githubusercontent.com", for: [signature, provenance, approval, decision]}]` + "\n"

// companions are the keys without which those of the pieces have no meaning.
func companions(pieces []string) []string {
	var out []string
	for section, keys := range map[string][]string{
		"signatures: ": nil, "approvals: ": nil, "provenance: ": {"provenance: {signed-by: [a]}"}, "decision: ": {"decision: {signed-by: [a]}", "decision: {max-age: 5d}"},
	} {
		if slices.ContainsFunc(pieces, func(p string) bool { return strings.HasPrefix(p, section) }) {
			out = append(append(out, trusting), keys...)
		}
	}
	if slices.ContainsFunc(pieces, func(p string) bool { return strings.HasPrefix(p, "base-image: ") }) {
		out = append(out, "base-image: {allow: ['registry.example.no/base/debian']}")
	}
	return out
}

var _ = addValues(proofValues())

// proofValues are the rows of keyValues for the sections of proof.
func proofValues() map[string]values {
	signer := func(name, identity, issuer, purposes string) string {
		return "{name: " + name + ", identity: " + identity + ", issuer: 'https://" + issuer + "', for: [" + purposes + "]}"
	}
	const both = "signature, provenance"
	a := signer("a", "a@example.no", "i.example.no", both)
	decision := func(more string) string { return trusting + "decision: {" + more + "}\n" }
	other := "sha256:" + strings.Repeat("2", 64)
	return map[string]values{
		ruleTrust: {base: "[" + a + "]", loose: []string{
			"[" + signer("a", "b@example.no", "i.example.no", both) + "]", "[" + signer("a", "'*@example.no'", "i.example.no", both) + "]",
			"[" + signer("a", "a@example.no", "j.example.no", both) + "]", "[" + signer("a", "a@example.no", "i.example.no", both+", vex") + "]",
		}, strict: []string{"[" + signer("b", "b@example.no", "i.example.no", both) + "]", "[" + signer("a", "a@example.no", "i.example.no", "signature") + "]"}},
		ruleSignatures:                {base: "[a, b]", with: trusting, loose: []string{"[a]", "[a, c]"}, strict: []string{"[b, a]", "[a, b, c]"}},
		ruleApprovals:                 {base: "[{by: [a, b], at-least: 2}]", with: trusting, loose: []string{"[{by: [a, b], at-least: 1}]", "[{by: [a, b, c], at-least: 2}]"}, strict: []string{"[{by: [a, b], at-least: 2}, {by: [c], at-least: 1}]"}},
		ruleProvenance + ".signed-by": {base: "[a, b]", with: trusting, loose: []string{"[a, c]", "[c]"}, strict: []string{"[a]"}},
		ruleProvenance + ".builders":  {base: "['https://github.com/actions/runner/*']", with: trusting + "provenance: {signed-by: [a]}\n", loose: []string{"['https://github.com/actions/**']", "['https://github.com/actions/runner/x', 'https://c.example.no/x']"}, strict: []string{"['https://github.com/actions/runner/github-hosted']"}},
		ruleProvenance + ".sources":   {base: "['github.com/acme/*']", with: trusting + "provenance: {signed-by: [a]}\n", loose: []string{"['github.com/**']", "['github.com/acme/*', 'github.com/evil/app']"}, strict: []string{"['github.com/acme/app']"}},
		ruleProvenance + ".refs":      {base: "['refs/tags/*']", with: trusting + "provenance: {signed-by: [a]}\n", loose: []string{"['refs/tags/*', 'refs/heads/main']"}, strict: []string{"['refs/tags/v*']"}},
		ruleBaseImage + ".allow":      {base: "['registry.example.no/base/*']", loose: []string{"['registry.example.no/**']", "['registry.example.no/base/*', 'docker.io/library/debian']"}, strict: []string{"['registry.example.no/base/debian']"}},
		ruleBaseImage + ".pin":        {base: "digest", with: "base-image: {allow: ['registry.example.no/base/*']}\n", loose: []string{"any"}, strict: []string{"digest"}},
		ruleBaseImage + ".max-age":    {base: "30d", with: "base-image: {allow: ['registry.example.no/base/*']}\n", loose: []string{"31d"}, strict: []string{"29d"}},
		decisionByKey.path:            {base: "[a, b]", with: decision("max-age: 7d"), loose: []string{"[c]", "[a, c]"}, strict: []string{"[a]"}},
		verifierKey.path:              {base: "x", with: decision("signed-by: [a], max-age: 7d"), loose: []string{"y", "X"}, strict: []string{"x"}},
		decisionMaxAgeKey.path:        {base: "7d", with: decision("signed-by: [a]"), loose: []string{"8d"}, strict: []string{"6d"}},
		decisionPolicyKey.path:        {base: keyA, with: decision("signed-by: [a], max-age: 7d"), loose: []string{other}, strict: []string{keyA}},
		decisionBaseKey.path:          {base: keyA, with: decision("signed-by: [a], max-age: 7d"), loose: []string{other}, strict: []string{keyA}},
		insteadKey.path:               {base: "false", with: decision("signed-by: [a], max-age: 7d"), loose: []string{"true"}, strict: []string{"false"}},
	}
}

// proof changes the proof of the good image.
func proof(change func(*evidence.Proof)) func(*evidence.Image) {
	return func(i *evidence.Image) { change(i.Proof) }
}

func signedAs(subject string, signers ...evidence.Signer) func(*evidence.Image) {
	return proof(func(p *evidence.Proof) {
		p.Signatures = []evidence.Signature{{Subject: subject, Signers: signers, From: "sha256:01"}}
	})
}

const digestC = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

func noRoot(p *evidence.Proof)     { p.Root = nil }
func noAttached(p *evidence.Proof) { p.Attached = false }
func noProof(i *evidence.Image)    { i.Proof = nil }
func unreadable(p *evidence.Proof) {
	p.Gaps = []evidence.Attachment{{From: "sha256:09", Reason: "it is cut off"}}
}
func signedByKey() evidence.Signer { return evidence.Signer{Key: exampleFingerprint()} }
func exampleFingerprint() string   { return keySigners()[0].Fingerprint }
func keySigners() []Signer         { return parsedKeys.Signers("") }

var parsedKeys = func() *Policy {
	p, err := Parse("keys", []byte("version: 1\n"+byKey+"signatures: {require: [k]}\n"))
	if err != nil {
		panic(err)
	}
	return p
}()

const byKey = "trust: [{name: k, key: \"-----BEGIN PUBLIC KEY-----\\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXEesvBy4U8wNWSp/R2u3JAtfrq/t\\nAUUmpyrC1eWmtgdBazh0qWsN8oOkYc4iKY3vmAw2VcOqp0cyqkFg3uJlEA==\\n-----END PUBLIC KEY-----\\n\", for: [signature, decision, approval]}]\n"

func TestSignatures(t *testing.T) {
	const p = trusting + "signatures: {require: [a, b]}"
	a, b := person("a@example.no"), person("b@example.no")
	k := byKey + "signatures: {require: [k]}"
	tried := func(i *evidence.Image) { i.Proof.Asked = []evidence.Signer{{Key: exampleFingerprint()}} }
	runRuleCases(t, map[string]ruleCase{
		"all, over the image": {p, signedAs(digestA, a, b), ruleSignatures, ResultPass, "a signed the image and b signed the image"},
		"all, over the index": {p, signedAs(digestB, a, b), ruleSignatures, ResultPass, "a signed its index"},
		"in two signatures": {p, proof(func(p *evidence.Proof) {
			p.Signatures = []evidence.Signature{{Subject: digestA, Signers: []evidence.Signer{a}}, {Subject: digestB, Signers: []evidence.Signer{b}}}
		}), ruleSignatures, ResultPass, ""},
		"one of two":                {p, signedAs(digestA, a), ruleSignatures, ResultFail, "not signed by b"},
		"by one alone":              {p, signedAs(digestA, a, a), ruleSignatures, ResultFail, "not signed by b"},
		"another image":             {p, signedAs(digestC, a, b), ruleSignatures, ResultFail, "not signed by a and b"},
		"another issuer":            {p, signedAs(digestA, a, evidence.Signer{Identity: "b@example.no", Issuer: "https://accounts.example.com"}), ruleSignatures, ResultFail, "b@example.no (https://accounts.example.com)"},
		"another person":            {p, signedAs(digestA, a, person("bb@example.no")), ruleSignatures, ResultFail, "b"},
		"a key with that name":      {p, signedAs(digestA, a, evidence.Signer{Key: "b@example.no"}), ruleSignatures, ResultFail, "b"},
		"a statement by both":       {p, both(signedAs(digestC), proof(func(p *evidence.Proof) { p.Statements[0].Signers = []evidence.Signer{a, b} })), ruleSignatures, ResultFail, "not signed by a and b"},
		"nobody":                    {p, signedAs(digestA), ruleSignatures, ResultFail, ""},
		"nobody, without a root":    {p, both(signedAs(digestA), proof(noRoot)), ruleSignatures, ResultUndecided, "without a trusted root"},
		"nobody, and a gap":         {p, both(signedAs(digestA), proof(unreadable)), ruleSignatures, ResultUndecided, "it is cut off"},
		"all, and a gap":            {p, both(signedAs(digestA, a, b), proof(unreadable)), ruleSignatures, ResultPass, ""},
		"not collected":             {p, noProof, ruleSignatures, ResultUndecided, "not looked for"},
		"only the base collected":   {p, proof(noAttached), ruleSignatures, ResultUndecided, "not looked for"},
		"by the key":                {k, both(tried, signedAs(digestA, signedByKey())), ruleSignatures, ResultPass, ""},
		"key without a root":        {k, both(tried, signedAs(digestA), proof(noRoot)), ruleSignatures, ResultFail, ""},
		"another key":               {k, both(tried, signedAs(digestA, evidence.Signer{Key: keyA})), ruleSignatures, ResultFail, "key 111111111111"},
		"no key":                    {k, both(tried, signedAs(digestA, evidence.Signer{}, person("a@example.no"))), ruleSignatures, ResultFail, ""},
		"key that was not compared": {k, signedAs(digestA, signedByKey()), ruleSignatures, ResultUndecided, "k (key"},
		"index, without an index":   {p, both(signedAs(digestB, a, b), func(i *evidence.Image) { i.IndexDigest, i.Reference.Digest = "", "" }), ruleSignatures, ResultFail, ""},
		"no digest, no subject":     {p, both(signedAs("", a, b), func(i *evidence.Image) { i.IndexDigest, i.Reference.Digest = "", "" }), ruleSignatures, ResultFail, ""},
		"a level is no evidence":    {p + "\nlevels: {signatures.require: warn}", noProof, ruleSignatures, ResultUndecided, ""},
		"a level":                   {p + "\nlevels: {signatures.require: warn}", signedAs(digestA, a), ruleSignatures, ResultWarn, ""},
		"a signer of another kind":  {strings.Replace(trusting, "for: [signature, ", "for: [", 1) + "signatures: {require: [b]}", signedAs(digestA, a), ruleSignatures, ResultFail, ""},
		"a workflow of the owner":   {trusting + "signatures: {require: [c]}", signedAs(digestA, workflow()), ruleSignatures, ResultPass, ""},
		"a workflow of another":     {trusting + "signatures: {require: [c]}", signedAs(digestA, evidence.Signer{Identity: "https://github.com/acme-evil/app/x@refs/heads/main", Issuer: github}), ruleSignatures, ResultFail, ""},
	})
}

// withProvenance gives the image one statement of provenance.
func withProvenance(change func(*evidence.Statement)) func(*evidence.Image) {
	return proof(func(p *evidence.Proof) { change(&p.Statements[0]) })
}

func TestProvenance(t *testing.T) {
	const p = trusting + `provenance: {signed-by: [c], builders: ["https://github.com/actions/runner/*"], sources: ["github.com/acme/*"], refs: ["refs/tags/v*"]}`
	says := func(change func(*evidence.Provenance)) func(*evidence.Image) {
		return withProvenance(func(s *evidence.Statement) { change(s.Provenance) })
	}
	embedded := func(s *evidence.Statement) { s.Embedded, s.Signers = true, nil }
	indexBy := func(s evidence.Signer) func(*evidence.Image) { return signedAs(digestB, s) }
	runRuleCases(t, map[string]ruleCase{
		"all right":                    {p, nil, ruleProvenance, ResultPass, "signed by c"},
		"about the index":              {p, withProvenance(func(s *evidence.Statement) { s.Subject = digestB }), ruleProvenance, ResultPass, ""},
		"about another image":          {p, withProvenance(func(s *evidence.Statement) { s.Subject = digestC }), ruleProvenance, ResultFail, "no provenance"},
		"another signer":               {p, withProvenance(func(s *evidence.Statement) { s.Signers = []evidence.Signer{person("a@example.no")} }), ruleProvenance, ResultFail, "not trusted for it"},
		"another builder":              {p, says(func(p *evidence.Provenance) { p.Builder = "https://evil.example/actions/runner/x" }), ruleProvenance, ResultFail, "builder"},
		"builder with a longer id":     {p, says(func(p *evidence.Provenance) { p.Builder += "/x" }), ruleProvenance, ResultFail, "builder"},
		"another source":               {p, says(func(p *evidence.Provenance) { p.Sources = []string{"github.com/acme-evil/app"} }), ruleProvenance, ResultFail, "source"},
		"one of two sources":           {p, says(func(p *evidence.Provenance) { p.Sources = append(p.Sources, "github.com/evil/app") }), ruleProvenance, ResultFail, "github.com/evil/app"},
		"another ref":                  {p, says(func(p *evidence.Provenance) { p.Refs = []string{"refs/heads/main"} }), ruleProvenance, ResultFail, "ref"},
		"no source":                    {p, says(func(p *evidence.Provenance) { p.Sources = nil }), ruleProvenance, ResultUndecided, "names no source"},
		"no ref":                       {p, says(func(p *evidence.Provenance) { p.Refs = []string{""} }), ruleProvenance, ResultUndecided, "names no ref"},
		"no builder":                   {p, says(func(p *evidence.Provenance) { p.Builder = "" }), ruleProvenance, ResultUndecided, "names no builder"},
		"predicate cannot be read":     {p, withProvenance(func(s *evidence.Statement) { s.Provenance, s.Problem = nil, "it is odd" }), ruleProvenance, ResultUndecided, "it is odd"},
		"another statement":            {p, withProvenance(func(s *evidence.Statement) { s.Provenance, s.PredicateType = nil, "https://spdx.dev/Document" }), ruleProvenance, ResultFail, "no provenance"},
		"only a signature":             {p, proof(func(p *evidence.Proof) { p.Statements = nil }), ruleProvenance, ResultFail, "no provenance"},
		"in an unsigned index":         {p, both(withProvenance(embedded), signedAs(digestA)), ruleProvenance, ResultFail, "a claim of whoever pushed the image"},
		"in an index of the signer":    {p, both(withProvenance(embedded), indexBy(workflow())), ruleProvenance, ResultPass, ""},
		"in an index of another":       {p, both(withProvenance(embedded), indexBy(person("a@example.no"))), ruleProvenance, ResultFail, "claim"},
		"embedded, image signed":       {p, both(withProvenance(embedded), signedAs(digestA, workflow())), ruleProvenance, ResultFail, "claim"},
		"embedded with forged signers": {p, both(withProvenance(func(s *evidence.Statement) { s.Embedded = true }), signedAs(digestA)), ruleProvenance, ResultFail, "claim"},
		"good beside a bad one": {p, proof(func(p *evidence.Proof) {
			bad := p.Statements[0]
			bad.Provenance = &evidence.Provenance{Builder: "x"}
			p.Statements = append([]evidence.Statement{bad}, p.Statements...)
		}), ruleProvenance, ResultPass, ""},
		"gap":             {p, proof(func(p *evidence.Proof) { p.Statements = nil; unreadable(p) }), ruleProvenance, ResultUndecided, "could not be read"},
		"without a root":  {p, proof(func(p *evidence.Proof) { p.Statements = nil; noRoot(p) }), ruleProvenance, ResultUndecided, "trusted root"},
		"not collected":   {p, noProof, ruleProvenance, ResultUndecided, "not looked for"},
		"only the signer": {trusting + "provenance: {signed-by: [c]}", says(func(p *evidence.Provenance) { *p = evidence.Provenance{} }), ruleProvenance, ResultPass, ""},
	})
}

func withApprovals(digest string, all ...evidence.Signer) func(*evidence.Image) {
	return proof(func(p *evidence.Proof) {
		for _, s := range all {
			p.Statements = append(p.Statements, evidence.Statement{
				Subject: digestA, PredicateType: ApprovalType, Signers: []evidence.Signer{s}, From: "sha256:05", Approval: &evidence.Approval{Policy: digest},
			})
		}
	})
}

// Two people must approve the image under the policy, and one person cannot be two.
func TestApprovals(t *testing.T) {
	const p = trusting + `approvals: [{by: [a, b, c], at-least: 2}]`
	digest := mustParse(t, "version: 1\n"+p+"\n").Digest()
	a, b := person("a@example.no"), person("b@example.no")
	one := func(change func(*evidence.Statement)) func(*evidence.Image) {
		return both(withApprovals(digest, a, b), proof(func(p *evidence.Proof) { change(&p.Statements[2]) }))
	}
	two := strings.Replace(trusting, "trust: [", `trust: [{name: d, identity: "*@example.no", issuer: "https://other.example.no", for: [approval]}, {name: e, identity: "*@example.no", issuer: "https://login.example.no", for: [approval]}, `, 1) + "approvals: [{by: [a, d, e], at-least: 2}]"
	twoDigest := mustParse(t, "version: 1\n"+two+"\n").Digest()
	runRuleCases(t, map[string]ruleCase{
		"two people":                {p, withApprovals(digest, a, b), ruleApprovals, ResultPass, "2 of 2"},
		"one person":                {p, withApprovals(digest, a), ruleApprovals, ResultFail, "1 of 2"},
		"one person twice":          {p, withApprovals(digest, a, a), ruleApprovals, ResultFail, "1 of 2"},
		"one statement, twice":      {p, one(func(s *evidence.Statement) { s.Signers = []evidence.Signer{a, a} }), ruleApprovals, ResultFail, "1 of 2"},
		"one statement of both":     {p, both(withApprovals(digest, a), proof(func(p *evidence.Proof) { p.Statements[1].Signers = []evidence.Signer{a, b} })), ruleApprovals, ResultPass, ""},
		"under two names":           {two, withApprovals(twoDigest, a), ruleApprovals, ResultFail, "1 of 2"},
		"by two issuers":            {two, withApprovals(twoDigest, a, evidence.Signer{Identity: "A@example.no", Issuer: "https://other.example.no"}), ruleApprovals, ResultFail, "1 of 2"},
		"two of a glob":             {two, withApprovals(twoDigest, a, person("f@example.no")), ruleApprovals, ResultPass, ""},
		"by others":                 {p, withApprovals(digest, a, person("x@example.no")), ruleApprovals, ResultFail, ""},
		"under another policy":      {p, withApprovals(digestC, a, b), ruleApprovals, ResultFail, "under policy " + digestC[:12]},
		"of another image":          {p, one(func(s *evidence.Statement) { s.Subject = digestC }), ruleApprovals, ResultFail, "another image"},
		"not signed":                {p, one(func(s *evidence.Statement) { s.Signers = nil }), ruleApprovals, ResultFail, ""},
		"in the index":              {p, one(func(s *evidence.Statement) { s.Embedded = true }), ruleApprovals, ResultFail, ""},
		"cannot be read":            {p, one(func(s *evidence.Statement) { s.Approval, s.Problem = nil, "it is odd" }), ruleApprovals, ResultFail, "it is odd"},
		"a statement of other type": {p, one(func(s *evidence.Statement) { s.PredicateType = ProvenanceV1 }), ruleApprovals, ResultFail, ""},
		"a gap":                     {p, both(withApprovals(digest, a), proof(unreadable)), ruleApprovals, ResultUndecided, "it is cut off"},
		"not collected":             {p, noProof, ruleApprovals, ResultUndecided, "not looked for"},
	})
}

func withBase(change func(*evidence.BaseCandidate)) func(*evidence.Image) {
	return proof(func(p *evidence.Proof) { change(&p.Base.Candidates[0]) })
}

func TestBaseImage(t *testing.T) {
	const p = `base-image: {allow: ["registry.example.no/base/*"], pin: digest, max-age: 30d}`
	other := func(c *evidence.BaseCandidate) { c.Name = "docker.io/library/debian" }
	not := func(problem string) func(*evidence.BaseCandidate) {
		return func(c *evidence.BaseCandidate) { c.Proven, c.Problem, c.Layers = false, problem, 0 }
	}
	older := evidence.BaseCandidate{Name: "registry.example.no/base/scratch", Digest: digestB, Resolved: digestB, Proven: true, Layers: 5, Created: ptr(noon().AddDate(-1, 0, 0))}
	runRuleCases(t, map[string]ruleCase{
		"proven":                     {p, nil, ruleBaseImage, ResultPass, "registry.example.no/base/debian:12"},
		"not proven":                 {p, withBase(not("its layers are not those of the image")), ruleBaseImage, ResultUndecided, "its layers are not"},
		"proven, with a problem":     {p, withBase(func(c *evidence.BaseCandidate) { c.Problem = "x" }), ruleBaseImage, ResultUndecided, ""},
		"proven, without a digest":   {p, withBase(func(c *evidence.BaseCandidate) { c.Resolved = "" }), ruleBaseImage, ResultUndecided, ""},
		"forged label":               {p, both(withBase(not("its layers differ")), proof(func(p *evidence.Proof) { p.Base.Candidates[0].NamedBy = []string{"label x"} })), ruleBaseImage, ResultUndecided, "label x"},
		"not allowed":                {p, withBase(other), ruleBaseImage, ResultFail, "not allowed"},
		"names none that is allowed": {p, both(withBase(other), withBase(not("it is not fetched"))), ruleBaseImage, ResultFail, "docker.io/library/debian"},
		"names nothing":              {p, proof(func(p *evidence.Proof) { p.Base.Candidates = nil }), ruleBaseImage, ResultUndecided, "nothing names"},
		"at the limit of age":        {p, withBase(func(c *evidence.BaseCandidate) { c.Created = ptr(noon().AddDate(0, 0, -30)) }), ruleBaseImage, ResultPass, "2026-05-16"},
		"too old":                    {p, withBase(func(c *evidence.BaseCandidate) { c.Created = ptr(noon().AddDate(0, 0, -31)) }), ruleBaseImage, ResultFail, "31 days"},
		"no date":                    {p, withBase(func(c *evidence.BaseCandidate) { c.Created = nil }), ruleBaseImage, ResultUndecided, "does not say when"},
		"no real date":               {p, withBase(func(c *evidence.BaseCandidate) { c.Created = ptr(time.Unix(0, 0)) }), ruleBaseImage, ResultUndecided, ""},
		"date in the future":         {p, withBase(func(c *evidence.BaseCandidate) { c.Created = ptr(noon().AddDate(0, 0, 2)) }), ruleBaseImage, ResultUndecided, "future"},
		"named by a tag":             {p, withBase(func(c *evidence.BaseCandidate) { c.Digest = "" }), ruleBaseImage, ResultFail, "without a digest"},
		"the nearest counts": {p, proof(func(p *evidence.Proof) {
			p.Base.Candidates = append([]evidence.BaseCandidate{older}, p.Base.Candidates...)
		}), ruleBaseImage, ResultPass, ""},
		"the nearest is too old": {p, proof(func(p *evidence.Proof) {
			near := older
			near.Layers = 0
			p.Base.Candidates = append(p.Base.Candidates, near)
		}), ruleBaseImage, ResultFail, "365 days"},
		"recompressed, read":     {p, withBase(func(c *evidence.BaseCandidate) { c.Recompressed = true }), ruleBaseImage, ResultPass, ""},
		"recompressed, not read": {p, both(withBase(func(c *evidence.BaseCandidate) { c.Recompressed = true }), func(i *evidence.Image) { i.Scan = nil }), ruleBaseImage, ResultUndecided, "compressed otherwise"},
		"not collected":          {p, noProof, ruleBaseImage, ResultUndecided, "not looked for"},
		"not looked for":         {p, proof(func(p *evidence.Proof) { p.Base = nil }), ruleBaseImage, ResultUndecided, "not looked for"},
		"no age asked":           {`base-image: {allow: ["registry.example.no/base/*"], pin: any}`, withBase(func(c *evidence.BaseCandidate) { c.Digest, c.Created = "", nil }), ruleBaseImage, ResultPass, ""},
	})
}

// A policy that only says whose decisions count judges no image by itself.
func TestDecisionsAloneAreNoCheck(t *testing.T) {
	only := trusting + `decision: {signed-by: [a], verifier-id: x, max-age: 7d, policy: "` + keyA + `", base-policy: "` + keyA + `", instead-of-scan: true}`
	runRuleCases(t, map[string]ruleCase{
		"alone":   {only, nil, ruleDecision, ResultUndecided, "signed decisions alone"},
		"beside":  {only + "\nvulnerabilities: {max: {critical: 0}}", nil, ruleDecision, ResultOff, "imagegate verify"},
		"no rule": {"vulnerabilities: {max: {critical: 0}}", nil, ruleDecision, ResultOff, "does not ask"},
	})
}

// The trust section takes public keys and named owners, and nothing else.
func TestTrustRefuses(t *testing.T) {
	pem := exampleKey
	quote := func(s string) string { return "\"" + strings.ReplaceAll(s, "\n", "\\n") + "\"" }
	signer := func(more string) string {
		return "version: 1\nsecrets: {max: 0}\ntrust: [{name: a, for: [signature], " + more + "}]\n"
	}
	identity := func(s string) string { return signer("identity: \"" + s + "\", issuer: \"https://i.example.no\"") }
	for src, want := range map[string]string{
		signer("key: " + quote(strings.ReplaceAll(pem, "PUBLIC", "PRIVATE"))):                                           "is a private key",
		signer("key: " + quote("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAA==\n")):                               "is a private key",
		signer("key: " + quote(pem+strings.ReplaceAll(pem, "PUBLIC", "PRIVATE"))):                                       "is a private key",
		signer("key: awskms://alias/gate"):                                                                              "names no key service",
		signer("key: evil://x"):                                                                                         "names no key service",
		signer("key: cosign.pub"):                                                                                       "no public key",
		signer("key: " + quote(pem+pem)):                                                                                "behind the first key",
		signer("key: " + quote("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")):                         "no public key",
		signer("key: " + quote("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")):                       "is a certificate",
		signer("key: " + quote(strings.Repeat("x", 5000))):                                                              "no public key",
		signer("key: " + quote(pem) + ", identity: a@example.no, issuer: \"https://i.example.no\""):                     "a key and an identity",
		signer("identity: a@example.no"):                                                                                "no issuer",
		signer("issuer: \"https://i.example.no\""):                                                                      "no identity",
		"version: 1\nsecrets: {max: 0}\ntrust: [{name: a, for: [signature]}]\n":                                         "neither a key nor an identity",
		"version: 1\nsecrets: {max: 0}\ntrust: [{name: a, identity: a@example.no, issuer: \"https://i.example.no\"}]\n": "has no \"for\"",
		"version: 1\nsecrets: {max: 0}\ntrust: []\n":                                                                    "empty list",
		"version: 1\nsecrets: {max: 0}\ntrust: {name: a}\n":                                                             "a mapping",
		signer("identity: a@example.no, issuer: \"http://i.example.no\""):                                               "issuer",
		signer("identity: a@example.no, issuer: \"https://*.example.no\""):                                              "issuer",
		signer("identity: a@example.no, issuer: i.example.no"):                                                          "issuer",
		signer("key: " + quote(pem) + ", fro: [signature]"):                                                             "unknown key",
		identity("*"): "neither a URI", identity("**"): "neither a URI", identity("https://**"): "does not name its owner", identity("https://github.com/**"): "leaves open who its owner is",
		identity("https://github.com/*/app/x"): "leaves open who", identity("https://*/acme/app"): "leaves open who", identity("https://github.com/acme*/app"): "leaves open who",
		identity("*://github.com/acme/x"): "does not name its owner", identity("https://github.com/{acme,evil}/x"): "leaves open who", identity("https://github.com/[a-z]cme/x"): "leaves open who",
		identity("*@*"): "domain", identity("a@*.example.no"): "domain", identity("a@example.no@x"): "domain", identity("a@"): "domain", identity("[a"): "no valid glob",
		strings.Replace(identity("a@example.no"), "}]", "}, {name: a, key: "+quote(pem)+", for: [vex]}]", 1):       "like signer 1",
		identity("a@example.no") + "signatures: {require: [b]}\n":                                                  "does not list",
		identity("a@example.no") + "provenance: {signed-by: [a]}\n":                                                "trusted for signature only",
		identity("a@example.no") + "approvals: [{by: [a], at-least: 1}]\n":                                         "trusted for signature only",
		identity("a@example.no") + "decision: {signed-by: [a], max-age: 7d}\n":                                     "trusted for signature only",
		"version: 1\nsignatures: {require: [b]}\n":                                                                 "trusts no signer",
		"version: 1\n" + trusting + "approvals: [{by: [a], at-least: 2}]\n":                                        "asks for 2 people, and a can be 1",
		"version: 1\n" + trusting + "approvals: [{by: [a]}]\n":                                                     "at-least",
		"version: 1\n" + trusting + "approvals: [{at-least: 1}]\n":                                                 "has no \"by\"",
		"version: 1\n" + trusting + "approvals: []\n":                                                              "empty list",
		"version: 1\n" + trusting + "provenance: {builders: [\"https://b.example.no/*\"]}\n":                       "no signed-by",
		"version: 1\n" + trusting + "provenance: {signed-by: [a], builders: [\"**\"]}\n":                           "every builder",
		"version: 1\n" + trusting + "provenance: {signed-by: [a], sources: [\"https://github.com/acme/app\"]}\n":   "is a URL",
		"version: 1\n" + trusting + "provenance: {signed-by: [a], sources: [\"*/acme/app\"]}\n":                    "leaves open the host",
		"version: 1\n" + trusting + "provenance: {signed-by: [a], sources: [acme]}\n":                              "leaves open the host",
		"version: 1\n" + trusting + "provenance: {signed-by: [a], refs: [main]}\n":                                 "no full ref",
		"version: 1\nbase-image: {max-age: 30d}\n":                                                                 "no allow",
		"version: 1\nbase-image: {allow: [\"**\"]}\n":                                                              "allows every registry",
		"version: 1\n" + trusting + "decision: {signed-by: [a]}\n":                                                 "no max-age",
		"version: 1\n" + trusting + "decision: {max-age: 7d}\n":                                                    "no signed-by",
		"version: 1\n" + trusting + "decision: {signed-by: [a], max-age: 7d, policy: x}\n":                         "decision.policy",
		"version: 1\nsecrets: {max: 0}\noverrides: [{images: [r.no/a], trust: [{name: a, key: x, for: [vex]}]}]\n": "unknown key \"trust\"",
		"version: 1\n" + trusting: "asks nothing",
	} {
		if _, err := Parse("p", alone(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v, want %q", src, err, want)
		}
	}
}

// Identities are matched whole.
func TestIdentityGlobs(t *testing.T) {
	for glob, all := range map[string]map[string]bool{
		"https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*": {
			"https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1":   true,
			"https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1/x": false,
			"https://github.com/acme/app/.github/workflows/release.yml@refs/heads/x":   false,
			"xhttps://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1":  false,
			"https://github.com/acme/app/.github/workflows/release.yml@refs/tags/":     true, // no ref is empty
		},
		"https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main": {
			"https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main": true,
			"https://gitlab.com/acme/app/.gitlab-ci.yml@refs/heads/main":  false,
		},
		"https://gitlab.com/acme/**": {"https://gitlab.com/acme/group/app//.gitlab-ci.yml@refs/heads/main": true, "https://gitlab.com/acme2/app": false},
		"*@example.no":               {"a@example.no": true, "a@example.no.evil": false, "a@evil/@example.no": false},
		"spiffe://example.no/ns/ci":  {"spiffe://example.no/ns/ci": true, "spiffe://example.no/ns/ci2": false},
	} {
		for identity, want := range all {
			if got := matchIdentity(glob, identity); got != want {
				t.Errorf("%q matches %q: %v", glob, identity, got)
			}
		}
	}
}

// What is collected is what the policy asks for, at any time.
func TestProofNeeds(t *testing.T) {
	ref := goodImage().Reference
	asked := func(src string, names ...string) []evidence.AskedSigner {
		p := mustParse(t, "version: 1\n"+src+"secrets: {max: 0}\n")
		var out []evidence.AskedSigner
		for _, s := range p.Signers("") {
			if slices.Contains(names, s.Name) {
				out = append(out, evidence.AskedSigner{Key: s.Key, Fingerprint: s.Fingerprint, Identity: s.Identity, Issuer: s.Issuer})
			}
		}
		return out
	}
	all, key := asked(trusting, "a", "b", "c"), asked(byKey, "k")
	for src, want := range map[string]evidence.ProofNeed{
		"secrets: {max: 0}":                           {},
		byKey + "secrets: {max: 0}":                   {},
		byKey + "signatures: {require: [k]}":          {Attached: true, Signers: key},
		byKey + "approvals: [{by: [k], at-least: 1}]": {Attached: true, Signers: key},
		byKey + "signatures: {require: [k]}\nlevels: {signatures.require: off}\nsecrets: {max: 0}":                                  {},
		trusting + "provenance: {signed-by: [a]}":                                                                                   {Attached: true, Signers: all},
		trusting + "secrets: {max: 0}\noverrides: [{images: ['registry.example.no/shop/*'], signatures: {require: [a]}}]":           {Attached: true, Signers: all},
		trusting + "secrets: {max: 0}\noverrides: [{images: ['registry.example.no/other/*'], signatures: {require: [a]}}]":          {},
		trusting + "secrets: {max: 0}\nsignatures: {require: {value: [a], from: 2099-01-01}}":                                       {Attached: true, Signers: all},
		byKey + "signatures: {require: [k]}\nlevels: {signatures.require: off}\nsecrets: {max: 0}\npromote: {require: [signature]}": {Attached: true, Signers: key},
		"base-image: {allow: ['r.no/b/*']}":                                  {Attached: true, Base: true, Bases: []string{"r.no/b/*"}},
		byKey + "secrets: {max: 0}\ndecision: {signed-by: [k], max-age: 7d}": {},
	} {
		got := mustParse(t, "version: 1\n"+src+"\n").ProofNeedFor(ref)
		if got.Attached != want.Attached || got.Base != want.Base || !slices.Equal(got.Signers, want.Signers) || !slices.Equal(got.Bases, want.Bases) {
			t.Errorf("%s\nneeds %+v, want %+v", src, got, want)
		}
	}
}

// A decision that passed answers for the layers, and for nothing else. Anything but
// such a decision lets nothing pass.
func TestDecisionInsteadOfLayers(t *testing.T) {
	const full = "vulnerabilities: {max: {critical: 0}}\nsecrets: {max: 0}\nconfig: {user: non-root, max-size: 100MB}\npackages: {deny: [telnet]}\n"
	passed := RuleResult{Result: ResultPass, Message: "gate decided"}
	bare := func(change func(*evidence.Image)) *evidence.Image {
		img := goodImage()
		img.Scan = nil
		if change != nil {
			change(img)
		}
		return img
	}
	for name, c := range map[string]struct {
		policy   string
		change   func(*evidence.Image)
		decision RuleResult
		want     Decision
	}{
		"passed":                    {full, nil, passed, Passed},
		"nothing else asked":        {trusting + "decision: {signed-by: [a], max-age: 7d}", nil, passed, Passed},
		"no decision":               {full, nil, RuleResult{}, Undecided},
		"failed":                    {full, nil, RuleResult{Result: ResultFail}, Denied},
		"off is no pass":            {"vulnerabilities: {max: {critical: 0}}\n", nil, RuleResult{Result: ResultOff}, Undecided},
		"a rule about the config":   {full, func(i *evidence.Image) { i.Config.Size = 200e6 }, passed, Denied},
		"a rule about signatures":   {full + trusting + "signatures: {require: [a]}", noProof, passed, Undecided},
		"signed":                    {full + trusting + "signatures: {require: [a]}", nil, passed, Passed},
		"no config":                 {full, func(i *evidence.Image) { i.Config = nil }, passed, Undecided},
		"findings of an older scan": {full, func(i *evidence.Image) { i.Scan = goodImage().Scan; with(finding("CVE-2026-0001", "critical"))(i) }, passed, Passed},
		"a value from a later day":  {full + "levels: {packages.deny: {value: warn, from: 2099-01-01}}", nil, passed, Passed},
	} {
		v := mustParse(t, "version: 1\n"+c.policy+"\n").EvaluateByDecision(bare(c.change), noon(), c.decision)
		if v.Decision != c.want {
			t.Errorf("%s: %s, want %s\n%s", name, v.Decision, c.want, render(v))
		}
		if r := result(t, v, ruleDecision); r.Result != c.decision.Result {
			t.Errorf("%s: the rule says %s", name, r.Result)
		}
	}
	// The built-in policy asks nothing that only a scan could answer then.
	if v := Default().EvaluateByDecision(bare(nil), noon(), passed); v.Decision != Passed {
		t.Errorf("the built-in policy: %s\n%s", v.Decision, render(v))
	}
	var none *Policy
	if v := none.EvaluateByDecision(goodImage(), noon(), passed); v.Decision != Undecided {
		t.Errorf("no policy: %s", v.Decision)
	}
}

// Only a base that the caller demands can let a decision take the place of a scan,
// and say whose decisions count.
func TestWhoMayAskForDecisions(t *testing.T) {
	const instead = "decision: {signed-by: [a], max-age: 7d, instead-of-scan: true}\n"
	based := mustParseOn(t, trusting+instead, "config: {user: numeric}\n")
	own := mustParse(t, "version: 1\n"+trusting+instead)
	hash := based.Parts()[1].SHA256
	for name, c := range map[string]struct {
		policy *Policy
		base   string
		want   bool
	}{
		"the base that is demanded":    {based, hash, true},
		"a base that nobody demands":   {based, "", false},
		"another base is demanded":     {based, based.Parts()[0].SHA256, false},
		"the file itself":              {own, "", false},
		"the file, as what is asked":   {own, own.Parts()[0].SHA256, true},
		"the file above what is asked": {mustParseOn(t, "config: {user: numeric}\n", trusting+strings.Replace(instead, ", instead-of-scan: true", "", 1)), hash, false},
	} {
		if got := c.policy.RestsOnDecisions(c.base, noon()); got != c.want {
			t.Errorf("%s: rests on decisions: %v", name, got)
		}
		d, ok := c.policy.Decisions(noon())
		if got := d.SaidBelow(c.policy, c.base); !ok || got != c.want {
			t.Errorf("%s: said below: %v", name, got)
		}
	}
	if _, err := parseOn(trusting+"decision: {signed-by: [a], max-age: 7d}\n", "decision: {instead-of-scan: true}\n"); len(looser(err)) != 1 {
		t.Errorf("a file above a base asks for it: %v", err)
	}
	if _, ok := Default().Decisions(noon()); ok {
		t.Error("the built-in policy has decisions")
	}
}

// Signers that were joined with those of a base are listed by name.
func TestJoinedSignersAreListed(t *testing.T) {
	const own = "trust: [{name: own, identity: own@example.no, issuer: 'https://i.example.no', for: [vex]}]\n"
	p := mustParseOn(t, byKey+"signatures: {require: [k]}\n", own)
	for _, s := range p.Settings() {
		if s.Key == ruleTrust && (!strings.Contains(s.Value, "k (key ") || !strings.Contains(s.Value, "own (own@example.no, vouched for by https://i.example.no)")) {
			t.Errorf("trust is %s", s.Value)
		}
	}
	if got := p.Signers(ForVEX); len(got) != 1 || got[0].Name != "own" {
		t.Errorf("trusted for vex: %v", got)
	}
}

// A rule that finds no signature of an identity says how old the trusted root is.
func TestUnprovenNamesTheAgeOfTheRoot(t *testing.T) {
	newest, ended := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2025, 4, 2, 0, 0, 0, 0, time.UTC)
	proof := &evidence.Proof{Root: &evidence.TrustedRoot{Source: "root.json", Newest: &newest, Ended: &ended}}
	for _, c := range []struct {
		signer Signer
		want   bool
	}{{Signer{Identity: "a@example.no", Issuer: login}, true}, {Signer{Key: keyA}, false}} {
		a := unproven(proof, []Signer{c.signer}, "not signed")
		for _, text := range []string{"root.json", "2024-03-01", "2025-04-02"} {
			if strings.Contains(a.message, text) != c.want {
				t.Errorf("%+v: %q in %q, want %t", c.signer, text, a.message, c.want)
			}
		}
	}
}
