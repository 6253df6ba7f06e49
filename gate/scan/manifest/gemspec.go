package manifest

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	// gemString is a text in Ruby without escapes, as in "rack".freeze.
	gemString = `(?:"([^"\\#]*)"|'([^'\\]*)'|%q\{([^{}\\]*)\}|%q\(([^()\\]*)\))(?:\.freeze)?`
	// gemField is a line that sets the name or the version to a text.
	gemField = regexp.MustCompile(`^\s*\w+\.(name|version)\s*=\s*` + gemString + `\s*(?:#.*)?$`)
	// gemLiteral is any text, and gemUse what uses the name or the version.
	gemLiteral = regexp.MustCompile(`"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'`)
	gemUse     = regexp.MustCompile(`\b\w+\.(name|version)\b`)
	gemStub    = regexp.MustCompile(`^# stub: (\S+) (\S+) `)
)

// ReadGemspec reads an installed gemspec. It is a program in Ruby, but RubyGems
// writes it in one form, and anything else that decides on the name or the version
// is an error. Trivy reads the first line that looks right, in comments as well.
// RubyGems itself reads the comment "# stub" in the second line first.
func ReadGemspec(data []byte) ([]Package, error) {
	fields := map[string][]string{}
	var stub *Package
	comment := false
	for number := 1; len(data) > 0; number++ {
		var raw []byte
		raw, data = cutLine(data)
		line := string(raw)
		switch {
		case line == "__END__":
			data = nil
			continue
		case strings.HasPrefix(line, "=begin"):
			comment = true
		case strings.HasPrefix(line, "=end"):
			comment = false
			continue
		}
		if comment {
			continue
		}
		if m := gemStub.FindStringSubmatch(line); m != nil && number == 2 {
			stub = &Package{m[1], m[2]}
		}
		if m := gemField.FindStringSubmatch(line); m != nil {
			fields[m[1]] = append(fields[m[1]], m[2]+m[3]+m[4]+m[5])
			continue
		}
		code, _, _ := strings.Cut(gemLiteral.ReplaceAllString(line, `""`), "#")
		if m := gemUse.FindStringSubmatch(code); m != nil {
			return nil, fmt.Errorf("line %d: what it says about the %s is no plain text", number, m[1])
		}
	}
	if len(fields["name"]) != 1 || len(fields["version"]) != 1 {
		return nil, errors.New("it does not set its name and its version once each")
	}
	p := Package{fields["name"][0], fields["version"][0]}
	if stub == nil || *stub == p {
		return []Package{p}, p.check()
	}
	return []Package{p, *stub}, errors.Join(p.check(), stub.check())
}
