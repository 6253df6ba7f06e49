package policy

import (
	"fmt"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const ruleBaseImage = "base-image"

var (
	baseAllowKey  = globKey(ruleBaseImage+".allow", "Repositories that the base image may come from. Globs on registry/repository.", allowGlob, false, shorter(covered))
	basePinKey    = wordKey(ruleBaseImage+".pin", "Whether the base image must be named by its digest.", pinDigest, wordAny).orElse(wordAny)
	baseMaxAgeKey = ageKey(ruleBaseImage+".max-age", "How long ago the base image may have been built.")
)

func baseImageRule() *Rule {
	return &Rule{
		ID: ruleBaseImage, Title: "The image is built on an allowed base image.",
		Why: "Most of what is in an image comes from its base. Labels that name the base are inherited and can say anything, so the layers are compared.",
		How: "build on an allowed base image, and let the build name it: labels org.opencontainers.image.base.name and org.opencontainers.image.base.digest, or provenance",
		Settings: "allow (globs on registry/repository, required), pin (digest: the base must be named with its digest; any) and max-age (counted from the date in the config of the base). " +
			"Labels, annotations and provenance name candidates. A candidate whose name allow lists is fetched, and it is the base if its layers are the first layers of the image. " +
			"Others are not fetched. A base that is not proven is undecided; an image whose layers were squashed into one has no base that can be proven.",
		Default: "not asked", Levels: true,
		Example: "base-image: {allow: [\"registry.example.no/base/**\"], pin: digest, max-age: 30d}\n",
		keys:    []key{baseAllowKey, basePinKey, baseMaxAgeKey}, check: checkBaseImage,
	}
}

func checkBaseImage(j *judge) answer {
	if j.img.Proof == nil || j.img.Proof.Base == nil {
		return missing("the base image was not looked for")
	}
	allow := baseAllowKey.value(j.s)
	a := j.baseImage(j.img.Proof.Base, allow)
	a.allowed = "a base image from " + words.Or(allow)
	if limit := baseMaxAgeKey.value(j.s); limit > 0 {
		a.allowed += ", built at most " + words.Duration(limit) + " ago"
	}
	if basePinKey.value(j.s) == pinDigest {
		a.allowed += ", named by its digest"
	}
	return a
}

func (j *judge) baseImage(base *evidence.BaseImage, allow []string) answer {
	proven := nearestBase(base)
	switch {
	case proven != nil && !matchesAny(allow, proven.Name, matchImage):
		return failing("the base image is %s, which is not allowed", baseText(proven))
	case proven != nil && proven.Recompressed && j.img.Scan == nil:
		a := undecided("the layers of the base image %s are compressed otherwise than those of the image, which were not read", baseText(proven))
		a.cure = "add a rule that reads the layers, such as vulnerabilities"
		return a
	case proven != nil:
		return j.judgeBase(proven)
	case len(base.Candidates) == 0:
		return undecided("nothing names the base image")
	}
	a := undecided("the base image is not proven")
	others := 0
	for i := range base.Candidates {
		c := &base.Candidates[i]
		if !matchesAny(allow, c.Name, matchImage) {
			others++
		}
		a.details = append(a.details, fmt.Sprintf("%s, named by %s: %s", baseText(c), words.And(c.NamedBy), c.Problem))
	}
	if others == len(base.Candidates) {
		a.result = ResultFail
		a.message = "the image names no allowed base image: it names " + baseText(&base.Candidates[0])
	}
	return a
}

// nearestBase returns the proven base with the most layers: it is the one that the
// image was built on, and the others are bases of that.
func nearestBase(base *evidence.BaseImage) *evidence.BaseCandidate {
	var best *evidence.BaseCandidate
	for i := range base.Candidates {
		c := &base.Candidates[i]
		if !c.Proven || c.Problem != "" || !digestForm.MatchString(c.Resolved) {
			continue
		}
		if best == nil || c.Layers < best.Layers || c.Layers == best.Layers && best.Digest == "" {
			best = c
		}
	}
	return best
}

func (j *judge) judgeBase(c *evidence.BaseCandidate) answer {
	a := passing("built on %s, whose layers are the first of the image", baseText(c))
	if basePinKey.value(j.s) == pinDigest && c.Digest == "" {
		a = failing("the base image %s is named without a digest, so that the next build can have another one", baseText(c))
		a.cure = "build on " + c.Name + "@" + c.Resolved + ", and let the build name the digest"
		return a
	}
	limit := baseMaxAgeKey.value(j.s)
	if limit == 0 {
		return a
	}
	if c.Created == nil || withoutDate(*c.Created) {
		return undecided("the base image %s does not say when it was built", baseText(c))
	}
	day := c.Created.UTC().Format(time.DateOnly)
	switch age := j.now.Sub(*c.Created); {
	case age < -futureToleranceHours*time.Hour:
		return undecided("the base image %s says it was built on %s, which is in the future", baseText(c), day)
	case age > limit:
		a = failing("the base image %s was built on %s, %s ago", baseText(c), day, words.Duration(age))
		a.cure = "rebuild the image on a newer base image"
		return a
	}
	a.message += ", built on " + day
	return a
}

// baseText names a base image.
func baseText(c *evidence.BaseCandidate) string {
	name := c.Name
	if c.Tag != "" {
		name += ":" + c.Tag
	}
	if c.Digest != "" {
		name += "@" + c.Digest
	}
	return clip(name)
}
