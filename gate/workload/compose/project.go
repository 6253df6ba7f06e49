package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// maxFiles bounds the files of one project.
const maxFiles = 500

// dotEnv is the file of variables that Compose reads beside a Compose file.
const dotEnv = ".env"

// project is a Compose file with every file that it includes or extends, read
// once and checked. Only these bytes are given to compose-go.
type project struct {
	ctx   context.Context
	main  string // the file as the user named it
	dir   string // its directory, as the user named it
	root  *os.Root
	files map[string]*file  // Compose files by path
	order []*file           // the same, the main file first
	extra map[string][]byte // files of variables by path
	env   map[string]string // variables of the .env beside the main file
	// beside holds the names of files that Docker Compose would merge by itself.
	beside map[string]bool

	problems []evidence.DocumentProblem
}

// open reads the main file and all that belongs to it. The error is about the
// main file itself: that it is not there, for example.
func open(ctx context.Context, name string) (*project, error) {
	data, err := input.ReadFile(ctx, name, maxFile)
	if err != nil {
		return nil, err
	}
	p := &project{
		ctx: ctx, main: name, dir: filepath.Dir(name), files: map[string]*file{}, extra: map[string][]byte{}, env: map[string]string{}, beside: map[string]bool{},
	}
	if p.root, err = os.OpenRoot(p.dir); err != nil {
		return nil, err
	}
	defer p.root.Close()
	main := &file{path: filepath.Base(name), shown: name, data: data, dir: "."}
	p.add(main)
	if values := p.variables(main, nil, dotEnv, false); values != nil {
		p.env = values
	}
	p.follow(main)
	for _, name := range overrideFiles() {
		if _, err := p.root.Lstat(name); err == nil {
			p.beside[name] = true
		}
	}
	return p, nil
}

// add takes a file into the project, and checks it.
func (p *project) add(f *file) {
	p.files[f.path] = f
	p.order = append(p.order, f)
	p.problems = append(p.problems, f.parse()...)
}

// refuse reports something that the project must not do.
func (p *project) refuse(f *file, n *yaml.Node, field, cure, format string, args ...any) {
	p.problems = append(p.problems, f.problem(n, field, cure, format, args...))
}

// follow reads the files that f includes and extends.
func (p *project) follow(f *file) {
	if len(p.problems) > 0 {
		return // a file with two meanings could include either of two files
	}
	for _, root := range f.docs {
		_, include := child(root, "include")
		if include = target(include); include != nil && include.Kind == yaml.SequenceNode {
			for i, entry := range include.Content {
				p.include(f, target(entry), fmt.Sprintf("include[%d]", i))
			}
		}
		for _, section := range []string{"services", "jobs"} {
			_, services := child(root, section)
			p.extends(f, section, target(services))
		}
	}
}

// include reads what one entry of include names.
func (p *project) include(f *file, entry *yaml.Node, field string) {
	if entry == nil {
		return
	}
	paths, directory := []*yaml.Node{entry}, ""
	if entry.Kind == yaml.MappingNode {
		_, value := child(entry, "path")
		paths = texts(value)
		if _, value = child(entry, "project_directory"); target(value) != nil {
			name, ok := p.inside(f, target(value), f.dir, join(field, "project_directory"))
			if !ok {
				return
			}
			directory = name
		}
	}
	for i, n := range paths {
		name, ok := p.inside(f, n, f.dir, field)
		if !ok {
			continue
		}
		if directory == "" && i == 0 {
			directory = path.Dir(name)
		}
		p.addFile(f, n, name, directory, field)
	}
	if directory == "" {
		return
	}
	_, value := child(entry, "env_file")
	if len(texts(value)) == 0 {
		p.variables(f, entry, path.Join(directory, dotEnv), false)
	}
	for _, n := range texts(value) {
		if name, ok := p.inside(f, n, f.dir, join(field, "env_file")); ok {
			p.variables(f, n, name, true)
		}
	}
}

// extends reads the files of services that are extended.
func (p *project) extends(f *file, section string, services *yaml.Node) {
	if services == nil || services.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(services.Content); i += 2 {
		_, extends := child(services.Content[i+1], "extends")
		_, from := child(extends, "file")
		n := target(from)
		if n == nil {
			continue
		}
		field := join(section, services.Content[i].Value) + ".extends.file"
		if name, ok := p.inside(f, n, f.dir, field); ok {
			p.addFile(f, n, name, path.Dir(name), field)
		}
	}
}

// addFile reads a Compose file that f names at n.
func (p *project) addFile(f *file, n *yaml.Node, name, dir, field string) {
	if p.files[name] != nil {
		return
	}
	if len(p.files) >= maxFiles {
		p.refuse(f, n, field, renderCure, "the project has more than %s files", words.Count(maxFiles))
		return
	}
	data, ok := p.read(f, n, name, field)
	if !ok {
		return
	}
	next := &file{path: name, shown: filepath.Join(p.dir, filepath.FromSlash(name)), data: data, dir: dir}
	p.add(next)
	p.follow(next)
}

// renderCure tells how to get one file out of many.
const renderCure = "put all files below the directory of the Compose file, or check the output of docker compose config"

// inside returns the path that a file names at n, from the directory of the
// project. It reports a path that leaves the directory, and an address.
func (p *project) inside(f *file, n *yaml.Node, dir, field string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		return "", false // compose-go reports what is no text
	}
	text, unset, err := substitute(n.Value, p.lookup)
	switch {
	case err != nil || len(unset) > 0:
		p.refuse(f, n, field, "write the path without variables", "the path %q has a variable that is not set", n.Value)
		return "", false
	case isRemote(text):
		p.refuse(f, n, field, renderCure, "%q is not on this machine, and imagegate fetches no Compose files", text)
		return "", false
	}
	name := path.Join(dir, filepath.ToSlash(text))
	if strings.HasPrefix(text, "~") || path.IsAbs(text) || filepath.IsAbs(text) || !filepath.IsLocal(filepath.FromSlash(name)) {
		p.refuse(f, n, field, renderCure, "%q is outside the directory of the Compose file", text)
		return "", false
	}
	return name, true
}

// resolve returns the path of a file that f names, as far as it is known.
func (f *file) resolve(text string) string { return path.Join(f.dir, filepath.ToSlash(text)) }

// isRemote reports an address that Docker Compose would fetch.
func isRemote(text string) bool {
	return strings.Contains(text, "://") || strings.HasPrefix(text, "git@") || strings.HasPrefix(text, "github.com/") ||
		strings.HasPrefix(text, "oci:")
}

// read reads a file below the directory. Links that lead out of it are refused.
func (p *project) read(f *file, n *yaml.Node, name, field string) ([]byte, bool) {
	data, err := p.readFile(name)
	switch {
	case err == nil:
		return data, true
	case errors.Is(err, fs.ErrNotExist):
		p.refuse(f, n, field, "correct the path, or add the file", "there is no file %q", name)
	default:
		p.refuse(f, n, field, renderCure, "%q cannot be read: %s", name, plain(err))
	}
	return nil, false
}

// stat looks at a file below the directory. Links are followed, but not out of it.
func (p *project) stat(name string) (fs.FileInfo, error) {
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Stat(filepath.FromSlash(name))
}

func (p *project) readFile(name string) ([]byte, error) {
	info, err := p.root.Stat(filepath.FromSlash(name)) // before it is opened: a pipe would wait for a writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	file, err := p.root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(input.NewReader(p.ctx, file), maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it is larger than %s", words.BinarySize(maxFile))
	}
	return data, err
}

// plain leaves out the names of operations from an error.
func plain(err error) string {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err.Error()
	}
	return err.Error()
}

// variables reads a file of variables. One that must not be missing is wanted.
func (p *project) variables(f *file, n *yaml.Node, name string, wanted bool) map[string]string {
	if _, err := p.root.Lstat(filepath.FromSlash(name)); !wanted && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	data, ok := p.read(f, n, name, "")
	if !ok {
		return nil
	}
	p.extra[name] = data
	shown := filepath.Join(p.dir, filepath.FromSlash(name))
	values, open, err := parseVariables(string(data), p.lookup)
	if err != nil {
		// The error can quote the file, and that may hold secrets.
		p.refuse(f, n, "", "correct the file", "%s is no file of variables", shown)
		return nil
	}
	if len(open) > 0 && name != dotEnv {
		p.refuse(f, n, "", "write their values out", "%s sets %s by variables that are not set", shown, words.And(open))
	}
	return values
}

// lookup returns a variable of the .env beside the main file.
func (p *project) lookup(name string) (string, bool) {
	value, ok := p.env[name]
	return value, ok
}

// texts returns a text, or the texts of a list.
func texts(n *yaml.Node) []*yaml.Node {
	n = target(n)
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		var out []*yaml.Node
		for _, item := range n.Content {
			if t := target(item); t.Kind == yaml.ScalarNode {
				out = append(out, t)
			}
		}
		return out
	case n.Kind == yaml.ScalarNode:
		return []*yaml.Node{n}
	}
	return nil
}
