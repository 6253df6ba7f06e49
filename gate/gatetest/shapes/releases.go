package shapes

import (
	"strings"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

const (
	suseOS   = "NAME=\"SLES\"\nVERSION=\"15-SP7\"\nVERSION_ID=\"15.7\"\nPRETTY_NAME=\"SUSE Linux Enterprise Server 15 SP7\"\nID=\"sles\"\nID_LIKE=\"suse\"\n"
	photonOS = "NAME=\"VMware Photon OS\"\nVERSION=\"5.0\"\nID=photon\nVERSION_ID=5.0\n"
	ubuntus  = "Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>"
)

func ubuntu(release string, packages ...rootfs.Pkg) imagetest.Layer {
	for i := range packages {
		packages[i].Maintainer = ubuntus
	}
	return rootfs.Ubuntu(release, append(packages, rootfs.Pkg{Name: "base-files", Version: "13ubuntu10.3", Maintainer: ubuntus})...)
}

// pro is what the client of Ubuntu Pro writes.
func pro(status string) imagetest.File {
	return imagetest.Text("var/lib/ubuntu-advantage/status.json",
		`{"_schema_version":"0.1","services":[{"name":"esm-apps","status":"`+status+`"},{"name":"esm-infra","status":"`+status+`"}]}`)
}

// releases are distributions beside Debian and Alpine, as their vendors publish them.
func releases() []Shape {
	fixed := rootfs.Pkg{Name: "bash", Version: "5.2.21-2ubuntu4"}
	old := rootfs.Pkg{Name: "curl", Version: "7.81.0-1"}
	suse := rootfs.RPMSystem(suseOS, "SUSE LLC <https://www.suse.com/>", rootfs.Pkg{Name: "bash", Version: "4.4-150400.25.22"}, key("39db7c82-66c5d91a"))
	photon := rootfs.RPMSystem(photonOS, "VMware, Inc.", rootfs.Pkg{Name: "bash", Version: "5.2-1.ph5"})
	const own, attached = "nothing is wrong with it", "the file of Ubuntu Pro takes no advisories away"
	expired := func(s Shape) Shape {
		s.BuiltIn, s.Team = Fail, Pass
		return s
	}
	extended := refused("release-ubuntu-extended-fix", "only the feed of extended maintenance has this advisory", Fail,
		with(ubuntu("20.04", rootfs.Pkg{Name: "tar", Version: "1.30+dfsg-7"}), pro("enabled")))
	alpine := func(release, zlib string) imagetest.Layer {
		return rootfs.Alpine(release, rootfs.Pkg{Name: "alpine-release", Version: release + "-r0"}, rootfs.Pkg{Name: "musl", Version: "1.2.5-r10"}, rootfs.Pkg{Name: "zlib", Version: zlib})
	}
	trixie := rootfs.Debian("13", rootfs.Pkg{Name: "base-files", Version: "13.8+deb13u1"})
	rocky := func(os, version string) imagetest.Layer {
		return rootfs.RPMSystem(os, "Rocky Enterprise Software Foundation", rootfs.Pkg{Name: "bash", Version: "5.1.8-9.el9"}, rootfs.Pkg{Name: "rocky-release", Version: version})
	}
	named := func(l imagetest.Layer, release string) imagetest.Layer {
		return replaced(replaced(l, "etc/debian_version", release+".9\n"), "etc/os-release", "ID=debian\nVERSION_ID=\""+release+"\"\n")
	}
	const upgraded, disguised = "a later layer upgraded all packages to another release", "the packages are not of the release that os-release names"
	return []Shape{
		ordinary("release-upgraded-alpine", upgraded, alpine("3.22.2", "1.3.1-r2"), alpine("3.23.2", "1.3.2-r0")),
		ordinary("release-upgraded-debian", upgraded, debian(), trixie),
		ordinary("release-downgraded-debian", upgraded, trixie, debian()),
		attack("release-attack-upgraded", "a package of the new release has advisories", Fail, alpine("3.22.2", "1.3.2-r0"), alpine("3.23.2", "1.3.1-r2")).naming("zlib"),
		attack("release-attack-upgraded-name", disguised, NoVerdict, debian(), named(debian(), "13")).naming("etc/os-release"),
		attack("release-attack-name", disguised, NoVerdict, named(debian(), "13")).naming("base-files"),
		attack("release-attack-name-ubuntu", disguised, NoVerdict, with(replaced(debian(), "etc/os-release", "ID=ubuntu\nVERSION_ID=\"22.04\"\n"), imagetest.Text("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\n"))).naming("base-files"),
		attack("release-attack-name-debian", disguised, NoVerdict, named(without(ubuntu("22.04", fixed), "etc/lsb-release"), "13")).naming("base-files"),
		attack("release-attack-name-rocky", disguised, NoVerdict, rocky(rocky8, "9.6-1.el9")).naming("rocky-release"),
		ordinary("release-rocky-8", own, rocky(rocky8, "8.10-1.9.el8")),
		ordinary("release-amazon-2023", own, with(rootfs.RPMSystem(amazonOS, "Amazon Linux", rootfs.Pkg{Name: "bash", Version: "5.2.15-1.amzn2023.0.2"}, rootfs.Pkg{Name: "system-release", Version: "2023.9.20251110-0.amzn2023"}),
			imagetest.Text("etc/system-release", "Amazon Linux release 2023.9.20251110 (Amazon Linux)\n"))),
		ordinary("release-ubuntu-24.04", own, ubuntu("24.04", fixed)),
		ordinary("release-ubuntu-pro", attached, with(ubuntu("24.04", fixed), pro("enabled"))),
		ordinary("release-ubuntu-pro-detached", attached, with(ubuntu("24.04", fixed), pro("n/a"))),
		expired(ordinary("release-ubuntu-extended", attached+"; the end of support is the release's own", with(ubuntu("20.04", fixed), pro("enabled")))),
		ordinary("release-sles", own, suse),
		ordinary("release-photon", own, photon),
		extended.naming("CVE-2020-0002"),
		attack("release-attack-ubuntu-pro", attached, Fail, with(ubuntu("22.04", old), pro("enabled"))).naming("CVE-2023-38545"),
		attack("release-attack-debian-with-pro", "the file of another distribution", NoVerdict, with(rootfs.Debian("13", rootfs.Pkg{Name: "libssl3t64", Version: "3.5.6-1~deb13u1", Source: "openssl"}), pro("enabled"))),
	}
}

// managers are package databases in states that are ordinary and rare.
func managers() []Shape {
	entry := func(status, more string) imagetest.Layer {
		return replaced(debian(), "var/lib/dpkg/status", rootfs.DpkgStatus(rootfs.Pkg{Name: "base-files", Version: "12.4+deb12u12"})+
			"Package: libssl3\nStatus: "+status+"\nPriority: optional\nSection: libs\nMaintainer: Debian OpenSSL Team <pkg-openssl-devel@alioth-lists.debian.net>\nArchitecture: amd64\nSource: openssl\n"+more+"Description: library\n long text\n .\n more\n\n")
	}
	const fixed, old = "Version: 3.9.0-5\n", "Version: 3.0.1-1\n"
	alpine := []rootfs.Pkg{{Name: "musl", Version: "1.2.5-r10"}, {Name: "zlib", Version: "1.3.2-r0"}}
	const virtual = "C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:.build-deps\nV:20261120.101112\nA:noarch\nS:0\nI:0\nT:virtual meta package\nU:\nL:\nD:zlib\n\n"
	apk := func(packages []rootfs.Pkg, more string) imagetest.Layer {
		return replaced(rootfs.Alpine("3.23.2", packages...), "lib/apk/db/installed", rootfs.APKInstalled(packages...)+more)
	}
	moved := func(packages ...rootfs.Pkg) imagetest.Layer {
		l := rootfs.Alpine("3.23.2", packages...)
		db := fileOf(l, "lib/apk/db/installed")
		db.Path = "usr/lib/apk/db/installed"
		return with(without(l, "lib/apk/db/installed"), db, imagetest.Symlink("lib", "usr/lib"))
	}
	rocky := rootfs.RPMSystem(rockyOS, "Rocky Enterprise Software Foundation", bash(), key("350d275d-6279464b"))
	alma := rootfs.RPMSystem(almaOS, "AlmaLinux", bash(), rootfs.Pkg{Name: "expat", Version: "2.5.0-5.el9"})
	inSysimage := func(l imagetest.Layer) imagetest.Layer {
		db := fileOf(l, "var/lib/rpm/rpmdb.sqlite")
		db.Path = "usr/lib/sysimage/rpm/rpmdb.sqlite"
		return with(without(l, "var/lib/rpm/rpmdb.sqlite"), db, imagetest.Symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm"))
	}
	leftovers := []imagetest.File{
		imagetest.Text("var/lib/dpkg/status-old", rootfs.DpkgStatus(rootfs.Pkg{Name: "zlib1g", Version: "1:1.2.3-1", Source: "zlib"})), imagetest.Text("var/lib/dpkg/available", ""),
		imagetest.Text("var/lib/dpkg/lock-frontend", ""), imagetest.Dir("var/lib/dpkg/updates"), imagetest.Dir("var/lib/dpkg/status.d"), imagetest.Text("var/lib/dpkg/diversions", "/bin/sh\n/bin/sh.distrib\ndash\n"),
		imagetest.Text("var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease", "x"), imagetest.Text("var/cache/apt/pkgcache.bin", "x"), imagetest.Text("var/lib/apt/extended_states", "x"),
	}
	const same = "the state is ordinary, and every package is known"
	return []Shape{
		ordinary("manager-dpkg-removed", "the package is gone, its configuration stayed", entry("deinstall ok config-files", old)),
		ordinary("manager-dpkg-held", same, entry("hold ok installed", fixed)),
		ordinary("manager-dpkg-triggers-pending", same, entry("install ok triggers-pending", "Triggers-Pending: ldconfig\n"+fixed)),
		ordinary("manager-dpkg-rebuilt", same, entry("install ok installed", strings.Replace(fixed, "-5", "-5+b1", 1)+"Conffiles:\n /etc/a.conf 0123456789abcdef0123456789abcdef\n /etc/b.conf newconffile\n")),
		ordinary("manager-dpkg-leftovers", same, with(debian(), leftovers...)),
		ordinary("manager-apk-virtual", "apk made an empty package for `apk add --virtual`", apk(alpine, virtual)).omitting(".build-deps"),
		ordinary("manager-apk-merged-usr", same, moved(alpine...)),
		ordinary("manager-rpm-journal", same, with(rocky, imagetest.Text("var/lib/rpm/rpmdb.sqlite-wal", ""), imagetest.Text("var/lib/rpm/rpmdb.sqlite-shm", strings.Repeat("\x00", 32768)), imagetest.Text("var/lib/rpm/.rpm.lock", ""))),
		ordinary("manager-rpm-sysimage", same, inSysimage(rocky)),
		attack("manager-attack-dpkg-held", "a held package is installed", Fail, entry("hold ok installed", old)).naming("libssl3"),
		attack("manager-attack-apk-virtual", "a package is called like an empty one and has an origin", Fail,
			apk(alpine[:1], strings.NewReplacer("P:.build-deps", "P:.zlib", "V:20261120.101112", "V:1.3.1-r2", "T:virtual meta package", "o:zlib").Replace(virtual))),
		attack("manager-attack-apk-merged-usr", "the database has moved, the package has advisories", Fail, moved(rootfs.Pkg{Name: "zlib", Version: "1.3.1-r2"})),
		attack("manager-attack-rpm-journal", "what the journal holds is not in the database", NoVerdict, with(rocky, imagetest.Text("var/lib/rpm/rpmdb.sqlite-wal", "\x37\x7f\x06\x82"+strings.Repeat("\x00", 4124)))).naming("rpmdb.sqlite-wal"),
		attack("manager-attack-rpm-sysimage", "the database has moved, the package has advisories", Fail, inSysimage(alma)),
	}
}
