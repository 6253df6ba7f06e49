package shapes

import (
	"crypto/sha256"
	"fmt"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

const (
	dist       = "usr/lib/python3/dist-packages/"
	urllibInfo = dist + "urllib3-1.26.12.egg-info/PKG-INFO"
	acme       = "ACME Packaging <packages@acme.example>"
	rockyOS    = "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.6\"\n"
)

// urllib is Debian's own package of a library that upstream's advisories call
// vulnerable in this version. Debian has fixed it without a new version.
func urllib() rootfs.Pkg {
	return rootfs.Pkg{Name: "python3-urllib3", Version: "1.26.12-1+deb12u1", Source: "python-urllib3",
		Files: []imagetest.File{pythonPackage(urllibInfo, "urllib3", "1.26.12")}}
}

// distroOwned are language packages that the distribution installed and fixes
// (row 1). Upstream's advisories do not take its fixes into account.
func distroOwned() []Shape {
	python := debian(urllib())
	node := debian(rootfs.Pkg{Name: "node-lodash", Version: "4.17.21+dfsg+~cs8.31.198.20210220-9",
		Files: []imagetest.File{npmPackage("usr/share/nodejs/lodash", "lodash", "4.17.20")}})
	ruby := debian(rootfs.Pkg{Name: "rake", Version: "13.0.6-3", Files: []imagetest.File{
		imagetest.Text("usr/share/rubygems-integration/all/specifications/rake-12.3.2.gemspec", rootfs.GemSpec("rake", "12.3.2"))}})
	jar := rootfs.Jar("org.apache.logging.log4j", "log4j-core", "2.14.1")
	jar.Files[0].Path = "usr/share/java/log4j-core-2.14.1.jar"
	java := debian(rootfs.Pkg{Name: "liblog4j2-java", Version: "2.19.0-2", Source: "apache-log4j2", Files: jar.Files})
	site := pythonPackage("usr/lib/python3.9/site-packages/urllib3-1.26.5.dist-info/METADATA", "urllib3", "1.26.5")
	rpm := rootfs.Pkg{Name: "python3-urllib3", Version: "1.26.5-6.el9_7.1", Source: "python-urllib3", Files: []imagetest.File{site}}
	rocky := rootfs.RPMSystem(rockyOS, "Rocky Enterprise Software Foundation", rpm)
	foreign := rpm
	foreign.Maintainer, foreign.Source = "ACME", "acme-billing"
	rockyForeign := rootfs.RPMSystem(rockyOS, "Rocky Enterprise Software Foundation", foreign)
	apk := rootfs.Alpine("3.23.2", rootfs.Pkg{Name: "py3-urllib3", Version: "1.26.20-r0",
		Files: []imagetest.File{pythonPackage("usr/lib/python3.12/site-packages/urllib3-1.26.12.dist-info/METADATA", "urllib3", "1.26.12")}})
	const mended = "the distribution installed it, lists its hash and mends it under its own version"
	shapes := []Shape{
		ordinary("owned-debian-python", mended, python),
		ordinary("owned-debian-node", mended, node),
		ordinary("owned-debian-ruby", mended, ruby),
		ordinary("owned-debian-java", mended, java),
		ordinary("owned-rocky-python", mended, rocky),
		ordinary("owned-alpine-python", mended, apk),
		ordinary("owned-other-layer-above", mended+"; a layer above changes other files", python, imagetest.Files(imagetest.Text("app/config", "x"))),
	}
	more := ownedElsewhere(mended)
	shapes = append(shapes, more...)
	for i := range shapes {
		shapes[i].Names = []string{"distro-owned"} // upstream's finding is there, in this class
	}
	return append(shapes, disowned(python, rockyForeign)...)
}

// ownedElsewhere are the same with other layouts of directories, lists and
// layers.
func ownedElsewhere(why string) []Shape {
	info := func(name, version string) []imagetest.File {
		return []imagetest.File{pythonPackage(dist+"urllib3-"+version+".dist-info/METADATA", "urllib3", version)}
	}
	upgraded := rootfs.Pkg{Name: "python3-urllib3", Version: "1.26.12-1+deb12u2", Source: "python-urllib3", Files: []imagetest.File{
		imagetest.Text(urllibInfo, "Metadata-Version: 2.1\nName: urllib3\nVersion: 1.26.12\nSummary: newer\n\n")}}
	upgrade := imagetest.Layer{Files: append(rootfs.DpkgFiles(upgraded), imagetest.Text("var/lib/dpkg/status",
		rootfs.DpkgStatus(rootfs.Pkg{Name: "base-files", Version: "12.4+deb12u12"}, upgraded)))}
	qualified := debian(urllib())
	for i, f := range qualified.Files {
		switch f.Path {
		case "var/lib/dpkg/info/python3-urllib3.list", "var/lib/dpkg/info/python3-urllib3.md5sums":
			qualified.Files[i].Path = f.Path[:len("var/lib/dpkg/info/python3-urllib3")] + ":amd64" + f.Path[len("var/lib/dpkg/info/python3-urllib3"):]
		}
	}
	npm := rootfs.Pkg{Name: "npm", Version: "11.6.3-r0", Files: []imagetest.File{npmPackage("usr/lib/node_modules/npm/node_modules/lodash", "lodash", "4.17.20")}}
	rpmNPM := rootfs.RPMSystem(rockyOS, "Rocky Enterprise Software Foundation", bash(), rootfs.Pkg{Name: "npm", Version: "10.8.2-1.20.19.5.1.el9", Source: "nodejs",
		Files: []imagetest.File{npmPackage("usr/lib/node_modules/npm/node_modules/lodash", "lodash", "4.17.20")}})
	two := rootfs.RPMSystem(rockyOS, "Rocky Enterprise Software Foundation", bash(),
		rootfs.Pkg{Name: "python3-urllib3", Version: "1.26.5-6.el9_7.1", Source: "python-urllib3", Files: []imagetest.File{
			pythonPackage("usr/lib/python3.9/site-packages/urllib3-1.26.5.dist-info/METADATA", "urllib3", "1.26.5")}})
	again := rootfs.RPMSystem(rockyOS, "Rocky Enterprise Software Foundation", bash(), rootfs.Pkg{Name: "less", Version: "590-6.el9"},
		rootfs.Pkg{Name: "python3-urllib3", Version: "1.26.5-6.el9_7.1", Source: "python-urllib3", Files: []imagetest.File{
			pythonPackage("usr/lib/python3.9/site-packages/urllib3-1.26.5.dist-info/METADATA", "urllib3", "1.26.5")}})
	gems := rootfs.RPMSystem(rockyOS, "Rocky Enterprise Software Foundation", bash(), rootfs.Pkg{Name: "rubygem-rake", Version: "13.0.6-165.el9", Source: "ruby",
		Files: []imagetest.File{imagetest.Text("usr/share/gems/specifications/rake-12.3.2.gemspec", rootfs.GemSpec("rake", "12.3.2"))}})
	// The files of the second architecture are those that only its package lists.
	site := pythonPackage("usr/lib/python3.9/site-packages/urllib3-1.26.5.dist-info/METADATA", "urllib3", "1.26.5")
	i686 := rootfs.RPM{Name: "python3-urllib3", Version: "1.26.5", Release: "6.el9_7.1", Vendor: "Rocky Enterprise Software Foundation", SourceRPM: "python-urllib3-1.26.5-6.el9_7.1.src.rpm",
		Arch: "i686", Files: map[string]string{site.Path: fmt.Sprintf("%x", sha256.Sum256(site.Body))}}
	x86 := i686
	x86.Arch, x86.Files = "", nil
	multilib := rootfs.RPMDatabase(x86, i686)
	goTool := imagetest.Program("usr/bin/docker", rootfs.GoBinary("go1.26.8", "github.com/docker/cli", rootfs.Module{Path: "golang.org/x/text", Version: "v0.3.5"}))
	return []Shape{
		ordinary("owned-debian-13", why, rootfs.Debian("13", rootfs.Pkg{Name: "base-files", Version: "13.8+deb13u2"},
			rootfs.Pkg{Name: "python3-urllib3", Version: "1.26.12-3+deb13u1", Source: "python-urllib3", Files: info("urllib3", "1.26.12")})),
		ordinary("owned-debian-architecture", why+"; the list carries the architecture", qualified),
		ordinary("owned-debian-upgraded", why+"; a later layer upgrades it", debian(urllib()), upgrade),
		ordinary("owned-debian-docker", why+"; it is a program in Go", debian(rootfs.Pkg{Name: "docker.io", Version: "20.10.24+dfsg1-1+deb12u1", Files: []imagetest.File{goTool}})),
		ordinary("owned-alpine-npm", why, rootfs.Alpine("3.23.2", npm)),
		ordinary("owned-rocky-npm", why, rpmNPM),
		ordinary("owned-rocky-ruby", why+"; Fedora's rules keep the directory for packages", gems),
		ordinary("owned-rocky-two-architectures", why, replaced(two, "var/lib/rpm/rpmdb.sqlite", string(multilib))),
		ordinary("owned-rocky-database-anew", why+"; a later layer installs another package, and rpm writes its database anew", two,
			imagetest.Files(fileOf(again, "var/lib/rpm/rpmdb.sqlite"))),
	}
}

// disowned are the attacks: each breaks one condition of ownership.
func disowned(python, rockyForeign imagetest.Layer) []Shape {
	const sums, list = "var/lib/dpkg/info/python3-urllib3.md5sums", "var/lib/dpkg/info/python3-urllib3.list"
	vendored := func(name, dir, maintainer string) imagetest.Layer {
		return debian(rootfs.Pkg{Name: name, Version: "1.4.2", Maintainer: maintainer,
			Files: []imagetest.File{pythonPackage(dir+"urllib3-1.26.12.dist-info/METADATA", "urllib3", "1.26.12")}})
	}
	changed := imagetest.Text(urllibInfo, "Metadata-Version: 2.1\nName: urllib3\nVersion: 1.26.12\nSummary: changed\n\n")
	stray := pythonPackage("opt/vendor/urllib3-1.26.12.egg-info/PKG-INFO", "urllib3", "1.26.12")
	return []Shape{
		attack("owned-attack-pip", "pip installed it, no package lists it", Fail, debian(), imagetest.Files(
			pythonPackage("usr/local/lib/python3.11/site-packages/urllib3-1.26.12.dist-info/METADATA", "urllib3", "1.26.12"))),
		attack("owned-attack-own-deb", "an own package vendors the library below /opt", Fail, vendored("acme-billing", "opt/acme/lib/", acme)),
		attack("owned-attack-own-deb-dist-packages", "an own package installs it where Debian's packages do", Fail, vendored("acme-billing", dist, acme)),
		attack("owned-attack-forged-vendor", "an own package calls itself Debian's, and Debian has no such source", Fail, vendored("acme-billing", "usr/lib/acme/", "")),
		attack("owned-attack-forged-vendor-usr-local", "distributions install nothing below /usr/local", Fail, vendored("python3-urllib3", "usr/local/lib/python3/dist-packages/", "")),
		attack("owned-attack-changed-later", "the file was changed after the installation", Fail, python, imagetest.Files(changed)),
		attack("owned-attack-wrong-hash", "the list names another hash", Fail, replaced(python, sums, "00000000000000000000000000000000  "+urllibInfo+"\n")),
		attack("owned-attack-no-hash", "the list has no hash: anything may have been put there", Fail, without(python, sums)),
		attack("owned-attack-list-deleted-later", "a later layer deleted the list and the hashes", Fail, python, imagetest.Files(imagetest.Whiteout(sums), imagetest.Whiteout(list))),
		attack("owned-attack-symlink", "the listed directory became a link to another tree", Fail, python,
			imagetest.Files(imagetest.Whiteout(dist[:len(dist)-1]), stray), imagetest.Files(imagetest.Symlink(dist[:len(dist)-1], "/opt/vendor"))),
		attack("owned-attack-known-source", "an own package names a source that Debian has", Fail, debian(rootfs.Pkg{Name: "acme-billing", Version: "1.4.2", Source: "rake",
			Maintainer: acme, Files: []imagetest.File{pythonPackage("usr/lib/acme/urllib3-1.26.12.dist-info/METADATA", "urllib3", "1.26.12")}})),
		attack("owned-attack-hard-link", "the listed file has a second name that no list has", Fail, python,
			imagetest.Files(pythonPackage("opt/vendor/urllib3-1.26.12.dist-info/METADATA", "urllib3", "1.26.12"), imagetest.Hardlink(dist+"copy", "opt/vendor/urllib3-1.26.12.dist-info/METADATA"))),
		attack("owned-attack-other-name", "another name for the listed content is not listed", Fail, with(python,
			imagetest.Hardlink("srv/app/urllib3-1.26.12.dist-info/METADATA", urllibInfo))),
		attack("owned-attack-status-missing", "the lists are there, the package is not installed", Fail, python, imagetest.Files(
			imagetest.Text("var/lib/dpkg/status", rootfs.DpkgStatus(rootfs.Pkg{Name: "base-files", Version: "12.4+deb12u12"})))),
		attack("owned-attack-rpm-vendor", "the package is not of the distribution", Fail, rockyForeign),
	}
}
