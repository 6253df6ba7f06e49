package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// effectiveTag is the tag that a runtime would pull: latest when neither tag
// nor digest is written, "" when only a digest is.
func effectiveTag(r evidence.Reference) string {
	if r.Tag == "" && r.Digest == "" {
		return "latest"
	}
	return r.Tag
}

func checkPin(j *judge) answer {
	r, want := j.img.Reference, j.s.pin.value
	a := answer{allowed: map[string]string{pinDigest: "a digest", pinVersion: "a full version or a digest"}[want]}
	tag := effectiveTag(r)
	switch {
	case r.Source == evidence.SourceOCI || r.Source == evidence.SourceTar:
		a.result, a.message = ResultPass, "read from a local "+string(r.Source)+" source: its content is judged by its digest"
	case r.Source != evidence.SourceRegistry || r.Name == "":
		return missing("the reference is not known")
	case r.Digest != "":
		a.result, a.message = ResultPass, "named by digest "+r.Digest
	case want == pinDigest:
		a.result, a.message = ResultFail, tagText(r, tag)+" can be moved to another image"
		a.cure = "name the image by its digest: " + r.Name + "@" + j.askedDigest()
	case floating(tag, nil) != "":
		a.result, a.message = ResultFail, tagText(r, tag)+" names no single release: "+floating(tag, nil)
	default:
		a.result, a.message = ResultPass, tagText(r, tag)+" names one release"
	}
	return a
}

// askedDigest is the digest that the reference stood for: the index's where
// there is one, so that other platforms still find their image.
func (j *judge) askedDigest() string {
	if j.img.IndexDigest != "" {
		return j.img.IndexDigest
	}
	return j.img.Digest
}

func tagText(r evidence.Reference, tag string) string {
	if r.Tag == "" {
		return "no tag, which means latest,"
	}
	return fmt.Sprintf("tag %q", tag)
}

func checkDenyTags(j *judge) answer {
	r := j.img.Reference
	if r.Source == evidence.SourceOCI || r.Source == evidence.SourceTar {
		return passing("read from a local %s source: there is no registry tag", r.Source)
	}
	if r.Source != evidence.SourceRegistry || r.Name == "" {
		return missing("the reference is not known")
	}
	tag := effectiveTag(r)
	if tag == "" {
		return passing("named by digest alone")
	}
	for _, g := range j.s.denyTags.value {
		if matchFold(g, tag) {
			a := failing("%s is denied by %q", tagText(r, tag), g)
			a.allowed = "no tag like " + words.Or(j.s.denyTags.value)
			return a
		}
	}
	return passing("%s is not denied", tagText(r, tag))
}

func checkAllow(j *judge) answer {
	name := j.img.Reference.Name
	if name == "" {
		return missing("the reference is not known")
	}
	a := answer{allowed: words.Or(j.s.allow.value)}
	if matchesAny(j.s.allow.value, name, matchImage) {
		a.result, a.message = ResultPass, name+" is allowed"
		return a
	}
	a.result, a.message = ResultFail, name+" is not allowed"
	return a
}

func checkPlatforms(j *judge) answer {
	have := j.img.Platforms
	if len(have) == 0 {
		return missing("the platforms are not known")
	}
	var lacking []string
	for _, want := range j.s.platforms.value {
		if !slices.ContainsFunc(have, func(p string) bool { return samePlatform(want, p) }) {
			lacking = append(lacking, want)
		}
	}
	a := passing("offered for %s", words.And(have))
	if len(lacking) > 0 {
		a = failing("not offered for %s, only for %s", words.And(lacking), words.And(have))
	}
	a.allowed = "an image for " + words.And(j.s.platforms.value)
	return a
}

// samePlatform reports whether have is what want asks for: any variant when
// want names none. arm64 is arm64/v8 by the OCI specification.
func samePlatform(want, have string) bool {
	clean := func(p string) string {
		p = strings.ToLower(p)
		if strings.HasSuffix(p, "/arm64/v8") {
			p = strings.TrimSuffix(p, "/v8")
		}
		return p
	}
	want, have = clean(want), clean(have)
	return have == want || strings.Count(want, "/") == 1 && strings.HasPrefix(have, want+"/")
}
