package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/words"
)

// Base is a policy that another one builds on, as that one names it: by a file or
// by an artifact in a registry, and by the hash of its bytes.
type Base struct {
	File   string // path, relative to the file that names it
	OCI    string // repository of the artifact
	SHA256 string // of the policy file, 64 hexadecimal digits
	Digest string // of the artifact, sha256:...
	// VEX is what is asked about a VEX document; nil for a policy.
	VEX *VEXRequest
}

// String names the base as the policy does.
func (b Base) String() string {
	if b.OCI != "" {
		return "oci://" + b.OCI + "@" + b.Digest
	}
	return b.File
}

// Loader reads the bytes of a base or of a VEX document. from is the policy file that names it, and
// name is what messages and reports call it.
type Loader func(from string, b Base) (name string, src []byte, err error)

// builtInVersion counts the versions of the built-in policy.
const builtInVersion = "1"

// maxBases bounds how many policies build on each other.
const maxBases = 4

const (
	extendsDefault = "default"
	extendsNone    = "none"
)

// extension is what a policy file says about the policy that it builds on.
type extension struct {
	word string // default or none, "" for a pinned base
	base Base
	pos  Position
}

// Part is one policy of those that apply together.
type Part struct {
	Name   string // file, artifact, or "built-in default"
	SHA256 string // of its bytes, hex
	// Pinned is true when the policy after it names it by its hash. A policy above
	// a pinned one can only tighten.
	Pinned bool
}

// Parts lists the policies that apply together, the one at the bottom first. The
// last is the policy that was parsed.
func (p *Policy) Parts() []Part { return slices.Clone(p.parts) }

// Digest returns the hash over all that applies, sha256:...: the bytes of every
// part, from the bottom to the top.
func (p *Policy) Digest() string {
	h := sha256.New()
	for _, part := range p.parts {
		fmt.Fprintf(h, "%s\n", part.SHA256)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

var (
	hexForm      = regexp.MustCompile(`^[0-9a-f]{64}$`)
	artifactForm = regexp.MustCompile(`^[a-z0-9][a-zA-Z0-9.:_-]*(/[a-z0-9][a-z0-9._-]*)+$`)
)

func extendsSchema() object {
	text := textSchema()
	return object{"oneOf": []any{
		enum(extendsDefault, extendsNone),
		object{"type": "object", "additionalProperties": false, "required": []string{"file", "sha256"}, "properties": object{"file": text, "sha256": pattern(hexForm.String())}},
		object{"type": "object", "additionalProperties": false, "required": []string{"oci", "digest"}, "properties": object{"oci": text, "digest": pattern(digestForm.String())}},
	}}
}

func decodeExtends(d *decoder, n *yaml.Node, name string, p *Policy) {
	p.extends.pos = d.pos(n)
	if n.Kind == yaml.ScalarNode {
		p.extends.word, _ = d.choice(n, name, []string{extendsDefault, extendsNone})
		return
	}
	text := func(key string, at func(*Base) *string) field[*Base] {
		return field[*Base]{key: key, decode: func(d *decoder, n *yaml.Node, name string, b *Base) { *at(b), _ = d.text(n, name) }}
	}
	b := &p.extends.base
	seen := mapping(d, n, name, []field[*Base]{
		text("file", func(b *Base) *string { return &b.File }), text("sha256", func(b *Base) *string { return &b.SHA256 }),
		text("oci", func(b *Base) *string { return &b.OCI }), text("digest", func(b *Base) *string { return &b.Digest }),
	}, b)
	b.SHA256 = strings.TrimPrefix(b.SHA256, "sha256:")
	b.OCI = strings.TrimPrefix(b.OCI, "oci://")
	const cure = "write extends: {file: PATH, sha256: HASH} or extends: {oci: REPOSITORY, digest: sha256:HASH}"
	switch {
	case len(d.diags) > 0:
	case (seen["file"] != nil) == (seen["oci"] != nil):
		d.fail(n, cure, "%s names %s", name, words.Plural(len(seen), "thing")+" and not exactly one base")
	case b.File != "" && (seen["digest"] != nil || !hexForm.MatchString(b.SHA256)):
		d.fail(n, cure, "%s has no sha256 of 64 hexadecimal digits for %s", name, clip(b.File))
	case b.OCI != "" && (seen["sha256"] != nil || !digestForm.MatchString(b.Digest) || !artifactForm.MatchString(b.OCI)):
		d.fail(n, cure, "%s does not name an artifact by repository and digest; a tag could be moved", name)
	}
}

// opens lists the parts of a policy that a policy above it may change, although it
// is pinned.
func opens() []string { return []string{"exceptions", "overrides", "vex"} }

func decodeOpen(d *decoder, n *yaml.Node, name string, p *Policy) {
	p.open, _ = wordList(opens())(d, n, name)
}

// builtInPolicy is the policy that every file builds on that does not say
// otherwise. Its settings have no place in a file.
func builtInPolicy() *Policy {
	p, err := parse("", DefaultSource(), nil, 0)
	if err != nil {
		panic(err) // a test parses it; and a gate without a policy must not run on
	}
	return p
}

// extend puts the policy on its base. own is what the file itself says.
func (d *decoder) extend(p *Policy, src []byte, load Loader, depth int) {
	sum := sha256.Sum256(src)
	part := Part{Name: cmp.Or(d.file, builtIn+" "+builtInVersion), SHA256: hex.EncodeToString(sum[:])}
	base, pinned := d.base(p, load, depth)
	if base == nil {
		p.parts = []Part{part}
		return
	}
	p.parts = append(slices.Clone(base.parts), part)
	p.parts[len(base.parts)-1].Pinned = pinned
	own := p.base
	p.base = *base.base.with(&own, p.lang.leaves)
	ownOverrides, ownExceptions, ownLimits := p.overrides, p.exceptions, p.limits
	p.overrides = slices.Concat(inherited(base.overrides), ownOverrides)
	p.exceptions = slices.Concat(base.exceptions, ownExceptions)
	p.limits = base.limits.with(p.limits, pinned)
	if pinned {
		p.keepControls(base, ownOverrides)
		d.tightens(&raise{base: base, child: p, own: &own, limits: ownLimits, overrides: ownOverrides, exceptions: ownExceptions})
	}
}

// keepControls keeps the requirements that a pinned base names beside its values. What
// is above it is at least as strict, so it meets them too.
func (p *Policy) keepControls(base *Policy, overrides []*override) {
	for _, l := range p.lang.leaves {
		l.keepControl(&p.base, &base.base)
		for _, o := range overrides {
			if !slices.Contains(base.open, "overrides") {
				l.keepControl(&o.changes, &base.base)
			}
		}
	}
}

// base returns the policy that p builds on, nil for none, and whether p pins it.
func (d *decoder) base(p *Policy, load Loader, depth int) (base *Policy, pinned bool) {
	switch {
	case d.file == "" || p.extends.word == extendsNone || len(d.diags) > 0:
		return nil, false
	case p.extends.base == Base{}:
		return builtInPolicy(), false
	case load == nil:
		d.failPos(p.extends.pos, "use extends: default or extends: none", "a base cannot be read here")
		return nil, false
	case depth >= maxBases:
		d.failPos(p.extends.pos, "join two of them", "more than %d policies build on each other", maxBases)
		return nil, false
	}
	b := p.extends.base
	name, src, err := load(d.file, b)
	if err != nil {
		d.failPos(p.extends.pos, "check the place and the hash", "the base %s cannot be read: %v", b, err)
		return nil, false
	}
	sum := sha256.Sum256(src)
	if have := hex.EncodeToString(sum[:]); b.SHA256 != "" && have != b.SHA256 {
		d.failPos(p.extends.pos, "review what changed in the base, then write its new hash", "the base %s has sha256 %s, and not %s", b, have, b.SHA256)
		return nil, false
	}
	base, err = parse(name, src, load, depth+1)
	if e, ok := err.(*Error); ok {
		d.diags = append(d.diags, e.Diagnostics...)
		return nil, false
	}
	return base, true
}

// inherited returns copies of overrides, for a policy that changes what they apply
// to.
func inherited(overrides []*override) []*override {
	var out []*override
	for _, o := range overrides {
		out = append(out, &override{
			number: o.number, inherited: true, images: o.images, final: o.final, account: o.account, keys: o.keys, pos: o.pos, changes: o.changes,
		})
	}
	return out
}
