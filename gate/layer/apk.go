package layer

import (
	"bytes"
	"strings"
)

// apkParser counts the packages of apk's installed database.
type apkParser struct {
	d *draft

	name, version string
	any           bool
	seen          string // which of the fields V, o and A the package has had
	dir           string
	files         []string
}

func (p *apkParser) line(text []byte) {
	if len(text) >= scannerLine {
		p.d.complain("has a line of %d bytes, behind which the scanner silently stops", len(text))
	}
	if len(text) == 0 {
		p.end()
		return
	}
	p.any = true
	if len(text) < 2 || text[1] != ':' {
		p.d.complain("has a line that is no field: %s", quote(string(text)))
		return
	}
	value := text[2:]
	if strings.IndexByte("PVoA", text[0]) >= 0 && bytes.ContainsFunc(value, isSpaceOrControl) {
		// No advisory has such a name; what apk makes of it depends on its version.
		p.d.complain("has a %q field with white space or control characters: %s", string(text[0]), quote(string(value)))
	}
	switch text[0] {
	case 'P':
		if p.name != "" {
			p.d.complain("has two names in one package (%s)", quote(p.name))
			p.end() // count both
			p.any = true
		}
		p.name = string(value)
	case 'V':
		p.once('V')
		p.version = string(value)
	case 'o', 'A':
		p.once(text[0])
		if text[0] == 'o' && p.version == "" {
			// Trivy takes the version of the package before for the origin's.
			p.d.complain("has the origin of %s before its version", quote(p.name))
		}
	case 'p':
		p.provide(string(value))
	case 'F':
		p.dir = string(value)
	case 'R':
		p.file(string(value))
	}
}

func isSpaceOrControl(r rune) bool { return r <= ' ' || r == 0x7f }

// once reports a field that a package has twice: apk takes one value and Trivy
// the other.
func (p *apkParser) once(field byte) {
	if strings.IndexByte(p.seen, field) >= 0 {
		p.d.complain("has two %q fields in one package (%s)", string(field), quote(p.name))
	}
	p.seen += string(field)
}

// file records name if it is a program, up to a limit for each package.
func (p *apkParser) file(name string) {
	if len(p.files) >= maxListed {
		return
	}
	if path, ok := programPath(joinName(p.dir, name)); ok {
		p.files = append(p.files, path)
	}
}

func (p *apkParser) provide(list string) {
	for name := range strings.FieldsSeq(list) {
		if i := strings.IndexAny(name, "<>=~"); i >= 0 {
			name = name[:i]
		}
		if p.d.r.keep(int64(len(name) + 64)) {
			p.d.provides[strings.Clone(name)] = true
		}
	}
}

// end closes a package.
func (p *apkParser) end() {
	name, version, some, files := p.name, p.version, p.any, p.files
	p.name, p.version, p.any, p.seen, p.dir, p.files = "", "", false, "", "", nil
	switch {
	case !some:
		return
	case name == "":
		p.d.complain("has an entry without a package name")
		return
	case version == "":
		p.d.complain("has the package %s without a version", quote(name))
	case p.d.has(name):
		// Trivy keeps the first: a forged "openssl 99" would hide the real package.
		p.d.complain("has the package %s twice", quote(name))
	}
	p.d.add(name, version, files)
}

// apkWorldNames lists what /etc/apk/world demands: names, without versions,
// repositories and conflicts.
func apkWorldNames(world []byte) []string {
	var names []string
	for entry := range strings.FieldsSeq(string(world)) {
		if strings.HasPrefix(entry, "!") {
			continue
		}
		if i := strings.IndexAny(entry, "<>=~@"); i >= 0 {
			entry = entry[:i]
		}
		if entry != "" {
			names = append(names, entry)
		}
	}
	return names
}

// apkElsewhere tells which package an entry of etc/apk/world asks for from
// somewhere other than the release's own repositories: NAME@TAG from a repository
// with that tag, NAME><HASH from a file.
func apkElsewhere(entry string) (name, why string) {
	if name, tag, ok := strings.Cut(entry, "@"); ok && tag != "" && name != "" {
		if i := strings.IndexAny(name, "<>=~"); i > 0 {
			name = name[:i]
		}
		return name, "etc/apk/world asks for it from the repository @" + quoteTag(tag)
	}
	if name, _, ok := strings.Cut(entry, "><"); ok && name != "" {
		return name, "etc/apk/world asks for it from a file"
	}
	return "", ""
}

func quoteTag(tag string) string {
	quoted := quote(tag)
	return quoted[1 : len(quoted)-1]
}
