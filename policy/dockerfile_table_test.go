package policy

import (
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// goodDockerfile is a Dockerfile of two stages that meets every rule.
func goodDockerfile() evidence.Dockerfile {
	at := func(line int) evidence.Place { return evidence.Place{File: "Dockerfile", Line: line, Column: 6} }
	hex := strings.Repeat("b", 64)
	return evidence.Dockerfile{File: "Dockerfile", Stages: []evidence.Stage{
		{Name: "build", At: at(1), From: &evidence.ImageName{
			Image: "golang:1.26.8", Ref: "golang:1.26.8", Name: "docker.io/library/golang", Tag: "1.26.8", At: at(1),
		}},
		{At: at(3), User: "10001", UserAt: at(4), Ports: []evidence.Port{{Port: 8080, Protocol: "tcp", At: at(5)}}, From: &evidence.ImageName{
			Image: "base@sha256:" + hex, Ref: "base@sha256:" + hex, Name: "docker.io/library/base", Digest: "sha256:" + hex, At: at(3),
		}},
	}}
}

// withDockerfile adds a Dockerfile to the release.
func withDockerfile(change func(d *evidence.Dockerfile, built *evidence.Stage)) func(*evidence.Release, *evidence.Image) {
	return func(r *evidence.Release, _ *evidence.Image) {
		d := goodDockerfile()
		if change != nil {
			change(&d, &d.Stages[1])
		}
		r.Dockerfiles = append(r.Dockerfiles, d)
	}
}

func TestDockerfileUser(t *testing.T) {
	const p, numeric = "dockerfile: {user: non-root}", "dockerfile: {user: numeric}"
	user := func(text string) func(*evidence.Release, *evidence.Image) {
		return withDockerfile(func(_ *evidence.Dockerfile, s *evidence.Stage) { s.User = text })
	}
	none := func(s *evidence.Stage) { s.User, s.UserAt = "", evidence.Place{} }
	runReleaseCases(t, map[string]releaseCase{
		"number":                     {p, withDockerfile(nil), ruleDockerfileUser, ResultPass, ""},
		"name":                       {p, user("app"), ruleDockerfileUser, ResultPass, ""},
		"name where a number has to": {numeric, user("app:app"), ruleDockerfileUser, ResultFail, "a name"},
		"signed number":              {numeric, user("+1000"), ruleDockerfileUser, ResultFail, "a name"},
		"root":                       {p, user("root"), ruleDockerfileUser, ResultFail, "USER root"},
		"root with a group":          {p, user("root:app"), ruleDockerfileUser, ResultFail, "USER root:app"},
		"0":                          {p, user("0"), ruleDockerfileUser, ResultFail, "USER 0"},
		"00":                         {p, user("00:1000"), ruleDockerfileUser, ResultFail, "USER 00"},
		"-0":                         {p, user("-0"), ruleDockerfileUser, ResultFail, "USER -0"},
		"wraps to root":              {p, user("4294967296"), ruleDockerfileUser, ResultUndecided, "which is no user"},
		"empty":                      {p, user(""), ruleDockerfileUser, ResultFail, "USER is empty"},
		"0 in quotes":                {p, user(" 0 "), ruleDockerfileUser, ResultFail, "USER"},
		"administrator of Windows":   {p, user("ContainerAdministrator"), ruleDockerfileUser, ResultFail, "ContainerAdministrator"},
		"group alone":                {p, user(":1000"), ruleDockerfileUser, ResultFail, "USER is empty"},
		"not known": {p, withDockerfile(func(_ *evidence.Dockerfile, s *evidence.Stage) {
			s.User, s.UserProblem = "", "USER \"$U\" uses ARG U, which has no default"
		}), ruleDockerfileUser, ResultUndecided, "ARG U"},
		"none": {p, withDockerfile(func(_ *evidence.Dockerfile, s *evidence.Stage) { none(s) }), ruleDockerfileUser, ResultFail, "which was not judged"},
		"none on scratch": {p, withDockerfile(func(_ *evidence.Dockerfile, s *evidence.Stage) { none(s); s.From, s.Scratch = nil, true }),
			ruleDockerfileUser, ResultFail, "scratch"},
		"none, and the base image has one": {p, withDockerfile(func(_ *evidence.Dockerfile, s *evidence.Stage) { none(s); s.From.Ref = releaseImage }), ruleDockerfileUser, ResultPass, ""},
		"of another stage": {p, withDockerfile(func(d *evidence.Dockerfile, s *evidence.Stage) {
			d.Stages[0].User, d.Stages[0].UserAt = s.User, s.UserAt
			none(s)
		}), ruleDockerfileUser, ResultFail, "no USER"},
		"of the target": {p, withDockerfile(func(d *evidence.Dockerfile, _ *evidence.Stage) { d.Target = "BUILD" }), ruleDockerfileUser, ResultFail, "golang"},
		"of no target":  {p, withDockerfile(func(d *evidence.Dockerfile, _ *evidence.Stage) { d.Target = "x" }), ruleDockerfileUser, ResultUndecided, "no stage that is built"},
		"no Dockerfile": {p, nil, ruleDockerfileUser, ResultOff, ""},
		"base image as root": {p, func(r *evidence.Release, img *evidence.Image) {
			withDockerfile(func(_ *evidence.Dockerfile, s *evidence.Stage) { none(s); s.From.Ref = releaseImage })(r, img)
			img.Config.User, img.Scan.User = "", nil
		}, ruleDockerfileUser, ResultFail, "runs as root"},
	})
}

func TestDockerfilePin(t *testing.T) {
	const p = "dockerfile: {pin: version}"
	tag := func(tag string) func(*evidence.Release, *evidence.Image) {
		return withDockerfile(func(d *evidence.Dockerfile, _ *evidence.Stage) { d.Stages[0].From.Tag = tag })
	}
	runReleaseCases(t, map[string]releaseCase{
		"versions and digests":        {p, withDockerfile(nil), ruleDockerfilePin, ResultPass, ""},
		"latest":                      {p, tag("latest"), ruleDockerfilePin, ResultFail, "latest"},
		"no tag":                      {p, tag(""), ruleDockerfilePin, ResultFail, "which means latest"},
		"latest where a tag will do":  {"dockerfile: {pin: tag}", tag("latest"), ruleDockerfilePin, ResultFail, "latest"},
		"no tag where a tag will do":  {"dockerfile: {pin: tag}", tag(""), ruleDockerfilePin, ResultFail, "which means latest"},
		"variant where a tag will do": {"dockerfile: {pin: tag}", tag("14-alpine"), ruleDockerfilePin, ResultPass, ""},
		"moving word in a longer tag": {"dockerfile: {pin: tag}", tag("nightly-alpine"), ruleDockerfilePin, ResultFail, "nightly"},
		"two numbers":                 {p, tag("1.26"), ruleDockerfilePin, ResultFail, "1.26"},
		"digest is asked for":         {"dockerfile: {pin: digest}", withDockerfile(nil), ruleDockerfilePin, ResultFail, "golang:1.26.8"},
		"copied": {p, withDockerfile(func(_ *evidence.Dockerfile, s *evidence.Stage) {
			s.Copied = []evidence.ImageName{{Image: "x", Ref: "x", Name: "docker.io/library/x"}}
		}), ruleDockerfilePin, ResultFail, "image x"},
		"name that has a hole": {p, withDockerfile(func(d *evidence.Dockerfile, _ *evidence.Stage) {
			*d.Stages[0].From = evidence.ImageName{Image: "$X", Problem: "ARG X"}
		}), ruleDockerfilePin, ResultUndecided, "ARG X"},
		"any":           {"dockerfile: {pin: any}", tag("latest"), ruleDockerfilePin, ResultOff, ""},
		"no Dockerfile": {p, nil, ruleDockerfilePin, ResultOff, ""},
	})
}

// Where images may come from holds for every name in a Dockerfile.
func TestDockerfileNames(t *testing.T) {
	policyOf := func(text string) string {
		return "version: 1\nextends: none\n" + text + "\n"
	}
	for _, tc := range []struct {
		name, policy string
		change       func(d *evidence.Dockerfile, built *evidence.Stage)
		want         Result
		in           string
	}{
		{"allowed", "reference: {allow: [docker.io/library/*]}", nil, ResultPass, ""},
		{"another registry", "reference: {allow: [registry.example.no/**]}", nil, ResultFail, "reference.allow: docker.io/library/base is not allowed"},
		{"copied from another registry", "reference: {allow: [docker.io/library/*]}", func(_ *evidence.Dockerfile, s *evidence.Stage) {
			s.Copied = []evidence.ImageName{{Image: "evil.example/x", Ref: "evil.example/x", Name: "evil.example/x"}}
		}, ResultFail, "evil.example/x is not allowed"},
		{"tag that is denied", "reference: {deny-tags: [1.26.*]}", nil, ResultFail, "reference.deny-tags"},
		{"name that is not known", "reference: {allow: [docker.io/library/*]}", func(d *evidence.Dockerfile, _ *evidence.Stage) {
			*d.Stages[0].From = evidence.ImageName{Image: "$X", Problem: "ARG X has no default"}
		}, ResultUndecided, "ARG X has no default"},
		{"level warn", "reference: {allow: [registry.example.no/**]}\nlevels: {reference.allow: warn}", nil, ResultWarn, "not allowed"},
		{"override", "reference: {allow: [registry.example.no/**]}\noverrides: [{images: [docker.io/library/*], reason: x, reference: {allow: [docker.io/library/*]}}]", nil, ResultPass, ""},
		{"not asked", "reference: {pin: version}\nworkload: {starts: true}", nil, ResultOff, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := mustParse(t, policyOf(tc.policy))
			r, img := goodRelease(), releaseImageOf()
			withDockerfile(tc.change)(r, img)
			v := p.EvaluateRelease(r, []*evidence.Image{img}, noon())
			got := worstOf(t, v, ruleDockerfileNames)
			record(ruleDockerfileNames, got.Result, p)
			if text := got.Message + strings.Join(got.Details, "\n"); got.Result != tc.want || !strings.Contains(text, tc.in) {
				t.Errorf("%+v, want %s with %q", got, tc.want, tc.in)
			}
		})
	}
}

func TestDockerfileImagesAndPorts(t *testing.T) {
	const p = "dockerfile: {images: judge}"
	judged := withDockerfile(func(d *evidence.Dockerfile, s *evidence.Stage) {
		d.Stages[0].From.Ref, s.From.Ref = releaseImage, releaseImage
	})
	port := func(port evidence.Port) func(*evidence.Release, *evidence.Image) {
		return withDockerfile(func(_ *evidence.Dockerfile, s *evidence.Stage) { s.Ports = []evidence.Port{port} })
	}
	runReleaseCases(t, map[string]releaseCase{
		"judged":               {p, judged, ruleDockerfileImages, ResultPass, ""},
		"not judged":           {p, withDockerfile(nil), ruleDockerfileImages, ResultUndecided, "was not judged"},
		"names alone":          {"dockerfile: {images: name, pin: version}", withDockerfile(nil), ruleDockerfileImages, ResultOff, ""},
		"exposes no such port": {"workload: {deny-ports: [2375]}", withDockerfile(nil), ruleWorkloadPorts, ResultPass, ""},
		"exposes a range":      {"workload: {deny-ports: [2375]}", port(evidence.Port{Port: 2000, End: 3000, Protocol: "tcp"}), ruleWorkloadPorts, ResultFail, "2000-3000"},
		"exposes a variable":   {"workload: {deny-ports: [2375]}", port(evidence.Port{Name: "$PORT", Protocol: "tcp"}), ruleWorkloadPorts, ResultUndecided, "$PORT"},
	})
}

// A Dockerfile alone is judged by what the policy asks of Dockerfiles, and has no
// verdict when that is nothing.
func TestDockerfileAlone(t *testing.T) {
	release := func() *evidence.Release {
		return &evidence.Release{SchemaVersion: evidence.SchemaVersion, Dockerfiles: []evidence.Dockerfile{goodDockerfile()},
			Documents: []evidence.Document{{File: "Dockerfile", Kind: evidence.DocumentDockerfile, SHA256: strings.Repeat("a", 64)}}}
	}
	asks := mustParse(t, "version: 1\nextends: none\ndockerfile: {user: numeric}\n")
	if v := asks.EvaluateRelease(release(), nil, noon()); v.Decision != Passed {
		t.Errorf("%+v", v)
	}
	asksNothing := mustParse(t, "version: 1\nextends: none\nconfig: {user: numeric}\n")
	if v := asksNothing.EvaluateRelease(release(), nil, noon()); v.Decision != Undecided {
		t.Errorf("%+v", v)
	}
}
