package expression

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// vocabulary returns the words that a field can have, nil for a field that can be any
// text. A comparison with another word is never true, so the rule would deny nothing.
// A field of the type map or list has these words as its values or items.
func vocabulary(field string) []string {
	switch field {
	case "Image.source":
		return texts(evidence.Sources())
	case "Package.class":
		return texts(evidence.Classes())
	case "Package.type":
		return slices.Concat(evidence.OSTypes(), evidence.LibraryTypes())
	case "License.type":
		return slices.Concat([]string{""}, evidence.OSTypes(), evidence.LibraryTypes())
	case "Finding.severity", "Finding.vendor_severity", "Secret.severity":
		return texts(evidence.Severities())
	case "Finding.status":
		return append(evidence.Statuses(), "")
	case "Gap.kind":
		return texts(evidence.GapKinds())
	}
	return nil
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// unordered says why the order of a field's texts says nothing, or "".
func unordered(field string) string {
	switch field {
	case "Package.version", "Finding.fixed_version", "OS.release":
		return `texts are compared letter by letter, so "10" is less than "9"; the rule packages.deny takes ranges of versions`
	}
	if vocabulary(field) != nil {
		return `texts are compared letter by letter, so "critical" is less than "low"; write in ["critical", "high"] and so on`
	}
	return ""
}

// comparison says what is wrong with a comparison of a field with written texts, or "".
func comparison(checked *celast.AST, call celast.CallExpr) string {
	args := call.Args()
	if len(args) != 2 {
		return ""
	}
	switch call.FunctionName() {
	case operators.Equals, operators.NotEquals:
		return comparisonOf(checked, args[0], args[1])
	case operators.In:
		for _, item := range listed(args[1]) {
			if message := outsideOf(fieldOf(checked, args[0]), item); message != "" {
				return message
			}
		}
		return listComparison(checked, args[0], args[1])
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		for _, arg := range args {
			if field := fieldOf(checked, arg); unordered(field) != "" {
				return fmt.Sprintf("%s has no order: %s", field, unordered(field))
			}
		}
	}
	return ""
}

func comparisonOf(checked *celast.AST, a, b celast.Expr) string {
	if message := outsideOf(fieldOf(checked, a), b); message != "" {
		return message
	}
	return outsideOf(fieldOf(checked, b), a)
}

// listComparison says what is wrong with a text that is looked for in the list of a
// field. Names of capabilities are in lower case, and most documents write them in
// upper case.
func listComparison(checked *celast.AST, item, in celast.Expr) string {
	text, ok := written(item)
	if ok && fieldOf(checked, in) == "File.capabilities" && text != strings.ToLower(text) {
		return fmt.Sprintf("File.capabilities has names such as %q", strings.ToLower(text))
	}
	return ""
}

// outsideOf says that a field never has the written text, or "".
func outsideOf(field string, text celast.Expr) string {
	known := vocabulary(field)
	word, ok := written(text)
	if known == nil || !ok || slices.Contains(known, word) {
		return ""
	}
	if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, word) }); i >= 0 {
		return fmt.Sprintf("%s is never %q; write %q", field, word, known[i])
	}
	if len(known) > 10 {
		return fmt.Sprintf("%s is never %q; its words are those of vulnerabilities.types", field, word)
	}
	return fmt.Sprintf("%s is never %q; it is %s", field, word, words.Or(slices.DeleteFunc(slices.Clone(known), func(k string) bool { return k == "" })))
}

// fieldOf names the field that an expression is, such as Finding.severity, or one that
// is looked up in a field by a key. It is "" for anything else.
func fieldOf(checked *celast.AST, e celast.Expr) string {
	if e.Kind() == celast.CallKind && e.AsCall().FunctionName() == operators.Index {
		e = e.AsCall().Args()[0]
	}
	if e.Kind() != celast.SelectKind || e.AsSelect().IsTestOnly() {
		return ""
	}
	of := checked.GetType(e.AsSelect().Operand().ID())
	if of == nil || of.Kind() != cel.StructKind {
		return ""
	}
	return of.TypeName() + "." + e.AsSelect().FieldName()
}

// listed returns the items of a written list.
func listed(e celast.Expr) []celast.Expr {
	if e.Kind() != celast.ListKind {
		return nil
	}
	return e.AsList().Elements()
}

// written returns the text of a literal.
func written(e celast.Expr) (string, bool) {
	if e.Kind() != celast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().Value().(string)
	return text, ok
}
