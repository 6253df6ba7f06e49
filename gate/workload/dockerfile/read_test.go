package dockerfile

import (
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/evidence"
)

// last returns the stage that is built.
func last(t *testing.T, text string) *evidence.Stage {
	t.Helper()
	r := Parse("Dockerfile", []byte(text), Options{})
	if p := r.Documents[0].Problems; len(p) > 0 {
		t.Fatalf("problems: %+v", p)
	}
	stages := r.Dockerfiles[0].Stages
	return &stages[len(stages)-1]
}

func TestUser(t *testing.T) {
	for _, tc := range []struct{ name, text, want, problem string }{
		{"none", "FROM a\n", "", ""},
		{"last one counts", "FROM a\nUSER 1\nUSER 2\n", "2", ""},
		{"of another stage", "FROM a\nUSER 1\nFROM b\n", "", ""},
		{"of the stage it begins with", "FROM a AS base\nUSER 1\nFROM base\n", "1", ""},
		{"of a stage further up", "FROM a AS base\nUSER 1\nFROM base AS mid\nFROM mid\n", "1", ""},
		{"replaced again", "FROM a AS base\nUSER 1\nFROM base\nUSER root\n", "root", ""},
		{"default of an argument", "FROM a\nARG U=0\nUSER ${U}\n", "0", ""},
		{"argument before FROM", "ARG U=7\nFROM a\nARG U\nUSER $U\n", "7", ""},
		{"argument before FROM that is not declared", "ARG U=7\nFROM a\nUSER $U\n", "", `USER "$U" uses U, which the file does not set`},
		{"argument without default", "FROM a\nARG U\nUSER $U\n", "", `USER "$U" uses ARG U, which has no default`},
		{"default at its use", "FROM a\nARG U\nUSER ${U:-5}\n", "5", ""},
		{"default at one of two uses", "FROM a\nARG U\nUSER ${U:-5}$U\n", "", `USER "${U:-5}$U" uses ARG U, which has no default`},
		{"variable of the base image", "FROM mcr.microsoft.com/dotnet/aspnet:8.0\nUSER $APP_UID\n", "", `USER "$APP_UID" uses APP_UID, which the file does not set`},
		{"ENV", "FROM a\nENV U=3\nUSER $U:$U\n", "3:3", ""},
		{"values of one ENV are read before they are set", "FROM a\nENV U=0\nENV U=1000 V=$U\nUSER $V\n", "0", ""},
		{"an argument behind an ENV", "FROM a\nENV U=1000\nARG U=0\nUSER $U\n", "0", ""},
		{"an argument without value behind an ENV", "FROM a\nENV U=1000\nARG U\nUSER $U\n", "1000", ""},
		{"ENV of an argument without value", "FROM a\nARG X\nENV U=$X\nUSER $U\n", "", `USER "$U" uses U, whose value is not known`},
		{"ENV of the stage it begins with", "FROM a AS base\nENV U=4\nFROM base\nUSER $U\n", "4", ""},
		{"quoted", "FROM a\nUSER \"1000\"\n", "1000", ""},
		{"escape directive", "# escape=`\nFROM a\nUSER `\n 8\n", "8", ""},
		{"continued", "FROM a\nUSER \\\n# comment\n 8\n", "8", ""},
		{"lower case", "from a\nuser 9\n", "9", ""},
		{"inside a heredoc", "FROM a\nUSER 9\nRUN <<EOF\nUSER 0\nEOF\n", "9", ""},
		{"for other builds only", "FROM a\nUSER 9\nONBUILD USER 0\n", "9", ""},
		{"empty", "FROM a\nARG U=\"\"\nUSER 9\nUSER $U\n", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if s := last(t, tc.text); s.User != tc.want || s.UserProblem != tc.problem {
				t.Errorf("user %q, problem %q; want %q, %q", s.User, s.UserProblem, tc.want, tc.problem)
			}
		})
	}
}

func TestImages(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       []string // reference, or ! and the problem
	}{
		{"one", "FROM node:14-alpine\n", []string{"node:14-alpine"}},
		{"a stage is no image", "FROM a:1 AS b\nFROM b\nCOPY --from=b /x /\nCOPY --from=0 /x /\n", []string{"a:1"}},
		{"scratch is no image", "FROM a:1 AS b\nFROM scratch\nCOPY --from=b /x /\n", []string{"a:1"}},
		{"a later stage is no base", "FROM b\nFROM c AS b\n", []string{"b", "c"}},
		{"a stage with its own name", "FROM alpine AS alpine\n", []string{"alpine"}},
		{"COPY --from ignores case", "FROM a AS build\nFROM scratch\nCOPY --from=BUILD /x /\n", []string{"a"}},
		{"COPY --from of an image", "FROM scratch\nCOPY --from=registry.example.no/x:1 /x /\n", []string{"registry.example.no/x:1"}},
		{"RUN --mount of an image", "FROM scratch\nRUN --mount=type=bind,from=tool:2,target=/t /t/run\n", []string{"tool:2"}},
		{"ONBUILD COPY --from", "FROM a\nONBUILD COPY --from=evil:1 /x /\n", []string{"a", "evil:1"}},
		{"argument", "ARG V=22\nARG IMG=node:${V}\nFROM ${IMG}\n", []string{"node:22"}},
		{"argument without default", "ARG IMG\nFROM $IMG\n", []string{`!FROM "$IMG" uses ARG IMG, which has no default`}},
		{"argument with a default at its use", "ARG IMG\nFROM ${IMG:-node:22}\n", []string{"node:22"}},
		{"platform argument", "FROM --platform=$BUILDPLATFORM golang:1.26\n", []string{"golang:1.26"}},
		{"platform in the name", "FROM base-$TARGETARCH\n", []string{`!FROM "base-$TARGETARCH" depends on TARGETARCH, which each build sets`}},
		{"docker is an image here", "FROM docker:24\n", []string{"docker.io/library/docker:24"}},
		{"oci: chooses no layout", "FROM oci:1\n", []string{"docker.io/library/oci:1"}},
		{"heredoc", "FROM a\nCOPY <<EOF /Dockerfile\nFROM evil\nEOF\n", []string{"a"}},
		{"variable in COPY --from", "ARG X=a\nFROM a\nCOPY --from=$X /x /\n", []string{"a", "!--from=$X has a variable, which BuildKit does not replace there"}},
		{"BOM and CRLF", "\ufeffFROM a:1\r\nRUN x\r\n", []string{"a:1"}},
		{"syntax of the language", "# syntax=docker/dockerfile:1.7\nFROM a:1\n", []string{"a:1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := Parse("Dockerfile", []byte(tc.text), Options{})
			if p := r.Documents[0].Problems; len(p) > 0 {
				t.Fatalf("problems: %+v", p)
			}
			var got []string
			for _, u := range r.Uses() {
				if u.Ref == "" {
					u.Ref = "!" + u.Problem
				}
				got = append(got, u.Ref)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	s := last(t, "# comment\nFROM --platform=linux/amd64 \\\n  node:latest AS web\nUSER  10001\nEXPOSE 80 2375/tcp 8000-8010/UDP $P\nCOPY --from=a:1 /x /\n")
	if s.At.String() != "Dockerfile:3:3" || s.From.At.String() != "Dockerfile:3:3" || s.UserAt.String() != "Dockerfile:4:7" || s.Copied[0].At.String() != "Dockerfile:6:13" {
		t.Errorf("places: %v %v %v %v", s.At, s.From.At, s.UserAt, s.Copied[0].At)
	}
	want := []evidence.Port{
		{Port: 80, Protocol: "tcp", At: evidence.Place{File: "Dockerfile", Line: 5, Column: 8}},
		{Port: 2375, Protocol: "tcp", At: evidence.Place{File: "Dockerfile", Line: 5, Column: 11}},
		{Port: 8000, End: 8010, Protocol: "udp", At: evidence.Place{File: "Dockerfile", Line: 5, Column: 20}},
		{Name: "$P", Protocol: "tcp", At: evidence.Place{File: "Dockerfile", Line: 5, Column: 34}},
	}
	for _, p := range want {
		if !slices.Contains(s.Ports, p) {
			t.Errorf("no %+v in %+v", p, s.Ports)
		}
	}
	if len(s.Ports) != len(want) {
		t.Errorf("ports: %+v", s.Ports)
	}
}

func TestTarget(t *testing.T) {
	text := []byte("FROM a AS web\nUSER 1\nFROM b AS debug\n")
	if r := Parse("Dockerfile", text, Options{Target: "WEB"}); len(r.Documents[0].Problems) > 0 || r.Dockerfiles[0].Target != "WEB" {
		t.Errorf("%+v", r)
	}
	if p := Parse("Dockerfile", text, Options{Target: "x"}).Documents[0].Problems; len(p) != 1 || p[0].Message != `the file has no stage "x"` || p[0].Cure != "name one of its stages: web, debug" {
		t.Errorf("%+v", p)
	}
}

// What is no Dockerfile is no evidence, and its document says where and why.
func TestProblems(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "Dockerfile:1:1 the file is no valid Dockerfile: file with no instructions"},
		{"comments alone", "# x\n", "Dockerfile:1:1 the file is no valid Dockerfile: file with no instructions"},
		{"no FROM", "ARG A=1\n", "Dockerfile:1:1 the file has no FROM"},
		{"instruction before FROM", "RUN x\nFROM a\n", "Dockerfile:1:1 the file is no valid Dockerfile: no build stage in current context"},
		{"unknown instruction", "FROM a\nUSR 1\n", "Dockerfile:2:1 the file is no valid Dockerfile: unknown instruction: USR (did you mean USER?)"},
		{"other language", "# syntax=evil/frontend:1\nFROM a\n", "Dockerfile:1:10 the syntax \"evil/frontend:1\" is not that of docker/dockerfile, so what the file means is not known"},
		{"look-alike language", "# syntax=registry.example.no/docker/dockerfile:1\nFROM a\n",
			"Dockerfile:1:10 the syntax \"registry.example.no/docker/dockerfile:1\" is not that of docker/dockerfile, so what the file means is not known"},
		{"other language in another comment", "// syntax=evil/frontend:1\nFROM a\n", "Dockerfile:1:11 the syntax \"evil/frontend:1\" is not that of docker/dockerfile, so what the file means is not known"},
		{"Helm template", "FROM {{ .image }}\n", "Dockerfile:1:1 the file is no valid Dockerfile: FROM requires either one or three arguments"},
		{"no such stage by number", "FROM a\nCOPY --from=3 /x /\n", "Dockerfile:2:13 the file has no stage 3"},
		{"no text", "FROM a\x00\n", "Dockerfile:1:1 the file is no UTF-8 text"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := Parse("Dockerfile", []byte(tc.text), Options{})
			p := r.Documents[0].Problems
			if len(p) != 1 || p[0].At.String()+" "+p[0].Message != tc.want || len(r.Dockerfiles) > 0 {
				t.Errorf("got %+v, want %s", p, tc.want)
			}
		})
	}
}

// An argument of the build counts before every default of the file, and nowhere else.
func TestBuildArgs(t *testing.T) {
	const image = "registry.example.no/a"
	for name, tt := range map[string]struct{ text, args, from, user, problem string }{
		"no default":            {"ARG V\nFROM " + image + ":$V\nUSER 1\n", "V=2", ":2", "1", ""},
		"a default":             {"ARG V=1\nFROM " + image + ":$V\nUSER 1\n", "V=2", ":2", "1", ""},
		"by another":            {"ARG V=1\nARG W=$V-slim\nFROM " + image + ":$W\nUSER 1\n", "V=2", ":2-slim", "1", ""},
		"not replaced again":    {"ARG V=1\nARG W\nFROM " + image + ":1\nARG W\nUSER $W\n", "W=$V", ":1", "$V", ""},
		"in a stage":            {"FROM " + image + ":1\nARG U=1000\nUSER $U\n", "U=0", ":1", "0", ""},
		"not declared there":    {"ARG U=1000\nFROM " + image + ":1\nUSER $U\n", "U=0", ":1", "", "uses U, which the file does not set"},
		"empty":                 {"FROM " + image + ":1\nARG U=1000\nUSER ${U:-0}\n", "U=", ":1", "0", ""},
		"ENV behind it":         {"FROM " + image + ":1\nARG U\nENV U=5\nUSER $U\n", "U=0", ":1", "5", ""},
		"no variable of ENV":    {"FROM " + image + ":1\nENV U=5\nUSER $U\n", "U=0", ":1", "5", ""},
		"case":                  {"ARG v\nFROM " + image + ":$v\nUSER 1\n", "V=2", "", "1", "which has no default"},
		"another is still open": {"ARG V\nARG W\nFROM " + image + ":$V-$W\nUSER 1\n", "V=2", "", "1", "which has no default"},
	} {
		key, value, _ := strings.Cut(tt.args, "=")
		r := Parse("Dockerfile", []byte(tt.text), Options{Args: map[string]string{key: value}})
		if len(r.Dockerfiles) != 1 {
			t.Fatalf("%s: %+v", name, r.Documents)
		}
		s := r.Dockerfiles[0].Built()
		from := strings.TrimPrefix(s.From.Ref, image)
		if from != tt.from || s.User != tt.user || !strings.Contains(s.From.Problem+s.UserProblem, tt.problem) || tt.problem == "" && s.From.Problem+s.UserProblem != "" {
			t.Errorf("%s: FROM %q (%s), USER %q (%s)", name, from, s.From.Problem, s.User, s.UserProblem)
		}
		declared := !strings.HasPrefix(name, "no variable") && name != "case"
		if got := r.Dockerfiles[0].BuildArgs; declared != (len(got) == 1 && got[0] == key) {
			t.Errorf("%s: the file declares %q", name, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"FROM a AS b\nARG U=0\nUSER ${U:-1}\nFROM b\nCOPY --from=b /x /\nEXPOSE 80-90/udp\n", "# escape=`\nFROM a\n", "FROM scratch\nONBUILD COPY --from=x /a /b\n",
		"ARG A=$B\nFROM ${A#x}${A%%y}${A/a/b}\n", "FROM a\nRUN <<E --mount=type=bind,from=x\nE\n", "# syntax=x\n", "FROM docker:1\nENV A=1 B=$A\nUSER $B\n",
	} {
		f.Add(s, "b")
	}
	f.Fuzz(func(t *testing.T, text, target string) {
		r := Parse("Dockerfile", []byte(text), Options{Target: target})
		if len(r.Documents) != 1 || (len(r.Documents[0].Problems) == 0) != (len(r.Dockerfiles) == 1) {
			t.Fatalf("%+v", r)
		}
		for _, u := range r.Uses() {
			if (u.Ref == "") == (u.Problem == "") {
				t.Fatalf("an image has neither a reference nor a reason, or both: %+v", u.ImageName)
			}
			if ref, err := image.ParseReference(u.Ref); u.Ref != "" && (err != nil || ref.Source != evidence.SourceRegistry) {
				t.Fatalf("%q: %v %v", u.Ref, ref.Source, err)
			}
		}
		for _, d := range r.Dockerfiles {
			for _, s := range d.Stages {
				if strings.Contains(s.User, "\x00") || s.FromStage != nil && s.From != nil {
					t.Fatalf("%+v", s)
				}
			}
		}
	})
}

// The first port is one, and a stage that begins with nothing says so.
func TestScratchAndItsPorts(t *testing.T) {
	s := last(t, "FROM scratch\nEXPOSE 1 65535\n")
	if !s.Scratch || s.From != nil || len(s.Ports) != 2 || s.Ports[0].Port != 1 || s.Ports[1].Port != 65535 {
		t.Errorf("%+v", s)
	}
}
