package layer

import (
	"errors"
	"strings"
)

// errHops is the error for a path with more than maxHops symbolic links.
var errHops = errors.New("its directory is a loop of symbolic links")

// errDepth is the error for a path deeper than maxDepth. Ordinary images have no
// such path, and functions that walk the tree are recursive.
var errDepth = errors.New("its path has too many directories")

// maxDepth bounds the depth of the tree, which links can make larger than any
// path is long.
const maxDepth = 4096

// walk resolves one path in the merged tree.
type walk struct {
	t        *Tree
	layer    int32
	create   bool // make directories that are missing
	hops     int
	followed bool // a symbolic link was followed
	below    bool // one of them came from a lower layer
}

// dir resolves the directory path, following links, inside the root. Without
// create it returns nil for what does not exist.
func (w *walk) dir(path string) (*node, string, error) {
	n, real, err := w.find(path, true)
	if err != nil || n == nil || n.kind == Dir {
		return n, real, err
	}
	return nil, real, nil
}

// level is one directory on the way down, so that ".." can go back up.
type level struct {
	n    *node
	name string
}

// find resolves path. The last component's link is followed only if last is
// true.
func (w *walk) find(path string, last bool) (*node, string, error) {
	stack := append(make([]level, 0, 16), level{w.t.merged.root, ""})
	rest := path
	for rest != "" {
		w.t.steps++
		part, more, _ := strings.Cut(rest, "/")
		rest = more
		top := stack[len(stack)-1].n
		switch part {
		case "", ".":
			continue
		case "..":
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
			}
			continue
		}
		if top.kind != Dir {
			return nil, pathOf(stack), nil
		}
		kid := w.child(top, part)
		if kid == nil {
			return nil, joinName(pathOf(stack), part), nil
		}
		if kid.kind == Symlink && (last || rest != "") {
			target, err := w.follow(kid, rest)
			if err != nil {
				return nil, "", err
			}
			if strings.HasPrefix(target, "/") {
				stack = stack[:1]
			}
			rest = target
			continue
		}
		if stack = append(stack, level{kid, part}); len(stack) > maxDepth {
			return nil, "", errDepth
		}
	}
	if !w.followed {
		return stack[len(stack)-1].n, path, nil // no link to follow
	}
	return stack[len(stack)-1].n, pathOf(stack), nil
}

// child returns the node called name, and makes it a directory if it has to be
// one.
func (w *walk) child(dir *node, name string) *node {
	kid := w.t.merged.kid(dir, name)
	if !w.create || kid != nil && (kid.kind == Dir || kid.kind == Symlink) {
		return kid
	}
	if kid != nil {
		w.t.drop(dir, kid, w.layer)
	}
	kid = &node{kind: Dir, layer: w.layer}
	w.t.merged.add(dir, name, kid)
	w.t.nodes++
	w.t.text += int64(len(name))
	return kid
}

// follow returns what is to be resolved instead of the link and the rest.
func (w *walk) follow(link *node, rest string) (string, error) {
	if w.hops++; w.hops > maxHops || w.t.steps > maxSteps {
		return "", errHops
	}
	w.followed = true
	w.below = w.below || link.layer < w.layer
	if rest == "" {
		return link.link, nil
	}
	return link.link + "/" + rest, nil
}

func pathOf(stack []level) string {
	if len(stack) == 1 {
		return ""
	}
	var b strings.Builder
	for i, l := range stack[1:] {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(l.name)
	}
	return b.String()
}
