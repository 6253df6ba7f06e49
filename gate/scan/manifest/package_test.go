package manifest

import (
	"fmt"
	"strings"
	"testing"
)

var packageFiles = []struct {
	name, file, text, want string // "" is an error
}{
	{"plain", "x-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: x\nVersion: 1\n\nName: y\n", "x@1"},
	{"small letters, CRLF", "x.egg-info/PKG-INFO", "name: x\r\nVERSION: 1\r\n", "x@1"},
	{"CR", "x.egg-info", "Name: x\rVersion: 1\r", "x@1"},
	{"folded", "x-1.dist-info/METADATA", "Name:\n x\nVersion:\n\t1\n", "x@1"},
	{"the same twice", "x-1.dist-info/METADATA", "Name: x\nName: x\nVersion: 1\n", "x@1"},
	{"two names", "x-1.dist-info/METADATA", "Name: x\nName: y\nVersion: 1\n", ""},
	{"two versions", "x-1.dist-info/METADATA", "Name: x\nVersion: 2\nversion: 1\n", ""},
	{"a version in the text", "x-1.dist-info/METADATA", "Name: x\nVersion: 2\n\nVersion: 1\n", "x@2"},
	{"a line that is no field", "x-1.dist-info/METADATA", "Name: x\nVersion: 2\nno field\nVersion: 1\n", "x@2"},
	{"a folded name", "x-1.dist-info/METADATA", "Name: x\n y\nVersion: 2\n", ""},
	{"NUL", "x-1.dist-info/METADATA", "Name: x\x00\nVersion: 2\n", ""},
	{"no name", "x-1.dist-info/METADATA", "Version: 2\n", ""},
	{"a name in an encoded form", "x-1.dist-info/METADATA", "Name: =?utf-8?q?x?=\nVersion: 2\n", ""},
	{"a name with a comment", "x-1.dist-info/METADATA", "Name: x(y)\nVersion: 2\n", ""},
	{"a directory in capitals", "x-1.DIST-INFO/METADATA", "Name: x\nVersion: 1\n", "x@1"},
	{"an egg in capitals", "x-1.Egg-Info", "Name: x\nVersion: 1\n", "x@1"},
	{"the other name of the file", "x-1.dist-info/PKG-INFO", "Name: x\nVersion: 1\n", "x@1"},

	{"Composer 2", "v/composer/installed.json", `{"packages":[{"name":"a/b","version":"v1.0.0","version_normalized":"1.0.0.0"}]}`, "a/b@v1.0.0"},
	{"Composer 1", "v/composer/installed.json", `[{"name":"a/b","version":"1.0"}]`, "a/b@1.0"},
	{"capitals", "v/composer/installed.json", `{"packages":[{"name":"A/B","version":"1"}]}`, "a/b@1"},
	{"one name twice", "v/composer/installed.json", `{"packages":[{"name":"a/b","version":"2"},{"name":"a/b","version":"1"}]}`, "a/b@2 a/b@1"},
	{"another version to compare", "v/composer/installed.json", `{"packages":[{"name":"a/b","version":"2.0","version_normalized":"1.0.0.0"}]}`, "a/b@2.0 a/b@1.0.0"},
	{"a branch with a version to compare", "v/composer/installed.json", `{"packages":[{"name":"a/b","version":"dev-main","version_normalized":"1.0.0.0"}]}`, "a/b@dev-main a/b@1.0.0"},
	{"a branch", "v/composer/installed.json", `{"packages":[{"name":"a/b","version":"dev-main","version_normalized":"dev-main"}]}`, "a/b@dev-main"},
	{"keys in capitals", "v/composer/installed.json", `{"packages":[{"name":"a/b","NAME":"c/d","version":"1"}],"Packages":[]}`, "a/b@1"},
	{"a name twice", "v/composer/installed.json", `{"packages":[{"name":"c/d","name":"a/b","version":"1"}]}`, "a/b@1"},
	{"NUL in JSON", "v/composer/installed.json", `{"packages":[{"name":"a/b\u0000","version":"1"}]}`, ""},
	{"a package without a name", "v/composer/installed.json", `{"packages":[{"version":"1"}]}`, ""},
	{"no JSON", "v/composer/installed.json", `{`, ""},
	{"nothing installed", "v/composer/installed.json", `{"packages":[]}`, "none"},

	{"as RubyGems writes it", "g/specifications/x-1.gemspec", "# -*- encoding: utf-8 -*-\n# stub: x 1 ruby lib\n\nGem::Specification.new do |s|\n  s.name = \"x\".freeze\n  s.version = \"1\"\n\n" +
		"  s.required_rubygems_version = Gem::Requirement.new(\">= 0\".freeze) if s.respond_to? :required_rubygems_version=\n  s.description = \"a s.name = 'y'; and s.version\".freeze\n  s.rubygems_version = \"3.5.3\".freeze\nend\n", "x@1"},
	{"old RubyGems", "g/specifications/x-1.gemspec", "Gem::Specification.new do |s|\n  s.name = %q{x}\n  s.version = \"1\"\nend\n", "x@1"},
	{"single quotes and a comment", "g/specifications/x-1.gemspec", "  s.name = 'x' # s.name\n  s.version = '1'.freeze\n", "x@1"},
	{"CRLF", "g/specifications/x-1.gemspec", "  s.name = 'x'\r\n  s.version = '1'\r\n", "x@1"},
	{"a decoy in a comment", "g/specifications/x-1.gemspec", "=begin\n  s.version = '9'\n=end\n  s.name = 'x'\n  s.version = '1'\n", "x@1"},
	{"a decoy behind the end", "g/specifications/x-1.gemspec", "  s.name = 'x'\n  s.version = '1'\n__END__\n  s.version = '9'\n", "x@1"},
	{"another stub", "g/specifications/x-1.gemspec", "#\n# stub: y 2 ruby lib\n  s.name = 'x'\n  s.version = '1'\n", "x@1 y@2"},
	{"a control character in the stub", "g/specifications/x-1.gemspec", "#\n# stub: y\x10 2 ruby lib\n  s.name = 'x'\n  s.version = '1'\n", ""},
	{"a stub elsewhere", "g/specifications/x-1.gemspec", "#\n#\n# stub: y 2 ruby lib\n  s.name = 'x'\n  s.version = '1'\n", "x@1"},
	{"two texts", "g/specifications/x-1.gemspec", "  s.name = \"x\" \"y\"\n  s.version = '1'\n", ""},
	{"a sum", "g/specifications/x-1.gemspec", "  s.name = \"x\"+\"y\"\n  s.version = '1'\n", ""},
	{"an escape", "g/specifications/x-1.gemspec", "  s.name = \"\\x78\"\n  s.version = '1'\n", ""},
	{"an expression in a text", "g/specifications/x-1.gemspec", "  s.name = \"#{y}\"\n  s.version = '1'\n", ""},
	{"a version twice", "g/specifications/x-1.gemspec", "  s.name = 'x'\n  s.version = '9'\n  s.version = '1'\n", ""},
	{"parentheses", "g/specifications/x-1.gemspec", "  s.name=('x')\n  s.version=('1')\n", ""},
	{"changed later", "g/specifications/x-1.gemspec", "  s.name = 'x'\n  s.version = '1'\n  s.name.replace('y')\n", ""},
	{"two statements", "g/specifications/x-1.gemspec", "  s.name = 'x'\n  s.version = '1'\n  a; s.version = '2'\n", ""},
	{"arguments", "g/specifications/x-1.gemspec", "Gem::Specification.new 'x', '1' do |s|\nend\n", ""},
}

func TestReadPackages(t *testing.T) {
	for _, test := range packageFiles {
		read := ReaderOf("app/" + test.file)
		if read == nil {
			t.Fatalf("%s: no reader", test.file)
		}
		found, err := read([]byte(test.text))
		var list []string
		for _, p := range found {
			list = append(list, p.Name+"@"+p.Version)
		}
		if got := strings.Join(list, " "); (err != nil) != (test.want == "") || err == nil && got != strings.TrimPrefix(test.want, "none") {
			t.Errorf("%s: got %q, %v", test.name, got, err)
		}
	}
	for _, file := range []string{"x.gemspec", "METADATA", "composer.lock", "x.dist-info/RECORD", "package.json"} {
		if ReaderOf(file) != nil {
			t.Errorf("%s has a reader", file)
		}
	}
}

// What is read is in the file, and can be the name of a package.
func FuzzReadPackages(f *testing.F) {
	for _, test := range packageFiles {
		f.Add(test.file, test.text)
	}
	f.Fuzz(func(t *testing.T, file, text string) {
		read := ReaderOf(file)
		if read == nil {
			return
		}
		found, err := read([]byte(text))
		if err != nil {
			return
		}
		for _, p := range found {
			if p.check() != nil {
				t.Errorf("%q: read %+v", text, p)
			}
			// Composer's file is JSON, in which a name has many spellings.
			if !strings.HasSuffix(file, ".json") && !strings.Contains(text, p.Name) {
				t.Errorf("%s: %+v is not in %q", file, p, fmt.Sprint(text))
			}
		}
	})
}
