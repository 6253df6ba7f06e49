package manifest

import (
	"fmt"
	"regexp"
	"strings"
)

// pythonField is how a header begins for Python's email.parser.
var pythonField = regexp.MustCompile(`^([!-9;-~]+):`)

// ReadPython reads the METADATA or PKG-INFO of an installed Python package. Of two
// equal fields, Python's email.parser and Trivy take the first and other readers
// none, so two different names or versions are an error.
func ReadPython(data []byte) ([]Package, error) {
	values := map[string]string{}
	key, value := "", ""
	end := func() error {
		name, text := strings.ToLower(key), strings.Join(strings.Fields(value), " ")
		if key = ""; name != "name" && name != "version" {
			return nil
		}
		if before, twice := values[name]; twice && before != text {
			return fmt.Errorf("it has the field %q twice, with %.100q and %.100q", name, before, text)
		}
		values[name] = text
		return nil
	}
	for len(data) > 0 {
		var line []byte
		line, data = cutLine(data)
		switch m := pythonField.FindSubmatch(line); {
		case len(line) > 0 && (line[0] == ' ' || line[0] == '\t'):
			if key != "" {
				value += " " + string(line)
			}
			continue
		case m == nil:
			data = nil // the text follows
		default:
			if err := end(); err != nil {
				return nil, err
			}
			key, value = string(m[1]), string(line[len(m[0]):])
		}
	}
	if err := end(); err != nil {
		return nil, err
	}
	p := Package{values["name"], values["version"]}
	return []Package{p}, p.check()
}
