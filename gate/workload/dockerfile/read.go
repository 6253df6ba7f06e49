// Package dockerfile reads Dockerfiles into evidence, with the parser of BuildKit.
// Nothing is built, fetched or run.
package dockerfile

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	// maxFile bounds a Dockerfile.
	maxFile = 1 << 20
	// maxStages bounds its stages.
	maxStages = 1000
)

// Options say how a Dockerfile is built.
type Options struct {
	// Target is the stage that is built, "" for the last one.
	Target string
	// Args are the arguments of the build by name. They count before the defaults of
	// ARG in the file.
	Args map[string]string
}

// Read reads the Dockerfile that is called name. The error is that the file cannot be
// read at all; what is wrong in it becomes problems of its document.
func Read(ctx context.Context, name string, o Options) (*evidence.Release, error) {
	data, err := input.ReadFile(ctx, name, maxFile)
	if err != nil {
		return nil, err
	}
	return Parse(name, data, o), nil
}

// Parse reads the bytes of a Dockerfile.
func Parse(name string, data []byte, o Options) *evidence.Release {
	r := &reader{file: name, lines: strings.Split(string(data), "\n"), options: o, dockerfile: evidence.Dockerfile{File: name, Target: o.Target}}
	r.parse(data)
	sum := sha256.Sum256(data)
	document := evidence.Document{
		File: name, Kind: evidence.DocumentDockerfile, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data)), Problems: r.problems,
	}
	release := &evidence.Release{SchemaVersion: evidence.SchemaVersion}
	if len(r.problems) == 0 {
		document.Objects = map[string]int{"stage": len(r.dockerfile.Stages)}
		release.Dockerfiles = []evidence.Dockerfile{r.dockerfile}
	}
	release.Documents = []evidence.Document{document}
	return release
}

// reader reads one Dockerfile.
type reader struct {
	file       string
	lines      []string
	options    Options
	escape     rune
	dockerfile evidence.Dockerfile
	problems   []evidence.DocumentProblem

	global *variables   // ARG before the first FROM
	scopes []*variables // of each stage
}

func (r *reader) problem(at evidence.Place, cure, format string, args ...any) {
	r.problems = append(r.problems, evidence.DocumentProblem{At: at, Message: fmt.Sprintf(format, args...), Cure: cure})
}

// parse fills the Dockerfile or the problems. A panic becomes a problem: a library
// that meets a file which it does not expect must not end the run of all images.
func (r *reader) parse(data []byte) {
	start := evidence.Place{File: r.file, Line: 1, Column: 1}
	defer func() {
		if cause := recover(); cause != nil {
			r.problem(start, "report it as a defect of imagegate, with the file", "reading the file ended in a panic: %v", cause)
		}
	}()
	if !utf8.Valid(data) || bytes.ContainsRune(data, 0) {
		r.problem(start, "save the file as UTF-8", "the file is no UTF-8 text")
		return
	}
	if syntax, _, where, ok := parser.DetectSyntax(data); ok && !knownSyntax(syntax) {
		r.problem(r.place(where, syntax), "build from a Dockerfile of docker/dockerfile, or check the built image instead",
			"the syntax %q is not that of docker/dockerfile, so what the file means is not known", syntax)
		return
	}
	result, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		r.syntax(err)
		return
	}
	r.escape = result.EscapeToken
	stages, args, err := instructions.Parse(result.AST, nil)
	switch {
	case err != nil:
		r.syntax(err)
	case len(stages) == 0:
		r.problem(start, "begin a stage with FROM", "the file has no FROM")
	case len(stages) > maxStages:
		r.problem(start, "write fewer stages", "the file has more than %d stages", maxStages)
	default:
		r.stages(stages, args)
	}
}

// knownSyntax reports the images of the Dockerfile language itself. Another one can
// give every instruction another meaning.
func knownSyntax(ref string) bool {
	name, _, _ := strings.Cut(ref, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	name = strings.TrimPrefix(name, "docker.io/")
	return name == "docker/dockerfile" || name == "docker/dockerfile-upstream"
}

// errorLine is what begins a message of the parser: its place says the same.
var errorLine = regexp.MustCompile(`^dockerfile parse error on line \d+: `)

// syntax reports an error of the parser.
func (r *reader) syntax(err error) {
	at := evidence.Place{File: r.file, Line: 1, Column: 1}
	if located, ok := errors.AsType[*parser.LocationError](err); ok && len(located.Locations) > 0 {
		at = r.place(located.Locations[0], "")
	}
	text := errorLine.ReplaceAllString(strings.Join(strings.Fields(err.Error()), " "), "")
	r.problem(at, "correct the instruction", "the file is no valid Dockerfile: %s", text)
}

// place returns where text is in the lines of an instruction, or its beginning.
func (r *reader) place(where []parser.Range, text string) evidence.Place {
	at := evidence.Place{File: r.file, Line: 1, Column: 1}
	for i, lines := range where {
		if i == 0 && lines.Start.Line > 0 {
			at.Line = lines.Start.Line
		}
		for n := lines.Start.Line; text != "" && n <= lines.End.Line && n >= 1 && n <= len(r.lines); n++ {
			if column := word(r.lines[n-1], text); column > 0 {
				return evidence.Place{File: r.file, Line: n, Column: column}
			}
		}
	}
	return at
}

// word returns the column, from 1, at which text stands in a line as a word of its
// own or behind a "=".
func word(line, text string) int {
	for from := 0; ; {
		i := strings.Index(line[from:], text)
		if i < 0 {
			return 0
		}
		begin, end := from+i, from+i+len(text)
		before := begin == 0 || strings.ContainsRune(" \t='\"", rune(line[begin-1]))
		after := end == len(line) || strings.ContainsRune(" \t\r,'\"", rune(line[end]))
		if before && after {
			return utf8.RuneCountInString(line[:begin]) + 1
		}
		from = end
	}
}

// stages reads every stage.
func (r *reader) stages(stages []instructions.Stage, args []instructions.ArgCommand) {
	r.global = &variables{values: map[string]string{}}
	for _, arg := range args {
		for _, a := range arg.Args {
			r.declare(r.global, a, nil)
		}
	}
	for i := range stages {
		r.begin(&stages[i])
	}
	for i := range stages {
		r.commands(i, &stages[i])
	}
	r.checkTarget()
}

// declare reads one ARG. A value that is given for the build counts before all that the
// file says.
func (r *reader) declare(scope *variables, arg instructions.KeyValuePairOptional, global *variables) {
	value, given := r.options.Args[arg.Key]
	if !given {
		scope.declare(r.lex(), arg, global)
		return
	}
	scope.set(arg.Key, value, "")
	if d := &r.dockerfile; !slices.Contains(d.BuildArgs, arg.Key) {
		d.BuildArgs = append(d.BuildArgs, arg.Key)
	}
}

func (r *reader) lex() *shell.Lex { return shell.NewLex(r.escape) }

// begin reads the FROM of a stage.
func (r *reader) begin(s *instructions.Stage) {
	at := r.place(s.Location, s.BaseName)
	stage := evidence.Stage{Name: s.Name, At: at, Platform: s.Platform}
	name, problem := r.global.replace(r.lex(), s.BaseName)
	base := r.named(name)
	switch {
	case problem != "":
		stage.From = &evidence.ImageName{Image: s.BaseName, Problem: "FROM " + problem, At: at}
	case name == "scratch":
		stage.Scratch = true
	case base >= 0 && r.dockerfile.Stages[base].Name == name: // only COPY --from ignores case
		stage.FromStage = &base
	default:
		stage.From = imageName(name, at)
	}
	r.dockerfile.Stages = append(r.dockerfile.Stages, stage)
	r.scopes = append(r.scopes, &variables{values: map[string]string{}})
}

// named returns the stage with this name, the last of several, or -1.
func (r *reader) named(name string) int {
	for i := len(r.dockerfile.Stages) - 1; i >= 0 && name != ""; i-- {
		if strings.EqualFold(r.dockerfile.Stages[i].Name, name) {
			return i
		}
	}
	return -1
}

// checkTarget reports a target that is no stage.
func (r *reader) checkTarget() {
	if r.options.Target != "" && r.built() < 0 {
		var names []string
		for _, s := range r.dockerfile.Stages {
			if s.Name != "" {
				names = append(names, s.Name)
			}
		}
		r.problem(evidence.Place{File: r.file, Line: 1, Column: 1}, "name one of its stages: "+cmp.Or(strings.Join(names, ", "), "none has a name"),
			"the file has no stage %q", r.options.Target)
	}
}

// built returns the index of the stage that is built.
func (r *reader) built() int {
	if r.options.Target == "" {
		return len(r.dockerfile.Stages) - 1
	}
	return r.named(r.options.Target)
}
