package pkgdb

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"
)

// maxLine is the longest line of a database that is read.
const maxLine = 1 << 20

// errLine is about a line that is longer than maxLine.
var errLine = errors.New("a line is too long")

// eachLine calls f for every line. The line is valid until f returns.
func eachLine(r io.Reader, f func(line []byte)) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		f(bytes.TrimSuffix(s.Bytes(), []byte("\r")))
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return errLine
	}
	return s.Err()
}

// ReadDpkg reads a dpkg status file, with the configuration files that it lists
// ("Conffiles"). The other files are in lists of their own, see [ReadSums].
func ReadDpkg(r io.Reader) ([]Package, error) {
	var d dpkgReader
	err := eachLine(r, d.line)
	d.end()
	return d.packages, err
}

type dpkgReader struct {
	packages []Package
	p        Package
	gone     bool
	files    bool // the lines that follow belong to Conffiles
}

func (d *dpkgReader) line(line []byte) {
	switch {
	case len(bytes.TrimSpace(line)) == 0:
		d.end()
		return
	case line[0] == ' ' || line[0] == '\t':
		if d.files {
			d.conffile(string(line))
		}
		return
	}
	key, value, ok := strings.Cut(string(line), ":")
	if d.files = false; !ok {
		return
	}
	value = strings.TrimSpace(value)
	switch strings.ToLower(key) {
	case "package":
		d.p.Name = value
	case "version":
		d.p.Version = strings.TrimPrefix(value, "0:")
	case "source":
		d.p.Source, _, _ = strings.Cut(value, " ")
	case "maintainer":
		d.p.Origin = value
	case "status":
		words := strings.Fields(value)
		d.gone = len(words) == 3 && words[2] != "installed"
	case "vendor", "license":
		// Debian's and Ubuntu's own packages have neither; fpm and jpackage write them.
		d.p.Sign = "its entry in the package database has the field " + strings.ToLower(key)
	case "conffiles":
		d.files = true
	}
}

// conffile reads one line: PATH MD5 [obsolete].
func (d *dpkgReader) conffile(line string) {
	if fields := strings.Fields(line); len(fields) == 2 && isHex(fields[1], 32) {
		d.p.add(fields[0], "md5:"+fields[1])
	}
}

// end closes an entry.
func (d *dpkgReader) end() {
	p, gone := d.p, d.gone
	d.p, d.gone, d.files = Package{}, false, false
	if p.Name == "" || gone {
		return
	}
	p.Source = cmp.Or(p.Source, p.Name)
	if p.Sign == "" {
		p.Sign = versionSign(p.Version)
	}
	d.packages = append(d.packages, p)
}

// add notes a file that may hold a language package.
func (p *Package) add(path, digest string) {
	if path = strings.TrimPrefix(strings.TrimPrefix(path, "."), "/"); Holds(path) {
		p.Files = append(p.Files, File{Path: path, Digest: digest})
	}
}

// Sums are the files of one package of dpkg, from a file such as
// var/lib/dpkg/info/zlib1g:amd64.md5sums.
type Sums struct {
	Files []File `json:"files,omitempty"`
	// Sign is as in [Package].
	Sign string `json:"sign,omitempty"`
}

// ReadSums reads a list of MD5 sums: "HASH  PATH" in each line.
func ReadSums(r io.Reader) (Sums, error) {
	var p Package
	err := eachLine(r, func(line []byte) {
		sum, path, ok := bytes.Cut(line, []byte("  "))
		if !ok || !isHex(string(sum), 32) {
			return
		}
		p.add(string(path), "md5:"+string(sum))
		if p.Sign == "" {
			p.Sign = placeSign(string(path))
		}
	})
	return Sums{Files: p.Files, Sign: p.Sign}, err
}

// SumsOf returns the name of the package that a list of MD5 sums belongs to, with
// its architecture if the name of the list has one; ok is false for other files.
func SumsOf(path string) (name string, ok bool) {
	for _, dir := range []string{"var/lib/dpkg/info/", "var/lib/dpkg/status.d/"} {
		if base, found := strings.CutPrefix(path, dir); found {
			name, ok = strings.CutSuffix(base, ".md5sums")
			return name, ok && !strings.Contains(name, "/")
		}
	}
	return "", false
}

// isHex reports whether s is a hash of n lower-case hexadecimal digits.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}
