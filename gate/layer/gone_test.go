package layer

import (
	"fmt"
	"testing"
)

// bad is the file that the table asks for, in the first layer that has it.
const bad = "app/lib/x.jar"

// gone has layers in which the file is deleted, and layers that look so. Each of the
// latter is an attack: the file stays, or some runtime leaves it.
var gone = []struct {
	name   string
	layers [][]item
	want   bool
}{
	{"nothing", [][]item{{file1(bad, "1")}}, false},
	{"another layer", [][]item{{file1(bad, "1")}, {file1("app/lib/y.jar", "2")}}, false},
	{"a whiteout", [][]item{{file1(bad, "1")}, {file1("app/lib/.wh.x.jar", "")}}, true},
	{"a whiteout with its directories", [][]item{{file1(bad, "1")}, {dir("app"), dir("app/lib"), file1("app/lib/.wh.x.jar", "")}}, true},
	{"a whiteout two layers later", [][]item{{file1(bad, "1")}, {file1("y", "")}, {file1("app/lib/.wh.x.jar", "")}}, true},
	{"a whiteout of a directory", [][]item{{file1(bad, "1")}, {file1("app/.wh.lib", "")}}, true},
	{"a whiteout of the topmost directory", [][]item{{file1(bad, "1")}, {file1(".wh.app", "")}}, true},
	{"an opaque directory", [][]item{{file1(bad, "1")}, {dir("app/lib"), file1("app/lib/.wh..wh..opq", ""), file1("app/lib/y.jar", "")}}, true},
	{"an opaque directory above", [][]item{{file1(bad, "1")}, {file1("app/.wh..wh..opq", ""), file1("app/y", "")}}, true},
	{"another file", [][]item{{file1(bad, "1")}, {file1(bad, "2")}}, true},
	{"the same file again", [][]item{{file1(bad, "1")}, {file1(bad, "1")}}, true},
	{"another file and its deletion", [][]item{{file1(bad, "1")}, {file1(bad, "2")}, {file1("app/lib/.wh.x.jar", "")}}, true},
	{"a directory", [][]item{{file1(bad, "1")}, {dir(bad), file1(bad+"/y", "2")}}, true},
	{"a link", [][]item{{file1(bad, "1")}, {symlink(bad, "y.jar")}}, true},
	{"a link for the directory", [][]item{{file1(bad, "1")}, {symlink("app/lib", "/opt")}}, true},
	{"a file for the directory", [][]item{{file1(bad, "1")}, {file1("app/lib", "")}}, true},
	{"a name in another form", [][]item{{file1("./"+bad, "1")}, {file1("/app//lib/./.wh.x.jar", "")}}, true},
	{"both names", [][]item{{file1(bad, "1"), hardlink("app/y.jar", bad)}, {file1("app/lib/.wh.x.jar", ""), file1("app/.wh.y.jar", "")}}, true},
	{"both names one after the other", [][]item{{file1("app/y.jar", "1"), hardlink(bad, "app/y.jar")}, {file1("app/lib/.wh.x.jar", "")}, {file1("app/.wh.y.jar", "")}}, true},
	{"both names with a directory", [][]item{{file1("app/a/y.jar", "1"), hardlink(bad, "app/a/y.jar")}, {file1(".wh.app", "")}}, true},

	{"attack: another case", [][]item{{file1(bad, "1")}, {file1("app/lib/.wh.X.jar", "")}}, false},
	{"attack: the whiteout is in the same layer", [][]item{{file1(bad, "1"), file1("app/lib/.wh.x.jar", "")}}, false},
	{"attack: the whiteout is in a lower layer", [][]item{{file1("app/lib/.wh.x.jar", "")}, {file1(bad, "1")}}, false},
	{"attack: the file comes back", [][]item{{file1(bad, "1")}, {file1("app/lib/.wh.x.jar", "")}, {file1(bad, "1")}}, true}, // the layer below is judged by itself, see package scan
	{"attack: an opaque root", [][]item{{file1(bad, "1")}, {file1(".wh..wh..opq", "")}}, false},
	{"attack: an opaque directory of the same layer", [][]item{{file1("app/lib/.wh..wh..opq", ""), file1(bad, "1")}}, false},
	{"attack: an opaque directory beside", [][]item{{file1(bad, "1")}, {file1("app/li/.wh..wh..opq", "")}}, false},
	{"attack: an opaque file", [][]item{{file1(bad, "1")}, {file1(bad+"/.wh..wh..opq", "")}}, false},
	{"attack: a whiteout below the file", [][]item{{file1(bad, "1")}, {file1(bad+"/.wh.y", "")}}, false},
	{"attack: a whiteout and the directory", [][]item{{file1(bad, "1")}, {file1("app/.wh.lib", ""), dir("app/lib")}}, false},
	{"attack: a whiteout and a file in the directory", [][]item{{file1(bad, "1")}, {file1("app/.wh.lib", ""), file1("app/lib/y", "")}}, false},
	{"attack: a whiteout and an opaque directory", [][]item{{file1(bad, "1")}, {file1("app/.wh.lib", ""), file1("app/lib/.wh..wh..opq", "")}}, false},
	{"attack: a file and the directory", [][]item{{file1(bad, "1")}, {file1("app/lib", ""), dir("app/lib")}}, false},
	{"attack: a link and a file behind it", [][]item{{file1(bad, "1")}, {symlink("app/lib", "/opt"), file1("app/lib/y", "")}}, false},
	{"attack: a whiteout of a directory that is above twice", [][]item{{file1(bad, "1")}, {file1("app/lib/.wh.x.jar", ""), symlink("app", "/opt")}}, false},
	{"attack: a device for the file", [][]item{{file1(bad, "1")}, {device(bad)}}, false},
	{"attack: a device for the directory", [][]item{{file1(bad, "1")}, {device("app/lib")}}, false},
	{"attack: a device and a file", [][]item{{file1(bad, "1")}, {file1(bad, "2"), device(bad)}}, false},
	{"attack: through a link of a lower layer", [][]item{{dir("opt"), symlink("app/lib", "/opt")}, {file1(bad, "1")}, {file1("app/.wh.lib", "")}}, false},
	{"attack: through a link to the file", [][]item{{file1(bad, "1"), symlink("opt", "app/lib")}, {file1("opt/.wh.x.jar", "")}}, false},
	{"attack: a link that is moved", [][]item{{file1("a/x.jar", "1"), file1("b/x.jar", "2"), symlink("app/lib", "../a"), hardlink("app/y.jar", "a/x.jar")}, {file1("a/.wh.x.jar", "")}}, false},
	{"attack: a second name", [][]item{{file1(bad, "1"), hardlink("app/y.jar", bad)}, {file1("app/lib/.wh.x.jar", "")}}, false},
	{"attack: the first name", [][]item{{file1("app/y.jar", "1"), hardlink(bad, "app/y.jar")}, {file1("app/lib/.wh.x.jar", "")}}, false},
	{"attack: a third name", [][]item{{file1("app/y.jar", "1"), hardlink("app/z.jar", "app/y.jar"), hardlink(bad, "app/z.jar")}, {file1("app/lib/.wh.x.jar", ""), file1("app/.wh.y.jar", "")}}, false},
	{"attack: a name of another layer", [][]item{{file1(bad, "1")}, {hardlink("app/y.jar", bad)}, {file1("app/lib/.wh.x.jar", "")}}, false},
	{"attack: a name of the deleting layer", [][]item{{file1(bad, "1")}, {hardlink("app/y.jar", bad), file1("app/lib/.wh.x.jar", "")}}, false},
	{"attack: a name through a link", [][]item{{file1(bad, "1"), symlink("l", "app/lib"), hardlink("app/y.jar", "l/x.jar")}, {file1("app/lib/.wh.x.jar", "")}}, false},
	{"attack: a name through a link of another layer", [][]item{{file1(bad, "1")}, {symlink("l", "app/lib")}, {hardlink("app/y.jar", "l/x.jar")}, {file1("app/lib/.wh.x.jar", "")}}, false},
	{"attack: the name is one of a lower layer", [][]item{{file1("app/y.jar", "1")}, {hardlink(bad, "app/y.jar")}, {file1("app/lib/.wh.x.jar", "")}}, false},
	{"attack: replaced by itself", [][]item{{file1(bad, "1"), hardlink("app/y.jar", bad)}, {hardlink(bad, "app/y.jar")}, {file1("app/.wh.y.jar", "")}}, false},
	{"attack: a name that is twice", [][]item{{file1("app/y.jar", "1"), file1("app/z.jar", "1"), hardlink(bad, "app/y.jar"), hardlink(bad, "app/z.jar")}, {file1("app/lib/.wh.x.jar", ""), file1("app/.wh.y.jar", "")}}, false},
	{"attack: a directory that is redirected", [][]item{{file1(bad, "1")}, {file1(".wh.app", ""), item{name: "z/", kind: '5', xattr: map[string]string{"SCHILY.xattr.trusted.overlay.redirect": "/app"}}}}, false},
	{"attack: a table of contents without the whiteout", [][]item{{file1(bad, "1")}, {file1("app/lib/.wh.x.jar", ""), file1(tocName, `{"entries":[]}`)}}, false},
	{"attack: no such file", [][]item{{file1("app/lib/y.jar", "1")}, {file1("app/lib/.wh.x.jar", "")}}, false},
	{"attack: a directory, not a file", [][]item{{dir(bad)}, {file1("app/lib/.wh.x.jar", "")}}, false},
}

func TestGone(t *testing.T) {
	for _, test := range gone {
		t.Run(test.name, func(t *testing.T) {
			var layers []*Contents
			asked := FileOf{-1, bad}
			for i, items := range test.layers {
				layers = append(layers, parsed(t, contentsOf(t, items...)))
				for _, it := range items {
					if clean, err := cleanName(it.name); asked.Layer < 0 && err == nil && clean == bad {
						asked.Layer = i
					}
				}
			}
			asked.Layer = max(asked.Layer, 0)
			if got := Gone(DefaultLimits(), layers, []FileOf{asked}); got[asked] != test.want {
				t.Errorf("gone = %v, want %v", got[asked], test.want)
			}
		})
	}
}

// Names that hard links connect in a chain or to one file cost no more than reading
// them.
func TestGoneWithManyLinks(t *testing.T) {
	items := []item{file1("l0", "1")}
	for i := 1; i < 20_000; i++ {
		items = append(items, hardlink(fmt.Sprint("l", i), fmt.Sprint("l", i-1)))
	}
	layers := []*Contents{contentsOf(t, items...), contentsOf(t, file1(".wh.l0", ""))}
	var files []FileOf
	for i := range 20_000 {
		files = append(files, FileOf{0, fmt.Sprint("l", i)})
	}
	if got := Gone(DefaultLimits(), layers, files); len(got) > 0 {
		t.Errorf("%d are gone", len(got))
	}
}
