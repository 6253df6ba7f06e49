package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/yamldoc"
)

// maxProblems is how many problems of one file are reported.
const maxProblems = 100

// documents calls visit for each document of a stream that is not empty. What
// cannot be parsed is a problem, and nothing behind it is known.
func (r *reader) documents(data []byte, visit func(*value)) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if at := oversized(data); at > 0 {
		r.problem(at, 1, "", "split the document, or judge what it holds by itself", "a document is larger than %d MiB", maxDocument>>20)
		return
	}
	d := yaml.NewDecoder(bytes.NewReader(yamldoc.JSON(data)))
	for {
		doc, err := yamldoc.Next(d)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.unparsable(data, err)
			return
		}
		root := yamldoc.Root(doc)
		if root.Kind == 0 || root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
			continue // nothing but comments, or the null that toYaml makes of an empty value: kubectl skips both
		}
		c := &converter{file: r.file, made: map[*yaml.Node]*value{}, open: map[*yaml.Node]bool{}}
		v := c.convert(root, 0)
		if len(c.mistakes) > 0 {
			r.problems = append(r.problems, c.mistakes...)
			continue
		}
		visit(v)
	}
}

// oversized returns the first line of a document that is too large to be held in
// memory as nodes, 0 for none. A line that begins with --- begins a document,
// wherever it is.
func oversized(data []byte) int {
	begin, line := 0, 1
	for at := 0; at < len(data); line++ {
		end := bytes.IndexByte(data[at:], '\n')
		if end < 0 {
			end = len(data) - at - 1
		}
		if bytes.HasPrefix(data[at:], []byte("---")) {
			begin = at
		}
		if at+end+1-begin > maxDocument {
			return line
		}
		at += end + 1
	}
	return 0
}

// unparsable reports a document that is no YAML. A template is the usual reason.
func (r *reader) unparsable(data []byte, err error) {
	line, message := yamldoc.Problem(err)
	cure := "correct the document"
	if at := templateLine(data, line); at > 0 {
		line, cure = at, templateCure
		message = "the document has a template that was not rendered: " + message
	}
	r.problem(line, 1, "", cure, "%s", message)
}

// templateLine returns the first line near another one, and at or before it, that
// has the mark of a template; 0 for none.
func templateLine(data []byte, near int) int {
	lines := bytes.Split(data, []byte("\n"))
	for i := min(near+1, len(lines)); i > 0 && i > near-5; i-- {
		if bytes.Contains(lines[i-1], []byte("{{")) {
			return i
		}
	}
	return 0
}

// problem adds a problem of the file.
func (r *reader) problem(line, column int, path, cure, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		return
	}
	r.problems = append(r.problems, evidence.DocumentProblem{
		At: evidence.Place{File: r.file, Line: line, Column: max(column, 1)}, Field: path, Message: fmt.Sprintf(format, args...), Cure: cure,
	})
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "..."
	}
	return s
}
