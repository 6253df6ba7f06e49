package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
)

// mutant is one change of one file: the bytes from start to end become text.
type mutant struct {
	file       string
	function   string // "" outside of functions
	line, col  int
	start, end int
	text       string
	kind       string
	src        []byte // the file as it was: an editor may change it
}

// replacements lists the replacements of a constant or constructor: each is replaced
// by one that is closer to a pass, and a pass by another value.
var replacements = map[string][]string{
	"Undecided":       {"Passed"},
	"Denied":          {"Passed", "Undecided"},
	"Passed":          {"Undecided", "Denied"},
	"ResultUndecided": {"ResultPass", "ResultOff"},
	"ResultFail":      {"ResultPass", "ResultWarn"},
	"ResultWarn":      {"ResultPass", "ResultOff"},
	"ResultPass":      {"ResultFail", "ResultOff"},
	"ResultOff":       {"ResultPass", "ResultUndecided"},
	"failing":         {"passing", "undecided"},
	"undecided":       {"passing", "failing"},
	"missing":         {"passing", "undecided"},
	"passing":         {"failing", "undecided"},
	"off":             {"passing"},
	"true":            {"false"},
	"false":           {"true"},
}

// operators lists what a binary operator is replaced by.
var operators = map[token.Token][]string{
	token.EQL: {"!="}, token.NEQ: {"=="},
	token.LSS: {"<=", ">="}, token.LEQ: {"<", ">"},
	token.GTR: {">=", "<="}, token.GEQ: {">", "<"},
	token.LAND: {"||"}, token.LOR: {"&&"},
	token.ADD: {"-"}, token.SUB: {"+"}, token.MUL: {"/"},
	token.AND: {"|"}, token.OR: {"&"}, token.AND_NOT: {"&"}, token.SHL: {">>"},
}

// collector walks a file and writes down every mutant.
type collector struct {
	fset    *token.FileSet
	name    string
	src     []byte
	mutants []mutant
	within  string // the declared function around the present node
	// fails says of the functions around the present node whether their last
	// result is an error.
	fails []bool
}

// mutantsOf returns the mutants of a file in the order of their positions.
func mutantsOf(name string) ([]mutant, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	c := &collector{fset: fset, name: name, src: src}
	for _, d := range file.Decls {
		c.within = ""
		if f, ok := d.(*ast.FuncDecl); ok {
			c.within = f.Name.Name
		}
		c.walk(d)
	}
	slices.SortStableFunc(c.mutants, func(a, b mutant) int { return a.start - b.start })
	return slices.CompactFunc(c.mutants, func(a, b mutant) bool {
		return a.start == b.start && a.end == b.end && a.text == b.text
	}), nil
}

func (c *collector) walk(root ast.Node) {
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.ValueSpec: // the names are declared here, not used
			for _, v := range n.Values {
				c.walk(v)
			}
			return false
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && (key.Name == "order" || key.Name == "compare") {
				c.order(n.Value)
			}
			c.walk(n.Value)
			return false
		case *ast.CompositeLit:
			c.rows(n)
		case *ast.FuncDecl:
			c.function(n.Type, n.Body)
			return false
		case *ast.FuncLit:
			c.function(n.Type, n.Body)
			return false
		case *ast.BlockStmt:
			c.statements(n.List)
		case *ast.CaseClause:
			c.statements(n.Body)
		case *ast.SwitchStmt:
			c.cases(n)
		case *ast.IfStmt:
			c.condition(n.Cond)
		case *ast.BinaryExpr:
			c.binary(n)
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				c.add("negation", n.OpPos, n.X.Pos(), "")
			}
		case *ast.SelectorExpr:
			c.walk(n.X) // the name is looked at here, not as an identifier
			for _, to := range replacements[n.Sel.Name] {
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "policy" {
					c.add("constant", n.Sel.Pos(), n.Sel.End(), to)
				}
			}
			return false
		case *ast.Ident:
			for _, to := range replacements[n.Name] {
				c.add("constant", n.Pos(), n.End(), to)
			}
		case *ast.BasicLit:
			c.literal(n)
		case *ast.CallExpr:
			c.pattern(n)
			if c.text(n.Fun.Pos(), n.Fun.End()) == "perSeverity" && len(n.Args) > orderOfPerSeverity {
				c.order(n.Args[orderOfPerSeverity])
			}
		case *ast.ReturnStmt:
			c.returned(n)
		}
		return true
	})
}

// function walks a body, and not the types: a name there is no value.
func (c *collector) function(t *ast.FuncType, body *ast.BlockStmt) {
	if body == nil {
		return
	}
	fails := false
	if t.Results != nil {
		last := t.Results.List[len(t.Results.List)-1]
		name, ok := last.Type.(*ast.Ident)
		fails = ok && name.Name == "error"
	}
	c.fails = append(c.fails, fails)
	c.walk(body)
	c.fails = c.fails[:len(c.fails)-1]
}

// condition makes a condition true and false. Its operands stay in use, or the
// compiler would kill the mutant.
func (c *collector) condition(e ast.Expr) {
	text := c.text(e.Pos(), e.End())
	c.add("condition", e.Pos(), e.End(), "("+text+") && false")
	c.add("condition", e.Pos(), e.End(), "("+text+") || true")
}

// cases treats the cases of a switch without a tag as the conditions that they
// are, and takes cases away from one with a tag.
func (c *collector) cases(s *ast.SwitchStmt) {
	for _, stmt := range s.Body.List {
		clause := stmt.(*ast.CaseClause)
		if s.Tag == nil {
			for _, e := range clause.List {
				c.condition(e)
			}
		} else if len(clause.List) > 0 {
			c.add("case", clause.Pos(), clause.End(), "")
		}
	}
}

func (c *collector) binary(n *ast.BinaryExpr) {
	end := n.OpPos + token.Pos(len(n.Op.String()))
	for _, to := range operators[n.Op] {
		c.add("operator", n.OpPos, end, to)
	}
	if n.Op == token.LAND || n.Op == token.LOR {
		c.add("operand", n.X.Pos(), n.Y.Pos(), "")
		c.add("operand", n.X.End(), n.Y.End(), "")
	}
}

// statements takes away each statement that the code can be compiled without.
func (c *collector) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.BranchStmt, *ast.DeferStmt:
			c.add("statement", s.Pos(), s.End(), "")
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				c.add("statement", s.Pos(), s.End(), "")
			}
		}
	}
}

// literal moves a number by one.
func (c *collector) literal(n *ast.BasicLit) {
	if n.Kind != token.INT {
		return
	}
	v, err := strconv.ParseInt(n.Value, 0, 64)
	if err != nil {
		return
	}
	c.add("number", n.Pos(), n.End(), strconv.FormatInt(v+1, 10))
	if v > 0 {
		c.add("number", n.Pos(), n.End(), strconv.FormatInt(v-1, 10))
	}
}

// pattern takes the anchors off a regular expression.
func (c *collector) pattern(n *ast.CallExpr) {
	if c.text(n.Fun.Pos(), n.Fun.End()) != "regexp.MustCompile" || len(n.Args) != 1 {
		return
	}
	lit, ok := n.Args[0].(*ast.BasicLit)
	if !ok {
		return
	}
	for i, r := range lit.Value {
		if (r == '^' && lit.Value[i-1] != '[') || r == '$' {
			at := lit.Pos() + token.Pos(i)
			c.add("anchor", at, at+1, "")
		}
	}
}

// rows swaps each row of a table with the next, and takes it away.
func (c *collector) rows(n *ast.CompositeLit) {
	for i, e := range n.Elts {
		row, ok := e.(*ast.CompositeLit)
		if !ok || row.Type != nil || len(row.Elts) == 0 {
			return
		}
		if _, keyed := row.Elts[0].(*ast.KeyValueExpr); keyed {
			return
		}
		if c.text(row.End(), row.End()+1) == "," {
			c.add("row", row.Pos(), row.End()+1, "")
		}
		if i+1 < len(n.Elts) {
			next := n.Elts[i+1]
			c.add("row", row.Pos(), next.End(), c.text(next.Pos(), next.End())+", "+c.text(row.Pos(), row.End()))
		}
	}
}

// returned swallows an error.
func (c *collector) returned(n *ast.ReturnStmt) {
	if len(n.Results) == 0 || len(c.fails) == 0 || !c.fails[len(c.fails)-1] {
		return
	}
	last := n.Results[len(n.Results)-1]
	if c.text(last.Pos(), last.End()) != "nil" {
		c.add("error", last.Pos(), last.End(), "nil")
	}
}

func (c *collector) text(from, to token.Pos) string {
	return string(c.src[c.fset.Position(from).Offset:c.fset.Position(to).Offset])
}

func (c *collector) add(kind string, from, to token.Pos, text string) {
	p := c.fset.Position(from)
	c.mutants = append(c.mutants, mutant{
		file: c.name, function: c.within, line: p.Line, col: p.Column,
		start: p.Offset, end: c.fset.Position(to).Offset, text: text, kind: kind, src: c.src,
	})
}

// apply returns the file with the mutant in it.
func (m mutant) apply() []byte {
	return slices.Concat(m.src[:m.start], []byte(m.text), m.src[m.end:])
}

// diff returns the lines that the mutant changes, before and after.
func (m mutant) diff() (before, after string) {
	first := strings.LastIndexByte(string(m.src[:m.start]), '\n') + 1
	last := len(m.src)
	if i := strings.IndexByte(string(m.src[m.end:]), '\n'); i >= 0 {
		last = m.end + i
	}
	before = string(m.src[first:last])
	after = string(m.src[first:m.start]) + m.text + string(m.src[m.end:last])
	return oneLine(before), oneLine(after)
}

// oneLine makes code fit for a list.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func (m mutant) String() string { return fmt.Sprintf("%s:%d:%d: %s", m.file, m.line, m.col, m.kind) }
