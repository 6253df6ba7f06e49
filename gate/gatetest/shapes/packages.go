package shapes

import (
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

const (
	almaOS   = "NAME=\"AlmaLinux\"\nID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.6\"\n"
	oracleOS = "NAME=\"Oracle Linux Server\"\nID=\"ol\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.6\"\n"
	amazonOS = "NAME=\"Amazon Linux\"\nID=\"amzn\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"2023\"\nPRETTY_NAME=\"Amazon Linux 2023\"\n"
)

func bash() rootfs.Pkg { return rootfs.Pkg{Name: "bash", Version: "5.1.8-9.el9"} }

// key is a signing key as rpm stores it.
func key(version string) rootfs.Pkg { return rootfs.Pkg{Name: "gpg-pubkey", Version: version} }

// controls are images without anything special, and those that are rightly
// refused and shall stay so.
func controls() []Shape {
	elf := rootfs.ELF()
	fedora := rootfs.RPMSystem("NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=43\n", "Fedora Project", rootfs.Pkg{Name: "bash", Version: "5.3.0-2.fc43"})
	stream := rootfs.RPMSystem("NAME=\"CentOS Stream\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"9\"\n", "CentOS", bash())
	ubi := rootfs.RPMSystem("NAME=\"Red Hat Enterprise Linux\"\nID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.6\"\n", "Red Hat, Inc.", bash(), key("fd431d51-4ae0493b"))
	ubi = with(ubi, imagetest.Text("etc/redhat-release", "Red Hat Enterprise Linux release 9.6 (Plow)\n"))
	release := func(id, like string) string {
		return "NAME=x\nID=" + id + "\nID_LIKE=" + like + "\nVERSION_ID=\"12\"\n"
	}
	return []Shape{
		ordinary("control-debian", "nothing is wrong with it", debian()),
		ordinary("control-alpine", "nothing is wrong with it", rootfs.Base()),
		refused("refused-database-deleted", "the packages cannot be known any more", NoVerdict, debian(), imagetest.Files(imagetest.Whiteout("var/lib/dpkg/status"))),
		refused("refused-database-emptied", "the packages cannot be known any more", NoVerdict, debian(), imagetest.Files(imagetest.Text("var/lib/dpkg/status", ""))),
		refused("refused-chiselled", "a root of Debian without a package database", NoVerdict,
			with(without(debian(), "var/lib/dpkg/status"), imagetest.Program("usr/bin/tool", elf))),
		refused("refused-kali", "it has no advisories of its own", NoVerdict, replaced(debian(), "etc/os-release", release("kali", "debian"))),
		refused("refused-mint", "it has no advisories of its own", NoVerdict, replaced(debian(), "etc/os-release", release("linuxmint", "ubuntu"))),
		refused("refused-raspbian", "it has no advisories of its own", NoVerdict, replaced(debian(), "etc/os-release", release("raspbian", "debian"))),
		refused("refused-fedora", "the database has no advisories for it", NoVerdict, fedora),
		refused("refused-centos-stream", "the database has no advisories for it", NoVerdict, stream).naming("no advisories for packages of centos-stream"),
		refused("refused-ubi", "this database has no advisories of Red Hat", NoVerdict, ubi).naming("no advisories for redhat 9.6"),
		refused("refused-scratch-elf", "nothing accounts for the program", NoVerdict, imagetest.Files(imagetest.Program("app/run", elf))),
	}
}

// keys are signing keys in an RPM database (row 2).
func keys() []Shape {
	var shapes []Shape
	for _, d := range []struct{ name, release, vendor string }{
		{"rocky", rockyOS, "Rocky Enterprise Software Foundation"}, {"alma", almaOS, "AlmaLinux"}, {"oracle", oracleOS, "Oracle America"}, {"amazon", amazonOS, "Amazon Linux"},
	} {
		l := rootfs.RPMSystem(d.release, d.vendor, bash(), key("350d275d-6279464b"), key("8d3d8ba4-5ff1e2a8"))
		if d.name == "amazon" {
			l = with(l, imagetest.Text("etc/system-release", "Amazon Linux release 2023.9.20251117 (Amazon Linux)\n"))
		}
		shapes = append(shapes, ordinary("key-"+d.name, "a signing key is no software", l))
	}
	old := rootfs.Pkg{Name: "expat", Version: "2.5.0-5.el9"}
	likeKey := rootfs.RPMDatabase(rootfs.RPM{Name: "expat", Version: "2.5.0", Release: "5.el9", Key: true})
	base := rootfs.RPMSystem(almaOS, "AlmaLinux", bash(), key("8d3d8ba4-5ff1e2a8"))
	beside := rootfs.RPMSystem(almaOS, "AlmaLinux", old, key("8d3d8ba4-5ff1e2a8"))
	return append(shapes,
		attack("key-attack-package-like-a-key", "a package whose entry looks like a key's is a package", Fail,
			replaced(base, "var/lib/rpm/rpmdb.sqlite", string(likeKey))),
		attack("key-attack-beside", "the key does not hide a package", Fail, beside),
	)
}

// packageJSON are files called package.json that describe no package (row 3).
func packageJSON() []Shape {
	const modules = "app/node_modules/"
	on := func(files ...imagetest.File) imagetest.Layer { return with(debian(), files...) }
	rxjs := npmPackage(modules+"rxjs", "rxjs", "7.8.1")
	ajax := imagetest.Text(modules+"rxjs/ajax/package.json", `{"name":"rxjs/ajax","types":"../dist/types/ajax/index.d.ts","main":"../dist/cjs/ajax/index.js","sideEffects":false}`)
	fixture := imagetest.Text(modules+"resolve/test/resolver/malformed_package_json/package.json", "{\n")
	return []Shape{
		ordinary("npm-rxjs", "a sub-path export is no package", on(rxjs, ajax)),
		ordinary("npm-apollo", "a sub-path export of a scoped package is no package", on(npmPackage(modules+"@apollo/client", "@apollo/client", "3.13.0"),
			imagetest.Text(modules+"@apollo/client/core/package.json", `{"name":"@apollo/client/core","main":"core.cjs","module":"index.js","sideEffects":false}`))),
		ordinary("npm-firebase", "a sub-path export is no package", on(npmPackage(modules+"firebase", "firebase", "12.6.0"),
			imagetest.Text(modules+"firebase/app/package.json", `{"name":"firebase/app","main":"dist/index.cjs.js","browser":"dist/esm/index.esm.js"}`))),
		ordinary("npm-module-type", "a file that only says how to load scripts is no package", on(rxjs, imagetest.Text(modules+"rxjs/dist/esm/package.json", `{"type":"module"}`))),
		ordinary("npm-fixture", "a fixture of the package's tests is no package", on(npmPackage(modules+"resolve", "resolve", "1.22.1"), fixture)),
		ordinary("npm-byte-order-mark", "npm reads it, and the version has the fix", on(imagetest.Text(modules+"lodash/package.json", "\ufeff{\"name\":\"lodash\",\"version\":\"4.18.0\"}"))),
		attack("npm-attack-byte-order-mark", "npm reads it, and the version is vulnerable", Fail, on(imagetest.Text(modules+"lodash/package.json", "\ufeff{\"name\":\"lodash\",\"version\":\"4.17.20\"}"))),
		attack("npm-attack-malformed", "where a package must be, a file that cannot be read hides it", NoVerdict,
			on(imagetest.Text(modules+"lodash/package.json", "{\n"))).naming("node_modules/lodash/package.json"),
		attack("npm-attack-scoped-malformed", "where a package must be, a file that cannot be read hides it", NoVerdict,
			on(imagetest.Text(modules+"@acme/lodash/package.json", "{\"name\":\n"))).naming("node_modules/@acme/lodash/package.json"),
		attack("npm-attack-below-sub-path", "a package inside the package is a package", Fail, on(rxjs, ajax, npmPackage(modules+"rxjs/ajax/node_modules/lodash", "lodash", "4.17.20"))),
	}
}

// thirdParty are packages of other vendors (row 4). All are judged alike, so
// that a vendor's name gives no advantage.
func thirdParty() []Shape {
	deb := func(name, version, maintainer string) imagetest.Layer {
		return debian(rootfs.Pkg{Name: name, Version: version, Maintainer: maintainer, Files: []imagetest.File{imagetest.Program("usr/bin/"+name, rootfs.ELF())}})
	}
	shapes := []Shape{}
	const why = "the distribution knows no advisories for it, as every user of such packages knows"
	for _, p := range [][3]string{
		{"nginx", "1.29.3-1~bookworm", "NGINX Packaging <nginx-packaging@f5.com>"},
		{"google-chrome-stable", "142.0.7444.59-1", "Chrome Linux Team <chromium-dev@chromium.org>"},
		{"docker-ce-cli", "5:29.0.1-1~debian.12~bookworm", "Docker <support@docker.com>"},
		{"temurin-21-jre", "21.0.9.0.0+10", "Eclipse Adoptium Package Maintainers <temurin-dev@eclipse.org>"},
		{"acme-billing", "1.4.2", acme},
	} {
		shapes = append(shapes, ordinary("vendor-"+p[0], why, deb(p[0], p[1], p[2])).naming(p[0]))
	}
	fs := rootfs.RPMSystem(rockyOS, "Rocky Enterprise Software Foundation", bash(), rootfs.Pkg{Name: "filesystem", Version: "3.16-5.el9", Dirs: []string{"home", "opt", "srv", "usr/local", "usr/local/bin"}})
	local := rootfs.RPMSystem(rockyOS, "Rocky Enterprise Software Foundation", bash(), rootfs.Pkg{Name: "acme-tools", Version: "3.16-5", Files: []imagetest.File{imagetest.Text("usr/local/etc/acme.conf", "x\n")}})
	shapes = append(shapes, ordinary("vendor-rocky-filesystem", "directories for everyone are of the distribution", fs).omitting("filesystem 3.16"),
		ordinary("vendor-rocky-usr-local", "no distribution installs a file there", local).naming("acme-tools"))
	for _, p := range []rootfs.Pkg{{Name: "htop", Version: "3.3.0-1.el9", Maintainer: "Fedora Project"}, {Name: "acme-billing", Version: "1.4.2-1", Maintainer: "ACME"}} {
		l := rootfs.RPMSystem(rockyOS, "Rocky Enterprise Software Foundation", bash(), p)
		shapes = append(shapes, ordinary("vendor-rocky-"+p.Name, why, l).naming(p.Name))
	}
	forged := func(maintainer string) imagetest.Layer {
		return rootfs.Debian("13", rootfs.Pkg{Name: "libssl3t64", Version: "3.5.6-1~deb13u1", Source: "openssl", Maintainer: maintainer})
	}
	alma := rootfs.RPMSystem(almaOS, "AlmaLinux", bash(), rootfs.Pkg{Name: "expat", Version: "2.5.0-5.el9", Maintainer: "Docker"})
	const matched = "the distribution's advisories for the source match, and the vendor's name does not change that"
	return append(shapes,
		attack("vendor-attack-nginx", matched, Fail, forged("NGINX Packaging <nginx-packaging@f5.com>")),
		attack("vendor-attack-microsoft", matched, Fail, forged("Somebody <somebody@microsoft.com>")),
		attack("vendor-attack-own", matched, Fail, forged(acme)),
		attack("vendor-attack-rpm", matched, Fail, alma),
	)
}

// alpineRepositories are lines of etc/apk/repositories (row 5): os-release says
// which release it is.
func alpineRepositories() []Shape {
	const repositories = "etc/apk/repositories"
	const stable = "https://dl-cdn.alpinelinux.org/alpine/v3.23/main\nhttps://dl-cdn.alpinelinux.org/alpine/v3.23/community\n"
	const testing = "https://dl-cdn.alpinelinux.org/alpine/edge/testing\n"
	clean := rootfs.Alpine("3.23.2", rootfs.Pkg{Name: "musl", Version: "1.2.5-r10"}, rootfs.Pkg{Name: "zlib", Version: "1.3.2-r0"})
	old := rootfs.Alpine("3.23.2", rootfs.Pkg{Name: "zlib", Version: "1.3.1-r2"})
	edge := "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.24.0_alpha20260805\nPRETTY_NAME=\"Alpine Linux edge\"\n"
	const why = "os-release names a stable release, and every package is of it"
	return []Shape{
		ordinary("apk-edge-tagged", why, replaced(clean, repositories, stable+"@testing "+testing)),
		ordinary("apk-edge-commented-out", why, replaced(clean, repositories, stable+"#"+testing)),
		ordinary("apk-latest-stable", why, replaced(clean, repositories, "https://dl-cdn.alpinelinux.org/alpine/latest-stable/main\n")),
		ordinary("apk-own-repository", why, replaced(clean, repositories, stable+"https://packages.acme.example/alpine/v3.23/acme\n")),
		ordinary("apk-no-repositories", why, without(clean, repositories)),
		ordinary("apk-package-of-testing", "the package is named, and Alpine's advisories match it all the same", replaced(replaced(with(clean,
			imagetest.Text("etc/apk/world", "musl\nzlib@testing\n")), repositories, stable+"@testing "+testing), "lib/apk/db/installed",
			rootfs.APKInstalled(rootfs.Pkg{Name: "musl", Version: "1.2.5-r10"}, rootfs.Pkg{Name: "zlib", Version: "1.3.3-r0"}))).naming("zlib"),
		attack("apk-attack-edge-tagged", "a line about a repository hides no finding", Fail, replaced(old, repositories, stable+"@testing "+testing)),
		attack("apk-attack-other-branch", "a line about another branch chooses no other advisories", Fail, replaced(old, repositories, "https://dl-cdn.alpinelinux.org/alpine/v3.22/main\n")),
		attack("apk-attack-edge", "edge is no release: what is fixed there is not known", NoVerdict,
			replaced(replaced(clean, "etc/os-release", edge), "etc/alpine-release", "3.24.0_alpha20260805\n")),
	}
}
