package yamldoc

import (
	"errors"
	"io"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestDocuments(t *testing.T) {
	d := yaml.NewDecoder(strings.NewReader("a: 1\n---\n# nothing\n---\n- b\n"))
	var kinds []yaml.Kind
	for {
		doc, err := Next(d)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, Root(doc).Kind)
	}
	if len(kinds) != 3 || kinds[0] != yaml.MappingNode || kinds[1] != yaml.ScalarNode || kinds[2] != yaml.SequenceNode {
		t.Errorf("kinds %v", kinds)
	}
}

func TestProblem(t *testing.T) {
	for src, want := range map[string]struct {
		line int
		text string
	}{
		"a: 1\nb: [\n": {2, "did not find expected node content"},
		"a: *b\n":      {1, "unknown anchor 'b' referenced"},
	} {
		_, err := Next(yaml.NewDecoder(strings.NewReader(src)))
		if err == nil {
			t.Fatalf("%q is read", src)
		}
		if line, text := Problem(err); line != want.line || text != want.text {
			t.Errorf("%q: line %d, %q; want %d, %q", src, line, text, want.line, want.text)
		}
	}
	if line, text := Problem(errors.New("of another kind")); line != 1 || text != "of another kind" {
		t.Errorf("line %d, %q", line, text)
	}
}
