package prove

import (
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/imagegate/imagegate/gate/promote"
)

// Bounds of what is looked at. Everyone who may write to a repository may attach
// anything to an image there.
const (
	maxReferrers = 1000
	maxLayers    = 1000     // of a tag of cosign
	maxBundle    = 4 << 20  // bytes of one attachment
	maxTotal     = 64 << 20 // bytes of all attachments of a digest
	fetchJobs    = 8
)

// Form is how a signature is kept.
type Form string

// The forms that are read.
const (
	FormBundle   Form = "bundle"   // a Sigstore bundle
	FormEnvelope Form = "envelope" // a DSSE envelope of cosign, its certificate in annotations
	FormSimple   Form = "simple"   // a payload of cosign ("simple signing"), its signature in annotations
)

const (
	bundlePrefix = "application/vnd.dev.sigstore.bundle"
	envelopeType = "application/vnd.dsse.envelope.v1+json"
	simpleType   = "application/vnd.dev.cosign.simplesigning.v1+json"
)

// Attachment is a signature or attestation that is attached to a digest. Nothing in
// it is believed yet.
type Attachment struct {
	Form        Form
	Place       string // where it is: "referrer sha256:..." or "tag sha256-....att"
	MediaType   string
	Annotations map[string]string // of the layer
	Raw         []byte
}

// Skipped is something attached that was not read, and why.
type Skipped struct {
	Place  string
	Reason string
}

// Found is what is attached to a digest.
type Found struct {
	Attachments []Attachment // by place
	Skipped     []Skipped
}

// document is what has to be known of the manifest of an attachment.
type document struct {
	Layers  []layer             `json:"layers"`
	Subject *promote.Descriptor `json:"subject"`
}

type layer struct {
	promote.Descriptor
	Annotations map[string]string `json:"annotations"`
}

// form is how the layer keeps a signature, "" for other contents.
func (l *layer) form() Form {
	switch {
	case strings.HasPrefix(l.MediaType, bundlePrefix):
		return FormBundle
	case l.MediaType == envelopeType:
		return FormEnvelope
	case l.MediaType == simpleType:
		return FormSimple
	}
	return ""
}

// Find collects the signatures and attestations that are attached to a digest, as
// referrers and under the tags of cosign. Too many attachments are an error: what
// was left out could be the one that counts. One that is too large is only skipped,
// since no signer of ours makes such.
func Find(ctx context.Context, repo promote.Repository, digest string) (*Found, error) {
	f := &finder{repo: repo, digest: digest}
	if err := f.referrers(ctx); err != nil {
		return nil, err
	}
	for _, end := range []string{".att", ".sig"} {
		if err := f.tag(ctx, promote.CosignTag(digest, end)); err != nil {
			return nil, err
		}
	}
	return &f.Found, nil
}

type finder struct {
	Found
	repo   promote.Repository
	digest string
	total  int64
}

// referrers reads every manifest that the registry lists. The list itself is not
// believed: some registries give a wrong artifact type in it, some leave out the
// annotations, and GitLab lists the platforms of an index
// (https://github.com/oras-project/oras-go/issues/1396).
func (f *finder) referrers(ctx context.Context) error {
	list, err := f.repo.Referrers(ctx, f.digest)
	if err != nil {
		return fmt.Errorf("referrers of %s in %s: %w", f.digest, f.repo.Name(), err)
	}
	slices.SortFunc(list, func(a, b promote.Descriptor) int { return strings.Compare(a.Digest, b.Digest) })
	list = slices.CompactFunc(list, func(a, b promote.Descriptor) bool { return a.Digest == b.Digest })
	if len(list) > maxReferrers {
		return fmt.Errorf("%d manifests refer to %s in %s, and no more than %d are looked at: remove those that are not needed", len(list), f.digest, f.repo.Name(), maxReferrers)
	}
	manifests := make([]promote.Manifest, len(list))
	g, fetch := errgroup.WithContext(ctx)
	g.SetLimit(fetchJobs)
	for i, d := range list {
		g.Go(func() (err error) {
			manifests[i], err = f.repo.Manifest(fetch, d.Digest)
			if errors.Is(err, promote.ErrNotFound) {
				// A referrer that was deleted stays in the list of a fallback tag.
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("referrers of %s in %s: %w", f.digest, f.repo.Name(), err)
	}
	for i, m := range manifests {
		if m.Digest == "" {
			f.skip("referrer "+list[i].Digest, "it is listed, and its manifest is missing")
			continue
		}
		var d document
		if json.Unmarshal(m.Raw, &d) != nil || d.Subject == nil || d.Subject.Digest != f.digest {
			continue
		}
		if err := f.layers(ctx, "referrer "+m.Digest, d.Layers); err != nil {
			return err
		}
	}
	return nil
}

// tag reads what a tag of cosign names.
func (f *finder) tag(ctx context.Context, tag string) error {
	m, err := f.repo.Tag(ctx, tag)
	if errors.Is(err, promote.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("tag %s in %s: %w", tag, f.repo.Name(), err)
	}
	var d document
	if err := json.Unmarshal(m.Raw, &d); err != nil {
		f.skip("tag "+tag, "its manifest cannot be read")
		return nil
	}
	return f.layers(ctx, "tag "+tag, d.Layers)
}

func (f *finder) layers(ctx context.Context, place string, layers []layer) error {
	if len(layers) > maxLayers {
		return fmt.Errorf("%s in %s has %d layers, and no more than %d are looked at: remove those that are not needed", place, f.repo.Name(), len(layers), maxLayers)
	}
	for _, l := range layers {
		form := l.form()
		switch {
		case form == "":
			continue
		case l.Size > maxBundle:
			f.skip(place, fmt.Sprintf("it has %d bytes, more than %d", l.Size, maxBundle))
			continue
		}
		if f.total += l.Size; f.total > maxTotal {
			return fmt.Errorf("the signatures and attestations of %s in %s have more than %d bytes: remove those that are not needed", f.digest, f.repo.Name(), maxTotal)
		}
		raw, err := f.blob(ctx, l.Descriptor)
		if errors.Is(err, promote.ErrNotFound) {
			f.skip(place, "its content "+l.Digest+" is missing")
			continue
		}
		if err != nil {
			return fmt.Errorf("%s in %s: %w", place, f.repo.Name(), err)
		}
		f.Attachments = append(f.Attachments, Attachment{Form: form, Place: place, MediaType: l.MediaType, Annotations: l.Annotations, Raw: raw})
	}
	return nil
}

func (f *finder) blob(ctx context.Context, d promote.Descriptor) ([]byte, error) {
	blob, err := f.repo.OpenBlob(ctx, d)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(blob, maxBundle+1))
	return raw, errors.Join(err, blob.Close())
}

func (f *finder) skip(place, reason string) {
	f.Skipped = append(f.Skipped, Skipped{Place: place, Reason: reason})
}
