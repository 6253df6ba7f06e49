package main

import (
	"fmt"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// foundEvasions once passed. Each is a class of its own; see the comment at the
// code that stops it.
func foundEvasions(t *testing.T) []evasion {
	apk := rootfs.Alpine("3.23.0", badApk)
	deb := rootfs.Debian("13", badDeb)
	jar := rootfs.Jar("org.apache.logging.log4j", "log4j-core", "2.14.1")
	jar.Files[0].Body = jar.Files[0].Body[:len(jar.Files[0].Body)-40]
	apkStanzas := func(text string) imagetest.Spec {
		return unprivileged(rewritten(apk, "lib/apk/db/installed", text))
	}
	dpkgStanzas := func(text string) imagetest.Spec {
		return unprivileged(rewritten(deb, "var/lib/dpkg/status", text))
	}
	return []evasion{
		{"found/scanner-key/apk", unprivileged(apk, imagetest.Files(imagetest.Text("lib/apk/db/installed/.wh.type:ospkg", ""))), exitNoVerdict},
		{"found/scanner-key/dpkg", unprivileged(deb, imagetest.Files(imagetest.Text("var/lib/dpkg/status/.wh.type:ospkg", ""))), exitNoVerdict},
		{"found/scanner-key/npm", unprivileged(rootfs.Base(), rootfs.NPM("lodash", "4.17.20"),
			imagetest.Files(imagetest.Text("app/node_modules/lodash/package.json/.wh.type:node-pkg", ""))), exitNoVerdict},
		{"found/jar-cut-off", unprivileged(rootfs.Base(), jar), exitNoVerdict},
		{"found/version-names-the-excuse", unprivileged(rootfs.Base(), rootfs.NPM("lodash", "4.17.20 constraint error")), exitNoVerdict},
		{"found/apk-origin-before-version", apkStanzas("P:aaa\nV:99.0-r0\no:aaa\n\nP:zlib\no:zlib\nV:1.3.1-r2\n\n"), exitNoVerdict},
		{"found/apk-two-versions", apkStanzas("P:zlib\nV:99.0-r0\no:zlib\nV:1.3.1-r2\n\n"), exitNoVerdict},
		{"found/dpkg-two-sources", dpkgStanzas("Package: libssl3t64\nStatus: install ok installed\nSource: harmless\nSource: openssl\nVersion: 3.5.6-1~deb13u1\nArchitecture: amd64\n\n"), exitNoVerdict},
		{"found/dpkg-as-many-but-others", dpkgStanzas("Package: libssl3t64\nStatus: deinstall ok installed\nSource: openssl\nVersion: 3.5.6-1~deb13u1\nArchitecture: amd64\n\n" +
			"Package: foo\nStatus: install ok not-installed\nVersion:\n 1.0-1\nArchitecture: amd64\n\n"), exitNoVerdict},
		{"found/dpkg-second-database", unprivileged(deb, imagetest.Files(imagetest.Text("var/lib/dpkg/status.d/aaa",
			"Package: libssl3t64\nStatus: install ok installed\nSource: harmless\nVersion: 3.5.6-1~deb13u1\nArchitecture: amd64\n"))), eitherRefusal},
		{"found/whiteout-of-other-bytes", unprivileged(rootfs.Base(), imagetest.Files(imagetest.Text("app/\xff/node_modules/lodash/package.json", badManifest)),
			imagetest.Files(imagetest.Whiteout("app/\xfe"))), exitFail},
		{"found/opaque-of-other-bytes", unprivileged(rootfs.Base(), imagetest.Files(imagetest.Text("app/\xff/node_modules/lodash/package.json", badManifest)),
			imagetest.Files(imagetest.Opaque("app/\ufffd"))), exitFail},
		{"found/same-name-but-for-bytes", unprivileged(rootfs.Base(), imagetest.Files(
			imagetest.Text("app/\xff/node_modules/lodash/package.json", badManifest),
			imagetest.Text("app/\xfe/node_modules/lodash/package.json", `{"name":"lodash","version":"4.17.21"}`))), exitFail},
		{"found/attestation-that-can-run", attestationThatCanRun(apk, &v1.Platform{Architecture: "amd64"}), exitNoVerdict},
		{"found/attestation-without-platform", attestationThatCanRun(apk, &v1.Platform{}), exitNoVerdict},
		{"found/attestation-half-unknown", attestationThatCanRun(apk, &v1.Platform{OS: "linux", Architecture: "unknown"}), exitNoVerdict},
	}
}

// rewritten is a layer with another text in one of its files.
func rewritten(l imagetest.Layer, path, text string) imagetest.Layer {
	files := append([]imagetest.File(nil), l.Files...)
	for i := range files {
		if files[i].Path == path {
			files[i].Body = []byte(text)
			return imagetest.Files(files...)
		}
	}
	panic(fmt.Sprintf("the layer has no %s", path))
}

// attestationThatCanRun is an index whose bad image is marked as an attestation
// of the clean one, under a platform that a runtime may complete to its own.
func attestationThatCanRun(bad imagetest.Layer, p *v1.Platform) *imagetest.IndexParts {
	clean := imagetest.For("linux/arm64", imagetest.Spec{Layers: []imagetest.Layer{rootfs.Base()}, User: "65532", Platform: v1.Platform{OS: "linux", Architecture: "arm64"}}.Image())
	marked := imagetest.Attestation(clean.Image)
	marked.Image = unprivileged(bad).Image()
	marked.Platform = p
	return imagetest.Index(clean, marked)
}
