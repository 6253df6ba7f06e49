package compose

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/yamldoc"
)

const (
	// maxFile bounds one file. The largest Compose files of real projects have some
	// hundred kilobytes.
	maxFile = 4 << 20
	// maxNodes bounds the values of one file with all aliases written out. A few
	// lines of aliases of aliases stand for billions of them.
	maxNodes = 100_000
)

// file is one file of a project.
type file struct {
	path  string // slash-separated, from the directory of the project
	shown string // as messages name it
	data  []byte
	docs  []*yaml.Node // the roots of its YAML documents
	dir   string       // where its relative paths begin, slash-separated
}

// problem returns what is wrong at a node. n may be nil.
func (f *file) problem(n *yaml.Node, field, cure, format string, args ...any) evidence.DocumentProblem {
	return evidence.DocumentProblem{At: f.place(n), Field: field, Message: fmt.Sprintf(format, args...), Cure: cure}
}

func (f *file) place(n *yaml.Node) evidence.Place {
	if n == nil {
		return evidence.Place{File: f.shown}
	}
	return evidence.Place{File: f.shown, Line: n.Line, Column: n.Column}
}

// parse reads the YAML documents of the file. compose-go would take a key that
// differs by its place in a merge, or a bomb of aliases, in its own way, so the
// file is checked before compose-go sees it.
func (f *file) parse() []evidence.DocumentProblem {
	decoder := yaml.NewDecoder(bytes.NewReader(f.data))
	for {
		doc, err := yamldoc.Next(decoder)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return []evidence.DocumentProblem{f.syntax(err)}
		}
		f.docs = append(f.docs, yamldoc.Root(doc))
	}
	c := &strictness{file: f, sizes: map[*yaml.Node]int{}}
	for _, root := range f.docs {
		c.check(root, "")
		if c.size(root) > maxNodes {
			c.problems = append(c.problems, f.problem(root, "", "write the values without so many aliases",
				"the file holds more than %d values when its aliases are written out", maxNodes))
		}
	}
	return c.problems
}

// syntax turns an error of the YAML parser into a problem with its line.
func (f *file) syntax(err error) evidence.DocumentProblem {
	line, text := yamldoc.Problem(err)
	return evidence.DocumentProblem{
		At:      evidence.Place{File: f.shown, Line: line, Column: 1},
		Message: "the file is no valid YAML: " + text, Cure: "correct the YAML there",
	}
}

// strictness finds in a file what parsers read in different ways.
type strictness struct {
	file     *file
	problems []evidence.DocumentProblem
	sizes    map[*yaml.Node]int // of nodes with their aliases written out
}

// check looks at every node once. Aliases are not followed.
func (c *strictness) check(n *yaml.Node, field string) {
	switch n.Kind {
	case yaml.MappingNode:
		seen := map[string]*yaml.Node{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			c.key(key, seen, field)
			c.check(value, join(field, key.Value))
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			c.check(item, fmt.Sprintf("%s[%d]", field, i))
		}
	}
}

// key refuses keys that are written twice, and keys that are no text.
func (c *strictness) key(key *yaml.Node, seen map[string]*yaml.Node, field string) {
	if key.Kind != yaml.ScalarNode {
		c.problems = append(c.problems, c.file.problem(key, field, "write the key as text", "a key of %s is no text", cmp.Or(field, "the file")))
		return
	}
	if first := seen[key.Value]; first != nil {
		c.problems = append(c.problems, c.file.problem(key, join(field, key.Value), "remove one of the two",
			"the key %q is written twice, first on line %d: parsers disagree about which one counts", key.Value, first.Line))
	}
	seen[key.Value] = key
}

// size counts the nodes below n with aliases written out, up to maxNodes+1.
func (c *strictness) size(n *yaml.Node) int {
	if size, ok := c.sizes[n]; ok {
		return size
	}
	c.sizes[n] = maxNodes + 1 // an anchor that contains itself has no end
	size := 1
	if n.Kind == yaml.AliasNode {
		size += c.size(n.Alias)
	}
	for _, child := range n.Content {
		size = min(size+c.size(child), maxNodes+1)
	}
	c.sizes[n] = size
	return size
}

func join(field, key string) string {
	if field == "" {
		return key
	}
	return field + "." + key
}
