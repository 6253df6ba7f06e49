package manifests

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	jsonserializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/imagegate/imagegate/policy/evidence"
)

// maxLists bounds lists in lists.
const maxLists = 8

// kinds are those of Kubernetes itself. It is a copy of client-go's list, to which
// other packages of the program, such as Helm's, add kinds of theirs. It is made when
// manifests are read: most runs have none.
var kinds = sync.OnceValue(func() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(s))
	return s
})

// strict decodes as the API server does: keys have their exact case, and unknown
// and repeated ones are errors.
var strict = sync.OnceValue(func() *jsonserializer.Serializer {
	return jsonserializer.NewSerializerWithOptions(jsonserializer.DefaultMetaFactory, kinds(), kinds(), jsonserializer.SerializerOptions{Strict: true})
})

// object is one object of a document that is being read.
type object struct {
	evidence.Object
	value *value
	// path is where the object is in its document: "items[2].", "" for a document.
	path string
	// inner and outer translate a path when a part of the object is decoded by
	// itself: what is below inner there is below outer in the object.
	inner, outer string
	group        schema.GroupVersionKind
}

// object reads the value of a document, or of an item of a list.
func (r *reader) object(v *value, path string, lists int) {
	if v.kind != kindMap {
		r.problem(v.line, v.column, path, "write an object with apiVersion and kind", "this is no object")
		return
	}
	o, ok := r.identify(v, path)
	if !ok {
		return
	}
	items := v.field("items")
	if strings.HasSuffix(o.Kind, "List") && items != nil && !kinds().Recognizes(o.group) || o.isList() {
		r.list(o, items, lists)
		return
	}
	r.objects[o.Kind]++
	r.read(o)
}

// shown returns the path of a field in the document.
func (o *object) shown(path string) string {
	if rest, ok := strings.CutPrefix(path, o.inner); ok && o.inner != "" {
		path = o.outer + rest
	}
	return o.path + path
}

// isList reports whether the kind is one of Kubernetes' own lists.
func (o *object) isList() bool {
	return strings.HasSuffix(o.Kind, "List") && kinds().Recognizes(o.group) && o.Kind != "List" || o.group == corev1.SchemeGroupVersion.WithKind("List")
}

// identify reads apiVersion, kind and the name.
func (r *reader) identify(v *value, path string) (*object, bool) {
	o := &object{value: v, path: path}
	o.APIVersion, o.Kind = v.field("apiVersion").text(), v.field("kind").text()
	o.At = evidence.Place{File: r.file, Line: v.line, Column: v.column}
	if o.APIVersion == "" || o.Kind == "" {
		r.problem(v.line, v.column, path, r.otherCure(v),
			"the object has no apiVersion and kind, so it is not known what it is")
		return nil, false
	}
	gv, err := schema.ParseGroupVersion(o.APIVersion)
	if err != nil || strings.ContainsAny(o.Kind, "/ {}$") {
		r.problem(v.line, v.column, path, "write apiVersion as GROUP/VERSION, and kind as one word", "apiVersion %q and kind %q name no kind", clip(o.APIVersion), clip(o.Kind))
		return nil, false
	}
	o.group = gv.WithKind(o.Kind)
	meta := v.field("metadata")
	o.Name, o.Namespace = meta.field("name").text(), meta.field("namespace").text()
	o.Name = cmp.Or(o.Name, meta.field("generateName").text())
	return o, true
}

// otherCure says what to do with a file that is no manifest.
func (r *reader) otherCure(v *value) string {
	base := strings.ToLower(filepath.Base(r.file))
	switch {
	case v.field("services") != nil:
		return "judge a Compose file with --compose"
	case strings.HasPrefix(base, "kustomization."):
		return "judge what kustomize makes of it: kustomize build DIR | imagegate check --manifests -"
	case base == "chart.yaml" || strings.HasPrefix(base, "values"):
		return "judge what Helm makes of it: helm template NAME CHART | imagegate check --manifests -"
	}
	return "judge rendered manifests, and leave other files out"
}

// list reads the items of a list. Those of a typed list may leave out what the list
// says of them.
func (r *reader) list(o *object, items *value, lists int) {
	if lists >= maxLists {
		r.problem(o.At.Line, o.At.Column, o.path, "write the objects as documents", "lists are nested deeper than %d levels", maxLists)
		return
	}
	if items == nil || items.isNull() {
		return
	}
	if items.kind != kindList {
		r.problem(items.line, items.column, o.path+"items", "write a list of objects", "items is no list")
		return
	}
	r.listItself(o)
	r.besideItems(o)
	for i, item := range items.items {
		path := o.path + "items[" + itoa(i) + "]."
		if o.Kind != "List" {
			typed, ok := r.typed(o, item, path)
			if !ok {
				continue
			}
			item = typed
		}
		r.object(item, path, lists+1)
	}
}

// listItself decodes a list without its items, so that a mistake in its own fields
// is found.
func (r *reader) listItself(o *object) {
	if !kinds().Recognizes(o.group) {
		return
	}
	r.decode(o, withoutItems(o.value))
}

// besideItems looks at the other fields of a list of a kind that is not known: a custom
// resource may be called AllowList, have items, and run something all the same.
func (r *reader) besideItems(o *object) {
	if kinds().Recognizes(o.group) {
		return
	}
	bare := *o
	bare.value = withoutItems(o.value)
	r.suspect(&bare, "")
}

func withoutItems(v *value) *value {
	bare := *v
	bare.fields = slices.DeleteFunc(slices.Clone(bare.fields), func(f field) bool { return f.name == "items" })
	return &bare
}

// typed returns an item of a typed list with the kind of the list.
func (r *reader) typed(o *object, item *value, path string) (*value, bool) {
	if item.kind != kindMap {
		return item, true
	}
	want := map[string]string{"apiVersion": o.APIVersion, "kind": strings.TrimSuffix(o.Kind, "List")}
	out := *item
	for _, name := range []string{"apiVersion", "kind"} {
		v := item.field(name)
		switch {
		case v == nil:
			text := &value{line: item.line, column: item.column, scalar: quoted(want[name])}
			text.size = len(text.scalar)
			out.fields = append(slices.Clone(out.fields), field{name: name, line: item.line, column: item.column, value: text})
		case v.text() != want[name]:
			r.problem(v.line, v.column, path+name, "write the objects in a list of kind: List", "an item of a %s has the %s %q", o.Kind, name, clip(v.text()))
			return nil, false
		}
	}
	return &out, true
}

// read reads an object that is no list.
func (r *reader) read(o *object) {
	if o.value.count > maxObjectValues {
		r.problem(o.At.Line, o.At.Column, o.path, "split the object", "the %s %s has more than %d values", o.Kind, clip(o.Name), maxObjectValues)
		return
	}
	if !kinds().Recognizes(o.group) {
		r.unknown(o)
		return
	}
	decoded, ok := r.decode(o, o.value)
	if !ok || !r.checkName(o) {
		return
	}
	if r.namespaced(o) {
		o.Namespace = cmp.Or(o.Namespace, r.options.Namespace)
	}
	r.cluster(o, decoded)
	r.workloads(o, decoded)
}

// namespaced reports whether objects of a kind are in a namespace. It is asked of
// the kinds that become evidence.
func (r *reader) namespaced(o *object) bool {
	return !slices.Contains([]string{"PersistentVolume", "RuntimeClass", "Namespace", "Node"}, o.Kind)
}

var (
	namespaceForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	nameForm      = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)
)

// IsNamespace reports whether a text is the name of a namespace.
func IsNamespace(s string) bool { return namespaceForm.MatchString(s) }

// checkName refuses names that no exception could be written for, and those of
// templates. Roles and the like have names with colons.
func (r *reader) checkName(o *object) bool {
	meta := o.value.field("metadata")
	at, what, generated := meta.field("name"), "metadata.name", ""
	if at == nil {
		at, what, generated = meta.field("generateName"), "metadata.generateName", "-"
	}
	ns := meta.field("namespace")
	switch {
	case at == nil:
		r.problem(o.At.Line, o.At.Column, o.path+"metadata.name", "give the object a name", "the %s has no name", o.Kind)
	case !nameForm.MatchString(strings.TrimSuffix(o.Name, generated)) && !strings.HasPrefix(o.group.Group, "rbac."):
		r.problem(at.line, at.column, o.path+what, placeholderCure, "%q is no name of an object", clip(o.Name))
	case ns != nil && o.Namespace != "" && !namespaceForm.MatchString(o.Namespace):
		r.problem(ns.line, ns.column, o.path+"metadata.namespace", placeholderCure, "%q is no name of a namespace", clip(o.Namespace))
	default:
		return true
	}
	return false
}

const placeholderCure = "judge the manifests as they are applied, with every placeholder replaced"

// decode decodes a value strictly. Mistakes become problems with the place and path
// of the field.
func (r *reader) decode(o *object, v *value) (runtime.Object, bool) {
	decoded, _, err := strict().Decode(v.json(), nil, nil)
	if err == nil {
		return decoded, true
	}
	errs := []error{err}
	if s, ok := runtime.AsStrictDecodingError(err); ok {
		errs = s.Errors()
	}
	for _, err := range errs {
		r.badField(o, v, err.Error())
	}
	return nil, false
}
