package image

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// servicePrefix begins the name of a service of a Compose file in REF=SOURCE.
const servicePrefix = "service:"

// As says that an image is read from another place than its name says: it is judged
// before it is pushed.
type As struct {
	Text string // REF=SOURCE as written
	// Ref is the name that a document uses, nil for one of a service.
	Ref *evidence.Reference
	// Service is the service of a Compose file whose image it is, "" for a name.
	Service string
	Source  string // the reference that the image is read from
}

// ParseAs reads REF=SOURCE or service:NAME=SOURCE. SOURCE is an OCI image layout or
// an image in a registry.
func ParseAs(text string) (As, error) {
	name, source, ok := strings.Cut(text, "=")
	a := As{Text: text, Source: source}
	if !ok || name == "" || source == "" {
		return a, fmt.Errorf("%s is not REF=SOURCE, such as registry.example.no/shop/web:1.4.2=oci:build:1.4.2", words.Quote(text))
	}
	from, err := ParseReference(source)
	if err != nil {
		return a, err
	}
	if from.Source != evidence.SourceRegistry && from.Source != evidence.SourceOCI {
		return a, fmt.Errorf("%s is neither an OCI image layout nor an image in a registry: only those have the digest that a push keeps", words.Quote(source))
	}
	if service, ok := strings.CutPrefix(name, servicePrefix); ok && service != "" {
		a.Service = service
		return a, nil
	}
	ref, err := NamedInDocument(name)
	if err != nil {
		return a, err
	}
	parsed, err := ParseReference(ref)
	a.Ref = &parsed
	return a, err
}

// Names reports whether a reference of a document is the one that is meant: the same
// repository and the same tag, and the same digest if one was given.
func (a *As) Names(ref string) bool {
	if a.Ref == nil {
		return false
	}
	r, err := ParseReference(ref)
	if err != nil || r.Name != a.Ref.Name || a.Ref.Digest != "" && r.Digest != a.Ref.Digest {
		return false
	}
	return namedTag(&r) == namedTag(a.Ref) || a.Ref.Digest != "" && a.Ref.Tag == ""
}

// namedTag is the tag that a name means, "" for a digest alone.
func namedTag(r *evidence.Reference) string {
	if r.Digest != "" {
		return r.Tag
	}
	return cmp.Or(r.Tag, "latest")
}

// Elsewhere returns a resolver that reads some references from the places that
// sources gives for them. All else about such an image is that of its reference: the
// policy sees the name that the document uses.
func Elsewhere(inner gate.Resolver, sources map[string]string) gate.Resolver {
	return &elsewhere{inner, sources}
}

type elsewhere struct {
	inner   gate.Resolver
	sources map[string]string
}

// Resolve implements [gate.Resolver].
func (e *elsewhere) Resolve(ctx context.Context, ref string) (*gate.Resolution, error) {
	source, ok := e.sources[ref]
	if !ok {
		return e.inner.Resolve(ctx, ref)
	}
	named, err := ParseReference(ref)
	if err != nil {
		return nil, &gate.Fault{Phase: gate.PhaseResolve, Err: err}
	}
	found, err := e.inner.Resolve(ctx, source)
	if err != nil {
		return nil, err
	}
	out := *found
	if named.Digest != "" && named.Digest != found.Digest {
		if out.Targets = only(named.Digest, found.Targets); len(out.Targets) == 0 {
			return nil, &gate.Fault{
				Phase: gate.PhaseResolve,
				Err:   fmt.Errorf("%s names another image than %s, which is %s", words.Quote(ref), words.Quote(source), cmp.Or(found.Digest, "an image without a digest")),
				Hint:  "write the digest of the image that will be pushed into the document, or judge the image that the document names",
			}
		}
		out.Digest = named.Digest
	} else {
		out.Targets = append([]gate.Target(nil), found.Targets...)
	}
	named.JudgedFrom = source
	named.Endpoint = found.Reference.Endpoint
	out.Reference = named
	for i := range out.Targets {
		out.Targets[i].Image.Reference = named
	}
	return &out, nil
}

// only returns the target with this digest, as if it had been named directly.
func only(digest string, targets []gate.Target) []gate.Target {
	for _, t := range targets {
		if t.Image.Digest == digest {
			t.Image.IndexDigest, t.Image.Platforms = "", []string{t.Image.Platform}
			return []gate.Target{t}
		}
	}
	return nil
}
