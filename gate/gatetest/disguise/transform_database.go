package disguise

import (
	"bytes"
	"math/rand/v2"
	"path"
	"regexp"
	"strings"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// databaseTransforms take the package database away, or make it unreadable.
func databaseTransforms() []Transform {
	return []Transform{
		above("database-whiteout", isDatabase, func(name string, _ []byte) []imagetest.File { return []imagetest.File{imagetest.Whiteout(name)} }),
		above("database-whiteout-directory", isDatabase, func(name string, _ []byte) []imagetest.File {
			return []imagetest.File{imagetest.Whiteout(path.Dir(name))}
		}),
		above("database-opaque-directory", isDatabase, func(name string, _ []byte) []imagetest.File {
			return []imagetest.File{imagetest.Opaque(path.Dir(name))}
		}),
		// Without an operating system this would be a legitimate way to empty an image.
		onOS("opaque-root", func(*rand.Rand) []imagetest.File { return []imagetest.File{imagetest.Opaque(".")} }),
		above("database-symlink", isDatabase, func(name string, body []byte) []imagetest.File {
			return []imagetest.File{{Path: "opt/moved", Body: body}, imagetest.Symlink(name, "/opt/moved")}
		}),
		above("database-symlink-nowhere", isDatabase, func(name string, _ []byte) []imagetest.File {
			return []imagetest.File{imagetest.Symlink(name, "/nowhere")}
		}),
		above("database-symlink-itself", isDatabase, func(name string, _ []byte) []imagetest.File {
			return []imagetest.File{imagetest.Symlink(name, "/"+name)}
		}),
		above("database-hardlink", isDatabase, func(name string, body []byte) []imagetest.File {
			return []imagetest.File{{Path: "opt/moved", Body: body}, imagetest.Hardlink(name, "opt/moved")}
		}),
		above("database-directory-symlink", isDatabase, func(name string, body []byte) []imagetest.File {
			dir := path.Dir(name)
			return []imagetest.File{{Path: "opt/moved/" + path.Base(name), Body: body}, imagetest.Symlink(dir, "/opt/moved")}
		}),
		above("database-is-directory", isDatabase, func(name string, _ []byte) []imagetest.File { return []imagetest.File{imagetest.Dir(name)} }),
		above("database-is-device", isDatabase, func(name string, _ []byte) []imagetest.File { return []imagetest.File{{Path: name, Type: '3'}} }),
		above("database-is-fifo", isDatabase, func(name string, _ []byte) []imagetest.File { return []imagetest.File{{Path: name, Type: '6'}} }),
		body("database-empty", isDatabase, func([]byte, *rand.Rand) []byte { return nil }),
		body("database-newline", isDatabase, func([]byte, *rand.Rand) []byte { return []byte("\n") }),
		body("database-garbage", isDatabase, garbage),
		body("database-zeros", isDatabase, func(b []byte, _ *rand.Rand) []byte { return make([]byte, len(b)) }),
		body("database-utf16", isText, func(b []byte, _ *rand.Rand) []byte { return bytes.Join(bytes.Split(b, nil), []byte{0}) }),
		body("database-compressed", isDatabase, func(b []byte, _ *rand.Rand) []byte {
			return imagetest.Compress(b, imagetest.MediaTypeOCIGzip)
		}),
		body("database-truncated-stanza", isText, truncateStanza),
		body("rpm-truncated", isRPM, func(b []byte, dice *rand.Rand) []byte { return b[:len(b)/8+dice.IntN(len(b)/2)] }),
		body("rpm-padded-front", isRPM, func(b []byte, dice *rand.Rand) []byte { return append(make([]byte, 1+dice.IntN(64)), b...) }),
		body("rpm-zero-pages", isRPM, func(b []byte, _ *rand.Rand) []byte { clear(b[min(4096, len(b)/2):]); return b }),
		body("dpkg-line-without-colon", isDpkg, replaceIn(`(?m)^(Package: .*)$`, "no colon line\n$1")),
		body("dpkg-bad-version", isDpkg, replaceIn(`(?m)^Version: .*$`, "Version: !!not a version!!")),
		body("dpkg-no-version", isDpkg, replaceIn(`(?m)^Version: .*\n`, "")),
		body("dpkg-no-name", isDpkg, replaceIn(`(?m)^Package: .*\n`, "")),
		body("dpkg-third-party", isDpkg, replaceIn(`(?m)^Maintainer: .*$`, "Maintainer: Somebody <somebody@microsoft.com>")),
		body("apk-no-version", isAPK, replaceIn(`(?m)^V:.*\n`, "")),
		body("apk-no-name", isAPK, replaceIn(`(?m)^P:.*\n`, "")),
		body("apk-bad-version", isAPK, replaceIn(`(?m)^V:.*$`, "V:!!")),
		body("apk-lower-case-tags", isAPK, func(b []byte, _ *rand.Rand) []byte { return bytes.ToLower(b) }),
		body("apk-duplicate-stanza", isAPK, replaceIn(`(?m)\AC:.*\nP:(.*)\nV:.*\n`, "P:$1\nV:99-r0\nA:x86_64\n\n$0")),
		body("text-nul-prefix", isText, func(b []byte, _ *rand.Rand) []byte { return append([]byte("\x00\x00"), b...) }),
		body("text-huge-line", isText, func(b []byte, _ *rand.Rand) []byte {
			return joined(bytes.Repeat([]byte("x"), 2<<20), []byte("\n"), b)
		}),
		body("text-carriage-returns", isText, replaceIn(`\n`, "\r")),
		body("apk-vendor-seal", isAPK, addAPK("seal-openssl", "1.0-r0")),
		body("apk-vendor-rootio", isAPK, addAPK("libfoo", "1.0-r10071")),
		body("dpkg-vendor-rootio", isDpkg, addDpkg("libfoo", "1.0-1.root.io.1")),
		body("dpkg-vendor-seal", isDpkg, addDpkg("seal-libfoo", "1.0-1")),
		{Name: "rpm-other-vendor", apply: otherVendor, once: onceContent},
	}
}

// above adds a layer that depends on where the database is and what it says.
func above(name string, match func(string) bool, files func(string, []byte) []imagetest.File) Transform {
	return Transform{Name: name, apply: func(p *imagetest.Parts, _ *rand.Rand) error {
		f, err := p.Find(match)
		if err != nil {
			return err
		}
		return p.AddLayer(imagetest.Files(files(f.Path(), f.Body())...))
	}}
}

// body changes the content of the database.
func body(name string, match func(string) bool, change func([]byte, *rand.Rand) []byte) Transform {
	return Transform{Name: name, apply: func(p *imagetest.Parts, dice *rand.Rand) error {
		f, err := p.Find(match)
		if err != nil {
			return err
		}
		changed := change(bytes.Clone(f.Body()), dice)
		if bytes.Equal(changed, f.Body()) {
			return imagetest.ErrNoFile
		}
		return replaceBody(p, f, changed, dice)
	}, once: onceContent}
}

func garbage(b []byte, dice *rand.Rand) []byte {
	for i := range b {
		b[i] = byte(dice.Uint32())
	}
	return b
}

// truncateStanza cuts the database inside its first stanza, after the name and
// before the version. A cut between two stanzas would leave a valid database,
// which cannot be told from a small one.
func truncateStanza(b []byte, _ *rand.Rand) []byte {
	for _, tag := range []string{"\nV:", "\nVersion:"} {
		if at := bytes.Index(b, []byte(tag)); at >= 0 {
			return b[:at+2]
		}
	}
	return b
}

func replaceIn(pattern, with string) func([]byte, *rand.Rand) []byte {
	re := regexp.MustCompile(pattern)
	return func(b []byte, _ *rand.Rand) []byte { return re.ReplaceAll(b, []byte(with)) }
}

func addAPK(name, version string) func([]byte, *rand.Rand) []byte {
	return func(b []byte, _ *rand.Rand) []byte {
		return append(b, "\n"+rootfs.APKInstalled(rootfs.Pkg{Name: name, Version: version})...)
	}
}

func addDpkg(name, version string) func([]byte, *rand.Rand) []byte {
	return func(b []byte, _ *rand.Rand) []byte {
		return append(b, "\n"+rootfs.DpkgStatus(rootfs.Pkg{Name: name, Version: version})...)
	}
}

// otherVendor rebuilds an RPM database with packages of an unknown vendor,
// which have no advisories.
func otherVendor(p *imagetest.Parts, dice *rand.Rand) error {
	f, err := p.Find(isRPM)
	if err != nil {
		return err
	}
	vendor := pick(dice, "", "Backyard Builds", "(none)")
	return replaceBody(p, f, rootfs.RPMDatabase(rootfs.RPM{Name: "openssl", Version: "3.0.1", Release: "1.el9", Vendor: vendor}), dice)
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// lines joins lines with a newline after each.
func lines(l ...string) string { return strings.Join(l, "\n") + "\n" }
