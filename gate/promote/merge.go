package promote

import (
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"slices"
)

// mergeTag lets a tag of cosign name what both repositories have, and reports
// whether it had to be set. Signatures that the target has already are kept: the
// tag of the source would replace those that the target's own pipeline made, and
// its verification would fail.
func (p *Promotion) mergeTag(ctx context.Context, c tagged) (set bool, err error) {
	want := c.node.Manifest
	now, err := p.current(ctx, c.tag)
	if err != nil {
		return false, err
	}
	if now != "" && now != want.Digest {
		has, err := p.target.Manifest(ctx, now)
		if err != nil {
			return false, err
		}
		if want, err = merged(has, c.node.Manifest); err != nil {
			return false, err
		}
	}
	i := slices.IndexFunc(p.Plan.Tags, func(t TagSet) bool { return t.Name == c.tag })
	p.Plan.Tags[i].After = want.Digest
	if now == want.Digest {
		return false, nil
	}
	if want.Digest != c.node.Digest {
		if err := p.target.PutManifest(ctx, want); err != nil {
			return false, err
		}
	}
	return true, p.target.PutTag(ctx, c.tag, want)
}

// merged returns the manifest of the target with the layers of the source that it
// lacks. A signature is a layer with its annotations: the same payload signed by
// two keys is two signatures. The config is kept: cosign does not read it.
func merged(target, source Manifest) (Manifest, error) {
	for _, m := range []Manifest{target, source} {
		if d, err := m.parse(); err != nil || len(d.Layers) == 0 {
			return Manifest{}, fmt.Errorf("manifest %s is none of cosign: source and target name different manifests by this tag, which cannot be joined", m.Digest)
		}
	}
	var into map[string]jsontext.Value
	if err := json.Unmarshal(target.Raw, &into); err != nil {
		return Manifest{}, fmt.Errorf("manifest %s cannot be read: %w", target.Digest, err)
	}
	have, err := layers(target)
	if err != nil {
		return Manifest{}, err
	}
	more, err := layers(source)
	if err != nil {
		return Manifest{}, err
	}
	added := 0
	for _, l := range more {
		if !slices.ContainsFunc(have, func(h jsontext.Value) bool { return string(h) == string(l) }) {
			have = append(have, l)
			added++
		}
	}
	if added == 0 {
		return target, nil
	}
	if into["layers"], err = json.Marshal(have); err != nil {
		return Manifest{}, err
	}
	raw, err := json.Marshal(into, json.Deterministic(true))
	if err != nil {
		return Manifest{}, err
	}
	return manifestOf(target.MediaType, raw), nil
}

func manifestOf(mediaType string, raw []byte) Manifest {
	return Manifest{Raw: raw, Descriptor: Describe(mediaType, raw)}
}

// layers returns the layers of a manifest in their canonical form, so that equal
// ones can be told by their bytes.
func layers(m Manifest) ([]jsontext.Value, error) {
	var d struct {
		Layers []jsontext.Value `json:"layers"`
	}
	if err := json.Unmarshal(m.Raw, &d); err != nil {
		return nil, fmt.Errorf("manifest %s cannot be read: %w", m.Digest, err)
	}
	for i := range d.Layers {
		if err := d.Layers[i].Canonicalize(); err != nil {
			return nil, fmt.Errorf("manifest %s cannot be read: %w", m.Digest, err)
		}
	}
	return d.Layers, nil
}
