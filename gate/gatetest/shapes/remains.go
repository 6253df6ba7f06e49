package shapes

import (
	"fmt"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// remains are images without a part of their metadata, or with it in an unusual place:
// a Python package without METADATA, a jar that was unpacked, packages of a second
// package manager, a system without the package that names it.
func remains() []Shape {
	on := func(files ...imagetest.File) imagetest.Layer { return with(debian(), files...) }
	text := imagetest.Text
	var shapes []Shape
	const named, hidden = "the name of the directory says what it is", "Python loads the package as before"
	for name, path := range sorted(map[string]string{
		"record": "flask-VERSION.dist-info/RECORD", "wheel": "Flask-VERSION.dist-info/WHEEL", "license": "flask-VERSION.dist-info/LICENSE", "capitals": "flask-VERSION.DIST-INFO/RECORD",
		"egg-info": "Flask-VERSION-py3.12.egg-info/top_level.txt", "egg": "Flask-VERSION-py3.12.egg/EGG-INFO/top_level.txt",
	}) {
		at := func(version string) imagetest.File { return text(site+replaceAll(path, "VERSION", version), "x\n") }
		shapes = append(shapes, ordinary("language-python-only-"+name, named, on(at("3.1.3"))),
			attack("language-attack-python-only-"+name, hidden, Fail, on(at("2.2.3"))).naming("2.2.3"))
	}
	egg := func(version string) imagetest.File {
		return imagetest.File{Path: site + "Flask-" + version + "-py3.12.egg", Body: archiveOf(entry{"flask/__init__.py", []byte("x=1\n")})}
	}
	const dir = site + "flask-2.2.3.dist-info/"
	wheel := []imagetest.File{pythonPackage(dir+"METADATA", "Flask", "2.2.3"), text(dir+"RECORD", "flask/__init__.py,,\n"), text(dir+"INSTALLER", "pip\n")}
	fixed := []imagetest.File{pythonPackage(site+"flask-3.1.3.dist-info/METADATA", "Flask", "3.1.3"), text(site+"flask-3.1.3.dist-info/RECORD", "")}

	const unpacked = "Java runs it unpacked as well"
	const properties, pomXML = "META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties", "META-INF/maven/org.apache.logging.log4j/log4j-core/pom.xml"
	log := func(version string) string {
		return fmt.Sprintf("#Generated\ngroupId = org.apache.logging.log4j\nartifactId=log4j-core\nversion=%s\n", version)
	}
	project := func(version string) string {
		return "<project><parent><groupId>org.apache.logging.log4j</groupId><version>" + version + "</version></parent><artifactId>log4j-core</artifactId></project>"
	}
	for name, prefix := range sorted(map[string]string{"classes": "app/classes/", "web": "srv/tomcat/webapps/shop/WEB-INF/classes/", "root": "", "library": "app/lib/log4j-core.jar/"}) {
		shapes = append(shapes,
			ordinary("jar-unpacked-"+name, unpacked, on(text(prefix+properties, log("2.25.4")), text(prefix+pomXML, project("2.25.4")))).omitting("unidentified"),
			attack("jar-attack-unpacked-"+name, unpacked, Fail, on(text(prefix+properties, log("2.14.1")))).naming("log4j-core"),
			attack("jar-attack-unpacked-pom-"+name, unpacked, Fail, on(text(prefix+pomXML, project("2.14.1")))).naming("log4j-core"))
	}
	boot := "Manifest-Version: 1.0\r\nMain-Class: org.springframework.boot.loader.launch.JarLauncher\r\nStart-Class: com.acme.Shop\r\nImplementation-Title: shop\r\nImplementation-Version: 1.0\r\n\r\n"

	for name, path := range sorted(map[string]string{
		"opkg": "usr/lib/opkg/status", "opkg-var": "var/lib/opkg/status", "opkg-info": "usr/lib/opkg/info/openssl.control", "pacman": "var/lib/pacman/local/openssl-1.1.1-1/desc",
		"portage": "var/db/pkg/dev-libs/openssl-1.1.1/PF", "xbps": "var/db/xbps/pkgdb-0.38.plist", "pkgtools": "var/lib/pkgtools/packages/openssl-1.1.1-x86_64-1",
	}) {
		shapes = append(shapes, attack("manager-attack-second-"+name, "no advisories are for these packages", NoVerdict, on(text(path, "Package: openssl\nVersion: 1.1.1\n"))).naming("package manager", path[:10]))
	}

	many := func(version string) (packages []rootfs.Pkg) {
		for i := range 25 {
			packages = append(packages, rootfs.Pkg{Name: fmt.Sprint("lib", i), Version: version})
		}
		return packages
	}
	own := append(many("1.2-3"), rootfs.Pkg{Name: "base-files", Version: "13.8+deb13u1"})
	const unconfirmed = "nothing says that the release is the one in os-release"
	return append(shapes,
		ordinary("language-python-egg-without-metadata", named, on(egg("3.1.3"))),
		attack("language-attack-python-egg-without-metadata", hidden, Fail, on(egg("2.2.3"))).naming("2.2.3"),
		ordinary("language-python-upgraded-in-a-layer", "the old directory is deleted", on(wheel...), imagetest.Files(append(fixed, imagetest.Whiteout(site+"flask-2.2.3.dist-info"))...)),
		ordinary("language-python-described", "METADATA decides", on(pythonPackage(site+"flask-2.2.3.dist-info/METADATA", "Flask", "3.1.3"), text(site+"flask-2.2.3.dist-info/RECORD", ""))),
		ordinary("language-python-leftover-of-pip", "pip removes it, and Python knows no such name", on(text(site+"~lask-2.2.3.dist-info/RECORD", ""))),
		ordinary("language-python-developed-in-layers", "PKG-INFO is in a lower layer", on(text("app/src/shop.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: shop\nVersion: 0.0.0\n")), imagetest.Files(text("app/src/shop.egg-info/SOURCES.txt", "setup.py\n"))),
		attack("language-attack-python-metadata-deleted", hidden, Fail, on(wheel...), imagetest.Files(imagetest.Whiteout(dir+"METADATA"))).naming("2.2.3"),
		attack("language-attack-python-record-alone-left", hidden, Fail, on(wheel...), imagetest.Files(imagetest.Whiteout(dir+"METADATA"), imagetest.Whiteout(dir+"RECORD"))).naming("2.2.3"),
		attack("language-attack-python-without-version", "neither a file nor the directory says the version", NoVerdict, on(text(site+"flask.dist-info/RECORD", ""))).naming("flask.dist-info"),
		ordinary("jar-unpacked-boot", "the team's own application is unidentified, packed and unpacked", on(text("app/META-INF/MANIFEST.MF", boot), imagetest.File{Path: "app/BOOT-INF/lib/log4j-core-2.25.4.jar", Body: log4j("2.25.4")})).naming("app/META-INF/MANIFEST.MF"),
		ordinary("jar-unpacked-own", "the team's own application has no advisories", on(text("app/META-INF/MANIFEST.MF", boot), text("app/META-INF/maven/com.acme/shop/pom.properties", "groupId=com.acme\nartifactId=shop\nversion=1.0-SNAPSHOT\n"))),
		ordinary("jar-unpacked-extension", "a signed extension of Firefox has such a file, too", on(text("srv/extension/META-INF/manifest.mf", "Manifest-Version: 1.0\n\nName: a.js\nSHA1-Digest: x\n"))).omitting("unidentified"),
		ordinary("manager-empty-second", "an empty database holds nothing", on(imagetest.Dir("var/lib/pacman/local"), text("var/lib/pacman/local/ALPM_DB_VERSION", "9\n"), text("usr/lib/opkg/status", ""), imagetest.Dir("var/db/pkg"))),
		ordinary("release-full", "the package that names the release is there", rootfs.Debian("13", own...)),
		ordinary("release-chosen-packages", "a version of a package says it", rootfs.Debian("13", append(many("1.2-3"), rootfs.Pkg{Name: "libc6", Version: "2.41-12+deb13u1"})...)),
		attack("release-attack-without-base-files", unconfirmed, NoVerdict, rootfs.Debian("13", many("1.2-3")...)).naming("base-files"),
		attack("release-attack-versions", "most packages are of another release", NoVerdict, rootfs.Debian("13", many("1.2-3+deb12u2")[:5]...)).naming("deb12"),
		attack("release-attack-ubuntu-without-base-files", unconfirmed, NoVerdict, rootfs.Ubuntu("24.04", many("1.2-3")...)).naming("base-files"),
		attack("release-attack-versions-rpm", "most packages are of another release", NoVerdict, rootfs.RPMSystem(rockyOS, "Rocky Enterprise Software Foundation", many("1.2-3.el8")[:5]...)).naming("el8"),
		ordinary("scratch-empty-directories", "a tree was copied, and there is nothing of a package manager in it", imagetest.Files(imagetest.Dir("var"), imagetest.Dir("var/lib"), imagetest.Dir("var/lib/dpkg"), imagetest.Dir("etc/apt"), goProgram("app/run"))),
		attack("scratch-attack-files-of-dpkg", "dpkg was there, and libraries may be", NoVerdict, imagetest.Files(imagetest.Dir("var/lib/dpkg"), text("var/lib/dpkg/lock", ""), goProgram("app/run"))),
	)
}
