// Package manifest reads the metadata files of language packages as the programs
// that own them do, where Trivy reads them otherwise.
//
// The package treats every byte as hostile. It depends neither on Trivy nor on the
// advisories.
package manifest

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// NPM is what a package.json says.
type NPM struct {
	Name, Version string
	// License is the value of "license", or of "licenses", as JSON.
	License []byte
}

var errNoObject = errors.New("it is no JSON object")

// ReadNPM reads a package.json as npm and Node.js do: a byte order mark is skipped,
// keys are taken exactly as written, and of two equal keys the last one counts.
// (Go's decoder, which Trivy uses, takes "NAME" for "name".) Name and Version are
// "" where they are missing or no strings.
func ReadNPM(data []byte) (NPM, error) {
	var p NPM
	data = bytes.TrimPrefix(data, byteOrderMark)
	d := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != '{' {
		if _, err := d.ReadToken(); err != nil {
			return NPM{}, problem(err)
		}
		return NPM{}, errNoObject
	}
	if _, err := d.ReadToken(); err != nil {
		return NPM{}, problem(err)
	}
	var license, licenses []byte
	for d.PeekKind() != '}' {
		key, err := d.ReadToken()
		if err != nil {
			return NPM{}, problem(err)
		}
		name := key.String()
		value, err := d.ReadValue()
		if err != nil {
			return NPM{}, problem(err)
		}
		switch name {
		case "name":
			p.Name = text(value)
		case "version":
			p.Version = text(value)
		case "license":
			license = bytes.Clone(value)
		case "licenses":
			licenses = bytes.Clone(value)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return NPM{}, problem(err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return NPM{}, errors.New("something follows its JSON object")
	}
	if p.License = license; p.License == nil {
		p.License = licenses
	}
	return p, nil
}

// text returns the value of a JSON string, and "" for any other value.
func text(value jsontext.Value) string {
	if value.Kind() != '"' {
		return ""
	}
	s, err := jsontext.AppendUnquote(nil, value)
	if err != nil && len(s) == 0 {
		return ""
	}
	return string(s)
}

// problem says where the JSON is malformed, without the bytes of the image.
func problem(err error) error {
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("it is no JSON: %s at byte %d", strings.TrimPrefix(fmt.Sprint(s.Err), "jsontext: "), s.ByteOffset)
	}
	return fmt.Errorf("it is no JSON: %w", err)
}

var npmName = regexp.MustCompile(`^(@[A-Za-z0-9._-]+/)?[A-Za-z0-9._-]+$`)

// ValidNPMName reports whether the name is one that a package can have and the
// advisories can know.
func ValidNPMName(name string) bool { return npmName.MatchString(name) }

// NPMPlace tells which package has its package.json at path: the directory below
// the last node_modules, NAME or @SCOPE/NAME. ok is false where no package need
// be, as for the sub-paths that some packages export (rxjs/ajax) and below the
// tests that packages come with.
func NPMPlace(path string) (name string, ok bool) {
	dir, found := strings.CutSuffix(path, "/package.json")
	if !found {
		return "", false
	}
	const modules = "node_modules/"
	at := strings.LastIndex("/"+dir, "/"+modules)
	if at < 0 {
		return "", false
	}
	name = dir[at+len(modules):]
	first, rest, scoped := strings.Cut(name, "/")
	if strings.HasPrefix(first, "@") != scoped || strings.Contains(rest, "/") || strings.HasPrefix(first, ".") {
		return "", false
	}
	inside := path[strings.Index("/"+path, "/"+modules):]
	if name == "" || InTests(inside) {
		return "", false
	}
	return name, true
}
