package proof

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/package-url/packageurl-go"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// Labels and annotations that name the base image.
const (
	labelName   = "org.opencontainers.image.base.name"
	labelDigest = "org.opencontainers.image.base.digest"
)

// maxCandidates bounds how many images are looked at.
const maxCandidates = 16

// candidates are the images that something names as the base.
type candidates []evidence.BaseCandidate

// name adds an image that something names, as a reference and perhaps with a digest
// beside it.
func (w *work) name(reference, digest, by string) {
	ref, err := image.ParseRegistryReference(reference)
	if err != nil || w.proof.Base == nil {
		return
	}
	if ref.Digest == "" && image.CheckDigest(digest) == nil {
		ref.Digest = digest
	}
	i := slices.IndexFunc(w.base, func(c evidence.BaseCandidate) bool {
		return c.Name == ref.Name && c.Tag == ref.Tag && c.Digest == ref.Digest
	})
	switch {
	case i < 0 && len(w.base) < maxCandidates:
		w.base = append(w.base, evidence.BaseCandidate{Name: ref.Name, Tag: ref.Tag, Digest: ref.Digest, NamedBy: []string{by}})
	case i >= 0 && !slices.Contains(w.base[i].NamedBy, by):
		w.base[i].NamedBy = append(w.base[i].NamedBy, by)
	}
}

func (w *work) fromLabels(c *evidence.Config) {
	if c != nil {
		w.fromAnnotations(c.Labels, "label")
	}
}

// fromAnnotations takes the base image from labels or annotations.
func (w *work) fromAnnotations(all map[string]string, what string) {
	if name := all[labelName]; name != "" {
		w.name(name, all[labelDigest], what+" "+labelName)
	}
}

// fromDependencies takes the images among the dependencies of a build.
func (w *work) fromDependencies(d *dependencies, from string) {
	for _, r := range d.all {
		if reference, digest, ok := imageOf(r); ok {
			w.name(reference, digest, "provenance "+from)
		}
	}
}

// imageOf returns the image that a dependency is: pkg:docker/NAME@TAG, or
// pkg:oci/NAME with the repository as a qualifier.
func imageOf(r resource) (reference, digest string, ok bool) {
	if !strings.HasPrefix(r.URI, "pkg:docker/") && !strings.HasPrefix(r.URI, "pkg:oci/") {
		return "", "", false
	}
	purl, err := packageurl.FromString(r.URI)
	if err != nil {
		return "", "", false
	}
	qualifiers := purl.Qualifiers.Map()
	name := purl.Name
	if purl.Namespace != "" {
		name = purl.Namespace + "/" + purl.Name
	}
	if repository := qualifiers["repository_url"]; repository != "" {
		name = repository
		if purl.Type == packageurl.TypeDocker {
			name += "/" + purl.Name
		}
	}
	if hash := r.Digest["sha256"]; hash != "" {
		digest = "sha256:" + hash
	}
	version := purl.Version
	switch {
	case strings.HasPrefix(version, "sha256:"):
		digest, version = version, qualifiers["tag"]
	case digest == "":
		digest = qualifiers["digest"]
	}
	if version != "" {
		name += ":" + version
	}
	return name, digest, true
}

// resolve finds a base image once: the images of one repository have the same.
func (c *Collector) resolve(ctx context.Context, ref string) (*gate.Resolution, error) {
	return c.bases.get(ref, func() (*gate.Resolution, error) { return c.o.Resolver.Resolve(ctx, ref) })
}

// provenBase compares the candidates with the image. Others than those that the
// policy allows are not fetched: the author of an image must not choose which
// registries are asked.
func (w *work) provenBase(ctx context.Context, allowed []string) {
	for i := range w.base {
		c := &w.base[i]
		if !slices.ContainsFunc(allowed, func(glob string) bool { ok, err := doublestar.Match(glob, c.Name); return ok && err == nil }) {
			c.Problem, c.Unread = "the policy does not allow it, so it was not fetched", true
			continue
		}
		w.compare(ctx, c)
	}
	w.proof.Base.Candidates = append(w.proof.Base.Candidates, w.base...)
}

// compare fetches a candidate and compares its layers with the first layers of the
// image.
func (w *work) compare(ctx context.Context, c *evidence.BaseCandidate) {
	ref := c.Name
	switch {
	case c.Digest != "":
		ref += "@" + c.Digest
	case c.Tag != "":
		ref += ":" + c.Tag
	}
	res, err := w.resolve(ctx, ref)
	if err != nil {
		c.Problem, c.Unread = short("it cannot be fetched: "+err.Error()), true
		return
	}
	c.Problem = fmt.Sprintf("its layers are not the first layers of the image for %s", w.img.Platform)
	if w.img.Config == nil {
		return
	}
	for i := range res.Targets {
		base := &res.Targets[i].Image
		if base.Config == nil || !prefix(base.Config.Layers, w.img.Config.Layers) {
			continue
		}
		c.Proven, c.Problem, c.Resolved = true, "", base.Digest
		c.Layers = len(w.img.Config.Layers) - len(base.Config.Layers)
		c.Created = base.Config.Created
		c.Recompressed = !sameBlobs(base.Config.Layers, w.img.Config.Layers)
		return
	}
	if len(w.img.Config.Layers) == 1 {
		c.Problem += ", which has one layer: its layers may have been squashed into it"
	} else {
		c.Problem += ", which has " + words.Plural(len(w.img.Config.Layers), "layer")
	}
}

// prefix reports whether the layers of a base are the first of an image, by the
// digests of their uncompressed archives. An image without layers is the base of
// everything, and so proves nothing.
func prefix(base, layers []evidence.Layer) bool {
	if len(base) == 0 || len(base) > len(layers) {
		return false
	}
	for i := range base {
		if base[i].DiffID == "" || base[i].DiffID != layers[i].DiffID {
			return false
		}
	}
	return true
}

// sameBlobs reports whether the compressed layers are the same too.
func sameBlobs(base, layers []evidence.Layer) bool {
	for i := range base {
		if base[i].Digest == "" || base[i].Digest != layers[i].Digest {
			return false
		}
	}
	return true
}
