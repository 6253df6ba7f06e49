package policy

import (
	"gopkg.in/yaml.v3"
	"slices"

	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	ruleBaselineBy    = "baseline.signed-by"
	ruleBaselineImage = "baseline.image"
)

var (
	// Above a pinned base, neither another signer nor another repository may be added.
	baselineByKey    = signersKey(ruleBaselineBy, "Signers who may seal evidence that is a baseline.", shorter(same)).orElse([]string{})
	baselineImageKey = &setting[string]{
		path: ruleBaselineImage, doc: "Of which images sealed evidence may be a baseline. A glob on registry/repository.",
		schema: textSchema(), read: baselineImage, order: covered, unset: new(string),
	}
)

// baselineImage reads a glob that names a repository.
func baselineImage(d *decoder, n *yaml.Node, name string) (string, bool) {
	glob, ok := d.text(n, name)
	if !ok {
		return "", false
	}
	wrong, cure := soundGlob(glob)
	if wrong == "" {
		wrong, cure = imageGlob(glob)
	}
	if wrong == "" && (namesNothing(glob) || isLocal(glob)) {
		wrong, cure = "names no repository of a registry", "write the one that released images are in: registry.example.no/prod/app"
	}
	if wrong != "" {
		d.fail(n, cure, "%s is %q, which %s", name, clip(glob), wrong)
	}
	return glob, wrong == ""
}

// sealedBaselineRules are the keys for baselines that no hash names.
func sealedBaselineRules(example string) []*Rule {
	example = "trust:\n  - name: gate\n    key: |\n      " + indented(exampleKey, "      ") + "    for: [decision]\n" + example +
		"  signed-by: [gate]\n  image: registry.example.no/prod/app\n"
	return []*Rule{
		{
			ID: ruleBaselineBy, Title: "Who may seal evidence that is a baseline.", Setting: true,
			Why: "The hash of the last release is another one with each release; who may seal evidence stays.", How: "seal the evidence of the release: imagegate check --evidence FILE --seal",
			Settings: "names of signers from trust, with for: [decision]. It needs image, because the same signer seals the evidence of images that fail.", Default: "none",
			Example: example, keys: []key{baselineByKey}, modifies: true,
		},
		{
			ID: ruleBaselineImage, Title: "Of which images sealed evidence may be a baseline.", Setting: true,
			Why: "Whoever can have any image checked could seal a worse one.", How: "name the repository of released images",
			Settings: "a glob on registry/repository. Name a repository that only released images come into. Evidence that was collected with --as, or from an image of a machine, is none.", Default: "must be set with signed-by",
			Example: example, keys: []key{baselineImageKey}, modifies: true,
		},
	}
}

// takesSealedBaseline reports whether a baseline is sealed by a signer of the policy,
// and is of an image that the policy names. The name is that which the run has seen in
// the registry: with --as it is only what somebody said.
func (s *settings) takesSealedBaseline(b *evidence.Baseline) bool {
	r, glob := &b.Image.Reference, baselineImageKey.value(s)
	return glob != "" && r.Source == evidence.SourceRegistry && r.JudgedFrom == "" && matchImage(glob, r.Name) && s.sealedBy(baselineByKey, b.SignedBy)
}

// checkSealedBaseline reports mistakes about sealed baselines.
func (d *decoder) checkSealedBaseline(p *Policy, s *settings) {
	by, image := baselineByKey.of(s), baselineImageKey.of(s)
	switch {
	case by.set && !image.set:
		d.failPos(by.pos, "add image: the repository of released images", "baseline.signed-by has no image, so the evidence of every image that the signer has checked would do")
	case image.set && !by.set:
		d.failPos(image.pos, "add signed-by: [NAME], or remove it", "baseline.image has no effect without signed-by: hashes and digests name their image")
	case by.set:
		d.checkSigners(p, by.pos, ruleBaselineBy, by.value, ForDecision)
	}
}

// SealsBaselines reports whether the policy or an override takes sealed baselines.
func (p *Policy) SealsBaselines() bool {
	return slices.ContainsFunc(p.everySettings(), func(s *settings) bool { return baselineByKey.of(s).set })
}
