package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy/words"
)

// inEmergency is what every report adds to the verdict of an image that was promoted
// although it fails.
const inEmergency = ", promoted in an emergency"

// excuse is what follows the verdict of the whole run.
func excuse(run *gate.Run) string {
	if run.Excused() {
		return inEmergency
	}
	return ""
}

// promotionRemarks say what was copied, and what a person decided about it.
func promotionRemarks(run *gate.Run) []string {
	p := run.Promotion
	if p == nil {
		return nil
	}
	var out []string
	if e := p.Emergency; e != nil {
		text := "an emergency was called"
		if run.Excused() {
			text = "fail" + inEmergency
		}
		out = append(out, fmt.Sprintf("%s by %s, until %s: %s", text, e.By, e.Until.UTC().Format(time.DateOnly), e.Reason))
	}
	if p.Rollback != "" {
		out = append(out, "a rollback was asked for: "+p.Rollback)
	}
	for i := range p.Targets {
		out = append(out, targetText(p, &p.Targets[i]))
	}
	for i := range out {
		out[i] = safe.Terminal(out[i])
	}
	return out
}

// promotionHint says what helps against what ended the promotion, "" for nothing.
func promotionHint(run *gate.Run) string {
	if run.Promotion == nil || !run.Promotion.Failed {
		return ""
	}
	for i := range run.Results {
		if f := failureOf(&run.Results[i]); f != nil && f.phase == gate.PhasePromote {
			return f.hint
		}
	}
	return ""
}

func targetText(p *gate.Promotion, t *gate.PromotionTarget) string {
	what := fmt.Sprintf("%s from %s to %s", p.Digest, p.Source, t.Target)
	switch {
	case t.Error != "":
		return "not promoted " + what + ": " + t.Error
	case t.Done:
		what = "promoted " + what
	case p.DryRun:
		what = "would promote " + what
	default:
		return "not promoted " + what
	}
	return fmt.Sprintf("%s: %s, %s with %s; tags: %s", what,
		words.Plural(len(t.Nodes), "manifest"), words.Plural(t.Blobs, "blob"), words.Size(t.Bytes), strings.Join(tagTexts(p, t), ", "))
}

// tagTexts says what each tag named before. Those of cosign are told by name alone.
func tagTexts(p *gate.Promotion, t *gate.PromotionTarget) []string {
	var out []string
	for _, tag := range t.Tags {
		before := "new"
		switch {
		case tag.Before == tag.After:
			before = "unchanged"
		case tag.Merge:
			before = "joined with that of the target"
		case tag.Before != "":
			before = "before: " + tag.Before
		}
		name := tag.Name
		if tag.After != p.Digest {
			name = strings.Replace(name, hexOf(name), short(hexOf(name))+"…", 1)
		}
		out = append(out, name+" ("+before+")")
	}
	return out
}

// hexOf returns the digits of a tag of cosign, sha256-HEX.sig.
func hexOf(tag string) string {
	_, hex, _ := strings.Cut(tag, "-")
	hex, _, _ = strings.Cut(hex, ".")
	return hex
}

// PromotionInfo is what was copied, or would have been.
type PromotionInfo struct {
	Source    string         `json:"source"` // repository
	Digest    string         `json:"digest"` // of the image or index that was judged
	DryRun    bool           `json:"dryRun"` // nothing was to be written
	Done      bool           `json:"done"`   // every target has everything, and every tag names the digest
	Rollback  string         `json:"rollback"`
	Emergency *EmergencyInfo `json:"emergency"` // null unless a denied image was to be promoted
	Targets   []TargetInfo   `json:"targets"`
}

// EmergencyInfo is the decision of a person to promote an image that fails.
type EmergencyInfo struct {
	Reason string `json:"reason"`
	By     string `json:"by"`
	Until  string `json:"until"` // last day
}

// TargetInfo is one repository of a promotion.
type TargetInfo struct {
	Target string     `json:"target"`
	Done   bool       `json:"done"`
	Error  string     `json:"error"` // why not, and the state of the target
	Nodes  []NodeInfo `json:"nodes"` // manifests, children before parents
	Blobs  int        `json:"blobs"`
	Bytes  int64      `json:"bytes"` // of all blobs
	Tags   []TagInfo  `json:"tags"`
}

// NodeInfo is a manifest that goes along, and why.
type NodeInfo struct {
	Digest    string `json:"digest"`
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
	Why       string `json:"why"`
	Parent    string `json:"parent"` // digest of the manifest that it belongs to, "" for none
}

// TagInfo is a tag and the digests that it names.
type TagInfo struct {
	Name   string `json:"name"`
	Before string `json:"before"` // "" when the tag did not exist
	After  string `json:"after"`
	Merge  bool   `json:"merge"` // signatures were joined with those of the target
}

func promotionInfo(p *gate.Promotion) *PromotionInfo {
	if p == nil {
		return nil
	}
	out := &PromotionInfo{Source: p.Source, Digest: p.Digest, DryRun: p.DryRun, Done: p.Done(), Rollback: p.Rollback}
	if e := p.Emergency; e != nil {
		out.Emergency = &EmergencyInfo{Reason: e.Reason, By: e.By, Until: e.Until.UTC().Format(time.DateOnly)}
	}
	out.Targets = convert(p.Targets, func(t gate.PromotionTarget) TargetInfo {
		return TargetInfo{
			Target: t.Target, Done: t.Done, Error: t.Error, Blobs: t.Blobs, Bytes: t.Bytes,
			Nodes: convert(t.Nodes, func(n gate.PromotedManifest) NodeInfo {
				return NodeInfo{Digest: n.Digest, MediaType: n.MediaType, Size: n.Size, Why: n.Why, Parent: n.Parent}
			}),
			Tags: convert(t.Tags, func(t gate.PromotedTag) TagInfo { return TagInfo(t) }),
		}
	})
	return out
}
