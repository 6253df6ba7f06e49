package layer

import (
	"bufio"
	"bytes"
	"io"
	"strings"
)

// dpkgParser counts the packages of a dpkg status file.
//
// It counts every stanza that dpkg would treat as an installed package. Trivy
// drops some of them: a line without a colon, a version that it cannot parse,
// "deinstall" for a package that is still installed. Trivy's count is then lower
// than ours, which reveals the missing package.
type dpkgParser struct {
	d *draft

	fields map[string]string // of the stanza
	last   string            // the field that a continuation line continues, if it matters
	any    bool
	names  map[string]bool // name and architecture, to see duplicates
}

func (p *dpkgParser) line(text []byte) {
	text = bytes.TrimSuffix(text, []byte("\r"))
	switch {
	case len(text) == 0:
		p.end()
		return
	case text[0] == ' ' || text[0] == '\t':
		if !p.any {
			p.d.complain("begins a package with a continuation line")
		}
		if p.last != "" {
			// dpkg and Trivy both unfold the value, and the result differs from ours.
			p.d.complain("has a folded %q field (%s)", p.last, quote(p.fields["package"]))
		}
		return
	}
	p.any = true
	key, value, ok := bytes.Cut(text, []byte(":"))
	if !ok {
		p.d.complain("has a line that is no field: %s", quote(string(text)))
		return
	}
	p.last = ""
	p.field(strings.ToLower(string(key)), string(bytes.TrimSpace(value)))
}

func (p *dpkgParser) field(key, value string) {
	switch key {
	case "package", "status", "version", "architecture", "source", "maintainer":
	default:
		return
	}
	if p.fields == nil {
		p.fields = make(map[string]string)
	}
	if _, twice := p.fields[key]; twice {
		p.d.complain("has a package with two %q fields (%s)", key, quote(p.fields["package"]))
		if key == "package" {
			p.end() // count both
			p.any, p.fields = true, make(map[string]string)
		}
	}
	p.fields[key], p.last = value, key
}

// end closes a stanza.
func (p *dpkgParser) end() {
	fields, some := p.fields, p.any
	p.fields, p.any = nil, false
	if !some {
		return
	}
	name := fields["package"]
	if name == "" {
		p.d.complain("has an entry without a package name")
		return
	}
	if !dpkgInstalled(fields["status"], fields["version"]) {
		if p.d.r.keep(int64(len(name) + 64)) {
			p.d.absent[name] = true
		}
		return
	}
	if strings.ToLower(name) != name {
		// dpkg itself folds names, and Trivy finds no advisory for this one.
		p.d.complain("has the package name %s in capitals, which dpkg reads in small letters", quote(name))
	}
	if fields["version"] == "" {
		p.d.complain("has the package %s without a version", quote(name))
	}
	if key := name + ":" + fields["architecture"]; p.names[key] {
		p.d.complain("has the package %s twice", quote(name))
	} else if p.d.r.keep(int64(len(key) + 64)) {
		if p.names == nil {
			p.names = make(map[string]bool)
		}
		p.names[key] = true
	}
	p.d.add(name, fields["version"], nil)
}

// dpkgInstalled reads "want flag state". Trivy looks for the words deinstall
// and purge, which say what is wanted; what is there is said by the third word.
// Distroless images have no Status at all.
func dpkgInstalled(status, version string) bool {
	words := strings.Fields(status)
	if len(words) < 3 {
		return true
	}
	gone := words[2] == "config-files" || words[2] == "not-installed"
	unwanted := words[0] == "deinstall" || words[0] == "purge"
	return !gone || !unwanted && version != ""
}

const (
	// maxListed is how many files of a package are remembered.
	maxListed = 32
	// maxListedPath is the longest such path.
	maxListedPath = 512
)

// dpkgList reads a .list file.
func (r *Recorder) dpkgList(body io.Reader) (finding, error) {
	f := &listFacts{}
	s := bufio.NewScanner(body)
	for s.Scan() && len(f.paths) < maxListed {
		path, ok := programPath(s.Text())
		if !ok {
			continue
		}
		if !r.keep(int64(len(path) + 32)) {
			// Without the list, the removal of a package from the database would not be
			// noticed.
			return &listFacts{problem: problemTooMany}, nil
		}
		f.paths = append(f.paths, path)
	}
	if err := s.Err(); err != nil && err != bufio.ErrTooLong {
		return nil, err
	}
	return f, nil
}

// programPath reports whether path, absolute or not, is in a directory for
// programs and libraries. Configuration and documents may remain when a package
// is removed.
func programPath(path string) (string, bool) {
	path = strings.TrimPrefix(path, "/")
	if len(path) > maxListedPath {
		return "", false
	}
	for _, dir := range []string{"bin/", "sbin/", "lib/", "lib64/", "usr/bin/", "usr/sbin/", "usr/lib/", "usr/lib64/", "usr/libexec/", "usr/local/bin/", "usr/local/lib/", "opt/"} {
		if strings.HasPrefix(path, dir) {
			return strings.Clone(path), true
		}
	}
	return "", false
}

// dpkgListName is the package that a .list file belongs to.
func dpkgListName(path string) string {
	name, _, _ := strings.Cut(strings.TrimSuffix(baseOf(path), ".list"), ":")
	return name
}
