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
	// File is the file that a bundle beside it is about, nil for what is attached to an
	// image.
	File []byte
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
	places, err := f.places(ctx)
	if err != nil {
		return nil, err
	}
	for i := range places {
		if err := f.layers(&places[i]); err != nil {
			return nil, err
		}
	}
	if err := f.fetch(ctx); err != nil {
		return nil, err
	}
	return &f.Found, nil
}

type finder struct {
	Found
	repo   promote.Repository
	digest string
	total  int64
	wanted []promote.Descriptor // contents of the attachments, in their order
}

// place is a manifest that may have signatures, or why there is none.
type place struct {
	name     string
	manifest promote.Manifest
	missing  string
	referrer bool
}

// cosignTags are the ends of the tags under which cosign keeps signatures.
var cosignTags = []string{".att", ".sig"}

// places asks for everything that may be attached at once: most of the answers are
// that there is nothing.
func (f *finder) places(ctx context.Context) ([]place, error) {
	var referrers []place
	tags := make([]place, len(cosignTags))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		referrers, err = f.referrers(ctx)
		return err
	})
	for i, end := range cosignTags {
		g.Go(func() (err error) {
			tag := promote.CosignTag(f.digest, end)
			tags[i].name = "tag " + tag
			if tags[i].manifest, err = f.repo.Tag(ctx, tag); err != nil && !errors.Is(err, promote.ErrNotFound) {
				return fmt.Errorf("tag %s in %s: %w", tag, f.repo.Name(), err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return append(referrers, tags...), nil
}

// referrers reads every manifest that the registry lists.
func (f *finder) referrers(ctx context.Context) ([]place, error) {
	list, err := f.repo.Referrers(ctx, f.digest)
	if err != nil {
		return nil, fmt.Errorf("referrers of %s in %s: %w", f.digest, f.repo.Name(), err)
	}
	slices.SortFunc(list, func(a, b promote.Descriptor) int { return strings.Compare(a.Digest, b.Digest) })
	list = slices.CompactFunc(list, func(a, b promote.Descriptor) bool { return a.Digest == b.Digest })
	if len(list) > maxReferrers {
		return nil, fmt.Errorf("%d manifests refer to %s in %s, and no more than %d are looked at: remove those that are not needed", len(list), f.digest, f.repo.Name(), maxReferrers)
	}
	places := make([]place, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchJobs)
	for i, d := range list {
		g.Go(func() (err error) {
			p := &places[i]
			p.name, p.referrer = "referrer "+d.Digest, true
			if p.manifest, err = f.repo.Manifest(ctx, d.Digest); errors.Is(err, promote.ErrNotFound) {
				// A referrer that was deleted stays in the list of a fallback tag.
				p.missing, err = "it is listed, and its manifest is missing", nil
			}
			if err != nil {
				return fmt.Errorf("referrers of %s in %s: %w", f.digest, f.repo.Name(), err)
			}
			return nil
		})
	}
	return places, g.Wait()
}

// layers lists the attachments of a manifest. The list of referrers is not believed:
// some registries give a wrong artifact type in it, some leave out the annotations, and
// GitLab lists the platforms of an index
// (https://github.com/oras-project/oras-go/issues/1396).
func (f *finder) layers(p *place) error {
	if p.missing != "" {
		f.skip(p.name, p.missing)
	}
	if p.manifest.Digest == "" {
		return nil
	}
	var d document
	switch err := json.Unmarshal(p.manifest.Raw, &d); {
	case p.referrer && (err != nil || d.Subject == nil || d.Subject.Digest != f.digest):
		return nil
	case err != nil:
		f.skip(p.name, "its manifest cannot be read")
		return nil
	}
	if len(d.Layers) > maxLayers {
		return fmt.Errorf("%s in %s has %d layers, and no more than %d are looked at: remove those that are not needed", p.name, f.repo.Name(), len(d.Layers), maxLayers)
	}
	for _, l := range d.Layers {
		form := l.form()
		switch {
		case form == "":
			continue
		case l.Size > maxBundle:
			f.skip(p.name, fmt.Sprintf("it has %d bytes, more than %d", l.Size, maxBundle))
			continue
		}
		if f.total += l.Size; f.total > maxTotal {
			return fmt.Errorf("the signatures and attestations of %s in %s have more than %d bytes: remove those that are not needed", f.digest, f.repo.Name(), maxTotal)
		}
		f.Attachments = append(f.Attachments, Attachment{Form: form, Place: p.name, MediaType: l.MediaType, Annotations: l.Annotations})
		f.wanted = append(f.wanted, l.Descriptor)
	}
	return nil
}

// fetch reads the contents of the attachments. One without its content is skipped.
func (f *finder) fetch(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchJobs)
	missing := make([]bool, len(f.wanted))
	for i, d := range f.wanted {
		g.Go(func() error {
			a := &f.Attachments[i]
			var err error
			if a.Raw, err = f.blob(ctx, d); errors.Is(err, promote.ErrNotFound) {
				missing[i] = true
				return nil
			}
			if err != nil {
				return fmt.Errorf("%s in %s: %w", a.Place, f.repo.Name(), err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var kept []Attachment
	for i := range f.Attachments {
		if missing[i] {
			f.skip(f.Attachments[i].Place, "its content "+f.wanted[i].Digest+" is missing")
			continue
		}
		kept = append(kept, f.Attachments[i])
	}
	f.Attachments = kept
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
