package layer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	apkDB   = "lib/apk/db/installed"
	apkText = "C:Q1x=\nP:musl\nV:1.2-r0\nF:lib\nR:ld-musl.so\n\nP:openssl\nV:1.1.1-r0\nF:usr/lib\nR:libssl.so\nR:libcrypto.so\n\n"
	rpmDir  = "var/lib/rpm/"

	dpkgText = "Package: libc6\nStatus: install ok installed\nVersion: 2.36\n\nPackage: openssl\nStatus: install ok installed\nVersion: 3.0\n\n"
	elf      = "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"
	elfDyn   = "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00"
)

func alpine() []item {
	return []item{
		dir("lib/apk/db"), file1(apkDB, apkText), file1("etc/alpine-release", "3.19.1\n"),
		file1("etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n"), file1("etc/apk/world", "openssl\nmusl>1\n!bad\n"),
		file1("etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/v3.19/main\n"),
		file1("lib/ld-musl.so", elfDyn), file1("usr/lib/libssl.so", elfDyn), file1("usr/lib/libcrypto.so", elfDyn),
		program("sbin/apk", elf), file1("lib/apk/db/scripts.tar", "x"),
	}
}

func debian() []item {
	return []item{
		symlink("lib", "usr/lib"), symlink("bin", "usr/bin"), file1(dpkgStatus, dpkgText), file1("etc/debian_version", "12.5\n"),
		symlink("etc/os-release", "../usr/lib/os-release"), file1("usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
		file1(dpkgInfoDir+"/libc6:amd64.list", "/.\n/lib\n/lib/libc.so.6\n"), file1(dpkgInfoDir+"/openssl.list", "/usr/bin/openssl\n"),
		file1("usr/lib/libc.so.6", elfDyn), program("usr/bin/openssl", elf), program("usr/bin/dpkg", elf),
	}
}

// alpineOf is Alpine whose files say one release and whose packages may be of another.
func alpineOf(release, packages string) []item {
	return []item{
		file1(apkDB, "P:alpine-release\nV:"+packages+"-r0\n\n"), file1("etc/alpine-release", release+"\n"),
		file1("etc/os-release", "ID=alpine\nVERSION_ID="+release+"\n"), program("sbin/apk", elf),
	}
}

// debianOf is the same of Debian.
func debianOf(release, baseFiles string) []item {
	return []item{
		file1(dpkgStatus, "Package: base-files\nStatus: install ok installed\nVersion: "+baseFiles+"\n\n"), file1("etc/debian_version", release+".1\n"),
		file1("usr/lib/os-release", "ID=debian\nVERSION_ID=\""+release+"\"\n"), symlink("etc/os-release", "../usr/lib/os-release"), program("usr/bin/dpkg", elf),
	}
}

func rpmImage(dir string, more ...item) []item {
	return append([]item{
		file1(dir+"rpmdb.sqlite", string(mustRead("testdata/rpmdb-small.sqlite"))), program("usr/bin/rpm", elf),
		file1("usr/lib/os-release", "ID=\"rhel\"\nVERSION_ID=\"9.3\"\n"), symlink("etc/os-release", "../usr/lib/os-release"),
		file1("etc/redhat-release", "Red Hat Enterprise Linux release 9.3 (Plow)\n"), symlink("etc/system-release", "redhat-release"),
	}, more...)
}

// with returns items with the named one replaced, or, without a replacement,
// removed.
func with(items []item, name string, instead ...item) []item {
	i := slices.IndexFunc(items, func(it item) bool { return it.name == name })
	if i < 0 {
		panic("no item " + name)
	}
	return slices.Concat(items[:i], instead, items[i+1:])
}

func plus(items []item, more ...item) []item { return slices.Concat(items, more) }

// factCases state which gaps an image has: "kind subject", or none for an
// ordinary image.
var factCases = []struct {
	name   string
	layers [][]item
	want   string // "" is no gap; else kind and a part of subject or detail
}{
	// Ordinary images.
	{"alpine", [][]item{alpine()}, ""},
	{"debian", [][]item{debian()}, ""},
	{"rpm", [][]item{rpmImage(rpmDir)}, ""},
	{"rpm moved, the old place a link to the new", [][]item{rpmImage("usr/lib/sysimage/rpm/", symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm"))}, ""},
	{"rpm with an empty journal", [][]item{rpmImage(rpmDir, file1(rpmDir+"rpmdb.sqlite-wal", ""))}, ""},
	{"rpm converted by a later layer", [][]item{
		rpmImage(rpmDir, file1(rpmDir+"Packages", string(berkeleyPackages))),
		{file1(rpmDir+".wh.Packages", "")},
	}, ""},
	{"scratch", [][]item{{program("app", elf)}}, ""},
	{"busybox", [][]item{{program("bin/busybox", elf), hardlink("bin/sh", "bin/busybox"), symlink("bin/ls", "busybox")}}, ""},
	{"distroless", [][]item{
		{file1(dpkgStatusDir+"/base", "Package: base-files\nVersion: 12.4\n"), file1(dpkgStatusDir+"/base.md5sums", "x  y\n"),
			file1("etc/os-release", "ID=debian\nVERSION_ID=12\nNAME=Distroless\n"), file1("usr/lib/os-release", "ID=debian\nVERSION_ID=12\n"), file1("etc/debian_version", "12.4\n")},
		{file1(dpkgStatusDir+"/libc6", "Package: libc6\nVersion: 1\n")},
	}, ""},
	{"distroless with an empty status", [][]item{{file1(dpkgStatus, ""), file1(dpkgStatusDir+"/base", "Package: base-files\nVersion: 12.4\n"),
		file1("etc/os-release", "ID=debian\nVERSION_ID=12\n"), file1("etc/debian_version", "12.4\n")}}, ""},
	{"ubuntu", [][]item{with(with(debian(), "etc/debian_version", file1("etc/debian_version", "bookworm/sid\n"), file1("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\n")),
		"usr/lib/os-release", file1("usr/lib/os-release", "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"22.04\"\n"))}, ""},
	{"debian testing has no version", [][]item{with(with(debian(), "etc/debian_version", file1("etc/debian_version", "trixie/sid\n")), "usr/lib/os-release", file1("usr/lib/os-release", "ID=debian\n"))}, ""},
	{"oracle has a redhat-release", [][]item{with(rpmImage(rpmDir), "usr/lib/os-release", file1("usr/lib/os-release", "ID=\"ol\"\nVERSION_ID=\"9.3\"\n"), file1("etc/oracle-release", "Oracle Linux Server release 9.3\n"))}, ""},
	{"centos 7", [][]item{with(with(rpmImage(rpmDir), "usr/lib/os-release", file1("usr/lib/os-release", "ID=\"centos\"\nVERSION_ID=\"7\"\n")),
		"etc/redhat-release", file1("etc/centos-release", "CentOS Linux release 7.9.2009 (Core)\n"), symlink("etc/redhat-release", "centos-release"))}, ""},
	{"centos stream", [][]item{with(with(rpmImage(rpmDir), "usr/lib/os-release", file1("usr/lib/os-release", "NAME=\"CentOS Stream\"\nID=\"centos\"\nVERSION_ID=\"9\"\n")),
		"etc/redhat-release", file1("etc/centos-release", "CentOS Stream release 9\n"), symlink("etc/redhat-release", "centos-release"))}, ""},
	{"amazon", [][]item{with(with(with(rpmImage(rpmDir), "usr/lib/os-release", file1("usr/lib/os-release", "ID=\"amzn\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"2023\"\n")),
		"etc/redhat-release"), "etc/system-release", symlink("etc/system-release", "../usr/lib/system-release"), file1("usr/lib/system-release", "Amazon Linux release 2023.4.20240416 (Amazon Linux)\n"))}, ""},
	{"fedora with os.release.d", [][]item{with(with(rpmImage(rpmDir), "usr/lib/os-release", symlink("usr/lib/os-release", "os.release.d/os-release-fedora"),
		file1("usr/lib/os.release.d/os-release-fedora", "ID=fedora\nVERSION_ID=35\n")), "etc/redhat-release", file1("etc/fedora-release", "Fedora release 35\n"), symlink("etc/redhat-release", "fedora-release"))}, ""},
	{"wolfi", [][]item{{file1(apkDB, apkText), file1("etc/os-release", "ID=wolfi\nVERSION_ID=20230201\n"), file1("etc/apk/repositories", "https://packages.wolfi.dev/os\n")}}, ""},
	{"wolfi, merged usr in one layer", [][]item{{symlink("lib", "usr/lib"), file1("usr/"+apkDB, apkText), file1("etc/os-release", "ID=wolfi\nVERSION_ID=20230201\n")}}, ""},
	{"alpine edge", [][]item{with(with(with(alpine(), "etc/alpine-release", file1("etc/alpine-release", "3.21_alpha20240807\n")), "etc/os-release", file1("etc/os-release", "ID=alpine\nVERSION_ID=3.21_alpha20240807\n")),
		"etc/apk/repositories", file1("etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/edge/main\n"))}, ""},
	{"alpine upgraded within its release", [][]item{alpine(), {file1("etc/alpine-release", "3.19.4\n"), file1("etc/os-release", "ID=alpine\nVERSION_ID=3.19.4\n")}}, ""},
	{"a package removed with its files", [][]item{alpine(), {file1(apkDB, apkText[:strings.Index(apkText, "P:openssl")]), file1("etc/apk/world", "musl\n"),
		file1("usr/lib/.wh.libssl.so", ""), file1("usr/lib/.wh.libcrypto.so", "")}}, ""},
	{"a package replaced by one with the same files", [][]item{alpine(), {file1(apkDB, strings.Replace(apkText, "P:openssl", "P:openssl3", 1)), file1("etc/apk/world", "openssl3"),
		file1("usr/lib/libssl.so", elfDyn), file1("usr/lib/libcrypto.so", elfDyn)}}, ""},
	{"debian package removed, configuration left", [][]item{debian(), {file1(dpkgStatus, strings.Replace(dpkgText, "openssl\nStatus: install ok installed", "openssl\nStatus: deinstall ok config-files", 1)),
		file1(dpkgInfoDir+"/openssl.list", "/etc/ssl.cnf\n"), file1("usr/bin/.wh.openssl", "")}}, ""},
	{"dpkg tool on alpine", [][]item{plus(alpine(), program("usr/bin/dpkg", elf), file1(dpkgStatus, ""))}, ""},
	{"rpm tool on debian", [][]item{plus(debian(), program("usr/bin/rpm", elf), file1(rpmDir+"rpmdb.sqlite", string(mustRead("testdata/rpmdb-empty.sqlite"))))}, ""},
	{"jar behind a versioned link", [][]item{{file1("a/x-1.jar", "PK"), symlink("a/x.jar", "x-1.jar"), hardlink("b.jar", "a/x-1.jar")}}, ""},
	{"duplicate entries of equal content", [][]item{plus(alpine(), file1(apkDB, apkText), file1("etc/motd", "1"), file1("etc/motd", "2"))}, ""},
	{"whiteouts of a removed tree", [][]item{plus(alpine(), dir("opt/app"), file1("opt/app/x", "1")), {file1("opt/.wh.app", "")}, {file1("opt/.wh.app", "")}}, ""},
	{"whiteout, then a new one", [][]item{alpine(), {file1("lib/apk/db/.wh.installed", ""), file1(apkDB, apkText)}}, ""},
	{"opaque directory, then all anew", [][]item{alpine(), {file1("lib/apk/db/.wh..wh..opq", ""), file1(apkDB, apkText)}}, ""},
	{"opaque marker after its content", [][]item{alpine(), {file1(apkDB, apkText), file1("lib/apk/db/.wh..wh..opq", "")}}, ""},
	{"device elsewhere", [][]item{plus(alpine(), device("dev/console"))}, ""},

	{"directory of a Python package is a link to another", [][]item{{file1("a/x-1.dist-info/METADATA", "x"), symlink("a/x.dist-info", "x-1.dist-info")}}, ""},
	{"directory of gems is a link", [][]item{{file1("s/gems/specifications/x.gemspec", "x"), symlink("a/specifications", "/s/gems/specifications")}}, ""},
	{"link to a directory without metadata", [][]item{{file1("s/x", "x"), symlink("a/specifications", "/s"), symlink("a/x.egg-info", "/s")}}, ""},

	// What dpkg reads beside its database.
	{"changes of dpkg", [][]item{plus(debian(), file1("var/lib/dpkg/updates/0001", "Package: x\nStatus: install ok installed\n"))}, "package-database not yet part"},
	{"changes of dpkg behind a link", [][]item{plus(debian(), symlink("var/lib/dpkg/updates", "/s"), file1("s/7", "Package: x\n"))}, "package-database not yet part"},
	{"no changes of dpkg", [][]item{plus(debian(), file1("var/lib/dpkg/updates/tmp.i", "x"), file1("var/lib/dpkg/updates/0000", ""))}, ""},

	// Metadata that only a link brings to the directory whose name means something.
	{"Python package behind a link to a directory", [][]item{{file1("s/x/METADATA", "x"), symlink("a/x.dist-info", "/s/x")}}, "hidden-files what is in it"},
	{"the same in capitals", [][]item{{file1("s/x/METADATA", "x"), symlink("a/x.DIST-INFO", "/s/x")}}, "hidden-files what is in it"},
	{"the same of an egg", [][]item{{file1("s/x/PKG-INFO", "x"), symlink("a/x.egg-info", "/s/x")}}, "hidden-files what is in it"},
	{"Python package behind a link to a file", [][]item{{file1("s/METADATA", "x"), symlink("a/x.dist-info/METADATA", "/s/METADATA")}}, "hidden-files says nothing"},
	{"gems behind a link", [][]item{{file1("s/x.gemspec", "x"), symlink("a/specifications", "/s")}}, "hidden-files what is in it"},
	{"default gems behind a link", [][]item{{file1("s/x.gemspec", "x"), symlink("a/specifications/default", "/s")}}, "hidden-files what is in it"},
	{"records of conda behind a link", [][]item{{file1("s/x-1-0.json", "x"), symlink("opt/conda/conda-meta", "/s")}}, "hidden-files what is in it"},
	{"records of conda behind links", [][]item{{file1("s/x", "x"), symlink("t/x-1-0.json", "/s/x"), symlink("opt/conda/conda-meta", "/t")}}, "hidden-files what is in it"},
	{"record of conda is a link", [][]item{{file1("s/x-1-0.json", "x"), symlink("opt/conda/conda-meta/x-1-0.json", "/s/x-1-0.json")}}, "hidden-files says nothing"},

	// A1: the package database.
	{"deleted", [][]item{alpine(), {file1("lib/apk/db/.wh.installed", "")}}, "package-database deleted"},
	{"its directory deleted", [][]item{alpine(), {file1("lib/.wh.apk", "")}}, "package-database deleted"},
	{"everything above deleted", [][]item{alpine(), {file1(".wh.lib", "")}}, "package-database deleted"},
	{"hidden by an opaque directory", [][]item{alpine(), {dir("lib/apk/db"), file1("lib/apk/db/.wh..wh..opq", "")}}, "package-database deleted"},
	{"hidden by an opaque root", [][]item{alpine(), {file1(".wh..wh..opq", "")}}, "package-database something else"},
	{"directory replaced by a file", [][]item{alpine(), {file1("lib/apk", "x")}}, "package-database something else"},
	{"directory replaced by a link", [][]item{alpine(), {symlink("lib/apk", "/tmp")}}, "package-database something else"},
	{"replaced by a link", [][]item{alpine(), {symlink(apkDB, "/dev/null")}}, "package-database something else"},
	{"replaced by a directory", [][]item{alpine(), {dir(apkDB)}}, "package-database something else"},
	{"replaced by a device", [][]item{alpine(), {device(apkDB)}}, "hidden-files device"},
	{"truncated to nothing", [][]item{alpine(), {file1(apkDB, "")}}, "package-database apk"},
	{"alpine without a database", [][]item{with(with(alpine(), "lib/apk/db/scripts.tar"), apkDB)}, "package-database sbin/apk"},
	{"only the OS is named", [][]item{{file1("etc/os-release", "ID=alpine\nVERSION_ID=3.19\n")}}, "package-database no package database"},
	{"debian deleted", [][]item{debian(), {file1("var/lib/dpkg/.wh.status", "")}}, "package-database deleted"},
	{"debian deleted with all of dpkg", [][]item{debian(), {file1("var/lib/.wh.dpkg", "")}}, "package-database deleted"},
	{"distroless file deleted", [][]item{{file1(dpkgStatusDir+"/a", "Package: a\nVersion: 1\n"), file1(dpkgStatusDir+"/b", "Package: b\nVersion: 1\n")}, {file1(dpkgStatusDir+"/.wh.b", "")}}, "package-database deleted"},
	{"rpm deleted", [][]item{rpmImage(rpmDir), {file1("var/lib/rpm/.wh.rpmdb.sqlite", "")}}, "package-database deleted"},
	{"rpm replaced by a smaller one elsewhere", [][]item{rpmImage(rpmDir, file1(rpmDir+"Packages", string(berkeleyMany))), {file1(rpmDir+".wh.Packages", "")}}, "package-database deleted"},
	{"rpm with a journal", [][]item{rpmImage(rpmDir, file1(rpmDir+"rpmdb.sqlite-wal", "x"))}, "package-database not yet part"},
	{"rpm with a rollback journal", [][]item{rpmImage(rpmDir, file1(rpmDir+"rpmdb.sqlite-journal", "x"))}, "package-database not yet part"},
	{"symlink", [][]item{with(alpine(), apkDB, symlink(apkDB, "/r/installed"), file1("r/installed", apkText))}, "package-database through a link"},
	{"dangling symlink", [][]item{with(alpine(), apkDB, symlink(apkDB, "/r/installed"))}, "package-database not there"},
	{"symlink loop", [][]item{with(alpine(), apkDB, symlink(apkDB, apkDB[len("lib/apk/db/"):]))}, "package-database loop"},
	{"symlinked directory", [][]item{plus(with(with(with(with(alpine(), "lib/apk/db/"), apkDB), "lib/apk/db/scripts.tar"), "lib/ld-musl.so"), symlink("lib", "r"), file1("r/apk/db/installed", apkText))}, "package-database through a link"},
	{"hard link", [][]item{with(alpine(), apkDB, file1("r", apkText), hardlink(apkDB, "r"))}, "package-database through a link"},
	{"hard link whose first name goes", [][]item{with(alpine(), apkDB, file1("usr/"+apkDB, apkText), hardlink(apkDB, "usr/"+apkDB)), {file1("usr/.wh.lib", ""), file1("usr/lib/libssl.so", elfDyn), file1("usr/lib/libcrypto.so", elfDyn)}}, "package-database through a link"},
	{"hard link to nothing", [][]item{with(alpine(), apkDB, hardlink(apkDB, "r"))}, "hidden-files not there"},
	{"debian status is a link", [][]item{with(debian(), dpkgStatus, symlink(dpkgStatus, "status-old"), file1("var/lib/dpkg/status-old", dpkgText))}, "package-database through a link"},
	{"status.d is a link", [][]item{{symlink(dpkgStatusDir, "r"), file1("var/lib/dpkg/r/a", "Package: a\nVersion: 1\n"), file1(dpkgStatusDir+"x", "")}}, "package-database through a link"},
	{"twice, with different content", [][]item{plus(alpine(), file1(apkDB, "P:x\nV:1\n"))}, "hidden-files twice"},
	{"behind a link of the layer below", [][]item{{symlink("lib", "usr/lib"), file1("usr/"+apkDB, apkText)}, {file1(apkDB, apkText)}}, "hidden-files lower layer"},
	{"added and deleted in one layer", [][]item{{dir("x")}, plus(alpine(), file1("lib/apk/db/.wh.installed", ""))}, "hidden-files adds and then deletes"},
	{"overlay attribute", [][]item{alpine(), {item{name: "lib/", kind: '5', xattr: map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"}}}}, "hidden-files overlay"},
	{"stanza cut out of status", [][]item{with(debian(), dpkgStatus, file1(dpkgStatus, dpkgText[:strings.Index(dpkgText, "Package: openssl")]))}, "package-database openssl"},
	{"marked as removed", [][]item{with(debian(), dpkgStatus, file1(dpkgStatus, strings.Replace(dpkgText, "openssl\nStatus: install ok installed", "openssl\nStatus: deinstall ok config-files", 1)))}, "package-database marked as removed"},
	{"stanza and list cut out by a later layer", [][]item{debian(), {file1(dpkgStatus, dpkgText[:strings.Index(dpkgText, "Package: openssl")]), file1(dpkgInfoDir+"/.wh.openssl.list", "")}}, "package-database unchanged"},
	{"apk package cut out by a later layer", [][]item{alpine(), {file1(apkDB, apkText[:strings.Index(apkText, "P:openssl")]), file1("etc/apk/world", "")}}, "package-database unchanged"},
	{"apk package cut out, but asked for", [][]item{with(alpine(), apkDB, file1(apkDB, apkText[:strings.Index(apkText, "P:openssl")]))}, "package-database asked for"},

	// A1: the identity of the OS.
	{"os-release of another family on top", [][]item{debian(), {file1("usr/lib/os-release", "ID=fedora\nVERSION_ID=39\n")}}, "os-mismatch"},
	{"wolfi on top of debian", [][]item{debian(), {file1("etc/os-release", "ID=wolfi\nVERSION_ID=1\n")}}, "os-mismatch which uses apk"},
	{"unknown system on alpine", [][]item{alpine(), {file1("etc/os-release", "ID=acmeos\nVERSION_ID=1\n"), file1("etc/.wh.alpine-release", "")}}, "os-mismatch"},
	{"arch on debian", [][]item{with(debian(), "usr/lib/os-release", file1("usr/lib/os-release", "ID=arch\n"))}, "os-mismatch"},
	{"other release of alpine", [][]item{with(alpine(), "etc/alpine-release", file1("etc/alpine-release", "3.18.0\n"))}, "os-mismatch release"},
	{"other release of debian", [][]item{with(debian(), "etc/debian_version", file1("etc/debian_version", "11.1\n"))}, "os-mismatch release"},
	{"alpine upgraded to another release", [][]item{alpine(), {file1("etc/alpine-release", "3.20.0\n"), file1("etc/os-release", "ID=alpine\nVERSION_ID=3.20.0\n"), file1("etc/apk/repositories", "https://x/alpine/v3.20/main\n")}}, "os-mismatch release"},
	{"alpine upgraded with its packages", [][]item{alpineOf("3.19.1", "3.19.1"), alpineOf("3.20.0", "3.20.0")}, ""},
	{"alpine upgraded twice", [][]item{alpineOf("3.18.1", "3.18.1"), alpineOf("3.19.1", "3.19.1"), alpineOf("3.20.0", "3.20.0")}, ""},
	{"alpine upgraded, and an older release in between", [][]item{alpineOf("3.19.1", "3.19.1"), {file1("etc/alpine-release", "3.10.0\n")}, alpineOf("3.20.0", "3.20.0")}, "os-mismatch release"},
	{"alpine upgraded without its packages", [][]item{alpineOf("3.19.1", "3.19.1"), alpineOf("3.20.0", "3.19.1")}, "os-mismatch release"},
	{"alpine upgraded, and a file of before stays", [][]item{plus(alpineOf("3.19.1", "3.19.1"), file1("usr/lib/os-release", "ID=alpine\nVERSION_ID=3.19.1\n")), alpineOf("3.20.0", "3.20.0")}, "os-mismatch release"},
	{"debian upgraded with its packages", [][]item{debianOf("12", "12.4+deb12u12"), debianOf("13", "13.8+deb13u1")}, ""},
	{"debian of other packages above", [][]item{debianOf("12", "12.4+deb12u12"), debianOf("11", "12.4+deb12u12")}, "os-mismatch release"},
	{"etc and usr/lib differ", [][]item{with(debian(), "etc/os-release", file1("etc/os-release", "ID=ubuntu\nVERSION_ID=22.04\n"))}, "os-mismatch"},
	{"identity deleted", [][]item{alpine(), {file1("etc/.wh.os-release", ""), file1("etc/.wh.alpine-release", "")}}, "os-mismatch names none"},
	{"identity a dangling link", [][]item{with(alpine(), "etc/os-release", symlink("etc/os-release", "nowhere"))}, "os-mismatch not there"},
	{"repository of another release", [][]item{with(alpine(), "etc/apk/repositories", file1("etc/apk/repositories", "https://x.org/alpine/v3.21/main\n"))}, ""},
	{"edge repository, tagged", [][]item{with(alpine(), "etc/apk/repositories", file1("etc/apk/repositories", "https://x.org/alpine/v3.19/main\n@edge https://x.org/alpine/edge/main\n"))}, ""},
	{"edge repository, as a comment", [][]item{with(alpine(), "etc/apk/repositories", file1("etc/apk/repositories", "https://x.org/alpine/v3.19/main\n#https://x.org/alpine/edge/main\n"))}, ""},
	{"repositories deleted, but Trivy remembers", [][]item{with(alpine(), "etc/apk/repositories", file1("etc/apk/repositories", "https://x.org/alpine/v3.21/main\n")), {file1("etc/apk/.wh.repositories", "")}}, ""},
	{"alpine repositories on wolfi", [][]item{{file1(apkDB, apkText), file1("etc/os-release", "ID=wolfi\nVERSION_ID=1\n"), file1("etc/apk/repositories", "https://x.org/alpine/v3.1/main\n")}}, ""},
	{"two package managers", [][]item{plus(alpine(), file1(dpkgStatus, dpkgText))}, "os-mismatch several package managers"},
	{"packages of opkg beside", [][]item{plus(alpine(), file1("usr/lib/opkg/status", "Package: x\n"))}, "os-mismatch package manager opkg"},
	{"lists of opkg beside", [][]item{plus(alpine(), file1("var/lib/opkg/info/x.control", "Package: x\n"))}, "os-mismatch package manager opkg"},
	{"packages of pacman beside", [][]item{plus(debian(), file1("var/lib/pacman/local/x-1-1/desc", "%NAME%\nx\n"))}, "os-mismatch package manager pacman"},
	{"packages of pacman behind a link", [][]item{plus(debian(), file1("p/local/x-1-1/desc", "%NAME%\nx\n"), symlink("var/lib/pacman", "../../p"))}, "os-mismatch package manager pacman"},
	{"packages of pacman in a directory that is a link", [][]item{plus(debian(), file1("p/x-1-1/desc", "%NAME%\nx\n"), symlink("var/lib/pacman/local", "/p"))}, "os-mismatch package manager pacman"},
	{"packages of portage beside", [][]item{plus(debian(), file1("var/db/pkg/dev-libs/x-1/PF", "x-1\n"))}, "os-mismatch package manager portage"},
	{"packages of xbps beside", [][]item{plus(debian(), file1("var/db/xbps/pkgdb-0.38.plist", "<plist/>"))}, "os-mismatch package manager xbps"},
	{"opkg deleted", [][]item{plus(alpine(), file1("usr/lib/opkg/status", "Package: x\n")), {file1("usr/lib/opkg/.wh.status", "")}}, ""},
	{"opkg without packages", [][]item{plus(alpine(), file1("usr/lib/opkg/status", ""), dir("usr/lib/opkg/info"), dir("var/lib/opkg/info/d"))}, ""},
	{"pacman without packages", [][]item{plus(debian(), file1("var/lib/pacman/local/ALPM_DB_VERSION", "9\n"))}, ""},
	{"wrong package manager", [][]item{with(debian(), dpkgStatus, file1(apkDB[:0]+"usr/lib/apk/db/installed", apkText))}, "os-mismatch which uses dpkg"},
	{"derivative of debian", [][]item{with(debian(), "usr/lib/os-release", file1("usr/lib/os-release", "ID=kali\nID_LIKE=debian\n"))}, "os-mismatch"},
	{"derivative of Red Hat", [][]item{with(with(rpmImage(rpmDir), "usr/lib/os-release", file1("usr/lib/os-release", "ID=scientific\nVERSION_ID=7.9\n")), "etc/redhat-release", file1("etc/redhat-release", "Scientific Linux release 7.9\n"))}, "os-mismatch"},
	{"ubuntu without lsb-release", [][]item{with(debian(), "usr/lib/os-release", file1("usr/lib/os-release", "ID=ubuntu\nVERSION_ID=12.04\n"))}, "os-mismatch judged as Debian"},
	{"os-release too large", [][]item{with(debian(), "usr/lib/os-release", file1("usr/lib/os-release", strings.Repeat("#", maxIdentity+1)))}, "os-mismatch larger"},

	// A4: what runs and is not scanned.
	{"whiteout through a link", [][]item{{dir("real"), symlink("app", "real"), file1("real/x", "1")}, {file1("app/.wh.x", "")}}, "hidden-files whiteout reaches"},
	{"opaque through a link", [][]item{{dir("real"), symlink("app", "real"), file1("real/x", "1")}, {file1("app/.wh..wh..opq", "")}}, "hidden-files whiteout reaches"},
	{"jar as a hard link to nothing telling", [][]item{{file1("blob", "PK"), hardlink("a/x.jar", "blob")}}, "hidden-files no scanner reads it"},
	{"jar as a symlink to nothing telling", [][]item{{file1("blob", "PK"), symlink("a/x.jar", "/blob")}}, "hidden-files no scanner reads it"},
	{"package.json as a hard link", [][]item{{file1("store/ab12", "{}"), hardlink("node_modules/x/package.json", "store/ab12")}}, "hidden-files no scanner reads it"},
	{"jar whose first name was deleted", [][]item{{file1("a.jar", "PK"), hardlink("b.jar", "a.jar")}, {file1(".wh.a.jar", "")}}, ""},
	{"program whose first name was deleted", [][]item{{program("a", elf), hardlink("b", "a")}, {file1(".wh.a", "")}}, ""},
	{"jar twice", [][]item{{file1("a.jar", "PK1"), file1("a.jar", "PK2")}}, "hidden-files twice"},
	{"the same program twice", [][]item{{program("a", elf+"1"), program("a", elf+"1")}}, ""},
	{"program twice, the same start", [][]item{{program("a", elf+strings.Repeat("1", 100)), program("a", elf+strings.Repeat("1", 99)+"2")}}, "hidden-files twice"},
	{"program twice", [][]item{{program("a", elf+"1"), program("a", elf+"2")}}, "hidden-files twice"},
	{"device at etc", [][]item{{device("etc")}}, "hidden-files device"},
}

var (
	berkeleyPackages = berkeley(binaryLittle, 7, bdbHash)
	berkeleyMany     = berkeley(binaryLittle, 50, bdbHash)
)

func TestFacts(t *testing.T) {
	for _, tt := range factCases {
		t.Run(tt.name, func(t *testing.T) {
			f := facts(t, tt.layers...)
			if tt.want == "" {
				for _, g := range f.Gaps {
					t.Errorf("gap %+v", g)
				}
				return
			}
			kind, part, _ := strings.Cut(tt.want, " ")
			for _, g := range f.Gaps {
				if string(g.Kind) == kind && strings.Contains(g.Subject+" "+g.Detail, part) {
					return
				}
			}
			t.Errorf("gaps %+v, want %s", f.Gaps, tt.want)
		})
	}
}

// TestGapLayer: the layer that is to blame is named.
func TestGapLayer(t *testing.T) {
	f := facts(t, alpine(), []item{dir("x")}, []item{file1("lib/apk/db/.wh.installed", "")})
	blamed := sha(tarOf(t, file1("lib/apk/db/.wh.installed", "")))
	if !slices.ContainsFunc(f.Gaps, func(g gapEvidence) bool { return g.Subject == apkDB && g.Layer == blamed }) {
		t.Errorf("%+v, want layer %s", f.Gaps, blamed)
	}
}

// TestManyGaps: thousands of them are counted, not listed.
func TestManyGaps(t *testing.T) {
	var items []item
	for i := range 500 {
		items = append(items, file1(fmt.Sprintf("%d.jar", i), "PK1"), file1(fmt.Sprintf("%d.jar", i), "PK2"))
	}
	f := facts(t, items)
	if n := len(f.Gaps); n != maxGaps+1 || f.Gaps[n-1].Count != 450 {
		t.Errorf("%d gaps, the last %+v", n, f.Gaps[n-1])
	}
}

func TestExecutables(t *testing.T) {
	f := facts(t, []item{
		program("bin/a", elf), file1("bin/no-x-bit", elf), file1("lib/libx.so.1", elfDyn), file1("bin/pie", elfDyn),
		file1("lib/evil.so", elf), program("bin/script", "#!/bin/sh\n"), file1("doc/script.txt", "#!/bin/sh\n"),
		file1("app.exe", "MZ"), file1("app.dll", "MZ"), file1("text", "hello"), file1("e", ""), file1("s", "\x7f"),
		symlink("bin/link", "a"), hardlink("bin/hard", "bin/a"), file1("x.JAR", "PK"), file1("opt/.spdx-x.spdx", "{}"),
	}, []item{file1("bin/.wh.pie", "")})
	var got []string
	for _, e := range f.Executables {
		got = append(got, e.Path+" "+string(e.Kind))
	}
	want := []string{"app.dll library", "app.exe pe", "bin/a elf", "bin/hard elf", "bin/no-x-bit elf", "bin/script script", "lib/evil.so elf", "lib/libx.so.1 library"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !slices.Equal(f.Jars, []string{"x.JAR"}) || !slices.Equal(f.SBOMs, []string{"opt/.spdx-x.spdx"}) || f.Whiteouts != 1 {
		t.Errorf("%v %v %d", f.Jars, f.SBOMs, f.Whiteouts)
	}
}

// TestMergeProperty merges random layers and compares the result with a model
// that is too simple to be wrong: a map from path to content.
func TestMergeProperty(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for round := range 300 {
		model := make(map[string]string) // path -> content, "/" for directories
		var layers [][]item
		for l := range 1 + rnd.IntN(4) {
			items, next := randomLayer(rnd, model, l)
			layers, model = append(layers, items), next
		}
		got := merged(t, layers)
		for p, content := range model {
			if got[p] != content {
				t.Fatalf("seed %d, round %d: %s is %q, want %q\n%v", seed, round, p, got[p], content, layers)
			}
		}
		for p := range got {
			if _, ok := model[p]; !ok {
				t.Fatalf("seed %d, round %d: %s should not be there\n%v", seed, round, p, layers)
			}
		}
	}
}

func randomName(rnd *rand.Rand) string {
	parts := make([]string, 1+rnd.IntN(3))
	for i := range parts {
		parts[i] = string(rune('a' + rnd.IntN(3)))
	}
	return strings.Join(parts, "/")
}

// randomLayer makes a layer as builders do: no name twice, whiteouts first.
func randomLayer(rnd *rand.Rand, lower map[string]string, l int) ([]item, map[string]string) {
	model := make(map[string]string)
	for p, c := range lower {
		model[p] = c
	}
	var items []item
	for range rnd.IntN(4) {
		name := randomName(rnd)
		whiteout, below := path.Join(path.Dir(name), ".wh."+path.Base(name)), name+"/"
		if rnd.IntN(3) == 0 {
			whiteout = name + "/.wh..wh..opq"
		} else if model[name] != "" {
			delete(model, name)
		}
		for p := range model {
			if strings.HasPrefix(p, below) {
				delete(model, p)
			}
		}
		items = append(items, file1(whiteout, ""))
	}
	used := make(map[string]bool)
	for i := range rnd.IntN(8) {
		name := randomName(rnd)
		if clash(used, name) {
			continue
		}
		used[name] = true
		for p := path.Dir(name); p != "."; p = path.Dir(p) {
			model[p] = "/" // a file in the way is replaced
		}
		if rnd.IntN(3) == 0 {
			items = append(items, dir(name))
			model[name] = "/"
			continue
		}
		for p := range model {
			if strings.HasPrefix(p, name+"/") {
				delete(model, p)
			}
		}
		model[name] = fmt.Sprintf("%d.%d", l, min(i, 1))
		items = append(items, file1(name, strings.Repeat("x", i)))
	}
	return items, model
}

// clash: a name that the layer has used, or a file where it needs a directory.
func clash(used map[string]bool, name string) bool {
	for u := range used {
		if u == name || strings.HasPrefix(u, name+"/") || strings.HasPrefix(name, u+"/") {
			return true
		}
	}
	return false
}

// merged reads the tree back. Content is told by its layer, which has a name once, and by
// whether there is some: the tree keeps no more of such files.
func merged(t *testing.T, layers [][]item) map[string]string {
	t.Helper()
	tree := NewTree(DefaultLimits())
	for i, items := range layers {
		plain := tarOf(t, items...)
		c := recorded(t, bytes.NewReader(plain), specOf(i, plain, plain, typeTar), NewBudget(DefaultLimits()))
		if err := tree.Merge(Spec{Index: i}, parsed(t, c)); err != nil {
			t.Fatal(err)
		}
	}
	got := make(map[string]string)
	var collect func(n *node, p string)
	collect = func(n *node, p string) {
		for kid := range n.all {
			full := joinName(p, kid.name)
			if got[full] = "/"; kid.kind == File {
				got[full] = fmt.Sprintf("%d.%d", kid.file.layer, min(kid.file.size, 1))
			}
			collect(kid, full)
		}
	}
	collect(tree.merged.root, "")
	return got
}

// TestTreeBounds: images made to exhaust are refused, in little time.
func TestTreeBounds(t *testing.T) {
	l := DefaultLimits()
	l.Entries = 1000
	deep := strings.Repeat("d/", 1900)
	for name, visit := range map[string]func(i int) *Entry{
		"directories without entries": func(i int) *Entry { return &Entry{Name: fmt.Sprintf("%d/%sx", i, deep), Type: Dir} },
		"depth by links": func(i int) *Entry {
			if i%2 == 0 {
				return &Entry{Name: fmt.Sprintf("l%d", i), Type: Symlink, Linkname: fmt.Sprintf("l%d/%s", i-2, deep)}
			}
			return &Entry{Name: fmt.Sprintf("l%d/x", i-1), Type: Dir}
		},
		"loops of links": func(i int) *Entry {
			if i == 0 {
				return &Entry{Name: "l", Type: Symlink, Linkname: strings.Repeat("l/", 2000) + "l"}
			}
			return &Entry{Name: "l/x", Type: Dir}
		},
	} {
		tree, rec := NewTree(l), NewRecorder(l)
		for i := range 1000 {
			if err := rec.Visit(visit(i), nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := rec.Visit(&Entry{Name: "x", Type: File}, nil); err == nil {
			t.Errorf("%s: more entries recorded than allowed", name)
		}
		if err := tree.Merge(Spec{}, rec.Finish(Stats{})); err == nil {
			t.Errorf("%s: accepted", name)
		}
		tree.Finish()
	}
}

// TestWhiteoutStorm: a hundred thousand deletions of a full directory cost no
// more than one.
func TestWhiteoutStorm(t *testing.T) {
	var entries []*Entry
	for i := range 20_000 {
		entries = append(entries, &Entry{Name: fmt.Sprintf("opt/%d.jar", i), Type: File})
	}
	for range 100_000 {
		entries = append(entries, &Entry{Name: "opt", Type: Whiteout}, &Entry{Name: "opt", Type: Opaque}, &Entry{Name: "", Type: Opaque})
	}
	tree := NewTree(DefaultLimits())
	if err := tree.Merge(Spec{}, visited(t, entries...)); err != nil {
		t.Fatal(err)
	}
	if f := tree.Finish(); len(f.Jars) != 20_000 {
		t.Errorf("%d jars are left: a layer's whiteouts must spare its own files", len(f.Jars))
	}
}

// FuzzIdentity checks that no content of the files that name the OS causes a panic
// or lets an OS without packages pass.
func FuzzIdentity(f *testing.F) {
	f.Add("ID=alpine\nVERSION_ID=3.19\n", "3.19.1", "https://x.org/alpine/v3.19/main")
	f.Add("ID='debian'\n", "trixie/sid", "@edge http://x.org/alpine/edge/main")
	f.Add("NAME=CentOS Stream\nID=centos", "CentOS Stream release 9", "")
	f.Fuzz(func(t *testing.T, osRelease, release, repositories string) {
		rec, tree := NewRecorder(DefaultLimits()), NewTree(DefaultLimits())
		for name, text := range map[string]string{
			"etc/os-release": osRelease, "etc/alpine-release": release, "etc/redhat-release": release, "etc/debian_version": release,
			"etc/system-release": release, "etc/lsb-release": osRelease, "etc/apk/repositories": repositories, "etc/apk/world": repositories,
		} {
			e := &Entry{Name: name, Type: File, Size: int64(len(text))}
			if err := rec.Visit(e, strings.NewReader(text)); err != nil {
				t.Fatal(err)
			}
		}
		if err := tree.Merge(Spec{}, rec.Finish(Stats{})); err != nil {
			t.Fatal(err)
		}
		facts := tree.Finish()
		if facts.Gaps == nil && facts.OSReleases != nil {
			t.Errorf("an OS without packages passes: %+v", facts.OSReleases)
		}
	})
}
