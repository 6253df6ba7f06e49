package compose

import (
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"
)

// The marks around the name of a variable that is not set, in a text that was
// replaced for the sake of finding it. A YAML document cannot hold them.
const (
	unsetBegin = "\x00unset:"
	unsetEnd   = "\x00"
)

var unsetMark = regexp.MustCompile(unsetBegin + `([^\x00]*)` + unsetEnd)

// substitute replaces the variables in a text by their values. unset are those that
// have neither a value nor a default: Docker Compose warns of them and goes on with
// an empty text, and an image would then be another one than the author meant.
func substitute(text string, lookup template.Mapping) (replaced string, unset []string, err error) {
	marked, err := template.Substitute(text, func(name string) (string, bool) {
		if value, ok := lookup(name); ok {
			return value, true
		}
		// Where the text has a default for the variable, compose-go drops this value.
		return unsetBegin + name + unsetEnd, false
	})
	if err != nil {
		return "", nil, err
	}
	for _, m := range unsetMark.FindAllStringSubmatch(marked, -1) {
		// ${NAME+alternative} means nothing when NAME is not set, and needs no default.
		if usedPlainly(text, m[1]) && !slices.Contains(unset, m[1]) {
			unset = append(unset, m[1])
		}
	}
	return unsetMark.ReplaceAllString(marked, ""), unset, nil
}

// usedPlainly reports whether a text has $NAME or ${NAME}.
func usedPlainly(text, name string) bool {
	if strings.Contains(text, "${"+name+"}") {
		return true
	}
	for rest := text; ; {
		_, after, ok := strings.Cut(rest, "$"+name)
		if !ok {
			return false
		}
		if after == "" || !isNameLetter(after[0]) {
			return true
		}
		rest = after
	}
}

func isNameLetter(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// parseVariables reads a file of variables. open lists those that depend on
// variables which are set nowhere: Docker Compose would take these from its own
// environment, so they have no value here.
func parseVariables(text string, lookup dotenv.LookupFn) (values map[string]string, open []string, err error) {
	if values, err = dotenv.UnmarshalWithLookup(text, lookup); err != nil {
		return nil, nil, err
	}
	set := values
	marked, err := dotenv.UnmarshalWithLookup(text, func(name string) (string, bool) {
		if value, ok := lookup(name); ok {
			return value, true
		}
		if _, ok := set[name]; ok {
			return "", false
		}
		return unsetBegin, true
	})
	if err != nil {
		return nil, nil, err
	}
	for name, value := range marked {
		if strings.Contains(value, unsetBegin) {
			open = append(open, name)
			delete(values, name)
		}
	}
	slices.Sort(open)
	return values, open, nil
}
