// Package yamldoc reads the documents of a YAML file as nodes, and takes the errors
// of yaml.v3 apart.
package yamldoc

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Next returns the next document. The error is io.EOF when there is none. A panic of
// the YAML reader, which odd input has caused before, is an error.
func Next(d *yaml.Decoder) (doc *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			doc, err = nil, fmt.Errorf("yaml: the reader failed: %v", r)
		}
	}()
	doc = &yaml.Node{}
	if err := d.Decode(doc); err != nil {
		return nil, err
	}
	return doc, nil
}

// Root returns the value of a document.
func Root(doc *yaml.Node) *yaml.Node {
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0]
	}
	return doc
}

var message = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// Problem returns the line that an error of yaml.v3 names, 1 for none, and what is
// wrong there.
func Problem(err error) (line int, text string) {
	line, text = 1, err.Error()
	if m := message.FindStringSubmatch(strings.ReplaceAll(text, "\n", " ")); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
		text = m[2]
	}
	return line, text
}
