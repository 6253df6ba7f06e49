package disguise

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"strings"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// Claims lists the transforms in which the image says something about itself
// that would excuse it if it were true: other vendors, lists of files, bills of
// materials, repository lines. The author of the image wrote them, so they
// never improve a verdict.
func Claims() []Transform {
	return []Transform{
		body("claim-dpkg-maintainer", isDpkg, maintainer),
		body("claim-apk-maintainer", isAPK, replaceIn(`(?m)^m:.*$`, "m:ACME <packages@acme.example>")),
		body("claim-dpkg-origin", isDpkg, replaceIn(`(?m)^(Package: .*)$`, "$1\nOrigin: ACME\nBugs: https://acme.example/bugs")),
		{Name: "claim-apk-owns", apply: apkOwns, once: onceContent},
		{Name: "claim-dpkg-owns", apply: dpkgOwns},
		{Name: "claim-fixed-purl", apply: fixedPURL},
		upper("claim-repositories-stable", imagetest.Text("etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/latest-stable/main\n")),
		upper("claim-repositories-tagged", imagetest.Text("etc/apk/repositories",
			"https://dl-cdn.alpinelinux.org/alpine/v3.23/main\n@testing https://dl-cdn.alpinelinux.org/alpine/edge/testing\n")),
		upper("claim-repositories-own", imagetest.Text("etc/apk/repositories", "https://packages.acme.example/alpine/v3.23\n")),
		upper("claim-sources-list", imagetest.Text("etc/apt/sources.list", "deb https://nginx.org/packages/debian bookworm nginx\n")),
		upper("claim-ubuntu-pro", imagetest.Text("var/lib/ubuntu-advantage/status.json", `{"services":[{"name":"esm-infra","status":"enabled"}]}`)),
		upper("claim-signing-key", imagetest.Text("etc/apk/keys/acme.rsa.pub", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n")),
	}
}

func maintainer(b []byte, dice *rand.Rand) []byte {
	who := pick(dice, "NGINX Packaging <nginx-packaging@f5.com>", "Docker <support@docker.com>", "Chrome Linux Team <chromium-dev@chromium.org>", "ACME <packages@acme.example>")
	return replaceIn(`(?m)^Maintainer: .*$`, "Maintainer: "+who)(b, dice)
}

// isLibrary tells the files that describe a language package.
func isLibrary(name string) bool {
	switch base := path.Base(name); {
	case base == "METADATA", base == "PKG-INFO", base == "package.json" && strings.Contains(name, "node_modules/"):
		return true
	default:
		return strings.HasSuffix(base, ".gemspec") || strings.HasSuffix(base, ".jar")
	}
}

// apkOwns adds the first language package to the files of the first package in
// apk's database, in a layer on top.
func apkOwns(p *imagetest.Parts, _ *rand.Rand) error {
	library, err := p.Find(isLibrary)
	if err != nil {
		return err
	}
	database, err := p.Find(isAPK)
	if err != nil {
		return err
	}
	sum := sha1.Sum(library.Body())
	entry := fmt.Sprintf("F:%s\nR:%s\nZ:Q1%s\n\n", path.Dir(library.Path()), path.Base(library.Path()), base64.StdEncoding.EncodeToString(sum[:]))
	changed := strings.Replace(string(database.Body()), "\n\n", "\n"+entry, 1)
	return p.AddLayer(imagetest.Files(imagetest.Text(database.Path(), changed)))
}

var dpkgName = regexp.MustCompile(`(?m)^Package: (.*)$`)

// dpkgOwns adds lists that say that the first package of dpkg's database
// installed the first language package, in a layer on top.
func dpkgOwns(p *imagetest.Parts, _ *rand.Rand) error {
	library, err := p.Find(isLibrary)
	if err != nil {
		return err
	}
	database, err := p.Find(isDpkg)
	if err != nil {
		return err
	}
	name := dpkgName.FindSubmatch(database.Body())
	if name == nil {
		return imagetest.ErrNoFile
	}
	info := "var/lib/dpkg/info/" + string(name[1])
	return p.AddLayer(imagetest.Files(
		imagetest.Text(info+".list", "/.\n/"+library.Path()+"\n"),
		imagetest.Text(info+".md5sums", fmt.Sprintf("%x  %s\n", md5.Sum(library.Body()), library.Path())),
	))
}

// fixedPURL adds a bill of materials that names newer versions of what the
// samples are made of.
func fixedPURL(p *imagetest.Parts, dice *rand.Rand) error {
	purl := pick(dice, "pkg:apk/alpine/zlib@99-r0", "pkg:deb/debian/libssl3t64@99-1", "pkg:rpm/alma/expat@99-1.el9", "pkg:npm/lodash@99.0.0",
		"pkg:pypi/flask@99.0", "pkg:gem/rake@99.0", "pkg:maven/org.apache.logging.log4j/log4j-core@99.0", "pkg:apk/wolfi/zlib@99-r0")
	version := purl[strings.Index(purl, "@")+1:]
	return p.AddLayer(imagetest.Files(imagetest.Text("var/lib/db/sbom/fixed.spdx.json",
		`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"fixed","dataLicense":"CC0-1.0","documentNamespace":"https://spdx.org/x",`+
			`"creationInfo":{"created":"2026-01-02T00:00:00Z","creators":["Tool: melange"]},"packages":[{"SPDXID":"SPDXRef-Package-x","name":"x","versionInfo":"`+version+`",`+
			`"downloadLocation":"NOASSERTION","filesAnalyzed":false,"externalRefs":[{"referenceCategory":"PACKAGE_MANAGER","referenceType":"purl","referenceLocator":"`+purl+`"}]}],`+
			`"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-Package-x"}]}`)))
}
