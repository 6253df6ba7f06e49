package page

import (
	"html/template"
	"reflect"
)

// Style returns the style of the page and its hash for a content security policy. Other
// pages use it too.
func Style() (css template.CSS, sum string) { return template.CSS(style), hash(style) }

// Clean returns a copy of a document in which every string can be shown: control
// characters, and characters that hide or reorder text, are shown by their code points.
func Clean[T any](d *T) *T { return cleaned(reflect.ValueOf(d)).Interface().(*T) }
