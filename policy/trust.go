package policy

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// The purposes that a signer can be trusted for.
const (
	ForDecision   = "decision"
	ForSignature  = "signature"
	ForProvenance = "provenance"
	ForApproval   = "approval"
	ForVEX        = "vex"
)

func purposes() []string {
	return []string{ForDecision, ForSignature, ForProvenance, ForApproval, ForVEX}
}

// Signer is one that the policy trusts. It has either a key, or an identity and
// the issuer that vouches for it.
type Signer struct {
	Name        string
	Key         string // public key, PEM
	Fingerprint string // of the key: SHA-256 of its DER form, sha256:HEX
	Identity    string // glob on the identity in a certificate
	Issuer      string // that vouches for the identity, exactly
	For         []string
	Position    Position
}

// Signers lists the signers that the policy trusts for a purpose, "" for any.
func (p *Policy) Signers(purpose string) []Signer {
	var out []Signer
	for _, s := range trustKey.value(&p.base) {
		if purpose == "" || slices.Contains(s.For, purpose) {
			out = append(out, s)
		}
	}
	return out
}

// Is reports whether a verified signer is this one.
func (s *Signer) Is(by *evidence.Signer) bool {
	if s.Key != "" {
		return by.Key != "" && by.Key == s.Fingerprint
	}
	return by.Identity != "" && by.Issuer == s.Issuer && matchIdentity(s.Identity, by.Identity)
}

// String says who the signer is.
func (s Signer) String() string {
	if s.Key != "" {
		return s.Name + " (key " + shortDigest(s.Fingerprint) + ")"
	}
	return s.Name + " (" + s.Identity + ", vouched for by " + s.Issuer + ")"
}

func shortDigest(digest string) string {
	hash := strings.TrimPrefix(digest, "sha256:")
	return hash[:min(len(hash), 12)]
}

// signersOf returns the signers with these names that are trusted for the purpose.
func (s *settings) signersOf(names []string, purpose string) []Signer {
	var out []Signer
	for _, signer := range trustKey.value(s) {
		if slices.Contains(names, signer.Name) && slices.Contains(signer.For, purpose) {
			out = append(out, signer)
		}
	}
	return out
}

// signedBy returns the first of the trusted signers that made one of the signatures.
func signedBy(trusted []Signer, signers []evidence.Signer) (*Signer, *evidence.Signer) {
	for i := range trusted {
		for k := range signers {
			if trusted[i].Is(&signers[k]) {
				return &trusted[i], &signers[k]
			}
		}
	}
	return nil, nil
}

var signerName = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)

func trustFields() []field[*Signer] {
	text := func(at func(*Signer) *string) func(*decoder, *yaml.Node, string, *Signer) {
		return func(d *decoder, n *yaml.Node, name string, s *Signer) { *at(s), _ = d.text(n, name) }
	}
	return []field[*Signer]{
		{
			key: "name", doc: "What rules call the signer.", required: true, cure: "give it a name that rules can use, such as name: release",
			schema: pattern(signerName.String()),
			decode: func(d *decoder, n *yaml.Node, name string, s *Signer) {
				v, ok := d.text(n, name)
				if ok && !signerName.MatchString(v) {
					d.fail(n, "write lower-case letters, digits and hyphens", "%s is %q", name, clip(v))
				}
				s.Name = v
			},
		},
		{key: "key", doc: "The public key, in PEM form.", schema: textSchema(), decode: decodeKey},
		{
			key: "identity", doc: "The identity in the certificate of a keyless signature: an e-mail address, or the URI of a workflow. A glob.",
			schema: textSchema(), decode: decodeIdentity,
		},
		{
			key: "issuer", doc: "The service that vouches for the identity.", schema: pattern("^https://"),
			decode: func(d *decoder, n *yaml.Node, name string, s *Signer) {
				text(func(s *Signer) *string { return &s.Issuer })(d, n, name, s)
				if u, err := url.Parse(s.Issuer); s.Issuer != "" && (err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(s.Issuer, "*? ")) {
					d.fail(n, "write it as in the certificate, such as https://token.actions.githubusercontent.com; it is compared exactly", "%s is %q", name, clip(s.Issuer))
				}
			},
		},
		{
			key: "for", doc: "What the signer is trusted for.", required: true, cure: "say what it may sign: for: [signature]",
			schema: listOf(enum(purposes()...)),
			decode: func(d *decoder, n *yaml.Node, name string, s *Signer) { s.For, _ = wordList(purposes())(d, n, name) },
		},
	}
}

// readSigners reads the trust section.
func readSigners(d *decoder, n *yaml.Node, name string) ([]Signer, bool) {
	mistakes := len(d.diags)
	if d.bad[n] {
		return nil, false
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		d.fail(n, `write a list with one "- name: ..." for each signer`, "%s is %s", name, emptyOr(n))
		return nil, false
	}
	var out []Signer
	for i, c := range n.Content {
		title := fmt.Sprintf("signer %d of %s", i+1, name)
		s := Signer{Position: d.pos(c)}
		seen := listed(d, c, title, trustFields(), &s)
		if len(d.diags) == mistakes {
			d.checkSigner(c, title, &s, seen)
		}
		if k := slices.IndexFunc(out, func(o Signer) bool { return o.Name == s.Name }); k >= 0 && s.Name != "" {
			d.at(c.Line, c.Column, "give each signer a name of its own", "%s is called %s like signer %d", title, s.Name, k+1)
		}
		out = append(out, s)
	}
	return out, len(d.diags) == mistakes
}

func (d *decoder) checkSigner(n *yaml.Node, title string, s *Signer, seen map[string]*yaml.Node) {
	const cure = "write key: with a public key, or identity: and issuer:"
	key, identity := seen["key"] != nil, seen["identity"] != nil || seen["issuer"] != nil
	switch {
	case key && identity:
		d.at(n.Line, n.Column, "write one signer for each", "%s has a key and an identity", title)
	case !key && !identity:
		d.at(n.Line, n.Column, cure, "%s has neither a key nor an identity", title)
	case identity && s.Identity == "":
		d.at(n.Line, n.Column, "add identity: who signs", "%s has an issuer and no identity", title)
	case identity && s.Issuer == "":
		d.at(n.Line, n.Column, "add issuer: the service that vouches for the identity; another one could give the same name to someone else", "%s has an identity and no issuer", title)
	}
}

// maxKeyText bounds the text of a public key: RSA keys of 16,384 bits have 2,800 bytes.
const maxKeyText = 4096

// decodeKey reads a public key. Files and key services are not read: the digest of
// the policy has to cover the key, and opening a key of a service can start a
// program.
func decodeKey(d *decoder, n *yaml.Node, name string, s *Signer) {
	text, ok := d.text(n, name)
	if !ok {
		return
	}
	const cure = "write the public key itself in PEM form, from -----BEGIN PUBLIC KEY----- to the END line, as a block after key: |"
	block, rest := pem.Decode([]byte(strings.TrimSpace(text)))
	switch {
	case strings.Contains(text, "PRIVATE KEY"):
		d.fail(n, "remove it and replace the key pair, because everyone who could read this file may have the private key; then write the public key", "%s is a private key", name)
		return
	case block == nil && strings.Contains(text, "://"):
		d.fail(n, cure, "%s is %q: a policy names no key service", name, clip(text))
		return
	case block == nil || len(text) > maxKeyText:
		d.fail(n, cure, "%s is %q, which is no public key", name, clip(text))
		return
	case len(strings.TrimSpace(string(rest))) > 0:
		d.fail(n, "write one signer for each key", "%s has text behind the first key", name)
		return
	case block.Type != "PUBLIC KEY":
		d.fail(n, cure, "%s is a %s", name, strings.ToLower(clip(block.Type)))
		return
	}
	der, err := soundKey(block.Bytes)
	if err != nil {
		d.fail(n, "write a key of ECDSA (P-256, P-384 or P-521), Ed25519, or RSA with 2048 bits or more", "%s cannot be used: %v", name, err)
		return
	}
	sum := sha256.Sum256(der)
	s.Key, s.Fingerprint = string(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der})), "sha256:"+hex.EncodeToString(sum[:])
}

// soundKey returns the one DER form of a public key: by its hash keys are told apart.
func soundKey(der []byte) ([]byte, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("its bytes are no public key")
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if bits := k.Params().BitSize; bits < 256 {
			return nil, fmt.Errorf("its curve has %d bits", bits)
		}
	case ed25519.PublicKey:
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < 2048 || bits > 16384 {
			return nil, fmt.Errorf("it is an RSA key of %d bits", bits)
		}
	default:
		return nil, errors.New("it is of another kind")
	}
	return x509.MarshalPKIXPublicKey(key)
}

// decodeIdentity reads a glob on identities. A glob that leaves open who the owner
// is would trust everyone who has an account at the issuer.
func decodeIdentity(d *decoder, n *yaml.Node, name string, s *Signer) {
	glob, ok := d.text(n, name)
	if !ok {
		return
	}
	wrong, cure := soundGlob(glob)
	if wrong == "" {
		wrong, cure = identityGlob(glob)
	}
	if wrong != "" {
		d.fail(n, cure, "%s is %q, which %s", name, clip(glob), wrong)
		return
	}
	s.Identity = glob
}

const wildcards = "*?[{\\"

func identityGlob(glob string) (wrong, cure string) {
	if scheme, rest, ok := strings.Cut(glob, "://"); ok {
		parts := strings.SplitN(rest, "/", 3)
		owner := strings.Join(parts[:min(len(parts), 2)], "/")
		switch {
		case strings.ContainsAny(scheme, wildcards) || len(parts) < 2 || parts[0] == "" || parts[1] == "":
			return "does not name its owner", "write the URI with host and owner: https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*"
		case strings.ContainsAny(owner, wildcards):
			return "leaves open who its owner is, so it would trust everyone who has an account there", "write host and owner without wildcards: https://github.com/acme/**"
		}
		return "", ""
	}
	_, domain, ok := strings.Cut(glob, "@")
	switch {
	case !ok:
		return "is neither a URI nor an e-mail address", "write the identity as in the certificate: https://..., or name@example.no"
	case domain == "" || strings.ContainsAny(domain, wildcards+"@"):
		return "leaves open the domain of the e-mail address", "write the domain without wildcards: \"*@example.no\""
	}
	return "", ""
}

// matchIdentity matches the whole identity: * stays within one part of a path, **
// goes across.
func matchIdentity(glob, identity string) bool { return matchImage(glob, identity) }

// keepsSigners is the order of the trust section: what the base defines stays as it
// is, and its signers are trusted for nothing more.
func keepsSigners(child, base []Signer) bool {
	for _, b := range base {
		i := slices.IndexFunc(child, func(c Signer) bool { return c.Name == b.Name })
		if i < 0 || child[i].Fingerprint != b.Fingerprint || child[i].Identity != b.Identity || child[i].Issuer != b.Issuer {
			return false
		}
		if slices.ContainsFunc(child[i].For, func(purpose string) bool { return !slices.Contains(b.For, purpose) }) {
			return false
		}
	}
	return true
}

// joinSigners adds signers to those of the base. One with the name of another takes
// its place.
func joinSigners(base, by option[[]Signer]) option[[]Signer] {
	var all []Signer
	for _, b := range base.value {
		if !slices.ContainsFunc(by.value, func(s Signer) bool { return s.Name == b.Name }) {
			all = append(all, b)
		}
	}
	return option[[]Signer]{value: append(all, by.value...), pos: by.pos, set: true}
}

// checkSigners reports rules that name a signer which is not there, or which is
// not trusted for what they ask.
func (d *decoder) checkSigners(p *Policy, pos Position, key string, names []string, purpose string) {
	trusted := trustKey.value(&p.base)
	var known []string
	for _, s := range trusted {
		known = append(known, s.Name)
	}
	for _, name := range names {
		i := slices.Index(known, name)
		switch {
		case len(known) == 0:
			d.failPos(pos, "add trust: [{name: "+name+", key: ..., for: ["+purpose+"]}]", "%s names the signer %s, and the policy trusts no signer", key, clip(name))
		case i < 0:
			d.failPos(pos, words.DidYouMean(name, known), "%s names the signer %s, which trust does not list", key, clip(name))
		case !slices.Contains(trusted[i].For, purpose):
			d.failPos(pos, fmt.Sprintf("add %s to for of signer %s at %s, or name another signer", purpose, name, trusted[i].Position),
				"%s names the signer %s, which is trusted for %s only", key, name, words.And(trusted[i].For))
		}
	}
}

// signerNames reads a list of names of signers.
func signerNames(d *decoder, n *yaml.Node, name string) ([]string, bool) {
	return listOfForm(d, n, name, false, signerName, "write the name of a signer of the trust section", "")
}

func signerNamesSchema() object { return listOf(pattern(signerName.String())) }
