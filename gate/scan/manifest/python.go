package manifest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// pythonField is how a header begins for Python's email.parser.
var pythonField = regexp.MustCompile(`^([!-9;-~]+):`)

// pythonName is what a Python package can be called (PEP 508). No advisory knows another
// name, as "=?utf-8?q?Flask?=", which Python does not decode either.
var pythonName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// IsPythonMetadata reports whether a file describes an installed Python package.
// importlib.metadata takes the name of the directory in capitals and small letters, and
// PKG-INFO in place of METADATA. Trivy does neither, see [TrivyReadsPython].
func IsPythonMetadata(file string) bool {
	dir, base := path.Split(file)
	if base != "METADATA" && base != "PKG-INFO" {
		return strings.HasSuffix(strings.ToLower(base), ".egg-info")
	}
	dir = strings.ToLower(dir)
	return strings.Contains(dir, ".dist-info") || strings.HasSuffix(dir, "egg-info/")
}

// TrivyReadsPython reports whether Trivy reads a file as the metadata of a Python
// package (fanal/analyzer/language/python/packaging).
func TrivyReadsPython(file string) bool {
	return strings.Contains(file, ".dist-info") && path.Base(file) == "METADATA" ||
		slices.ContainsFunc([]string{"EGG-INFO/PKG-INFO", ".egg-info", ".egg-info/PKG-INFO", ".egg-info/METADATA"}, func(end string) bool {
			return strings.HasSuffix(file, end)
		})
}

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
	if err := p.check(); err != nil {
		return nil, err
	}
	if !pythonName.MatchString(p.Name) {
		return nil, fmt.Errorf("no package can be called %.100q", p.Name)
	}
	return []Package{p}, nil
}
