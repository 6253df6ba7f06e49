package promote

import (
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"time"
)

// RecordType is the artifact type of a record: a manifest without content that is
// attached to a promoted image, and says in its annotations which tag named it when.
const RecordType = "application/vnd.imagegate.promotion.v1+json"

// The annotations of a record.
const (
	recordCreated    = "org.opencontainers.image.created"
	recordRepository = "io.imagegate.promotion.repository" // of the tag
	recordTag        = "io.imagegate.promotion.tag"
	recordBefore     = "io.imagegate.promotion.before" // digest that the tag named, none for a new tag
	recordSource     = "io.imagegate.promotion.source" // repository
	recordRollback   = "io.imagegate.promotion.rollback"
	recordEmergency  = "io.imagegate.promotion.emergency"
	recordBy         = "io.imagegate.promotion.emergency-by"
	recordUntil      = "io.imagegate.promotion.emergency-until"
)

// maxSteps bounds how far back the records of a tag are followed.
const maxSteps = 50

// Record is what a promotion leaves at the target when it sets a tag. It is no proof:
// who may write to the repository may write a record too.
type Record struct {
	At        time.Time
	Rollback  string // why the tag went back
	Emergency string // why a denied image was promoted
	By        string // who decided that
	Until     string // last day of the emergency
}

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	emptyType    = "application/vnd.oci.empty.v1+json"
	emptyBlob    = "{}"
)

// manifest returns the record of one tag.
func (r *Record) manifest(p *Promotion, t TagSet) (Manifest, error) {
	image := p.image()
	empty := Describe(emptyType, []byte(emptyBlob))
	notes := map[string]string{
		recordCreated: r.At.UTC().Format(time.RFC3339), recordRepository: p.target.Name(), recordTag: t.Name, recordBefore: t.Before,
		recordSource: p.source.Name(), recordRollback: r.Rollback, recordEmergency: r.Emergency, recordBy: r.By, recordUntil: r.Until,
	}
	for key, value := range notes {
		if value == "" {
			delete(notes, key)
		}
	}
	raw, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "artifactType": RecordType, "config": empty, "layers": []Descriptor{empty},
		"subject": image.Descriptor, "annotations": notes,
	}, json.Deterministic(true))
	if err != nil {
		return Manifest{}, err
	}
	return manifestOf(manifestType, raw), nil
}

// writeRecords attaches a record for every tag that moved, and for one that names the
// digest already but has none: the run before was ended in between.
//
// The tags are set by now, and nothing of the image is missing. So a registry that
// takes no record does not make the promotion fail, except in an emergency: there the
// record says who decided it.
func (p *Promotion) writeRecords(ctx context.Context) error {
	if p.o.Record == nil {
		return nil
	}
	err := p.writeEach(ctx)
	if err == nil || p.o.Record.Emergency != "" || ctx.Err() != nil {
		return err
	}
	p.RecordProblem = err.Error()
	return nil
}

func (p *Promotion) writeEach(ctx context.Context) error {
	for _, t := range p.ImageTags() {
		if t.Before == t.After {
			has, err := recorded(ctx, p.target, t.Name, t.After)
			if err != nil {
				return err
			}
			if has.any {
				continue
			}
		}
		if err := p.writeRecord(ctx, t); err != nil {
			return fmt.Errorf("record of tag %s: %w", t.Name, err)
		}
	}
	return nil
}

func (p *Promotion) writeRecord(ctx context.Context, t TagSet) error {
	m, err := p.o.Record.manifest(p, t)
	if err != nil {
		return err
	}
	if err := PutBlob(ctx, p.target, emptyType, []byte(emptyBlob)); err != nil {
		return err
	}
	return p.referrer(p.image().Digest, m).settle(ctx)
}

// records is what the records of one digest say about a tag.
type records struct {
	any     bool
	befores []string // digests that the tag named before it named this one
}

// recorded reads the records of a digest about a tag.
func recorded(ctx context.Context, in Repository, tag, digest string) (records, error) {
	var out records
	listed, err := in.Referrers(ctx, digest)
	if err != nil {
		return out, fmt.Errorf("referrers of %s in %s: %w", digest, in.Name(), err)
	}
	if len(listed) > maxManifests {
		return out, fmt.Errorf("%d manifests are listed as referrers of %s in %s, more than %d", len(listed), digest, in.Name(), maxManifests)
	}
	for _, d := range listed {
		m, err := in.Manifest(ctx, d.Digest)
		if errors.Is(err, ErrNotFound) {
			continue // a record that was deleted proves nothing
		}
		if err != nil {
			return out, fmt.Errorf("referrer %s of %s in %s: %w", d.Digest, digest, in.Name(), err)
		}
		doc, err := m.parse()
		if err != nil {
			return out, err
		}
		note := doc.Annotations
		if doc.ArtifactType != RecordType || doc.Subject == nil || doc.Subject.Digest != digest || note[recordRepository] != in.Name() || note[recordTag] != tag {
			continue
		}
		out.any = true
		if before := note[recordBefore]; before != "" {
			out.befores = append(out.befores, before)
		}
	}
	return out, nil
}

// Had reports whether the records of a repository say that a tag named a digest
// before. now is what it names. The digest has a record of its own, or one of the
// releases after it says what it took the place of: so is the first release known
// that imagegate did not promote itself.
func Had(ctx context.Context, in Repository, tag, now, digest string) (bool, error) {
	own, err := recorded(ctx, in, tag, digest)
	if err != nil || own.any {
		return own.any, err
	}
	next, seen := []string{now}, map[string]bool{"": true}
	for steps := 0; len(next) > 0 && steps < maxSteps; {
		at := next[0]
		next = next[1:]
		if seen[at] {
			continue
		}
		seen[at] = true
		steps++
		r, err := recorded(ctx, in, tag, at)
		if err != nil {
			return false, err
		}
		for _, before := range r.befores {
			if before == digest {
				return true, nil
			}
			next = append(next, before)
		}
	}
	return false, nil
}
