package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/policy/evidence"
)

// maxImages bounds the list that --images reads.
const maxImages = 4 << 20

// checkReadOnce refuses names of files of which two are one pipe: what the first
// reads of it, the second cannot.
func checkReadOnce(p *program, names ...string) error {
	var pipes []fs.FileInfo
	for _, name := range names {
		var info fs.FileInfo
		var err error
		if f, ok := p.stdin.(*os.File); ok && name == "-" {
			info, err = f.Stat()
		} else {
			info, err = os.Stat(name)
		}
		if err != nil || info.Mode().Type() != fs.ModeNamedPipe {
			continue // an error comes up again where the file is read
		}
		if slices.ContainsFunc(pipes, func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
			return usagef("%s would be read twice, and a pipe can be read only once", name).WithHint("write one of the inputs to a file and name that")
		}
		pipes = append(pipes, info)
	}
	return nil
}

// readImages reads a list of images: one on each line, blank lines and
// comments left out. name "-" is standard input.
func readImages(ctx context.Context, p *program, name string) ([]string, error) {
	var data []byte
	var err error
	if name == "-" {
		data, err = input.ReadAll(ctx, p.stdin, "the list", maxImages)
	} else {
		data, err = input.ReadFile(ctx, name, maxImages)
	}
	if err != nil {
		return nil, fileError("read the list of images", err)
	}
	return parseImages(name, string(data))
}

// parseImages parses a list of images. A list without any image is a
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
	source, _ := evidence.SourceOf(ref)
	return source.Local() && !source.Engine()
}

// checkPath refuses the path of an image on this machine that lacks the prefix
// of its source: without it, the name is one in a registry.
func checkPath(ref string) error {
	if isLocal(ref) {
		return nil
	}
	archive := strings.HasSuffix(ref, ".tar") || strings.HasSuffix(ref, ".tar.gz") || strings.HasSuffix(ref, ".tgz")
	info, err := os.Stat(ref)
	switch {
	case err != nil:
		return nil
	case info.Mode().IsRegular() && archive:
		return usagef("%s is a file, and an image in a registry is meant without a prefix", ref).WithHint("write tar:%s", ref)
	case info.IsDir() && hasLayout(ref):
		return usagef("%s is an OCI image layout, and an image in a registry is meant without a prefix", ref).WithHint("write oci:%s", ref)
	}
	return nil
}

func hasLayout(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "oci-layout"))
	return err == nil
}
