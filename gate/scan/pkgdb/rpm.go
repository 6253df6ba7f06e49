package pkgdb

import (
	"fmt"
	"strings"

	rpmdb "github.com/knqyf263/go-rpmdb/pkg"
	_ "modernc.org/sqlite" // the driver for rpmdb.sqlite
)

// ReadRPM reads an RPM database of any format. It must be called in a worker
// process or under recover, because go-rpmdb panics on damaged headers.
func ReadRPM(file string) ([]Package, error) {
	db, err := rpmdb.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open the RPM database: %w", err)
	}
	defer db.Close()
	list, err := db.ListPackages()
	if err != nil {
		return nil, fmt.Errorf("read the RPM database: %w", err)
	}
	packages := make([]Package, 0, len(list))
	for _, info := range list {
		packages = append(packages, rpmPackage(info))
	}
	return packages, nil
}

func rpmPackage(info *rpmdb.PackageInfo) Package {
	p := Package{Name: info.Name, Version: info.Version + "-" + info.Release, Origin: info.Vendor, Key: isKey(info)}
	if n := info.EpochNum(); n != 0 {
		p.Version = fmt.Sprintf("%d:%s", n, p.Version)
	}
	if p.Source = sourceOf(info.SourceRpm); p.Source == "" {
		p.Source = p.Name
	}
	if info.Vendor == "" && strings.Contains(info.Release, "amzn") {
		p.Origin = "Amazon Linux" // some of its packages have no vendor
	}
	names, err := info.InstalledFileNames()
	if err != nil {
		return p
	}
	for i, name := range names {
		if i >= len(info.FileDigests) || info.FileDigests[i] == "" {
			continue // a directory or a link: the package filesystem has those of all users
		}
		if digest := rpmDigest(info.DigestAlgorithm, info.FileDigests[i]); digest != "" {
			p.add(name, digest)
		}
		if p.Sign == "" {
			p.Sign = placeSign(strings.TrimPrefix(name, "/"))
		}
	}
	return p
}

// isKey reports whether an entry is a signing key, which rpm stores under the
// name gpg-pubkey: its version and release are the key's id and date, and it has
// neither files nor a source nor an architecture. A package of that name which
// looks otherwise is none.
func isKey(info *rpmdb.PackageInfo) bool {
	return info.Name == "gpg-pubkey" && info.SourceRpm == "" && len(info.BaseNames) == 0 &&
		(info.Arch == "" || info.Arch == "(none)") &&
		(isHex(info.Version, 8) || isHex(info.Version, 16) || isHex(info.Version, 40)) && isHex(info.Release, 8)
}

// sourceOf cuts NAME from NAME-VERSION-RELEASE.src.rpm.
func sourceOf(file string) string {
	for range 2 {
		cut := strings.LastIndexByte(file, '-')
		if cut < 0 {
			return ""
		}
		file = file[:cut]
	}
	return file
}

// rpmDigest is a file's hash with the name of its algorithm, "" for directories,
// links and algorithms that are not compared.
func rpmDigest(algorithm rpmdb.DigestAlgorithm, sum string) string {
	switch {
	case (algorithm == 0 || algorithm == rpmdb.PGPHASHALGO_MD5) && isHex(sum, 32):
		return "md5:" + sum
	case algorithm == rpmdb.PGPHASHALGO_SHA1 && isHex(sum, 40):
		return "sha1:" + sum
	case algorithm == rpmdb.PGPHASHALGO_SHA256 && isHex(sum, 64):
		return "sha256:" + sum
	}
	return ""
}
