package policy

import (
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const ruleProvenance = "provenance"

var (
	provenanceByKey = signersKey(ruleProvenance+".signed-by", "Signers of whom one must have signed the provenance.", shorter(same))
	builtByKey      = globKey(ruleProvenance+".builders", "Builders that may have built the image. Globs on the whole id.", builderGlob, false, shorter(coveredURI))
	builtFromKey    = globKey(ruleProvenance+".sources", "Repositories that the image may be built from, such as github.com/acme/**. Globs.", sourceGlob, false, shorter(covered))
	builtAtKey      = globKey(ruleProvenance+".refs", "Git refs that the image may be built from, such as refs/tags/v*. Globs.", refGlob, false, shorter(covered))
)

func provenanceRule() *Rule {
	return &Rule{
		ID: ruleProvenance, Title: "A trusted signer says by which builder and from which source the image was built.",
		Why: "An image with the right name may be built anywhere, from anything. Provenance that a trusted builder signed says where it comes from.",
		How: "build with provenance and let the trusted signer sign it, for example with actions/attest-build-provenance",
		Settings: "signed-by (names of signers from trust, with for: [provenance]; one of them must have signed), builders, sources and refs (globs that must match the whole text; * stays within one part of the path, ** goes across). " +
			"SLSA provenance v0.2 and v1 are read, about the image or about its index. Sources are compared without scheme, .git and ref: github.com/acme/app. " +
			"All sources and refs that a statement names as the start of the build must match. Provenance that BuildKit writes into the index is not signed: it counts only if the signer has signed the index.",
		Default: "not asked", Levels: true,
		Example: "trust:\n  - {name: release, identity: \"https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*\", issuer: \"https://token.actions.githubusercontent.com\", for: [provenance]}\nprovenance: {signed-by: [release], sources: [\"github.com/acme/**\"], refs: [\"refs/tags/v*\"]}\n",
		keys:    []key{provenanceByKey, builtByKey, builtFromKey, builtAtKey}, check: checkProvenance,
	}
}

// coveredURI is [covered] for globs on URIs, whose two slashes it takes for an empty
// part of a path.
func coveredURI(later, earlier string) bool {
	l, restOfLater, _ := strings.Cut(later, "://")
	e, restOfEarlier, _ := strings.Cut(earlier, "://")
	return later == earlier || l == e && !strings.ContainsAny(l, wildcards) && covered(restOfLater, restOfEarlier)
}

func builderGlob(s string) (wrong, cure string) {
	if strings.Trim(s, "*/") == "" {
		return "allows every builder", "leave provenance.builders out, or name the builders"
	}
	return "", ""
}

func sourceGlob(s string) (wrong, cure string) {
	first, _, _ := strings.Cut(s, "/")
	switch {
	case strings.Contains(s, "://"), strings.HasPrefix(s, "git@"), strings.HasSuffix(s, ".git"), strings.Contains(s, "@"):
		return "is a URL", "write host and path without scheme, .git and ref: github.com/acme/app"
	case strings.ContainsAny(first, wildcards) || !strings.Contains(s, "/"):
		return "leaves open the host of the source", "write the host: github.com/acme/**"
	}
	return "", ""
}

func refGlob(s string) (wrong, cure string) {
	if !strings.HasPrefix(s, "refs/") {
		return "is no full ref", "write refs/heads/main, refs/tags/v*"
	}
	return "", ""
}

func checkProvenance(j *judge) answer {
	names := provenanceByKey.value(j.s)
	signers := j.s.signersOf(names, ForProvenance)
	proof, lack := j.attached(signers)
	if lack != nil {
		return *lack
	}
	a := j.provenance(proof, signers)
	a.allowed = "provenance signed by " + words.Or(names)
	for _, part := range []struct {
		what string
		key  *setting[[]string]
	}{{"built by", builtByKey}, {"from", builtFromKey}, {"at", builtAtKey}} {
		if globs := part.key.value(j.s); len(globs) > 0 {
			a.allowed += ", " + part.what + " " + words.Or(globs)
		}
	}
	return a
}

// provenance looks for one statement by a trusted signer that meets all that is
// asked.
func (j *judge) provenance(proof *evidence.Proof, signers []Signer) answer {
	var denied, unclear, claims []string
	for i := range proof.Statements {
		s := &proof.Statements[i]
		if s.Provenance == nil && !isProvenanceType(s.PredicateType) || !j.isSubject(s.Subject) {
			continue
		}
		signer := j.signerOf(proof, s, signers)
		switch {
		case signer == "" && s.Embedded:
			claims = append(claims, s.From+": it is not signed: a claim of whoever pushed the image")
			continue
		case signer == "":
			claims = append(claims, s.From+": signed by "+words.And(signerNamesOf(s.Signers))+", who is not trusted for it")
			continue
		case s.Provenance == nil:
			unclear = append(unclear, s.From+": the provenance cannot be read: "+s.Problem)
			continue
		}
		no, unknown := j.provenanceProblems(s.Provenance)
		switch {
		case len(no) > 0:
			denied = append(denied, s.From+": "+words.And(no))
		case len(unknown) > 0:
			unclear = append(unclear, s.From+": "+words.And(unknown))
		default:
			return passing("built by %s from %s, signed by %s", clip(s.Provenance.Builder), clip(words.And(s.Provenance.Sources)), signer)
		}
	}
	switch {
	case len(denied) > 0 && len(unclear) == 0:
		a := unproven(proof, nil, "the signed provenance is not what the policy allows")
		a.details = append(a.details, denied...)
		return a
	case len(unclear) > 0:
		a := undecided("the signed provenance does not say all that the policy asks")
		a.details = append(unclear, denied...)
		return a
	case len(claims) > 0:
		a := unproven(proof, signers, "no provenance by a trusted signer")
		a.details = append(a.details, claims...)
		return a
	}
	return unproven(proof, signers, "no provenance")
}

// signerOf names the trusted signer of a statement, "" for none. What is part of the
// index is signed by whoever signed the index.
func (j *judge) signerOf(proof *evidence.Proof, s *evidence.Statement, signers []Signer) string {
	if !s.Embedded {
		if by, _ := signedBy(signers, s.Signers); by != nil {
			return by.Name
		}
		return ""
	}
	for i := range proof.Signatures {
		signature := &proof.Signatures[i]
		if signature.Subject != j.img.IndexDigest || j.img.IndexDigest == "" {
			continue
		}
		if by, _ := signedBy(signers, signature.Signers); by != nil {
			return by.Name
		}
	}
	return ""
}

// provenanceProblems says what a statement names that the policy does not allow, and
// what it does not say.
func (j *judge) provenanceProblems(p *evidence.Provenance) (no, unknown []string) {
	check := func(key *setting[[]string], what string, have []string) {
		globs := key.value(j.s)
		if len(globs) == 0 {
			return
		}
		have = slices.DeleteFunc(slices.Clone(have), func(s string) bool { return s == "" })
		if len(have) == 0 {
			unknown = append(unknown, "it names no "+what)
		}
		for _, h := range have {
			if !matchesAny(globs, h, matchImage) {
				no = append(no, what+" "+clip(h)+" is not allowed")
			}
		}
	}
	check(builtByKey, "builder", []string{p.Builder})
	check(builtFromKey, "source", p.Sources)
	check(builtAtKey, "ref", p.Refs)
	return no, unknown
}

// The predicate types of provenance that are read.
const (
	ProvenanceV02 = "https://slsa.dev/provenance/v0.2"
	ProvenanceV1  = "https://slsa.dev/provenance/v1"
)

func isProvenanceType(t string) bool { return t == ProvenanceV02 || t == ProvenanceV1 }

func signerNamesOf(signers []evidence.Signer) []string {
	var out []string
	for _, s := range signers {
		out = append(out, signerText(s))
	}
	return out
}
