package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// variable chooses the mutant that a test binary runs.
const variable = "MUTANT"

// chooser is the file that is added to the package.
const chooser = `package %s

import (
	"os"
	"strconv"
)

var chosenMutant, _ = strconv.Atoi(os.Getenv("` + variable + `"))

func chooseMutant[T any](n int, mutant, original T) T {
	if chosenMutant == n {
		return mutant
	}
	return original
}

func anyOrder[V any, F ~func(child, base V) bool](F) F {
	return func(V, V) bool { return true }
}

func reversedOrder[V any, F ~func(child, base V) bool](f F) F {
	return func(child, base V) bool { return f(base, child) }
}

func strictlyOrder[V any, F ~func(child, base V) bool](f F) F {
	return func(child, base V) bool { return f(child, base) && !f(base, child) }
}

func equalOrder[V any, F ~func(child, base V) bool](f F) F {
	return func(child, base V) bool { return f(child, base) && f(base, child) }
}
`

// clones puts many mutants into one build: every mutant of a function is a
// clone of that function, and the function itself begins with a switch that
// calls the clone that was chosen. Building takes longer than testing, so this
// is what makes it possible to try them all.
type clones struct {
	name string // of the file
	src  []byte
	// functions are those that can be cloned, with their mutants by number.
	functions []*function
	// choices are expressions outside of functions, in the order of their places.
	choices []*choice
}

// choice is an expression outside of functions: it is replaced by a call that returns
// the mutant that was chosen.
type choice struct {
	start, end int
	mutants    map[int]mutant
}

type function struct {
	decl       *ast.FuncDecl
	start, end int // offsets
	body, id   int // offsets: behind the brace, and of the name
	call       string
	mutants    map[int]mutant
}

// newClones divides the mutants of a file into those that can be cloned and
// those that cannot, because they are outside of functions.
func newClones(name string, numbered map[int]mutant) (*clones, map[int]mutant, error) {
	var src []byte
	for _, m := range numbered {
		src = m.src
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	c := &clones{name: name, src: src}
	at := func(p token.Pos) int { return fset.Position(p).Offset }
	for _, d := range file.Decls {
		decl, ok := d.(*ast.FuncDecl)
		if !ok || decl.Body == nil {
			continue
		}
		if call, ok := callOf(decl); ok {
			c.functions = append(c.functions, &function{decl: decl, start: at(decl.Pos()), end: at(decl.End()),
				body: at(decl.Body.Lbrace) + 1, id: at(decl.Name.Pos()), call: call, mutants: map[int]mutant{}})
		}
	}
	rest := map[int]mutant{}
	for _, n := range sortedKeys(numbered) {
		m := numbered[n]
		i := slices.IndexFunc(c.functions, func(f *function) bool { return f.body <= m.start && m.end < f.end })
		if i >= 0 {
			c.functions[i].mutants[n] = m
		} else if !c.choose(n, m) {
			rest[n] = m
		}
	}
	slices.SortFunc(c.choices, func(a, b *choice) int { return a.start - b.start })
	return c, rest, nil
}

// choose adds a mutant that replaces a whole expression outside of functions. Those of
// an expression within another one are left to be built alone.
func (c *clones) choose(n int, m mutant) bool {
	if m.kind != "order" && (m.kind != "constant" || m.text != "true" && m.text != "false") {
		return false
	}
	for _, other := range c.choices {
		switch {
		case other.start == m.start && other.end == m.end:
			other.mutants[n] = m
			return true
		case other.start < m.end && m.start < other.end:
			return false
		}
	}
	c.choices = append(c.choices, &choice{start: m.start, end: m.end, mutants: map[int]mutant{n: m}})
	return true
}

// callOf returns how a function calls a clone of itself, with %s for the name.
func callOf(decl *ast.FuncDecl) (string, bool) {
	prefix := ""
	if decl.Recv != nil {
		if len(decl.Recv.List[0].Names) == 0 {
			return "", false
		}
		prefix = decl.Recv.List[0].Names[0].Name + "."
	}
	var args []string
	for _, field := range decl.Type.Params.List {
		if len(field.Names) == 0 {
			return "", false
		}
		for _, name := range field.Names {
			arg := name.Name
			if _, variadic := field.Type.(*ast.Ellipsis); variadic {
				arg += "..."
			}
			args = append(args, arg)
		}
	}
	if prefix == "_." || slices.Contains(args, "_") || decl.Name.Name == "init" {
		return "", false
	}
	call := prefix + "%s(" + strings.Join(args, ", ") + ")"
	if decl.Type.Results == nil {
		return call + "; return", true
	}
	return "return " + call, true
}

// source returns the file with its clones, and which mutant each line belongs
// to. A mutant that does not parse is left out.
func (c *clones) source(omit map[int]bool) ([]byte, map[int]int) {
	var out, tail bytes.Buffer
	last := 0
	clone := map[string][]byte{}
	var order []string
	owner, lines := map[string]int{}, map[int]int{}
	choices := c.choices
	copyTo := func(end int) {
		for len(choices) > 0 && choices[0].start < end {
			out.Write(c.src[last:choices[0].start])
			choices[0].write(&out, c.src, omit, lines)
			last, choices = choices[0].end, choices[1:]
		}
		out.Write(c.src[last:end])
	}
	for _, f := range c.functions {
		copyTo(f.body)
		last = f.body
		var cases strings.Builder
		for _, n := range sortedKeys(f.mutants) {
			name := fmt.Sprintf("%sMutant%d", f.decl.Name.Name, n)
			text := f.clone(c.src, n, name)
			if omit[n] || !isGo(text) {
				continue
			}
			fmt.Fprintf(&cases, " case %d: "+f.call+";", n, name)
			clone[name], owner[name] = text, n
			order = append(order, name)
		}
		if cases.Len() > 0 {
			fmt.Fprintf(&out, " switch chosenMutant {%s };", strings.TrimSuffix(cases.String(), ";"))
		}
	}
	copyTo(len(c.src))
	line := bytes.Count(out.Bytes(), []byte("\n")) + 1
	for _, name := range order {
		tail.WriteString("\n")
		line++
		for range bytes.Count(clone[name], []byte("\n")) + 1 {
			lines[line] = owner[name]
			line++
		}
		tail.Write(clone[name])
		tail.WriteString("\n")
	}
	return append(out.Bytes(), tail.Bytes()...), lines
}

// write writes the call that chooses. Each mutant has a line of its own, by which the
// compiler's errors name it.
func (e *choice) write(out *bytes.Buffer, src []byte, omit map[int]bool, lines map[int]int) {
	calls := 0
	for _, n := range sortedKeys(e.mutants) {
		if omit[n] {
			continue
		}
		calls++
		fmt.Fprintf(out, "chooseMutant(%d,\n%s,\n", n, e.mutants[n].text)
		lines[bytes.Count(out.Bytes(), []byte("\n"))] = n
	}
	out.Write(src[e.start:e.end])
	out.WriteString(strings.Repeat(")", calls))
}

// clone returns the function under another name and with the mutant in it.
func (f *function) clone(src []byte, n int, name string) []byte {
	m := f.mutants[n]
	return slices.Concat(src[f.start:f.id], []byte(name), src[f.id+len(f.decl.Name.Name):m.start], []byte(m.text), src[m.end:f.end])
}

func isGo(decl []byte) bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", append([]byte("package p\n"), decl...), parser.SkipObjectResolution)
	return err == nil
}

var errorLine = regexp.MustCompile(`(?m)^(\S+\.go):([0-9]+):[0-9]+: `)

// mutantsOfErrors returns the mutants that a compiler's errors are about. lines are the
// lines of each file, by its base name.
func mutantsOfErrors(output []byte, lines map[string]map[int]int) map[int]bool {
	found := map[int]bool{}
	for _, m := range errorLine.FindAllSubmatch(output, -1) {
		line, _ := strconv.Atoi(string(m[2]))
		if n := lines[filepath.Base(string(m[1]))][line]; n != 0 {
			found[n] = true
		}
	}
	return found
}

func sortedKeys(m map[int]mutant) []int {
	var keys []int
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
