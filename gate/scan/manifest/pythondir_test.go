package manifest

import (
	"strings"
	"testing"
)

func TestNamedByDirectory(t *testing.T) {
	if p, ok := NamedByDirectory("a/Flask-2.2.3-py3.10.egg"); !ok || p != (Package{"Flask", "2.2.3"}) {
		t.Errorf("an egg: %+v", p)
	}
	for file, want := range map[string]Package{
		"usr/lib/python3/site-packages/flask-2.2.3.dist-info/RECORD":           {"flask", "2.2.3"},
		"usr/lib/python3/site-packages/Flask_SQLAlchemy-2.5.1.DIST-INFO/WHEEL": {"Flask_SQLAlchemy", "2.5.1"},
		"a/zope.interface-5.4.0-py3.10-linux-x86_64.egg-info/top_level.txt":    {"zope.interface", "5.4.0"},
		"a/Flask-2.2.3-py3.10.egg/EGG-INFO/SOURCES.txt":                        {"Flask", "2.2.3"},
		"a/urllib3-1.26.12+acme.1.dist-info/INSTALLER":                         {"urllib3", "1.26.12+acme.1"},
		"a/shop-0.1.dev3+g1a2b3c4.d20261120.dist-info/INSTALLER":               {"shop", "0.1.dev3+g1a2b3c4.d20261120"},
		"flask-2.2.3.dist-info/RECORD":                                         {"flask", "2.2.3"},
		"a/flask-2.2.3.dist-info/licenses/LICENSE":                             {}, // not directly in it
		"a/flask.dist-info/RECORD":                                             {}, // no version
		"a/~lask-2.2.3.dist-info/RECORD":                                       {}, // what pip leaves of a package that it removes
		"a/.dist-info/RECORD":                                                  {},
		"a/flask-2.2.3/RECORD":                                                 {},
		"a/EGG-INFO/PKG-INFO":                                                  {},
		"a/=?utf-8?q?flask?=-2.2.3.dist-info/RECORD":                           {},
		"a/flask-master.dist-info/RECORD":                                      {},
	} {
		var got Package
		if dir, ok := PythonDirectory(file); ok {
			got, _ = NamedByDirectory(dir)
		}
		if got != want {
			t.Errorf("%s: %+v", file, got)
		}
	}
}

// What the name of a directory says is in the path, and can be the name of a package.
func FuzzMetadataPaths(f *testing.F) {
	f.Add("a/flask-2.2.3.dist-info/RECORD")
	f.Add("a/Flask-2.2.3-py3.10.egg/EGG-INFO/SOURCES.txt")
	f.Add("app/META-INF/maven/g/a/pom.properties")
	f.Add("app/meta-inf/manifest.mf")
	f.Fuzz(func(t *testing.T, file string) {
		if dir, ok := PythonDirectory(file); ok {
			if p, ok := NamedByDirectory(dir); ok && (p.check() != nil || !strings.Contains(file, p.Name)) {
				t.Errorf("%q: %+v", file, p)
			}
		}
		if root, ok := UnpackedJar(file); ok && !strings.HasPrefix(file, root) {
			t.Errorf("%q: unpacked into %q", file, root)
		}
	})
}
