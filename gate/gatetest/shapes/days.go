package shapes

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// day is what a team changes on one day. The changes add up.
type day struct {
	change string
	layers []imagetest.Layer // on top of those of the days before
	base   *imagetest.Layer  // another base image, nil for the one of the day before
	config func(*v1.ConfigFile)
}

// days are seven builds of each of four teams, one a day. None of the changes gives a
// reason to touch the policy. On the eighth day a dependency with advisories comes in.
func days() []Shape {
	java := javaDays()
	var shapes []Shape
	for _, team := range []struct {
		name string
		base imagetest.Layer
		days []day
		bad  imagetest.Layer
	}{
		{"node", nodeBase("22.21.0"), nodeDays(), imagetest.Files(npmPackage("app/node_modules/lodash", "lodash", "4.17.20"))},
		{"python", pythonBase("25.2"), pythonDays(), imagetest.Files(pythonPackage(site+"flask-2.2.3.dist-info/METADATA", "Flask", "2.2.3"))},
		{"alpine", alpineBase("1.2.5-r9"), alpineDays(), imagetest.Files(imagetest.Text("lib/apk/db/installed",
			rootfs.APKInstalled(rootfs.Pkg{Name: "musl", Version: "1.2.5-r10"}, rootfs.Pkg{Name: "zlib", Version: "1.3.1-r2"})))},
		{"java", debian(), java, imagetest.Files(imagetest.File{Path: "app/lib/log.jar", Body: log4j("2.14.1")})},
	} {
		base, config := team.base, func(*v1.ConfigFile) {}
		var layers []imagetest.Layer
		build := func() v1.Image { return configured(config, append([]imagetest.Layer{base}, layers...)...) }
		for i, d := range team.days {
			layers = append(layers, d.layers...)
			if d.base != nil {
				base = *d.base
			}
			if d.config != nil {
				config = both(config, d.config)
			}
			s := ordinary(fmt.Sprintf("days-%s-%d", team.name, i+1), "an ordinary day: "+d.change)
			s.Image = build()
			shapes = append(shapes, s)
		}
		layers = append(layers, team.bad)
		bad := attack("days-attack-"+team.name, "a package with advisories comes in", Fail)
		bad.Image = build()
		shapes = append(shapes, bad)
	}
	return shapes
}

func both(a, b func(*v1.ConfigFile)) func(*v1.ConfigFile) {
	return func(c *v1.ConfigFile) {
		a(c)
		b(c)
	}
}

const site = "usr/local/lib/python3.12/site-packages/"

// installed is a layer in which apt-get installed packages, with what the base has
// already.
func installed(more []imagetest.File, packages ...rootfs.Pkg) imagetest.Layer {
	all := append([]rootfs.Pkg{{Name: "base-files", Version: "12.4+deb12u12"}}, packages...)
	return imagetest.Layer{Files: append(append(rootfs.DpkgFiles(packages...), imagetest.Text("var/lib/dpkg/status", rootfs.DpkgStatus(all...))), more...)}
}

// aptCache is what apt-get leaves unless the build deletes it.
func aptCache() []imagetest.File {
	return []imagetest.File{
		imagetest.Text("var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease", "-----BEGIN PGP SIGNED MESSAGE-----\n"),
		imagetest.Text("var/lib/apt/lists/lock", ""), imagetest.Text("var/cache/apt/pkgcache.bin", "\x01\x02"), imagetest.Text("var/cache/apt/archives/curl_7.88.1-10+deb12u14_amd64.deb", "!<arch>\n"),
		imagetest.Text("var/log/dpkg.log", "2026-11-20 10:00:00 install curl\n"), imagetest.Text("var/log/apt/history.log", "Start-Date: 2026-11-20\n"), imagetest.Text("var/lib/dpkg/status-old", "Package: x\n"),
	}
}

// cleaned is a layer that deletes documentation and languages.
func cleaned() imagetest.Layer {
	return imagetest.Files(imagetest.Whiteout("usr/share/doc"), imagetest.Whiteout("usr/share/man"), imagetest.Whiteout("usr/share/locale"),
		imagetest.Text("etc/dpkg/dpkg.cfg.d/01_nodoc", "path-exclude /usr/share/doc/*\n"))
}

// addUser is a layer of useradd.
func addUser() imagetest.Layer {
	return imagetest.Files(imagetest.Text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nshop:x:10001:10001::/home/shop:/bin/sh\n"), imagetest.Text("etc/passwd-", "root:x:0:0:root:/root:/bin/sh\n"),
		imagetest.Text("etc/group", "root:x:0:\nshop:x:10001:\n"), imagetest.Text("etc/shadow", "root:*:20000:0:99999:7:::\nshop:!:20000:0:99999:7:::\n"), imagetest.Text("etc/subuid", "shop:100000:65536\n"),
		imagetest.Dir("home/shop"), imagetest.Text("home/shop/.bashrc", "# x\n"), imagetest.File{Path: "var/log/lastlog", Body: make([]byte, 3<<20)})
}

// health adds a user and a health check to the config.
func health(c *v1.ConfigFile) {
	c.Config.User = "shop"
	c.Config.Healthcheck = &v1.HealthConfig{Test: []string{"CMD-SHELL", "curl -f http://localhost:8080/health || exit 1"}}
	c.Config.Env = append(c.Config.Env, "GPG_KEY=7169605F62C751356D054A26A821E680E5FA6305", "APP_VERSION=1.4.2")
	c.History = append(c.History, v1.History{CreatedBy: "HEALTHCHECK &{[\"CMD-SHELL\" \"curl -f http://localhost:8080/health || exit 1\"]}", EmptyLayer: true})
}

func nodeBase(version string) imagetest.Layer {
	return with(debian(), imagetest.Program("usr/local/bin/node", append(rootfs.ELF(), version...)), imagetest.Symlink("usr/local/bin/npm", "../lib/node_modules/npm/bin/npm-cli.js"),
		npmPackage("usr/local/lib/node_modules/npm", "npm", "10.9.4"), npmPackage("usr/local/lib/node_modules/npm/node_modules/semver", "semver", "7.7.3"),
		imagetest.Program("usr/local/bin/docker-entrypoint.sh", []byte("#!/bin/sh\nexec \"$@\"\n")))
}

func nodeDays() []day {
	app := func(lodash string) imagetest.Layer {
		return imagetest.Files(imagetest.Opaque("app"), imagetest.Text("app/package.json", `{"name":"shop","version":"1.4.2","private":true}`), imagetest.Text("app/index.js", "require('lodash')\n"),
			npmPackage("app/node_modules/lodash", "lodash", lodash), npmPackage("app/node_modules/rxjs", "rxjs", "7.8.2"), imagetest.Text("app/node_modules/rxjs/ajax/package.json", `{"name":"rxjs/ajax","main":"../dist/cjs/ajax/index.js"}`),
			imagetest.Text("app/node_modules/.package-lock.json", `{"name":"shop","lockfileVersion":3,"packages":{}}`), imagetest.Symlink("app/node_modules/.bin/x", "../x/bin.js"))
	}
	curl := rootfs.Pkg{Name: "curl", Version: "7.88.1-10+deb12u14", Files: []imagetest.File{imagetest.Program("usr/bin/curl", rootfs.ELF())}}
	nodesource := rootfs.Pkg{Name: "nodejs", Version: "22.21.1-1nodesource1", Maintainer: "Ivan Iguaran <ivan@nodesource.com>", Files: []imagetest.File{
		imagetest.Program("usr/bin/node", append(rootfs.ELF(), 1)), npmPackage("usr/lib/node_modules/npm", "npm", "10.9.4"), npmPackage("usr/lib/node_modules/npm/node_modules/semver", "semver", "7.7.3")}}
	newer := nodeBase("22.21.1")
	return []day{
		{change: "the first build", layers: []imagetest.Layer{app("4.18.0")}},
		{change: "a dependency is updated", layers: []imagetest.Layer{app("4.18.1")}},
		{change: "curl is installed and the cache of apt left", layers: []imagetest.Layer{installed(aptCache(), curl)}},
		{change: "Node.js comes from its vendor's packages", layers: []imagetest.Layer{installed([]imagetest.File{imagetest.Text("etc/apt/sources.list.d/nodesource.sources", "Types: deb\n")}, curl, nodesource)}},
		{change: "documentation and languages are deleted", layers: []imagetest.Layer{cleaned()}},
		{change: "a user and a health check", layers: []imagetest.Layer{addUser()}, config: health},
		{change: "a newer base image", base: &newer},
	}
}

func pythonBase(pip string) imagetest.Layer {
	return with(debian(), imagetest.Program("usr/local/bin/python3.12", rootfs.ELF()), imagetest.Symlink("usr/local/bin/python3", "python3.12"), imagetest.File{Path: "usr/local/lib/libpython3.12.so.1.0", Body: append(rootfs.ELF(), 2), Mode: 0o755},
		pythonPackage(site+"pip-"+pip+".dist-info/METADATA", "pip", pip), imagetest.Program("usr/local/bin/pip", []byte("#!/usr/local/bin/python3.12\nimport sys\n")),
		imagetest.File{Path: "usr/local/lib/python3.12/ensurepip/_bundled/pip-" + pip + "-py3-none-any.whl", Body: archiveOf(entry{"pip/__init__.py", []byte("x")})})
}

func pythonDays() []day {
	flask := func(version string) imagetest.Layer {
		return imagetest.Files(pythonPackage(site+"flask-"+version+".dist-info/METADATA", "Flask", version), imagetest.Text(site+"flask-"+version+".dist-info/RECORD", ""), imagetest.Text(site+"flask/__init__.py", "x = 1\n"),
			imagetest.Text(site+"flask/__pycache__/__init__.cpython-312.pyc", "\xcb\x0d\x0d\x0a"), imagetest.Program("usr/local/bin/flask", []byte("#!/usr/local/bin/python3.12\nimport flask\n")))
	}
	newer := pythonBase("25.3")
	pipAgain := imagetest.Files(imagetest.Whiteout(site+"pip-25.2.dist-info"), pythonPackage(site+"pip-25.3.dist-info/METADATA", "pip", "25.3"))
	libpq := rootfs.Pkg{Name: "libpq5", Version: "18.1-1.pgdg12+2", Source: "postgresql-18", Maintainer: "Debian PostgreSQL Maintainers <team+postgresql@tracker.debian.org>", Files: []imagetest.File{{Path: "usr/lib/x86_64-linux-gnu/libpq.so.5", Body: append(rootfs.ELF(), 3)}}}
	return []day{
		{change: "the first build", layers: []imagetest.Layer{flask("3.1.2"), imagetest.Files(imagetest.Text("app/requirements.txt", "flask\n"), imagetest.Text("app/main.py", "import flask\n"))}},
		{change: "pip is updated in place", layers: []imagetest.Layer{pipAgain}},
		{change: "a dependency is updated in place", layers: []imagetest.Layer{imagetest.Files(imagetest.Whiteout(site + "flask-3.1.2.dist-info")), flask("3.1.3")}},
		{change: "a library of PostgreSQL's own repository", layers: []imagetest.Layer{installed(aptCache(), libpq)}},
		{change: "a virtual environment instead of the global packages", layers: []imagetest.Layer{imagetest.Files(imagetest.Text("app/.venv/pyvenv.cfg", "home = /usr/local/bin\n"), imagetest.Symlink("app/.venv/bin/python", "/usr/local/bin/python3.12"),
			pythonPackage("app/.venv/lib/python3.12/site-packages/flask-3.1.3.dist-info/METADATA", "Flask", "3.1.3"), imagetest.Program("app/.venv/bin/activate", []byte("# x\n")))}},
		{change: "a user and a health check", layers: []imagetest.Layer{cleaned(), addUser()}, config: health},
		{change: "a newer base image", base: &newer},
	}
}

func alpineBase(musl string) imagetest.Layer {
	return rootfs.Alpine("3.23.2", rootfs.Pkg{Name: "musl", Version: musl}, rootfs.Pkg{Name: "zlib", Version: "1.3.2-r0"})
}

func alpineDays() []day {
	const meta = "C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:.build-deps\nV:20261120.101112\nA:noarch\nS:0\nI:0\nT:virtual meta package\nU:\nL:\nD:zlib\n\n"
	database := func(more string, packages ...rootfs.Pkg) imagetest.Layer {
		all := append([]rootfs.Pkg{{Name: "musl", Version: "1.2.5-r10"}, {Name: "zlib", Version: "1.3.2-r0"}}, packages...)
		files := []imagetest.File{imagetest.Text("lib/apk/db/installed", rootfs.APKInstalled(all...)+more), imagetest.Text("lib/apk/db/scripts.tar", ""), imagetest.Text("lib/apk/db/triggers", ""), imagetest.Text("etc/apk/world", "musl\nzlib\n"), imagetest.Text("var/cache/apk/APKINDEX.066df28d.tar.gz", "\x1f\x8b")}
		for _, p := range packages {
			files = append(files, p.Files...)
		}
		return imagetest.Files(files...)
	}
	nginx := rootfs.Pkg{Name: "nginx", Version: "1.29.3-r1", Maintainer: "NGINX Packaging <nginx-packaging@f5.com>", Files: []imagetest.File{imagetest.Program("usr/sbin/nginx", rootfs.ELF())}}
	curl := rootfs.Pkg{Name: "curl", Version: "8.17.0-r1", Files: []imagetest.File{imagetest.Program("usr/bin/curl", append(rootfs.ELF(), 1))}}
	newer := alpineBase("1.2.5-r10")
	return []day{
		{change: "the first build", layers: []imagetest.Layer{imagetest.Files(goProgram("app/run"))}},
		{change: "packages are upgraded in a layer", layers: []imagetest.Layer{database("")}},
		{change: "build tools as a virtual package that was not deleted", layers: []imagetest.Layer{database(meta)}},
		{change: "a line for the branch testing", layers: []imagetest.Layer{imagetest.Files(imagetest.Text("etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/v3.23/main\n@testing https://dl-cdn.alpinelinux.org/alpine/edge/testing\n")), database("", curl)}},
		{change: "nginx from its vendor, and a page", layers: []imagetest.Layer{database("", curl, nginx), imagetest.Files(imagetest.Text("usr/share/nginx/html/index.html", "<p>x</p>\n"))}},
		{change: "a user and a health check", layers: []imagetest.Layer{imagetest.Files(imagetest.Text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nshop:x:10001:10001:Linux User,,,:/home/shop:/sbin/nologin\n"))}, config: health},
		{change: "a newer base image", base: &newer},
	}
}

func javaDays() []day {
	library := rootfs.Jar("org.apache.logging.log4j", "log4j-core", "2.25.4")
	boot := bootJar("2.25.4")
	jre := imagetest.Files(imagetest.Program("opt/java/openjdk/bin/java", rootfs.ELF()), imagetest.Text("opt/java/openjdk/release", "IMPLEMENTOR=\"Eclipse Adoptium\"\nJAVA_VERSION=\"21.0.9\"\n"), imagetest.Text("opt/java/openjdk/lib/modules", "\xca\xfe\xda\xda"),
		imagetest.File{Path: "opt/java/openjdk/lib/ct.sym", Body: archiveOf(entry{"879/java.base/A.sig", []byte("x")})})
	agent := archiveOf(entry{"META-INF/MANIFEST.MF", []byte("Manifest-Version: 1.0\r\nPremain-Class: io.opentelemetry.javaagent.OpenTelemetryAgent\r\n\r\n")}, entry{"inst/A.classdata", []byte("x")})
	layered := imagetest.Files(imagetest.File{Path: "app/BOOT-INF/lib/log4j-core-2.25.4.jar", Body: library.Files[0].Body}, imagetest.Text("app/BOOT-INF/classes/application.yaml", "a: b\n"),
		imagetest.Text("app/META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n"), imagetest.Text("app/BOOT-INF/classpath.idx", "- \"BOOT-INF/lib/log4j-core-2.25.4.jar\"\n"))
	newer := rootfs.Debian("12", rootfs.Pkg{Name: "base-files", Version: "12.4+deb12u13"})
	return []day{
		{change: "the first build", layers: []imagetest.Layer{jre, imagetest.Files(imagetest.File{Path: "app/app.jar", Body: boot})}},
		{change: "a jar that an agent of the platform team is", layers: []imagetest.Layer{imagetest.Files(imagetest.File{Path: "opt/agent/opentelemetry-javaagent.jar", Body: agent})}},
		{change: "the jar is unpacked into layers", layers: []imagetest.Layer{imagetest.Files(imagetest.Whiteout("app/app.jar")), layered}},
		{change: "a program is copied from another image", layers: []imagetest.Layer{imagetest.Files(imagetest.Program("usr/local/bin/tini", append(rootfs.ELF(), 4)), goProgram("usr/local/bin/grpc_health_probe"))}},
		{change: "certificates of the company", layers: []imagetest.Layer{imagetest.Files(imagetest.Text("usr/local/share/ca-certificates/acme.crt", "-----BEGIN CERTIFICATE-----\n"+strings.Repeat("MIID", 16)+"\n-----END CERTIFICATE-----\n"),
			imagetest.Text("etc/ssl/certs/java/cacerts", "\xfe\xed\xfe\xed"))}},
		{change: "a user and a health check", layers: []imagetest.Layer{cleaned(), addUser()}, config: health},
		{change: "a newer base image", base: &newer},
	}
}
