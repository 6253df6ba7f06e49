package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// silence keeps compose-go from writing to standard error: what it warns of is
// reported as a problem, or does not matter here.
var silence = sync.OnceFunc(func() { logrus.SetOutput(io.Discard) })

// load gives the files to compose-go in a directory of their own, with nothing
// beside them. So compose-go reads the bytes that were checked and no others.
func (p *project) load(scratch string) (*types.Project, []evidence.DocumentProblem) {
	silence()
	dir, err := p.copy(scratch)
	if dir != "" {
		defer os.RemoveAll(dir)
	}
	if err != nil {
		return nil, []evidence.DocumentProblem{p.order[0].problem(nil, "", "", "the files cannot be copied: %v", err)}
	}
	v := &variableCheck{}
	main := p.order[0]
	loaded, err := loader.LoadWithContext(p.ctx, types.ConfigDetails{
		WorkingDir:  dir,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, main.path), Content: main.data}},
		Environment: types.Mapping(p.env).Clone(),
	}, func(o *loader.Options) {
		o.SetProjectName("project", true)
		o.ResolvePaths = false
		o.Profiles = []string{"*"}
		// They would be read from files, and nothing in them is judged.
		o.SkipResolveEnvironment, o.SkipResolveLabels = true, true
		o.Interpolate.Substitute = v.substitute
	})
	if problems := v.problems(p); len(problems) > 0 {
		return nil, problems
	}
	if err != nil {
		return nil, []evidence.DocumentProblem{p.loadProblem(err, dir)}
	}
	return loaded, nil
}

// copy writes the files into a new directory below scratch.
func (p *project) copy(scratch string) (string, error) {
	dir, err := os.MkdirTemp(scratch, "compose-")
	if err != nil {
		return "", err
	}
	write := func(name string, data []byte) error {
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o600)
	}
	for _, f := range p.order {
		err = errors.Join(err, write(f.path, f.data))
	}
	for name, data := range p.extra {
		err = errors.Join(err, write(name, data))
	}
	return dir, err
}

// variableCheck replaces variables for compose-go and remembers the texts in which
// one is not set.
type variableCheck struct {
	texts []string
	unset [][]string // of each text
}

func (v *variableCheck) substitute(text string, lookup template.Mapping) (string, error) {
	replaced, unset, err := substitute(text, lookup)
	if required, ok := errors.AsType[*template.MissingRequiredError](err); ok {
		unset, err = []string{required.Variable}, nil
	}
	if len(unset) > 0 && !slices.Contains(v.texts, text) {
		v.texts, v.unset = append(v.texts, text), append(v.unset, unset)
	}
	return replaced, err
}

// problems says where the variables are that are not set.
func (v *variableCheck) problems(p *project) []evidence.DocumentProblem {
	var all []evidence.DocumentProblem
	for i, text := range v.texts {
		what := fmt.Sprintf("the variable %s is not set and has no default", words.And(v.unset[i]))
		if len(v.unset[i]) > 1 {
			what = fmt.Sprintf("the variables %s are not set and have no defaults", words.And(v.unset[i]))
		}
		cure := fmt.Sprintf("write a default such as ${%s:-VALUE}, or set it in %s; the environment of this process is not used",
			v.unset[i][0], filepath.Join(p.dir, dotEnv))
		found := false
		for _, f := range p.order {
			for _, n := range f.scalarsWith(text) {
				all, found = append(all, f.problem(n, "", cure, "%s", what)), true
			}
		}
		if !found {
			all = append(all, p.order[0].problem(nil, "", cure, "%s", what))
		}
	}
	return all
}

// The places that messages of compose-go name.
var (
	errorField   = regexp.MustCompile(`(?:services|jobs|volumes|networks|secrets|configs|models|include)\.[A-Za-z0-9_.\[\]-]+`)
	errorService = regexp.MustCompile(`(service|job) "([^"]+)"`)
	unknownField = regexp.MustCompile(`additional propert(?:y|ies) '([^']+)'`)
	unknownKey   = regexp.MustCompile(`\.([^.\s]+) false schema$`)
)

// loadProblem turns an error of compose-go into a problem with the place that it
// is about.
func (p *project) loadProblem(err error, dir string) evidence.DocumentProblem {
	text := strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
	text = strings.ReplaceAll(text, dir, ".")
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return p.order[0].problem(nil, "", "", "reading was ended: %v", err)
	}
	field := strings.TrimRight(errorField.FindString(text), ".")
	if m := errorService.FindStringSubmatch(text); field == "" && m != nil {
		field = m[1] + "s." + m[2]
	}
	if m := unknownField.FindStringSubmatch(text); m != nil {
		field = join(field, m[1])
	}
	if m := unknownKey.FindStringSubmatch(text); m != nil {
		text = fmt.Sprintf("there is no key %q here", m[1])
	}
	f, n := p.fieldNode(field)
	return f.problem(n, field, "correct the file; docker compose config shows what Docker Compose makes of it",
		"Docker Compose refuses the file: %s", oneLine(text))
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
