package compose

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// mergeKey is the key that takes over the entries of other mappings.
const mergeKey = "<<"

// child returns the value of a key of a mapping, and the key. Aliases are followed,
// and so are merge keys: the entries of the mapping itself come first.
func child(n *yaml.Node, name string) (key, value *yaml.Node) {
	n = target(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != mergeKey {
			continue
		}
		for _, from := range merged(n.Content[i+1]) {
			if key, value = child(from, name); value != nil {
				return key, value
			}
		}
	}
	return nil, nil
}

// merged lists the mappings that a merge key takes over.
func merged(n *yaml.Node) []*yaml.Node {
	n = target(n)
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		return n.Content
	}
	return []*yaml.Node{n}
}

// target follows an alias.
func target(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// find returns the node at a path of keys, and the key that leads to it. When the
// path ends early, they are those of the last part that is there.
func find(n *yaml.Node, path ...string) (key, value *yaml.Node, whole bool) {
	value = n
	for _, name := range path {
		k, v := child(value, name)
		if v == nil {
			return key, value, false
		}
		key, value = k, v
	}
	return key, value, true
}

// scalarsWith lists the scalars whose text is exactly this.
func (f *file) scalarsWith(text string) []*yaml.Node {
	var found []*yaml.Node
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && n.Value == text {
			found = append(found, n)
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	for _, root := range f.docs {
		walk(root)
	}
	return found
}

// definition is where a file defines a service.
type definition struct {
	file  *file
	key   *yaml.Node
	value *yaml.Node
}

// definitions lists where a service is defined, the one that counts most first:
// within a file a later document replaces an earlier one, and a file replaces what
// it includes.
func (p *project) definitions(section, name string) []definition {
	var all []definition
	for _, f := range p.order {
		for i := len(f.docs) - 1; i >= 0; i-- {
			if key, value, ok := find(f.docs[i], section, name); ok && key != nil {
				all = append(all, definition{f, key, value})
			}
		}
	}
	return all
}

// locate returns the file, the key and the value where a field of a service is
// written: in the service, or in one that it extends. Without the field it is the
// service itself.
func (p *project) locate(section, name string, path ...string) (f *file, key, value *yaml.Node) {
	definitions := p.definitions(section, name)
	seen := map[*yaml.Node]bool{}
	for i := 0; i < len(definitions); i++ {
		d := definitions[i]
		if seen[d.value] {
			continue
		}
		seen[d.value] = true
		if len(path) == 0 {
			return d.file, d.key, d.value
		}
		if key, value, ok := find(d.value, path...); ok {
			return d.file, key, value
		}
		definitions = append(definitions, p.extended(section, d)...)
	}
	if len(definitions) == 0 {
		return p.order[0], nil, nil
	}
	return definitions[0].file, definitions[0].key, definitions[0].value
}

// extended returns the definitions of the service that a service extends.
func (p *project) extended(section string, d definition) []definition {
	_, extends := child(d.value, "extends")
	extends = target(extends)
	if extends == nil {
		return nil
	}
	if extends.Kind == yaml.ScalarNode {
		return p.definitions(section, extends.Value)
	}
	_, service := child(extends, "service")
	_, from := child(extends, "file")
	if service == nil {
		return nil
	}
	if from == nil {
		return p.definitions(section, service.Value)
	}
	var all []definition
	other := p.files[d.file.resolve(from.Value)]
	if other == nil {
		return nil
	}
	for i := len(other.docs) - 1; i >= 0; i-- {
		if key, value, ok := find(other.docs[i], section, service.Value); ok && key != nil {
			all = append(all, definition{other, key, value})
		}
	}
	return all
}

// fieldNode returns where the field of a message of compose-go is written, such as
// services.web.image, as far as the path is there.
func (p *project) fieldNode(field string) (*file, *yaml.Node) {
	parts := strings.Split(field, ".")
	best, deepest := p.order[0], 0
	var at *yaml.Node
	for _, f := range p.order {
		for _, root := range f.docs {
			for n := len(parts); n > deepest; n-- {
				if key, _, whole := find(root, parts[:n]...); whole && key != nil {
					best, at, deepest = f, key, n
				}
			}
		}
	}
	return best, at
}
