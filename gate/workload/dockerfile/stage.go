package dockerfile

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/evidence"
)

// imageName returns an image that a Dockerfile names.
func imageName(name string, at evidence.Place) *evidence.ImageName {
	out := &evidence.ImageName{Image: name, At: at}
	ref, err := image.NamedInDocument(name)
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	parsed, err := image.ParseReference(ref)
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	out.Ref, out.Name, out.Tag, out.Digest = ref, parsed.Name, parsed.Tag, parsed.Digest
	return out
}

// commands reads the instructions of a stage.
func (r *reader) commands(i int, s *instructions.Stage) {
	stage, scope := &r.dockerfile.Stages[i], r.scopes[i]
	if stage.FromStage != nil { // its instructions have been read: it is an earlier one
		base := &r.dockerfile.Stages[*stage.FromStage]
		stage.User, stage.UserAt, stage.UserProblem = base.User, base.UserAt, base.UserProblem
		stage.Ports = slices.Clone(base.Ports)
		scope = r.scopes[*stage.FromStage].clone()
		r.scopes[i] = scope
	}
	for _, command := range s.Commands {
		r.command(stage, scope, command)
	}
}

func (r *reader) command(stage *evidence.Stage, scope *variables, command instructions.Command) {
	switch c := command.(type) {
	case *instructions.ArgCommand:
		for _, a := range c.Args {
			r.declare(scope, a, r.global)
		}
	case *instructions.EnvCommand:
		before := scope.clone() // all values are read before one is set
		for _, e := range c.Env {
			value, problem := before.replace(r.lex(), e.Value)
			scope.set(e.Key, value, problem)
		}
	case *instructions.UserCommand:
		stage.UserAt = r.place(c.Location(), c.User)
		stage.User, stage.UserProblem = scope.replace(r.lex(), c.User)
		if stage.UserProblem != "" {
			stage.UserProblem = "USER " + stage.UserProblem
		}
	case *instructions.ExposeCommand:
		for _, text := range c.Ports {
			r.expose(stage, scope, text, r.place(c.Location(), text))
		}
	case *instructions.CopyCommand:
		r.copied(stage, c.From, c.Location())
	case *instructions.RunCommand:
		for _, m := range instructions.GetMounts(c) {
			r.copied(stage, m.From, c.Location())
		}
	case *instructions.OnbuildCommand:
		r.onBuild(stage, c)
	}
}

// copied reads the image of COPY --from and RUN --mount=from.
func (r *reader) copied(stage *evidence.Stage, from string, where []parser.Range) {
	if from == "" || from == "scratch" {
		return
	}
	at := r.place(where, from)
	if strings.Contains(from, "$") {
		stage.Copied = append(stage.Copied, evidence.ImageName{Image: from, At: at,
			Problem: fmt.Sprintf("--from=%s has a variable, which BuildKit does not replace there", from)})
		return
	}
	if n, err := strconv.Atoi(from); err == nil {
		if n < 0 || n >= len(r.dockerfile.Stages) {
			r.problem(at, "name a stage", "the file has no stage %d", n)
		}
		return
	}
	if r.named(from) < 0 {
		stage.Copied = append(stage.Copied, *imageName(from, at))
	}
}

// onBuild reads the images of an instruction that runs in builds from this image.
func (r *reader) onBuild(stage *evidence.Stage, c *instructions.OnbuildCommand) {
	result, err := parser.Parse(strings.NewReader(c.Expression))
	if err != nil || len(result.AST.Children) != 1 {
		r.problem(r.place(c.Location(), ""), "correct the instruction", "ONBUILD %s cannot be read", c.Expression)
		return
	}
	inner, err := instructions.ParseCommand(result.AST.Children[0])
	if err != nil {
		r.problem(r.place(c.Location(), ""), "correct the instruction", "ONBUILD %s cannot be read: %v", c.Expression, err)
		return
	}
	switch inner := inner.(type) {
	case *instructions.CopyCommand:
		r.copied(stage, inner.From, c.Location())
	case *instructions.RunCommand:
		for _, m := range instructions.GetMounts(inner) {
			r.copied(stage, m.From, c.Location())
		}
	}
}

// expose reads one port of EXPOSE: 80, 80/udp or 8000-8010.
func (r *reader) expose(stage *evidence.Stage, scope *variables, text string, at evidence.Place) {
	replaced, problem := scope.replace(r.lex(), text)
	if problem != "" {
		stage.Ports = append(stage.Ports, evidence.Port{Name: text, Protocol: "tcp", At: at})
		return
	}
	for _, one := range strings.Fields(replaced) {
		numbers, protocol, _ := strings.Cut(one, "/")
		protocol = cmp.Or(protocol, "tcp")
		from, to, ranged := strings.Cut(numbers, "-")
		port := evidence.Port{Protocol: strings.ToLower(protocol), At: at}
		var err error
		if port.Port, err = strconv.Atoi(from); err == nil && ranged {
			port.End, err = strconv.Atoi(to)
		}
		if err != nil || port.Port < 1 || port.Port > 65535 || ranged && (port.End < port.Port || port.End > 65535) {
			port = evidence.Port{Name: one, Protocol: "tcp", At: at} // no port: a rule about ports cannot answer
		}
		stage.Ports = append(stage.Ports, port)
	}
}
