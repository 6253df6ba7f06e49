package dockerfile

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/imagegate/imagegate/policy/words"
)

// variables are the values of ARG and ENV that apply at a point of a Dockerfile.
// BuildKit keeps both in one list: the later of two instructions counts.
type variables struct {
	values map[string]string
	// open are arguments without a value: one has to be given for every build.
	open []string
	// dark holds variables whose value depends on one that is not known.
	dark []string
}

// Get returns the value of a variable. Part of shell.EnvGetter.
func (v *variables) Get(name string) (string, bool) {
	value, ok := v.values[name]
	return value, ok
}

// Keys lists the variables. Part of shell.EnvGetter.
func (v *variables) Keys() []string { return slices.Sorted(maps.Keys(v.values)) }

// clone returns a copy, for a stage that begins with another one.
func (v *variables) clone() *variables {
	return &variables{values: maps.Clone(v.values), open: slices.Clone(v.open), dark: slices.Clone(v.dark)}
}

// declare reads one ARG. In a stage it takes the value of the ARG before the first
// FROM when it has none of its own. Without any value it changes nothing.
func (v *variables) declare(lex *shell.Lex, arg instructions.KeyValuePairOptional, global *variables) {
	if arg.Value != nil {
		value, problem := v.replace(lex, *arg.Value)
		v.set(arg.Key, value, problem)
		return
	}
	if global != nil {
		if value, ok := global.values[arg.Key]; ok {
			v.set(arg.Key, value, "")
			return
		}
		if slices.Contains(global.dark, arg.Key) {
			v.set(arg.Key, "", "unknown")
			return
		}
	}
	if _, ok := v.values[arg.Key]; !ok {
		v.open = append(v.open, arg.Key)
	}
}

// set gives a variable a value, or makes it one whose value is not known.
func (v *variables) set(name, value, problem string) {
	isName := func(n string) bool { return n == name }
	v.dark, v.open = slices.DeleteFunc(v.dark, isName), slices.DeleteFunc(v.open, isName)
	if problem != "" {
		delete(v.values, name)
		v.dark = append(v.dark, name)
		return
	}
	v.values[name] = value
}

// replace replaces the variables in a text. problem says why the result is not
// known, "" when it is.
func (v *variables) replace(lex *shell.Lex, text string) (replaced, problem string) {
	result, err := lex.ProcessWordWithMatches(text, v)
	if err != nil {
		return "", fmt.Sprintf("%q cannot be read: %v", text, err)
	}
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(result.Unmatched)) {
		if !hasDefault(text, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return result.Result, ""
	}
	name := unknown[0]
	switch {
	case slices.Contains(v.open, name):
		return "", fmt.Sprintf("%q uses ARG %s, which has no default", text, name)
	case slices.Contains(v.dark, name):
		return "", fmt.Sprintf("%q uses %s, whose value is not known", text, name)
	case predefined(name):
		return "", fmt.Sprintf("%q depends on %s, which each build sets", text, name)
	}
	return "", fmt.Sprintf("%q uses %s, which the file does not set", text, words.And(unknown))
}

// predefined reports an argument that BuildKit sets for every build.
func predefined(name string) bool {
	return strings.HasPrefix(name, "TARGET") || strings.HasPrefix(name, "BUILD")
}

// hasDefault reports whether a text uses a variable only where it says what holds
// without it: ${NAME:-default} and ${NAME:+alternative}, each also without a colon.
func hasDefault(text, name string) bool {
	quoted := regexp.QuoteMeta(name)
	all := regexp.MustCompile(`\$(\{`+quoted+`[^A-Za-z0-9_]|`+quoted+`([^A-Za-z0-9_]|$))`).FindAllString(text, -1)
	with := regexp.MustCompile(`\$\{`+quoted+`:?[-+]`).FindAllString(text, -1)
	return len(with) > 0 && len(all) == len(with)
}
