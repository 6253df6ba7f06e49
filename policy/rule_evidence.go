package policy

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

const ruleEvidence = "evidence"

func evidenceRule() *Rule {
	return &Rule{
		ID: ruleEvidence, Title: "There is complete evidence about exactly one image.",
		Why:      "A pass is a statement of what was seen. Evidence that is missing, cut short or about another digest supports no statement.",
		How:      "check the image again; saved evidence must have been collected for this policy",
		Settings: "none: it always applies", Default: "always on", always: true,
		NoLevel: "without it there is no verdict, so it has no level",
		check:   checkEvidence,
	}
}

var digestForm = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)

// idText names what pins the image, and never calls an image ID a digest.
func idText(img *evidence.Image) string {
	if img.ImageID != "" {
		return "image ID " + img.ImageID
	}
	return img.Digest
}

// checkEvidence asks that there is something to judge and that it is about
// one image.
func checkEvidence(j *judge) answer {
	img := j.img
	var wrong []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	add(img.SchemaVersion != evidence.SchemaVersion, "evidence of schema version %d, this imagegate judges %d", img.SchemaVersion, evidence.SchemaVersion)
	add(img.Reference.Name == "", "the image has no name")
	add(!img.Reference.Source.Known(), "the source %q is not known", img.Reference.Source)
	add(!digestForm.MatchString(img.ID()), "%q is no digest", img.ID())
	add(img.ImageID != "" && (img.Digest != "" || img.IndexDigest != "" || !img.Reference.Source.Local()), "the image ID %s belongs to no such image", img.ImageID)
	if want := img.Reference.Digest; want != "" {
		add(want != img.ID() && want != img.IndexDigest, "digest %s was asked for, but %s was read", want, img.ID())
	}
	add(img.Platform == "" || len(img.Platforms) == 0, "the platform is not known")
	add(img.Config == nil, "the image config was not read")
	add(j.now.IsZero(), "the time is not known")
	add(j.need.Layers() && img.Scan == nil, "the layers were not scanned")
	if img.Scan != nil {
		add(!img.Scan.Need.Has(j.need), "the scan did not look for %s", needText(j.need&^img.Scan.Need))
		add(j.need.Layers() && img.Scan.Coverage.Gaps == nil, "the scan does not say what it could not see")
	}
	if len(wrong) > 0 {
		a := missing(strings.Join(wrong, "; "))
		a.allowed = "complete evidence about one image"
		return a
	}
	return passing("%s, %s", idText(img), img.Platform)
}
