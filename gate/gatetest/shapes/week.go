package shapes

import (
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// week are what an ordinary team builds in a week: the well-known base images
// in small, with an application on top. Each has a twin whose application holds
// a library with advisories.
func week() []Shape {
	elf := rootfs.ELF()
	var shapes []Shape
	twins := func(name string, base imagetest.Layer, app func(lodash, flask, rake string, old bool) imagetest.Layer) {
		shapes = append(shapes, ordinary("week-"+name, "nothing in it has advisories", base, app("4.18.0", "3.1.3", "13.2.1", false)),
			attack("week-attack-"+name, "a library of the application has advisories", Fail, base, app("4.17.20", "2.2.3", "12.3.2", true)))
	}
	node := with(debian(), imagetest.Program("usr/local/bin/node", elf), imagetest.Symlink("usr/local/bin/npm", "../lib/node_modules/npm/bin/npm-cli.js"),
		npmPackage("usr/local/lib/node_modules/npm", "npm", "11.6.2"), npmPackage("usr/local/lib/node_modules/npm/node_modules/semver", "semver", "7.7.3"),
		npmPackage("opt/yarn-v1.22.22", "yarn", "1.22.22"))
	twins("node", node, func(lodash, _, _ string, _ bool) imagetest.Layer {
		return imagetest.Files(
			imagetest.Text("app/package.json", `{"name":"shop","private":true,"dependencies":{"lodash":"^4"}}`),
			imagetest.Text("app/tsconfig.json", "{\n  // comments are allowed here\n}\n"),
			imagetest.Text("app/node_modules/.package-lock.json", `{"name":"shop","lockfileVersion":3,"requires":true,"packages":{}}`),
			imagetest.Symlink("app/node_modules/@acme/ui", "../../packages/ui"),
			imagetest.Text("app/packages/ui/package.json", `{"name":"@acme/ui","private":true}`),
			npmPackage("app/node_modules/lodash", "lodash", lodash),
			imagetest.Text("app/node_modules/lodash/fp/package.json", `{"type":"commonjs"}`),
		)
	})
	python := with(debian(), imagetest.Program("usr/local/bin/python3.12", elf), imagetest.Symlink("usr/local/bin/python3", "python3.12"),
		imagetest.File{Path: "usr/local/lib/libpython3.12.so.1.0", Body: elf, Mode: 0o755},
		pythonPackage("usr/local/lib/python3.12/site-packages/pip-25.3.dist-info/METADATA", "pip", "25.3"))
	twins("python", python, func(_, flask, _ string, _ bool) imagetest.Layer {
		const site = "usr/local/lib/python3.12/site-packages/"
		return imagetest.Files(
			pythonPackage(site+"flask-"+flask+".dist-info/METADATA", "Flask", flask), imagetest.Text(site+"flask-"+flask+".dist-info/RECORD", ""),
			imagetest.Text(site+"flask/__init__.py", "x = 1\n"), imagetest.Program("usr/local/bin/flask", []byte("#!/usr/local/bin/python3.12\nimport flask\n")),
			imagetest.Text("app/requirements.txt", "flask>=2\n"),
		)
	})
	ruby := with(debian(), imagetest.Program("usr/local/bin/ruby", elf), imagetest.Text("usr/local/lib/ruby/gems/3.3.0/specifications/default/json-2.9.1.gemspec", rootfs.GemSpec("json", "2.9.1")))
	twins("ruby", ruby, func(_, _, rake string, _ bool) imagetest.Layer {
		return imagetest.Files(imagetest.Text("usr/local/bundle/specifications/rake-"+rake+".gemspec", rootfs.GemSpec("rake", rake)))
	})
	java := with(debian(), imagetest.Program("opt/java/openjdk/bin/java", elf), imagetest.Text("opt/java/openjdk/release", "IMPLEMENTOR=\"Eclipse Adoptium\"\nJAVA_VERSION=\"21.0.9\"\n"))
	twins("java", java, func(_, _, _ string, old bool) imagetest.Layer {
		version := "2.25.4"
		if old {
			version = "2.14.1"
		}
		return imagetest.Files(imagetest.File{Path: "app/app.jar", Body: bootJar(version)})
	})
	static := rootfs.Distroless("12", rootfs.Pkg{Name: "base-files", Version: "12.4+deb12u12"}, rootfs.Pkg{Name: "tzdata", Version: "2025b-0+deb12u2"})
	twins("go-distroless", static, func(_, _, _ string, old bool) imagetest.Layer {
		if old {
			return imagetest.Files(imagetest.Program("app/run", rootfs.GoBinary("go1.26.8", "example.org/app", rootfs.Module{Path: "golang.org/x/text", Version: "v0.3.5"})))
		}
		return imagetest.Files(goProgram("app/run"))
	})
	nginx := rootfs.Alpine("3.23.2", rootfs.Pkg{Name: "musl", Version: "1.2.5-r10"}, rootfs.Pkg{Name: "nginx", Version: "1.29.3-r1", Maintainer: "NGINX Packaging <nginx-packaging@f5.com>"})
	nginx = replaced(nginx, "etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/v3.23/main\n")
	shapes = append(shapes,
		ordinary("week-nginx-alpine", "nginx's own package, and a page", nginx, imagetest.Files(imagetest.Text("usr/share/nginx/html/index.html", "<p>x</p>\n"))),
		ordinary("week-go-web-scratch", "a page that the program serves is data", imagetest.Files(goProgram("app/run"), imagetest.Text("srv/index.html", "<script src=app.js></script>\n"),
			imagetest.Text("srv/app.js", "console.log(1)\n"), imagetest.Text("etc/nsswitch.conf", "hosts: files dns\n"), imagetest.Dir("tmp"))),
		ordinary("week-ubuntu", "Ubuntu's own packages", rootfs.Ubuntu("22.04", rootfs.Pkg{Name: "bash", Version: "5.1-6ubuntu1.1", Maintainer: "Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>"})),
		ordinary("week-apt-layers", "a later layer installs a package, and dpkg writes its status anew",
			debian(urllib()), imagetest.Layer{Files: append(rootfs.DpkgFiles(rootfs.Pkg{Name: "curl", Files: []imagetest.File{imagetest.Program("usr/bin/curl", elf)}}),
				imagetest.Text("var/lib/dpkg/status", rootfs.DpkgStatus(rootfs.Pkg{Name: "base-files", Version: "12.4+deb12u12"}, urllib(), rootfs.Pkg{Name: "curl", Version: "7.88.1-10+deb12u14"})))}),
	)
	return shapes
}

// bootJar is a jar with jars inside, as Spring Boot builds it.
func bootJar(log4j string) []byte {
	inner := rootfs.Jar("org.apache.logging.log4j", "log4j-core", log4j)
	return archiveOf(
		entry{"META-INF/MANIFEST.MF", []byte("Manifest-Version: 1.0\r\nStart-Class: example.App\r\nImplementation-Title: shop\r\nImplementation-Version: 1.0\r\n")},
		entry{"META-INF/maven/example/shop/pom.properties", []byte("groupId=example\nartifactId=shop\nversion=1.0\n")},
		entry{"BOOT-INF/lib/log4j-core-" + log4j + ".jar", inner.Files[0].Body},
	)
}
