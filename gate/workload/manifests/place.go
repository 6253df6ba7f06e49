package manifests

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/imagegate/imagegate/policy/words"
)

func itoa(n int) string { return strconv.Itoa(n) }

var (
	unknownField = regexp.MustCompile(`^unknown field "(.*)"$`)
	wrongType    = regexp.MustCompile(`cannot unmarshal (\w+) into Go (?:struct field|value)(?: [^.\s]*\.(\S+))? of type (\S+)`)
	atByte       = regexp.MustCompile(`, error found in #[0-9]+ byte of .*$`)
)

// badField reports a mistake that the decoder found, at the place of its field.
func (r *reader) badField(o *object, v *value, message string) {
	if m := unknownField.FindStringSubmatch(message); m != nil {
		key, parent := v.locate(m[1])
		line, column := o.At.Line, o.At.Column
		if key != nil {
			line, column = key.line, key.column
		}
		r.problem(line, column, o.shown(m[1]), r.unknownCure(m[1], parent), "%s has no field %q here", o.Kind, clip(lastOf(m[1])))
		return
	}
	if m := wrongType.FindStringSubmatch(message); m != nil {
		path, at := v.mistyped(m[2], m[1])
		line, column := o.At.Line, o.At.Column
		if at != nil {
			line, column = at.line, at.column
		}
		r.problem(line, column, o.shown(path), "write "+typeText(m[3]), "%s must be %s, and it is %s", cmp.Or(lastOf(path), "the value"), typeText(m[3]), jsonText(m[1]))
		return
	}
	r.problem(o.At.Line, o.At.Column, strings.TrimSuffix(o.path, "."), "correct the "+o.Kind, "%s", clip(atByte.ReplaceAllString(message, "")))
}

// knownFields are those that are most often spelled wrong.
var knownFields = []string{
	"runAsNonRoot", "runAsUser", "runAsGroup", "privileged", "readOnlyRootFilesystem", "allowPrivilegeEscalation", "capabilities", "seccompProfile", "procMount",
	"securityContext", "hostNetwork", "hostPID", "hostIPC", "containers", "initContainers", "ephemeralContainers", "image", "imagePullPolicy", "volumes", "volumeMounts",
	"hostPath", "hostPort", "containerPort", "runtimeClassName", "serviceAccountName", "automountServiceAccountToken", "podSelector", "policyTypes", "ingress", "egress",
	"template", "spec", "metadata", "name", "namespace", "labels", "annotations", "selector", "replicas", "resources", "env", "command", "args", "ports",
}

// unknownCure names the field that was probably meant. Kubernetes compares fields
// with their case.
func (r *reader) unknownCure(path string, _ *value) string {
	key := lastOf(path)
	for _, known := range knownFields {
		if strings.EqualFold(known, key) {
			return "write " + known
		}
	}
	if near := words.Nearest(key, knownFields); near != "" {
		return "did you mean " + near + "? Otherwise remove it"
	}
	return "remove it, or move it to where it belongs"
}

func lastOf(path string) string {
	path = path[strings.LastIndexByte(path, '.')+1:]
	if i := strings.IndexByte(path, '['); i > 0 {
		path = path[:i]
	}
	return path
}

// steps cuts "spec.containers[0].image" into names and places in lists.
func steps(path string) []string {
	return strings.FieldsFunc(strings.ReplaceAll(path, "[", ".["), func(r rune) bool { return r == '.' })
}

// locate returns the key of a path, and the map that holds it. A key that has dots
// itself is found when the rest of the path is its name.
func (v *value) locate(path string) (*field, *value) {
	parent, rest := v, path
	for parent != nil {
		if f := parent.fieldNamed(rest); f != nil {
			return f, parent
		}
		step, more, _ := strings.Cut(rest, ".")
		name, index, listed := strings.Cut(step, "[")
		f := parent.fieldNamed(name)
		if f == nil {
			return nil, nil
		}
		parent, rest = f.value, more
		if listed {
			i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if err != nil || i < 0 || parent.kind != kindList || i >= len(parent.items) {
				return f, nil
			}
			parent = parent.items[i]
		}
		if rest == "" {
			return f, parent
		}
	}
	return nil, nil
}

func (v *value) fieldNamed(name string) *field {
	for i := range v.fields {
		if v.fields[i].name == name {
			return &v.fields[i]
		}
	}
	return nil
}

// mistyped finds the value that the decoder could not read: it names the path
// without the places in lists, and the type of the value.
func (v *value) mistyped(path, jsonType string) (string, *value) {
	found, at := "", (*value)(nil)
	var walk func(v *value, rest []string, where string) bool
	walk = func(v *value, rest []string, where string) bool {
		if v.kind == kindList {
			for i, item := range v.items {
				if walk(item, rest, where+"["+itoa(i)+"]") {
					return true
				}
			}
		}
		if len(rest) == 0 {
			if v.jsonType() == jsonType {
				found, at = where, v
				return true
			}
			if v.kind != kindMap {
				return false
			}
			rest = []string{""} // the value of a key of a map, such as a label
		}
		for i := range v.fields {
			if f := &v.fields[i]; f.name == rest[0] || rest[0] == "" {
				if walk(f.value, rest[1:], strings.TrimPrefix(where+"."+f.name, ".")) {
					return true
				}
			}
		}
		return false
	}
	if path == "" || !walk(v, steps(path), "") {
		return path, nil
	}
	return found, at
}

// jsonType is the type of a value in the words of the decoder.
func (v *value) jsonType() string {
	switch {
	case v.kind == kindMap:
		return "object"
	case v.kind == kindList:
		return "array"
	case v.scalar[0] == '"':
		return "string"
	case v.scalar[0] == 't', v.scalar[0] == 'f':
		return "bool"
	case v.scalar[0] == 'n':
		return "null"
	}
	return "number"
}

func jsonText(t string) string {
	switch t {
	case "object":
		return "a map"
	case "array":
		return "a list"
	case "string":
		return "text (in quotes, or a word)"
	case "bool":
		return "true or false"
	}
	return "a " + t
}

func typeText(goType string) string {
	switch {
	case goType == "bool":
		return "true or false, without quotes"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		return "a whole number, without quotes"
	case goType == "string":
		return "text: put it into quotes"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	}
	return "a map of the fields of " + goType[strings.LastIndexByte(goType, '.')+1:]
}
