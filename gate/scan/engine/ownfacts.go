//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"bytes"
	"crypto/md5"  // of dpkg's lists
	"crypto/sha1" // of apk's database
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/pkgdb"
	"github.com/imagegate/imagegate/gate/scan/wire"
)

// ownFacts is what we read of a layer beside Trivy: who made the packages, which
// files they installed with which hashes, and the hashes of the files in which
// Trivy found language packages.
type ownFacts struct {
	// Databases are the package databases, by path.
	Databases map[string][]pkgdb.Package `json:"databases,omitempty"`
	// Sums are the files of packages of dpkg, by the path of the list.
	Sums map[string]pkgdb.Sums `json:"sums,omitempty"`
	// Hashes are of files that a distribution may have installed, by path.
	Hashes map[string][]string `json:"hashes,omitempty"`
}

// note reads what matters of one file. A database that cannot be read proves
// nothing, and Trivy and the parent complain of it.
func (f *ownFacts) note(e *wire.Entry, c content) error {
	r, err := c.open()
	if err != nil {
		return err
	}
	defer r.Close()
	if _, ok := pkgdb.SumsOf(e.Name); ok {
		if sums, err := pkgdb.ReadSums(r); err == nil {
			put(&f.Sums, e.Name, sums)
		}
		return nil
	}
	var packages []pkgdb.Package
	switch databaseOf(e.Name) {
	case "dpkg":
		packages, err = pkgdb.ReadDpkg(r)
	case "apk":
		packages, err = pkgdb.ReadAPK(r)
	case "rpm":
		packages, err = readRPM(r)
	default:
		return f.noteHash(e, r, c)
	}
	if err == nil {
		put(&f.Databases, e.Name, packages)
	}
	return nil
}

func put[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = value
}

// databaseOf names the package manager whose database is at path, "" for none.
func databaseOf(name string) string {
	switch dir, base := path.Split(name); {
	case name == "var/lib/dpkg/status", dir == "var/lib/dpkg/status.d/":
		return "dpkg"
	case name == "lib/apk/db/installed", name == "usr/lib/apk/db/installed":
		return "apk"
	case dir == "var/lib/rpm/" || dir == "usr/lib/sysimage/rpm/" || dir == "usr/share/rpm/":
		switch base {
		case "Packages", "Packages.db", "rpmdb.sqlite":
			return "rpm"
		}
	}
	return ""
}

// readRPM copies the database to where its reader can open it.
func readRPM(r io.Reader) ([]pkgdb.Package, error) {
	f, err := os.CreateTemp("", "rpmdb-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	return pkgdb.ReadRPM(f.Name())
}

// noteHash hashes a file that may hold a language package which the distribution
// installed.
func (f *ownFacts) noteHash(e *wire.Entry, r io.Reader, c content) error {
	if !pkgdb.Possible(e.Name) || !pkgdb.Holds(e.Name) {
		return nil
	}
	if isProgram, err := startsLikeProgram(c); err != nil {
		return err
	} else if isProgram {
		if built, err := hasBuildInfo(c); err != nil || !built {
			return err
		}
	}
	sums := []hash.Hash{md5.New(), sha1.New(), sha256.New()}
	if _, err := io.Copy(io.MultiWriter(sums[0], sums[1], sums[2]), r); err != nil {
		return err
	}
	var digests []string
	for i, name := range []string{"md5:", "sha1:", "sha256:"} {
		digests = append(digests, name+hex.EncodeToString(sums[i].Sum(nil)))
	}
	put(&f.Hashes, e.Name, digests)
	return nil
}

func startsLikeProgram(c content) (bool, error) {
	head := c.bytes[:min(len(c.bytes), 4)]
	if c.bytes == nil {
		r, err := c.open()
		if err != nil {
			return false, err
		}
		defer r.Close()
		head = make([]byte, 4)
		if _, err := io.ReadFull(r, head); err != nil {
			return false, err
		}
	}
	return string(head) == "\x7fELF" || strings.HasPrefix(string(head), "MZ"), nil
}

// buildInfo are marks of programs that may name what they were built from: Go's
// build information and the section of Rust's cargo-auditable.
var buildInfo = [][]byte{[]byte("\xff Go buildinf:"), []byte(".dep-v0")}

// hasBuildInfo looks for the marks. Most programs have none, and hashing all of
// them would take longer than judging the image.
func hasBuildInfo(c content) (bool, error) {
	if c.bytes != nil {
		return containsAny(c.bytes, buildInfo), nil
	}
	r, err := c.open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	const overlap = 16
	buf := make([]byte, overlap+256<<10)
	kept := 0
	for {
		n, err := io.ReadFull(r, buf[kept:])
		if containsAny(buf[:kept+n], buildInfo) {
			return true, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		kept = copy(buf, buf[len(buf)-overlap:])
	}
}

func containsAny(b []byte, marks [][]byte) bool {
	return slices.ContainsFunc(marks, func(mark []byte) bool { return bytes.Contains(b, mark) })
}

// keepUsed forgets the hashes of files in which Trivy found nothing.
func (f *ownFacts) keepUsed(apps []ftypes.Application) {
	used := map[string][]string{}
	keep := func(file string) {
		if file = outermost(file, f.Hashes); file != "" {
			used[file] = f.Hashes[file]
		}
	}
	for i := range apps {
		keep(apps[i].FilePath)
		for j := range apps[i].Packages {
			keep(apps[i].Packages[j].FilePath)
		}
	}
	f.Hashes = used
}

// outermost returns the file of the layer that holds a package: file itself, or
// the archive that file is in, as in usr/share/java/a.jar/lib/b.jar.
func outermost(file string, hashes map[string][]string) string {
	for file != "" && file != "." {
		if _, ok := hashes[file]; ok {
			return file
		}
		file = path.Dir(file)
	}
	return ""
}
