package pinned

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	digest = "sha256:" + "1111111111111111111111111111111111111111111111111111111111111111"
	other  = "sha256:" + "2222222222222222222222222222222222222222222222222222222222222222"
)

// pinAll pins every value of a key image.
func pinAll(t *testing.T, text string) ([]byte, error) {
	t.Helper()
	all, err := documents([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var pins []Pin
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, c := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 && c.Value == "image" {
				v := n.Content[i+1]
				pins = append(pins, Pin{At: evidence.Place{File: "f", Line: v.Line, Column: v.Column}, Image: nameOf(v), Digest: digest})
			}
			walk(c)
		}
	}
	for _, n := range all {
		walk(n)
	}
	return YAML([]byte(text), pins)
}

// nameOf is the text of a value, also behind an alias.
func nameOf(n *yaml.Node) string {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return strings.TrimSpace(n.Value)
}

// A digest is inserted behind each name, and every other byte stays.
func TestYAML(t *testing.T) {
	for name, text := range map[string]string{
		"plain":                "a:\n  image: nginx:1♥ # comment\n  b: c\n",
		"comment after it":     "a:\n  image: nginx:1♥   # image: x\n",
		"double quotes":        "a:\n  image: \"nginx:1♥\"\n",
		"single quotes":        "a:\n  image: 'nginx:1♥'   \n",
		"escapes":              "a:\n  image: \"ngin\\x78:1♥\"\n",
		"flow":                 "a: {image: nginx:1♥, b: [x, {image: \"b:2♥\"}]}\n",
		"JSON":                 "{\"a\": {\"image\": \"nginx:1♥\", \"é\": \"ü\", \"b\": [{\"image\":\"x:2♥\"}]}}",
		"escapes of JSON":      "\ufeff{\"a\":{\"b\\/c\":\"\\ud83d\\ude00\",\"image\":\"r\\/nginx:1♥\",\"b\":[{\"image\":\"x:2♥\"}]}}\n",
		"literal block":        "a:\n  image: |\n    nginx:1♥\n  b: c\n",
		"folded block":         "a:\n  image: >-\n    nginx:1♥\n\n  b: c\n",
		"CRLF":                 "a:\r\n  image: nginx:1♥\r\n  b: c\r\n",
		"BOM":                  "\ufeffa:\n  image: nginx:1♥\n",
		"BOM on the line":      "\ufeffimage: nginx:1♥\n",
		"characters before it": "é: {ü: \"日本\", image: nginx:1♥}\n",
		"anchor":               "a:\n  image: &img nginx:1♥\nb:\n  image: *img\n",
		"tag":                  "a:\n  image: !!str nginx:1♥\n",
		"anchor and tag":       "a:\n  image: &x !!str \"nginx:1♥\"\n",
		"several documents":    "--- # one\nimage: a:1♥\n---\n# two\nimage: b:2♥\n...\n---\nimage: c♥\n",
		"no end of line":       "image: nginx♥",
		"next line":            "a:\n  image:\n    nginx:1♥\n",
		"list":                 "a:\n- image: nginx:1♥\n- image: b♥\n",
		"variable":             "image: ${REGISTRY:-r}/web:${TAG:-1}♥\n",
		"tabs in comment":      "image: nginx:1♥\t# x\n",
		"trailing spaces":      "image: nginx:1♥  \n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := pinAll(t, strings.ReplaceAll(text, "♥", ""))
			if want := strings.ReplaceAll(text, "♥", "@"+digest); err != nil || string(got) != want {
				t.Errorf("%v\ngot  %q\nwant %q", err, got, want)
			}
		})
	}
}

// What cannot be pinned in place is refused.
func TestYAMLRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"plain over two lines":    "image: nginx\n  :1\n",
		"quotes over two lines":   "image: \"nginx\n  :1\"\n",
		"literal over two lines":  "image: |\n  nginx\n  x\n",
		"folded over two lines":   "image: >\n  nginx\n  x\n",
		"empty":                   "image:\n",
		"anchor on its own line":  "image: &a\n  nginx\n",
		"kept blank of the quote": "image: \"\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := pinAll(t, text)
			var place *PlaceError
			if err == nil && string(got) != "image: \"@"+digest+"\"\n" || err != nil && !errors.As(err, &place) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	_, err := YAML([]byte("image: a\n"), []Pin{{At: evidence.Place{Line: 1, Column: 8}, Digest: digest}, {At: evidence.Place{Line: 1, Column: 8}, Digest: other}})
	if err == nil {
		t.Error("two digests for one place")
	}
	_, err = YAML([]byte("a: &i x\nb: *i\n"), []Pin{{At: evidence.Place{Line: 1, Column: 4}, Digest: digest}, {At: evidence.Place{Line: 2, Column: 4}, Digest: other}})
	if err == nil {
		t.Error("two digests for one anchor")
	}
	if _, err = YAML([]byte("image: a\n"), []Pin{{At: evidence.Place{Line: 1, Column: 8}, Image: "b", Digest: digest}}); err == nil {
		t.Error("another name than the one that was judged")
	}
	if _, err = YAML([]byte("image: a\n"), []Pin{{At: evidence.Place{Line: 7, Column: 8}, Digest: digest}}); err == nil {
		t.Error("a place that is not there")
	}
}

func TestDockerfile(t *testing.T) {
	text := "# FROM a\nARG IMG=node:22\nFROM --platform=linux/amd64 golang:1.26♥ AS build\r\nCOPY --from=tool:1♥ /x /\nFROM build AS mid\nfrom ${IMG}♥\nRUN --mount=type=bind,from=m:2♥,target=/m x\n"
	plain := []byte(strings.ReplaceAll(text, "♥", ""))
	var pins []Pin
	for _, n := range names("Dockerfile", plain) {
		pins = append(pins, Pin{At: n.At, Digest: digest})
	}
	got, err := Dockerfile("Dockerfile", plain, pins)
	if want := strings.ReplaceAll(text, "♥", "@"+digest); err != nil || string(got) != want {
		t.Errorf("%v\ngot  %q\nwant %q", err, got, want)
	}
}

func FuzzYAML(f *testing.F) {
	for _, s := range []string{"image: a", "a: {image: \"b\"}", "- image: |\n    x\n", "image: &a x\nb: {image: *a}", "\ufeffimage: 'a''b'\r\n"} {
		f.Add([]byte(s), 1, 8)
	}
	f.Fuzz(func(t *testing.T, data []byte, line, column int) {
		out, err := YAML(data, []Pin{{At: evidence.Place{Line: line, Column: column}, Digest: digest}})
		if err != nil {
			return
		}
		if !bytes.Equal(bytes.Replace(out, []byte("@"+digest), nil, 1), data) && !bytes.Contains(data, []byte("@"+digest)) {
			t.Fatalf("more than the digest changed: %q to %q", data, out)
		}
	})
}
