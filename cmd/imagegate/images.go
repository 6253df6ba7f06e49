package main

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/imagegate/imagegate/policy/words"
)

// maxImages bounds the list that --images reads.
const maxImages = 4 << 20

// readImages reads a list of images: one on each line, blank lines and
// comments left out. name "-" is standard input.
func readImages(p *program, name string) ([]string, error) {
	var data []byte
	var err error
	if name == "-" {
		data, err = io.ReadAll(io.LimitReader(p.stdin, maxImages+1))
	} else {
		data, err = readFileUpTo(name, maxImages)
	}
	if err != nil {
		return nil, fileError("read the list of images", err)
	}
	if len(data) > maxImages {
		return nil, usagef("the list of images %s is larger than %s", name, words.BinarySize(maxImages))
	}
	return parseImages(name, string(data))
}

// parseImages takes a list of images apart. A list without any image is a
// mistake: a generator that failed must not look like nothing to judge.
func parseImages(name, text string) ([]string, error) {
	if !utf8.ValidString(text) {
		return nil, usagef("the list of images %s is not UTF-8 text", name)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	var refs []string
	number := 0
	for line := range strings.Lines(text) {
		number++
		ref := strings.TrimSpace(withoutComment(line))
		if ref == "" {
			continue
		}
		if strings.ContainsFunc(ref, unicode.IsControl) || strings.ContainsFunc(ref, unicode.IsSpace) && !isLocal(ref) {
			return nil, usagef("%s:%d: %q is not an image", name, number, ref).
				WithHint("write one image on each line")
		}
		refs = append(refs, ref)
	}
	if len(refs) == 0 {
		return nil, usagef("the list of images %s names no image", name)
	}
	return refs, nil
}

// withoutComment cuts off a comment: from a # at the beginning or after white
// space. Inside a path a # is a letter.
func withoutComment(line string) string {
	before := ' '
	for i, r := range line {
		if r == '#' && unicode.IsSpace(before) {
			return line[:i]
		}
		before = r
	}
	return line
}

// isLocal reports whether ref is a path, in which white space is allowed.
func isLocal(ref string) bool {
	return strings.HasPrefix(ref, "oci:") || strings.HasPrefix(ref, "tar:")
}
