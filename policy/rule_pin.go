package policy

import (
	"fmt"

	"github.com/imagegate/imagegate/policy/evidence"
)

const rulePin = "reference.pin"

// The words for how exactly a reference names an image.
const (
	pinDigest  = "digest"
	pinVersion = "version"
	wordAny    = "any"
)

var pinKey = wordKey(rulePin, "How exactly the reference must name the image.", pinDigest, pinVersion, wordAny)

func pinRule() *Rule {
	return &Rule{
		ID: rulePin, Title: "The reference names the image exactly enough.",
		Why: "A tag such as latest or 1.2 names another image tomorrow. What was judged is then not what will be deployed.",
		How: "name a full version, such as app:1.4.2, or the digest: app@sha256:HEX",
		Settings: "digest (name@sha256:...), version (a digest, or a tag that names one release: three numbers, a date or a commit), any. " +
			"Images from oci: and tar: are judged by their content and always meet it.",
		Default: "not asked", Example: "reference: {pin: version}\n", Levels: true,
		keys: []key{pinKey}, on: func(s *settings) bool { return pinKey.value(s) != wordAny },
		check: checkPin,
	}
}

// effectiveTag is the tag that a runtime would pull: latest when neither tag
// nor digest is written, "" when only a digest is.
func effectiveTag(r evidence.Reference) string {
	if r.Tag == "" && r.Digest == "" {
		return "latest"
	}
	return r.Tag
}

func checkPin(j *judge) answer {
	r, want := j.img.Reference, pinKey.value(j.s)
	a := answer{allowed: map[string]string{pinDigest: "a digest", pinVersion: "a full version or a digest"}[want]}
	tag := effectiveTag(r)
	switch {
	case r.Source.Local():
		a.result, a.message = ResultPass, "read from a local "+string(r.Source)+" source: its content is judged, not its name"
	case !r.Source.Known() || r.Name == "":
		return missing("the reference is not known")
	case r.Digest != "":
		a.result, a.message = ResultPass, "named by digest "+r.Digest
	case want == pinDigest:
		a.result, a.message = ResultFail, tagText(r, tag)+" can be moved to another image"
		a.cure = "name the image by its digest: " + r.Name + "@" + j.img.RootDigest()
	case floating(tag, releaseTagsKey.value(j.s)) != "":
		a.result, a.message = ResultFail, tagText(r, tag)+" names no single release: "+floating(tag, releaseTagsKey.value(j.s))
	default:
		a.result, a.message = ResultPass, tagText(r, tag)+" names one release"
	}
	return a
}

func tagText(r evidence.Reference, tag string) string {
	if r.Tag == "" {
		return "no tag, which means latest,"
	}
	return fmt.Sprintf("tag %q", tag)
}
