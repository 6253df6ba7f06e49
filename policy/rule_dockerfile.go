package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	ruleDockerfileUser   = "dockerfile.user"
	ruleDockerfilePin    = "dockerfile.pin"
	ruleDockerfileNames  = "dockerfile.names"
	ruleDockerfileImages = "dockerfile.images"
)

// pinTag asks that a Dockerfile names a tag which does not move from build to build by
// its name.
const pinTag = "tag"

// The words for what becomes of the images that a Dockerfile names.
const (
	imagesJudge = "judge"
	imagesName  = "name"
)

// dockerfileSection holds the rules about Dockerfiles.
func dockerfileSection() section {
	return section{name: "dockerfile", doc: "What a Dockerfile builds, by its text. The built image says more: prefer the rules of config for it.", rules: []*Rule{
		dockerfileNamesRule(), dockerfilePinRule(), dockerfileUserRule(), dockerfileImagesRule(),
	}}
}

var (
	dockerfileUserKey = &setting[string]{
		path: ruleDockerfileUser, doc: "Who the image that a Dockerfile builds may run as.",
		schema: enum(userNonRoot, userNumeric, wordAny), read: oneOf(userNonRoot, userNumeric, wordAny),
		order: strictest(userNumeric, userNonRoot, wordAny), global: true,
	}
	dockerfilePinKey    = wordKey(ruleDockerfilePin, "How exactly a Dockerfile must name the images that it begins with and copies from.", pinDigest, pinVersion, pinTag, wordAny).ofPolicy()
	dockerfileImagesKey = wordKey(ruleDockerfileImages, "Whether the images that a Dockerfile names are judged like all others, or only their names.", imagesJudge, imagesName).ofPolicy()
)

func dockerfileNamesRule() *Rule {
	return &Rule{
		ID: ruleDockerfileNames, Title: "Dockerfiles take images only from where the policy allows.",
		Why: "A stage that begins with an image of an unknown registry, or copies from one, brings code of an unknown author into the image.",
		How: "name an image that reference.allow allows and reference.deny-tags does not deny",
		Settings: "none: it applies to every FROM, COPY --from, RUN --mount=from and ONBUILD that names an image, of all stages, when the policy sets reference.allow or reference.deny-tags. " +
			"The levels, overrides and exceptions of those two rules hold here too.",
		Default: "always on with Dockerfiles", always: true, NoLevel: "set the level of reference.allow or reference.deny-tags", release: checkDockerfileNames,
	}
}

func dockerfilePinRule() *Rule {
	return &Rule{
		ID: ruleDockerfilePin, Title: "Dockerfiles name images exactly enough.",
		Why: "FROM node:latest builds another image tomorrow, and no review sees the change.",
		How: "name the image by its digest: FROM node:22.1.0@sha256:HEX",
		Settings: "digest and version (as reference.pin), tag (a digest, or a tag without a word such as latest or edge: node:22-alpine will do), any. It holds for every image that a Dockerfile names. " +
			"A default of ARG counts; an ARG without a default gives no verdict.",
		Default: "not asked", Example: "dockerfile: {pin: version}\n", Levels: true,
		keys: []key{dockerfilePinKey}, on: func(s *settings) bool { return dockerfilePinKey.value(s) != wordAny }, release: checkDockerfilePin,
	}
}

func dockerfileUserRule() *Rule {
	return &Rule{
		ID: ruleDockerfileUser, Title: "Dockerfiles end with a user that is not root.",
		Why: "Without USER the image runs as its base image does, and that is root for most of them.",
		How: "end the last stage with USER 10001",
		Settings: "non-root (a number other than 0, or a name other than root), numeric (a number other than 0), any. The USER of the stage that is built counts, or of the stage that it begins with. " +
			"Which number a name has is known only of the built image: config.user. Without any USER it is that of the base image, if that is judged: dockerfile.images.",
		Default: "not asked", Example: "dockerfile: {user: non-root}\n", Levels: true,
		keys: []key{dockerfileUserKey}, on: func(s *settings) bool { return dockerfileUserKey.value(s) != wordAny }, release: checkDockerfileUser,
	}
}

func dockerfileImagesRule() *Rule {
	return &Rule{
		ID: ruleDockerfileImages, Title: "The images that Dockerfiles name are judged too.",
		Why: "What a base image brings along is found before anything is built.",
		How: "make the image reachable, or judge the built image instead",
		Settings: "judge (every image that a Dockerfile names is judged by the whole policy in the same run), name (only its name). " +
			"The built image has the packages of its base, so that judging it is enough in most pipelines.",
		Default: "name", Example: "dockerfile: {images: judge}\n",
		keys: []key{dockerfileImagesKey}, on: func(s *settings) bool { return dockerfileImagesKey.value(s) == imagesJudge }, release: checkDockerfileImages,
		NoLevel: "set it at its own key: dockerfile.images: name",
	}
}

// JudgesDockerfileImages reports whether the images that Dockerfiles name are judged
// in the run.
func (p *Policy) JudgesDockerfileImages() bool {
	return dockerfileImagesKey.value(&p.base) == imagesJudge
}

// dockerfileUses lists the images that Dockerfiles name.
func (j *releaseJudge) dockerfileUses() []evidence.ImageUse {
	var uses []evidence.ImageUse
	for _, u := range j.release.Uses() {
		if u.Stage != nil {
			uses = append(uses, u)
		}
	}
	return uses
}

// known reports an image of a Dockerfile whose name is not known.
func (j *releaseJudge) known(u evidence.ImageUse) bool {
	if u.Ref != "" && u.Name != "" {
		return true
	}
	j.undecided(spot{at: u.At, cure: "give the ARG a default, name the image, or judge one build: --build-arg NAME=VALUE"}, "the name of an image is not known: %s", cmp.Or(u.Problem, "its name is missing"))
	return false
}

const noDockerfile = "no Dockerfile was given"

func checkDockerfileNames(j *releaseJudge) answer {
	if len(j.release.Dockerfiles) == 0 {
		return off(noDockerfile)
	}
	asked := 0
	for _, u := range j.dockerfileUses() {
		if u.Ref == "" || u.Name == "" {
			if _, allow := allowKey.position(j.s); allow {
				asked++
				j.known(u)
			}
			continue
		}
		asked += j.checkName(u)
	}
	if asked == 0 {
		return notApplying("the policy does not ask for names: reference.allow, reference.deny-tags")
	}
	a := passing("%s, all of them allowed", words.Plural(len(j.dockerfileUses()), "image"))
	a.allowed = "images that the reference rules allow"
	return a
}

// checkName asks the rules about references of one name, and returns how many of
// them the policy sets.
func (j *releaseJudge) checkName(u evidence.ImageUse) (asked int) {
	img := &evidence.Image{SchemaVersion: evidence.SchemaVersion, Reference: evidence.Reference{
		Asked: u.Ref, Source: evidence.SourceRegistry, Name: u.Name, Tag: u.Tag, Digest: u.Digest,
	}}
	a := j.policy.settingsFor(u.Name, j.now)
	inner := &judge{policy: j.policy, s: a.settings.at(j.now, j.policy.lang.leaves), applied: a, img: img, now: j.now, index: newExceptionIndex(j.policy)}
	for _, id := range []string{ruleAllow, ruleDenyTags} {
		res := inner.apply(j.policy.lang.lookup(id))
		at := spot{at: u.At, cure: res.Cure}
		switch res.Result {
		case ResultOff:
			continue
		case ResultFail:
			j.fails(at, "%s: %s", id, res.Message)
		case ResultWarn:
			j.warns(at, "%s: %s", id, res.Message)
		case ResultUndecided:
			j.undecided(at, "%s: %s", id, res.Message)
		}
		asked++
	}
	return asked
}

func checkDockerfilePin(j *releaseJudge) answer {
	if len(j.release.Dockerfiles) == 0 {
		return off(noDockerfile)
	}
	want := dockerfilePinKey.value(j.s)
	for _, u := range j.dockerfileUses() {
		if !j.known(u) || u.Digest != "" {
			continue
		}
		ref := evidence.Reference{Source: evidence.SourceRegistry, Name: u.Name, Tag: u.Tag}
		tag := effectiveTag(ref)
		why := floating(tag, releaseTagsKey.value(j.s))
		if want == pinTag && why != "" {
			why = movingText(tag, nil)
		}
		switch {
		case want == pinDigest:
			j.fails(spot{at: u.At}, "the image %s: %s can be moved to another image", u.Image, tagText(ref, tag))
		case why != "":
			j.fails(spot{at: u.At, cure: "name a full version or the digest"}, "the image %s: %s names no single release: %s", u.Image, tagText(ref, tag), why)
		}
	}
	a := passing("%s, all of them named exactly enough", words.Plural(len(j.dockerfileUses()), "image"))
	a.allowed = map[string]string{pinDigest: "a digest", pinVersion: "a full version or a digest", pinTag: "a tag other than latest and its like, or a digest"}[want]
	return a
}

func checkDockerfileUser(j *releaseJudge) answer {
	if len(j.release.Dockerfiles) == 0 {
		return off(noDockerfile)
	}
	for i := range j.release.Dockerfiles {
		j.checkStageUser(&j.release.Dockerfiles[i])
	}
	a := passing("%s, none of them for root", words.Plural(len(j.release.Dockerfiles), "Dockerfile"))
	a.allowed = "a user that is not root"
	if dockerfileUserKey.value(j.s) == userNumeric {
		a.allowed = "a user that is not root, written as a number"
	}
	return a
}

func (j *releaseJudge) checkStageUser(d *evidence.Dockerfile) {
	s := d.Built()
	if s == nil {
		j.misses(spot{at: evidence.Place{File: d.File}}, "%s has no stage that is built", d.File)
		return
	}
	at := spot{at: s.UserAt}
	user, _, _ := strings.Cut(s.User, ":")
	user = strings.TrimSpace(user)
	number, numeric := atoi(user)
	switch {
	case s.UserProblem != "":
		j.undecided(at.with("write the user as a number: USER 10001"), "the built image runs as a user that is not known: %s", s.UserProblem)
	case s.UserAt == (evidence.Place{}):
		j.checkBaseUser(d, s)
	case user == "":
		j.fails(at, "the built image runs as root: USER is empty")
	case numeric && number == 0, user == "root":
		j.fails(at, "the built image runs as root: USER %s", s.User)
	case windowsName(user) == containerAdministrator:
		j.fails(at.with("end the last stage with USER ContainerUser"), "the built image runs on Windows as an administrator: USER %s", s.User)
	case numeric && (number < 0 || number > maxUID):
		j.undecided(at.with("write the user as a number: USER 10001"), "the built image runs as USER %s, which is no user", s.User)
	case dockerfileUserKey.value(j.s) == userNumeric && !(numeric && digitsOnly.MatchString(user)):
		j.fails(at.with("write the user as a number: USER 10001"), "the built image runs as USER %s, which is a name that Kubernetes cannot verify", s.User)
	}
}

// checkBaseUser judges a stage without USER: it runs as its base image does.
func (j *releaseJudge) checkBaseUser(d *evidence.Dockerfile, s *evidence.Stage) {
	at := spot{at: s.At}
	base := d.Base(s)
	if base.From == nil {
		j.fails(at, "the built image runs as root: there is no USER, and the stage begins with scratch")
		return
	}
	images := j.images[base.From.Ref]
	if base.From.Ref == "" || len(images) == 0 {
		j.fails(at, "the stage has no USER, so the built image runs as its base image %s does, which was not judged", base.From.Image)
		return
	}
	for _, img := range images {
		switch u := userOf(img); {
		case u.lacking:
			j.misses(at, "the stage has no USER, and that of its base image %s is not known: %s", base.From.Image, u.problem)
		case u.uid == nil:
			j.undecided(at, "the stage has no USER, and that of its base image %s is not known: %s", base.From.Image, u.problem)
		case *u.uid == 0:
			j.fails(at, "the built image runs as root: there is no USER, and of its base image %s%s %s", base.From.Image, several(images, img), u.text())
		case dockerfileUserKey.value(j.s) == userNumeric && u.named:
			j.fails(at, "the stage has no USER, and that of its base image %s%s is a name, which Kubernetes cannot verify: %s", base.From.Image, several(images, img), u.text())
		}
	}
}

func checkDockerfileImages(j *releaseJudge) answer {
	if len(j.release.Dockerfiles) == 0 {
		return off(noDockerfile)
	}
	for _, u := range j.dockerfileUses() {
		if j.known(u) && len(j.images[u.Ref]) == 0 {
			j.misses(spot{at: u.At}, "the image %s was not judged", u.Image)
		}
	}
	a := passing("%s, all of them judged", words.Plural(len(j.dockerfileUses()), "image"))
	a.allowed = "images that were judged"
	return a
}

// checkDockerfilePorts looks at EXPOSE of the stages that are built.
func (j *releaseJudge) checkDockerfilePorts() {
	for i := range j.release.Dockerfiles {
		s := j.release.Dockerfiles[i].Built()
		if s == nil {
			continue // dockerfile.user reports it
		}
		for _, p := range s.Ports {
			switch {
			case p.Port == 0:
				j.undecided(spot{at: p.At, cure: "write the port as a number"}, "EXPOSE %s is no number that is known", clip(p.Name))
			case j.deniedPort(p.Port, p.End, p.Protocol):
				j.fails(spot{at: p.At, cure: "remove EXPOSE, and the program that listens there"}, "the built image exposes port %s", portText(p.Port, p.End, p.Protocol))
			}
		}
	}
}

// asksDockerfiles reports whether the policy asks anything of Dockerfiles.
func (p *Policy) asksDockerfiles() bool {
	asking := []string{ruleDockerfilePin, ruleDockerfileUser, ruleDockerfileImages, ruleAllow, ruleDenyTags, ruleWorkloadPorts}
	return slices.ContainsFunc(asking, func(id string) bool { return p.lang.lookup(id).active(&p.base) })
}
