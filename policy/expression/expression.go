// Package expression compiles and evaluates the expressions of a policy's own
// rules. They are written in CEL, the Common Expression Language, over evidence:
// typed, without side effects, and without loops that could run for ever.
//
// The package is pure, and what an expression costs is bounded: its length, the
// nesting of its loops, and the steps of one evaluation. An expression that
// reaches a limit, or that needs a fact that is not known, has no value.
package expression

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// MaxSource is the length of the longest expression, in bytes.
const MaxSource = 4096

const (
	// maxSteps is how many steps one evaluation may take: a few seconds. A step is an
	// item of a list, a field, or 64 bytes of a text. To look at each of 10,000
	// packages takes 20,000 steps.
	maxSteps = 10_000_000
	textUnit = 64
	// maxNesting is how many loops may be within each other, and maxWritten the
	// longest written list that a loop may go through. Only evidence is counted in
	// steps.
	maxNesting = 3
	maxWritten = 100
	// maxDepth is how many brackets and operators may be within each other.
	maxDepth = 64
	// maxDetails is how many texts of a list are kept.
	maxDetails = 1000
)

// Error is a mistake in an expression.
type Error struct {
	Line, Column int // in the expression, from 1
	Message      string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message) }

// Expression is a compiled expression. It may be used by several goroutines.
type Expression struct {
	source    string
	machines  sync.Pool // of *machine
	variables []string  // that it uses, sorted
	kev, epss bool      // whether it asks what the feeds about exploitation say
}

// machine is an expression that is ready to be evaluated, by one goroutine.
//
// The cost limit of the library is not used. Its tracker keeps a value of each
// step of a loop and searches them all in each step, so 20,000 packages took two
// seconds. Here evidence counts what is taken from it, and the only function that
// can make a large value, the joining of texts, is counted by [joined].
type machine struct {
	program cel.Program
	facts   *Facts
}

// plan makes a machine.
func (x *Expression) plan(env *cel.Env, tree *cel.Ast) (*machine, error) {
	m := &machine{}
	count := func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		if call, ok := i.(interpreter.InterpretableCall); ok && call.Function() == operators.Add {
			return &joined{call, m}, nil
		}
		return i, nil
	}
	var err error
	m.program, err = env.Program(tree, cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(count))
	return m, err
}

// joined is a + whose result is charged for.
type joined struct {
	interpreter.InterpretableCall
	machine *machine
}

// Exec implements interpreter.InterpretableV2.
func (j *joined) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	return j.charged(j.InterpretableCall.Exec(frame))
}

// Eval implements interpreter.Interpretable.
func (j *joined) Eval(vars interpreter.Activation) ref.Val {
	return j.charged(j.InterpretableCall.Eval(vars))
}

func (j *joined) charged(v ref.Val) ref.Val {
	n := 0
	switch v := v.(type) {
	case types.String:
		n = len(v)
	case types.Bytes:
		n = len(v)
	}
	if j.machine.facts != nil { // nil while the expression is made ready
		j.machine.facts.charge(1 + n/textUnit)
	}
	return v
}

// charge counts steps, and ends the evaluation when there are too many. The library
// turns the panic into an error.
func (f *Facts) charge(steps int) {
	if f.left -= steps; f.left < 0 {
		panic(interpreter.EvalCancelledError{Cause: interpreter.CostLimitExceeded, Message: "too many steps"})
	}
}

// environment returns what expressions are compiled in. It never changes.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	p := newProvider()
	opts := []cel.EnvOption{
		cel.CustomTypeAdapter(p), cel.CustomTypeProvider(p),
		cel.DefaultUTCTimeZone(true), cel.ParserRecursionLimit(maxDepth), cel.ParserExpressionSizeLimit(MaxSource),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(),
			cel.ValidateComprehensionNestingLimit(maxNesting)),
	}
	for _, v := range variables() {
		opts = append(opts, cel.Variable(v.name, v.typ))
	}
	return cel.NewEnv(opts...)
})

// Compile compiles an expression whose value is true or false, or a list of texts.
// The error is an [*Error].
func Compile(source string) (*Expression, error) {
	if len(source) > MaxSource {
		return nil, &Error{1, 1, fmt.Sprintf("it is longer than %d bytes", MaxSource)}
	}
	env, err := environment()
	if err != nil {
		return nil, &Error{1, 1, err.Error()}
	}
	tree, issues := env.Compile(source)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		return nil, &Error{max(first.Location.Line(), 1), max(first.Location.Column()+1, 1), plain(first.Message)}
	}
	if t := tree.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.ListType(cel.StringType)) {
		return nil, &Error{1, 1, fmt.Sprintf("its value is a %s, and not true or false or a list of texts", t)}
	}
	x := &Expression{source: source}
	if err := x.inspect(tree); err != nil {
		return nil, err
	}
	first, err := x.plan(env, tree)
	if err != nil {
		return nil, &Error{1, 1, plain(err.Error())}
	}
	x.machines.Put(first)
	x.machines.New = func() any {
		m, err := x.plan(env, tree)
		if err != nil {
			return nil // it did not fail the first time
		}
		return m
	}
	return x, nil
}

// plain makes one line of a message of the compiler.
func plain(message string) string {
	message, _, _ = strings.Cut(message, "\n")
	return strings.TrimSpace(message)
}

// inspect notes the variables that an expression uses, and refuses what would take
// long without being counted, and comparisons that are never true.
func (x *Expression) inspect(tree *cel.Ast) error {
	var first *Error
	checked := tree.NativeRep()
	wrong := func(e celast.Expr, message string) {
		if at := checked.SourceInfo().GetStartLocation(e.ID()); first == nil {
			first = &Error{max(at.Line(), 1), max(at.Column()+1, 1), message}
		}
	}
	known := variableNames()
	celast.PreOrderVisit(checked.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		switch e.Kind() {
		case celast.IdentKind:
			// A variable of a loop may have the name of one of these. It then counts as
			// used, and more evidence is asked for than necessary.
			if name := e.AsIdent(); slices.Contains(known, name) && !slices.Contains(x.variables, name) {
				x.variables = append(x.variables, name)
			}
		case celast.SelectKind:
			x.noteFeeds(checked, e.AsSelect())
		case celast.ComprehensionKind:
			if n := writtenItems(e.AsComprehension().IterRange()); n > maxWritten {
				wrong(e, fmt.Sprintf("a loop goes through a written list of %d items, and %d are allowed", n, maxWritten))
			}
		case celast.CallKind:
			if message := cmp.Or(x.refused(checked, e), comparison(checked, e.AsCall())); message != "" {
				wrong(e, message)
			}
		}
	}))
	slices.Sort(x.variables)
	if first != nil {
		return first
	}
	return nil
}

// noteFeeds notes that a field of a finding, also one that has() asks for, is from a feed.
func (x *Expression) noteFeeds(checked *celast.AST, s celast.SelectExpr) {
	if !checked.GetType(s.Operand().ID()).IsExactType(findingType) {
		return
	}
	switch s.FieldName() {
	case fieldInKEV, fieldKEVDue:
		x.kev = true
	case fieldEPSS:
		x.epss = true
	}
}

// refused says why a call may not be made, or "".
func (x *Expression) refused(checked *celast.AST, e celast.Expr) string {
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case overloads.Matches:
		// A pattern from an image could match anything.
		if len(args) > 0 && args[len(args)-1].Kind() != celast.LiteralKind {
			return "the pattern of matches must be written as a text"
		}
	case operators.Add:
		// Joined lists can become very long without any work. Loops join their results.
		if len(args) == 2 && args[0].Kind() == celast.IdentKind && strings.HasPrefix(args[0].AsIdent(), "@") {
			return ""
		}
		if slices.Contains(checked.GetOverloadIDs(e.ID()), overloads.AddList) {
			return "lists cannot be joined; write one condition for each and put || between them"
		}
	}
	return ""
}

// writtenItems counts the items of the lists and maps that are written in an
// expression.
func writtenItems(e celast.Expr) int {
	n := 0
	celast.PreOrderVisit(e, celast.NewExprVisitor(func(e celast.Expr) {
		switch e.Kind() {
		case celast.ListKind:
			n += e.AsList().Size()
		case celast.MapKind:
			n += e.AsMap().Size()
		}
	}))
	return n
}

// Source returns the expression as it was written.
func (x *Expression) Source() string { return x.source }

// Needs returns the evidence that the expression looks at.
func (x *Expression) Needs() evidence.Need {
	var n evidence.Need
	for _, v := range variables() {
		if slices.Contains(x.variables, v.name) {
			n |= v.need
		}
	}
	return n
}

// Feeds reports whether the expression asks what the catalogue of exploited
// vulnerabilities and what the EPSS scores say.
func (x *Expression) Feeds() (kev, epss bool) { return x.kev, x.epss }

// Missing names the variables that the expression uses and the evidence has not.
func (x *Expression) Missing(f *Facts) []string {
	var out []string
	for _, name := range x.variables {
		if _, ok := f.ResolveName(name); !ok {
			out = append(out, name)
		}
	}
	return out
}

// Evaluate returns whether the expression is true, or the texts of its list. An
// error means that it has no value.
func (x *Expression) Evaluate(f *Facts) (found bool, texts []string, err error) {
	if missing := x.Missing(f); len(missing) > 0 {
		return false, nil, fmt.Errorf("there is no evidence for %s", strings.Join(missing, ", "))
	}
	m, ok := x.machines.Get().(*machine)
	if !ok {
		return false, nil, errors.New("it cannot be made ready")
	}
	f.left, m.facts = maxSteps, f
	value, _, err := m.program.Eval(f)
	m.facts = nil
	x.machines.Put(m)
	var cancelled interpreter.EvalCancelledError
	switch {
	case errors.As(err, &cancelled):
		return false, nil, fmt.Errorf("it takes more than %s steps for this image", words.Count(maxSteps))
	case err != nil:
		return false, nil, errors.New(plain(err.Error()))
	}
	switch v := value.(type) {
	case types.Bool:
		return bool(v), nil, nil
	case traits.Lister:
		return listOfTexts(v)
	}
	return false, nil, fmt.Errorf("its value is a %s", value.Type())
}

// listOfTexts returns the texts in order. A long list is cut.
func listOfTexts(list traits.Lister) (bool, []string, error) {
	var texts []string
	for it := list.Iterator(); it.HasNext() == types.True; {
		text, ok := it.Next().(types.String)
		if !ok {
			return false, nil, errors.New("its list has something that is no text")
		}
		texts = append(texts, string(text))
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	n := len(texts)
	if more := n - maxDetails; more > 0 {
		texts = append(texts[:maxDetails:maxDetails], fmt.Sprintf("... and %s more", words.Count(more)))
	}
	return n > 0, texts, nil
}
