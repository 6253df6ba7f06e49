package manifest

import (
	"strings"
	"testing"
)

func TestInTests(t *testing.T) {
	for path, want := range map[string]bool{
		"app/node_modules/resolve/test/x/package.json":                          true,
		"app/node_modules/@babel/core/Tests/x/package.json":                     true,
		"app/node_modules/test/package.json":                                    false,
		"app/node_modules/test/lib/package.json":                                false,
		"app/node_modules/@x/test/package.json":                                 false,
		"app/node_modules/test/node_modules/lodash/package.json":                false,
		"app/node_modules/a/fixtures/node_modules/lodash/package.json":          true,
		"app/node_modules/a/spec/package.json":                                  false,
		"app/test/node_modules/a/package.json":                                  false,
		"test/package.json":                                                     false,
		"usr/lib/ruby/gems/3.3.0/gems/a-1.0/spec/x.gemspec":                     true,
		"usr/lib/ruby/gems/3.3.0/gems/a-1.0.pre-java/features/x.gemspec":        true,
		"usr/lib/ruby/gems/3.3.0/gems/a-1.0/x/test/y/x.gemspec":                 true,
		"usr/lib/ruby/gems/3.3.0/gems/a-1.0/x.gemspec":                          false,
		"usr/lib/ruby/gems/3.3.0/gems/test/x.gemspec":                           false,
		"usr/lib/ruby/gems/3.3.0/gems/spec-1/x.gemspec":                         false,
		"usr/lib/ruby/gems/3.3.0/specifications/x.gemspec":                      false,
		"spec/gems/3.3.0/specifications/x.gemspec":                              false,
		"lib/site-packages/setuptools/tests/x-1.dist-info/METADATA":             true,
		"lib/site-packages/tests/x-1.dist-info/METADATA":                        false,
		"lib/site-packages/x-1.dist-info/METADATA":                              false,
		"tests/site-packages/x-1.dist-info/METADATA":                            false,
		"app/vendor/phpunit/phpunit/tests/vendor/composer/installed.json":       true,
		"app/vendor/phpunit/phpunit/tests/end-to-end/installed.json":            true,
		"app/vendor/composer/installed.json":                                    false,
		"app/vendor/test/installed.json":                                        false,
		"app/vendor/bundle/ruby/3.3.0/gems/a-1/test/x/specifications/x.gemspec": true,
		"app/vendor/node_modules/@x/test/package.json":                          false,
		"app/site-packages/node_modules/test/package.json":                      false,
		"node_modules": false, "node_modules/@x": false, "vendor/x": false, "gems": false, "": false,
	} {
		if got := InTests(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestNeedsNoPackage(t *testing.T) {
	for path, want := range map[string]bool{
		"app/data/installed.json":                  true,
		"installed.json":                           true,
		"app/vendor/composer/installed.json":       false,
		"composer/installed.json":                  false,
		"app/notcomposer/installed.json":           true,
		"g/gems/a-1/spec/specifications/x.gemspec": true,
		"g/gems/a-1/spec/x.gemspec":                false, // nobody reads it
		"g/specifications/x.gemspec":               false,
		"app/node_modules/a/test/package.json":     false, // see NPMPlace
		"lib/site-packages/a/tests/x.egg-info":     true,
		"lib/site-packages/a/tests/x.egg":          false,
		"":                                         false,
	} {
		if got := NeedsNoPackage(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// The package.json of a package itself is in no tests, whatever the package and the
// directories above are called: its packages would stop counting.
func FuzzInTests(f *testing.F) {
	f.Add("app/test", "test")
	f.Add("tests/fixtures", "@spec")
	f.Add("", "__tests__")
	f.Fuzz(func(t *testing.T, above, name string) {
		for part := range strings.SplitSeq(above, "/") {
			if isStore(part) {
				return // a package with packages in it
			}
		}
		if name == "" || isStore(name) || strings.ContainsRune(name, '/') || strings.HasPrefix(name, "@") {
			return
		}
		for _, file := range []string{
			above + "/node_modules/" + name + "/package.json",
			above + "/node_modules/@scope/" + name + "/package.json",
			above + "/site-packages/" + name + "/METADATA",
		} {
			if InTests(file) {
				t.Errorf("%q is taken for a file of the tests", file)
			}
		}
	})
}
