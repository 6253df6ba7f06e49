package pkgdb

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"
)

// ReadAPK reads apk's database of installed packages.
func ReadAPK(r io.Reader) ([]Package, error) {
	var a apkReader
	err := eachLine(r, a.line)
	a.end()
	return a.packages, err
}

type apkReader struct {
	packages []Package
	p        Package
	dir      string
	file     string
}

func (a *apkReader) line(line []byte) {
	if len(line) == 0 {
		a.end()
		return
	}
	if len(line) < 2 || line[1] != ':' {
		return
	}
	value := string(line[2:])
	switch line[0] {
	case 'P':
		a.p.Name = value
	case 'V':
		a.p.Version = value
	case 'o':
		a.p.Source = value
	case 'm':
		a.p.Origin = value
	case 'F':
		a.dir, a.file = value, ""
	case 'R':
		a.file = value
		if a.dir != "" {
			a.file = a.dir + "/" + value
		}
		if a.p.Sign == "" {
			a.p.Sign = placeSign(a.file)
		}
	case 'Z':
		a.sum(value)
	}
}

// sum reads the hash of the file before it: Q1 and the SHA-1 in Base64.
func (a *apkReader) sum(value string) {
	encoded, ok := strings.CutPrefix(value, "Q1")
	if !ok || a.file == "" {
		return
	}
	if raw, err := base64.StdEncoding.DecodeString(encoded); err == nil && len(raw) == 20 {
		a.p.add(a.file, "sha1:"+hex.EncodeToString(raw))
	}
	a.file = ""
}

func (a *apkReader) end() {
	p := a.p
	a.p, a.dir, a.file = Package{}, "", ""
	if p.Name == "" {
		return
	}
	p.Source = cmp.Or(p.Source, p.Name)
	a.packages = append(a.packages, p)
}
