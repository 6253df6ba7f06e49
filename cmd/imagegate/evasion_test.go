package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// evasion is one attempt to get a bad image past the gate. want is the exit
// code: what is bad was found (1), or it was said what could not be seen (2).
type evasion struct {
	name string
	what any // imagetest.Spec, *imagetest.Parts or *imagetest.IndexParts
	want int
}

// eitherRefusal means exit code 1 or 2: which of them depends on how Trivy reads a
// contradiction.
const eitherRefusal = -1

// TestEvasions are attempts by hand that the random ones of TestOracle do not
// make: each is one member of a class of attacks on the gate or on Trivy.
func TestEvasions(t *testing.T) {
	o := newOracle(t)
	n := 0
	for _, list := range [][]evasion{identityEvasions(), databaseEvasions(), libraryEvasions(), linkEvasions(), userEvasions(), configEvasions(t), indexEvasions(t), foundEvasions(t)} {
		for _, e := range list {
			t.Run(e.name, func(t *testing.T) {
				what := e.what
				if s, ok := what.(imagetest.Spec); ok {
					what = s.Image()
				}
				n++
				ref := o.reg.MustPush(t, what, fmt.Sprintf("evasion/x%d:1.0.0", n))
				code, out := o.check(ref.Tagged)
				if e.want == eitherRefusal && (code == exitFail || code == exitNoVerdict) {
					return
				}
				if code != e.want {
					t.Errorf("ended in %d, not %d:\n%s", code, e.want, out)
				}
			})
		}
	}
}

// unprivileged is an image that is fine but for what its layers hold.
func unprivileged(layers ...imagetest.Layer) imagetest.Spec {
	return imagetest.Spec{Layers: layers, User: "65532"}
}

var (
	badDeb = rootfs.Pkg{Name: "libssl3t64", Version: "3.5.6-1~deb13u1", Source: "openssl"}
	badApk = rootfs.Pkg{Name: "zlib", Version: "1.3.1-r2"}
)

// renamed is a root file system without the files that name its OS, and with
// others instead: as if it had always been so, in a single layer.
func renamed(l imagetest.Layer, files ...imagetest.File) imagetest.Spec {
	var kept []imagetest.File
	for _, f := range l.Files {
		switch f.Path {
		case "etc/os-release", "etc/debian_version", "etc/alpine-release", "etc/apk/repositories":
		default:
			kept = append(kept, f)
		}
	}
	return unprivileged(imagetest.Layer{Files: append(kept, files...)})
}

func identityEvasions() []evasion {
	deb := rootfs.Debian("13", badDeb)
	named := func(text string) imagetest.File { return imagetest.Text("etc/os-release", text) }
	esm := imagetest.Text("var/lib/ubuntu-advantage/status.json", `{"services":[{"name":"esm-infra","status":"enabled"}]}`)
	return []evasion{
		{"os/dpkg-says-wolfi", renamed(deb, named("ID=wolfi\nVERSION_ID=2023\n")), exitNoVerdict},
		{"os/usr-lib-says-wolfi", renamed(deb, imagetest.Text("usr/lib/os-release", "ID=wolfi\nVERSION_ID=1\n"), imagetest.Symlink("etc/os-release", "../usr/lib/os-release")), exitNoVerdict},
		{"os/unknown-that-is-like-nothing", renamed(deb, named("ID=arch\nVERSION_ID=1\n")), exitNoVerdict},
		{"os/shell-export", renamed(deb, named("export ID=wolfi\nexport VERSION_ID=1\n")), exitNoVerdict},
		{"os/byte-order-mark", renamed(deb, named("\ufeffID=debian\nVERSION_ID=13\n")), exitNoVerdict},
		{"os/line-too-long", renamed(deb, named("X="+strings.Repeat("a", 70_000)+"\nID=debian\nVERSION_ID=13\n")), exitNoVerdict},
		{"os/named-twice", unprivileged(deb, imagetest.Files(named("ID=debian\nVERSION_ID=13\nID=wolfi\nVERSION_ID=1\n"))), exitNoVerdict},
		{"os/debian-with-ubuntu-support", unprivileged(deb, imagetest.Files(esm)), exitNoVerdict},
		{"os/honest-link", renamed(deb, imagetest.Text("usr/lib/os-release", "ID=debian\nVERSION_ID=13\n"), imagetest.Symlink("etc/os-release", "../usr/lib/os-release"), imagetest.Text("etc/debian_version", "13.1\n")), exitFail},
	}
}

// withStatus is Debian with another package database.
func withStatus(status string) imagetest.Spec {
	return unprivileged(rootfs.Debian("13"), imagetest.Files(imagetest.Text("var/lib/dpkg/status", status)))
}

func databaseEvasions() []evasion {
	deb, status := rootfs.Debian("13", badDeb), rootfs.DpkgStatus(badDeb)
	other := rootfs.DpkgStatus(rootfs.Pkg{Name: "aa", Version: "1"})
	return []evasion{
		{"dpkg/carriage-returns", withStatus(strings.ReplaceAll(other+status, "\n", "\r\n")), exitNoVerdict},
		{"dpkg/capital-fields", withStatus(strings.ReplaceAll(strings.ReplaceAll(status, "Package:", "PACKAGE:"), "Version:", "VERSION:")), exitFail},
		{"dpkg/separated-by-tab", withStatus(strings.ReplaceAll(other, "\n\n", "\n\t\n") + status), exitFail},
		{"dpkg/wanted-gone-but-there", withStatus(strings.ReplaceAll(status, "install ok installed", "deinstall ok installed") + other), exitNoVerdict},
		{"dpkg/moved-to-hidden-file", unprivileged(deb, imagetest.Files(imagetest.Whiteout("var/lib/dpkg/status"), imagetest.Text("var/lib/dpkg/status.d/.x", status))), exitFail},
		{"apk/no-origin", unprivileged(rootfs.Alpine("3.23.0"), imagetest.Files(imagetest.Text("lib/apk/db/installed", "P:zlib\nV:1.3.1-r2\n\n"))), exitFail},
		{"apk/second-database-is-clean", unprivileged(rootfs.Alpine("3.23.0", badApk), imagetest.Files(imagetest.Text("usr/lib/apk/db/installed", rootfs.APKInstalled(rootfs.Pkg{Name: "zlib", Version: "1.3.2-r0"})))), exitFail},
	}
}

const (
	badManifest = `{"name":"lodash","version":"4.17.20"}`
	manifestAt  = "app/node_modules/lodash/package.json"
	packagesAt  = "usr/lib/python3/site-packages/"
	specsAt     = "usr/lib/ruby/gems/3.3.0/specifications/"
)

func badProgram() []byte {
	return rootfs.GoBinary("go1.26.8", "example.org/app", rootfs.Module{Path: "golang.org/x/text", Version: "v0.3.5"})
}

func onCleanBase(files ...imagetest.File) imagetest.Spec {
	return unprivileged(rootfs.Base(), imagetest.Files(files...))
}

func libraryEvasions() []evasion {
	program := badProgram()
	return []evasion{
		{"npm/broken", onCleanBase(imagetest.Text(manifestAt, badManifest[:20])), exitNoVerdict},
		{"npm/byte-order-mark", onCleanBase(imagetest.Text(manifestAt, "\ufeff"+badManifest)), exitFail},
		{"npm/version-no-one-can-compare", onCleanBase(imagetest.Text(manifestAt, `{"name":"lodash","version":"x.y"}`)), exitNoVerdict},
		{"npm/no-name", onCleanBase(imagetest.Text(manifestAt, `{"version":"4.17.20"}`)), exitFail},
		{"npm/no-version", onCleanBase(imagetest.Text(manifestAt, `{"name":"lodash","VERSION":"4.17.20"}`)), exitNoVerdict},
		{"npm/version-is-a-number", onCleanBase(imagetest.Text(manifestAt, `{"name":"lodash","version":4.17}`)), exitNoVerdict},
		{"npm/no-version-replaced", onCleanBase(imagetest.Text(manifestAt, `{"name":"lodash"}`), imagetest.Text(manifestAt, `{"name":"lodash","version":"4.17.20"}`)), exitFail},
		{"npm/no-version-of-a-team", onCleanBase(imagetest.Text("app/node_modules/acme-ui/package.json", `{"name":"acme-ui","private":true}`)), exitPass},
		{"npm/name-is-a-list", onCleanBase(imagetest.Text(manifestAt, `{"name":["a"],"version":"4.17.20"}`)), exitFail},
		{"python/info-is-a-file", onCleanBase(imagetest.Text(packagesAt+"Flask-2.2.3.egg-info", "Metadata-Version: 2.1\nName: Flask\nVersion: 2.2.3\n")), exitFail},
		{"python/directory-in-capitals", onCleanBase(imagetest.Text(packagesAt+"Flask-2.2.3.DIST-INFO/METADATA", "Metadata-Version: 2.1\nName: Flask\nVersion: 2.2.3\n")), exitFail},
		{"python/old-name-of-the-file", onCleanBase(imagetest.Text(packagesAt+"Flask-2.2.3.dist-info/PKG-INFO", "Metadata-Version: 2.1\nName: Flask\nVersion: 2.2.3\n")), exitFail},
		{"python/encoded-name", onCleanBase(imagetest.Text(packagesAt+"Flask-2.2.3.dist-info/METADATA", "Metadata-Version: 2.1\nName: =?utf-8?q?Flask?=\nVersion: 2.2.3\n")), exitNoVerdict},
		{"python/egg-is-no-archive", onCleanBase(imagetest.Text(packagesAt+"Flask-2.2.3-py3.egg", "PK\x03\x04junk")), exitNoVerdict},
		{"ruby/line-too-long", onCleanBase(imagetest.Text(specsAt+"rake-12.3.2.gemspec", "# "+strings.Repeat("a", 70_000)+"\n")), exitNoVerdict},
		{"ruby/version-is-an-expression", onCleanBase(imagetest.Text(specsAt+"rake-12.3.2.gemspec", "Gem::Specification.new do |s|\n s.name = \"rake\"\n s.version = RAKE\nend\n")), exitNoVerdict},
		{"dotnet/broken", onCleanBase(imagetest.Text("app/x.deps.json", "{")), exitNoVerdict},
		{"php/broken", onCleanBase(imagetest.Text("app/vendor/composer/installed.json", "{")), exitNoVerdict},
		{"php/composer-1", onCleanBase(imagetest.Text("app/vendor/composer/installed.json", `[{"name":"guzzlehttp/guzzle","version":"6.0.0"}]`)), exitFail},
		{"php/composer-1-fixed", onCleanBase(imagetest.Text("app/vendor/composer/installed.json", `[{"name":"guzzlehttp/guzzle","version":"7.99.0"}]`)), exitPass},
		{"php/composer-1-and-more", onCleanBase(imagetest.Text("app/vendor/composer/installed.json", `[],"packages":[]`)), exitNoVerdict},
		{"go/not-executable", onCleanBase(imagetest.File{Path: "app/run", Body: program}), exitFail},
		{"go/padded", onCleanBase(imagetest.Program("app/run", append(bytes.Clone(program), make([]byte, 1<<20)...))), exitFail},
		{"go/named-as-library", onCleanBase(imagetest.Program("app/librun.so", program)), exitFail},
		{"go/newline-and-command-in-path", onCleanBase(imagetest.Program("app/\x01\n::set-output::/run", program)), exitFail},
	}
}

func linkEvasions() []evasion {
	program := badProgram()
	return []evasion{
		{"link/npm-directory", onCleanBase(imagetest.Text("opt/lodash/package.json", badManifest), imagetest.Symlink("app/node_modules/lodash", "/opt/lodash")), exitFail},
		{"link/npm-file", onCleanBase(imagetest.Text("opt/p.json", badManifest), imagetest.Symlink(manifestAt, "/opt/p.json")), exitNoVerdict},
		{"link/python-directory", onCleanBase(imagetest.Text("opt/flask/METADATA", "Metadata-Version: 2.1\nName: Flask\nVersion: 2.2.3\n"), imagetest.Symlink(packagesAt+"Flask-2.2.3.dist-info", "/opt/flask")), exitNoVerdict},
		{"link/ruby-directory", onCleanBase(imagetest.Text("opt/rake-12.3.2.gemspec", "Gem::Specification.new do |s|\n  s.name = \"rake\"\n  s.version = \"12.3.2\"\nend\n"), imagetest.Symlink("app/specifications", "/opt")), exitNoVerdict},
		{"link/npm-hard", onCleanBase(imagetest.Text("opt/p.json", badManifest), imagetest.Hardlink(manifestAt, "opt/p.json")), exitFail},
		{"link/npm-hard-from-lower-layer", unprivileged(rootfs.Base(), imagetest.Files(imagetest.Text("opt/p.json", badManifest)), imagetest.Files(imagetest.Hardlink(manifestAt, "opt/p.json"))), exitNoVerdict},
		{"link/go-first-name-deleted", unprivileged(rootfs.Base(), imagetest.Files(imagetest.Program("a", program), imagetest.Hardlink("b", "a")), imagetest.Files(imagetest.Whiteout("a"))), exitFail},
		{"link/go-moved-by-upper-layer", unprivileged(rootfs.Base(), imagetest.Files(imagetest.Program("a", program)), imagetest.Files(imagetest.Hardlink("b", "a"), imagetest.Whiteout("a"))), exitNoVerdict},
		{"link/go-deleted-through-link", unprivileged(rootfs.Base(), imagetest.Files(imagetest.Program("d/a", program), imagetest.Symlink("e", "d")), imagetest.Files(imagetest.Whiteout("e/a"))), exitFail},
		{"link/dpkg-directory", unprivileged(rootfs.Debian("13"), imagetest.Files(imagetest.Whiteout("var/lib/dpkg")), imagetest.Files(imagetest.Symlink("var/lib/dpkg", "/opt/dpkg"), imagetest.Text("opt/dpkg/status", rootfs.DpkgStatus(badDeb)))), exitNoVerdict},
	}
}

// userEvasions spell root in other ways, or name a user that no runtime can find.
func userEvasions() []evasion {
	var list []evasion
	for user, want := range map[string]int{
		"": exitFail, "0": exitFail, "00": exitFail, "+0": exitFail, "-0": exitFail, "0:1000": exitFail, "root": exitFail, "root:root": exitFail,
		"0x0": exitNoVerdict, " 0": exitNoVerdict, "0 ": exitNoVerdict, "${U}": exitNoVerdict, "Root": exitNoVerdict, "nobodyy": exitNoVerdict,
		":0": exitFail, "1000:": exitNoVerdict, "1000:0:0": exitNoVerdict, "4294967296": exitNoVerdict, "-1": exitNoVerdict, "1e3": exitNoVerdict,
		"\uff10": exitNoVerdict, "1000\n": exitNoVerdict, "app:nogroup": exitNoVerdict,
	} {
		list = append(list, evasion{fmt.Sprintf("user/%q", user), imagetest.Spec{Layers: []imagetest.Layer{rootfs.Base()}, User: user}, want})
	}
	for passwd, want := range map[string]int{
		"app:x:00:0::/:\n": exitFail, "app:x:+0:0::/:\n": exitFail, "app:x:0:0::/:\r\n": exitFail, "  app:x:0:0::/:": exitFail,
		"app:x:0:0::/:\napp:x:65532:0::/:\n": exitNoVerdict, "app:x:65532:0::/:\napp:x:0:0::/:\n": exitNoVerdict,
		"app:x:65532x:0::/:\n": exitNoVerdict, "app:x::0::/:\n": exitNoVerdict, "app:x\n": exitNoVerdict, "+::::::\n": exitNoVerdict,
		"app\x00:x:65532:0::/:\n": exitNoVerdict, "app:x:4294967296:0::/:\n": exitNoVerdict, "app:x:-1:0::/:\n": exitNoVerdict, "": exitNoVerdict,
	} {
		list = append(list, evasion{fmt.Sprintf("passwd/%q", passwd), appWith(imagetest.Text("etc/passwd", passwd)), want})
	}
	return append(list,
		evasion{"passwd/link", appWith(imagetest.Text("p", "app:x:65532:0::/:\n"), imagetest.Symlink("etc/passwd", "/p")), exitNoVerdict},
		evasion{"passwd/deleted", appWith(imagetest.Whiteout("etc/passwd")), exitNoVerdict},
		evasion{"passwd/device", appWith(imagetest.File{Path: "etc/passwd", Type: '3'}), exitNoVerdict},
		evasion{"passwd/twice", appWith(imagetest.Text("etc/passwd", "app:x:1:1::/:\n"), imagetest.Text("./etc//passwd", "app:x:0:0::/:\n")), exitFail},
	)
}

func appWith(files ...imagetest.File) imagetest.Spec {
	return imagetest.Spec{Layers: []imagetest.Layer{rootfs.Base(), imagetest.Files(files...)}, User: "app"}
}

// configEvasions say who runs the image in a way that not every tool reads.
func configEvasions(t *testing.T) []evasion {
	var list []evasion
	for _, c := range []struct {
		name, old, text string
		want            int
	}{
		{"folded-key", `"User":"65532"`, `"User":"65532","user":"0"`, exitNoVerdict},
		{"folded-by-unicode", `"User":"65532"`, "\"U\u017fer\":\"0\",\"User\":\"65532\"", exitNoVerdict},
		{"key-twice", `"User":"65532"`, `"User":"65532","User":"0"`, exitNoVerdict},
		{"config-twice", `"config":{`, `"Config":{"User":"0"},"config":{`, exitNoVerdict},
		{"user-is-null", `"User":"65532"`, `"User":null`, exitFail},
		{"user-is-a-number", `"User":"65532"`, `"User":65532`, exitNoVerdict},
		{"config-is-null", `"config":{`, `"config":null,"x":{`, exitFail},
	} {
		p := unprivileged(rootfs.Base()).Build()
		changed := bytes.Replace(p.ConfigJSON, []byte(c.old), []byte(c.text), 1)
		if bytes.Equal(changed, p.ConfigJSON) {
			t.Fatalf("%s: the config has no %s", c.name, c.old)
		}
		if p.ConfigJSON = changed; p.SealManifest() != nil {
			t.Fatalf("%s: cannot be sealed", c.name)
		}
		list = append(list, evasion{"config/" + c.name, p, c.want})
	}
	return list
}

// indexEvasions offer a bad image beside a clean one, so that it may be missed.
func indexEvasions(t *testing.T) []evasion {
	built := func(platform v1.Platform, l imagetest.Layer) *imagetest.Parts {
		return imagetest.Spec{Layers: []imagetest.Layer{l}, User: "65532", Platform: platform}.Build()
	}
	amd, arm := v1.Platform{OS: "linux", Architecture: "amd64"}, v1.Platform{OS: "linux", Architecture: "arm64"}
	bad, clean, armClean := built(amd, rootfs.Alpine("3.23.0", badApk)), built(amd, rootfs.Base()), built(arm, rootfs.Base())
	beside := func(p *v1.Platform) *imagetest.IndexParts {
		child := imagetest.Attestation(armClean)
		child.Image, child.Platform = bad, p
		return imagetest.Index(imagetest.For("linux/arm64", armClean), child)
	}
	return []evasion{
		{"index/attestation-with-a-platform", beside(&amd), exitFail},
		{"index/attestation-without-platform", beside(nil), exitFail},
		{"index/platform-is-not-that-of-config", imagetest.Index(imagetest.For("linux/arm64", bad)), exitNoVerdict},
		{"index/same-platform-other-variant", imagetest.Index(imagetest.For("linux/amd64", clean), imagetest.For("linux/amd64/v1", bad)), exitNoVerdict},
		{"index/same-platform-other-case", imagetest.Index(imagetest.For("linux/amd64", clean), imagetest.Child{Image: bad, Platform: &v1.Platform{OS: "Linux", Architecture: "AMD64"}}), exitNoVerdict},
		{"index/feature", imagetest.Index(imagetest.For("linux/amd64", clean), imagetest.Child{Image: bad, Platform: &v1.Platform{OS: "linux", Architecture: "amd64", OSFeatures: []string{"x"}}}), exitFail},
		{"index/nested", imagetest.Index(imagetest.For("linux/arm64", armClean), imagetest.Child{Index: imagetest.Index(imagetest.For("linux/amd64", bad))}), exitFail},
	}
}
