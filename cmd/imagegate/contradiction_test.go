package main

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// contradictions are images that say two things of one matter.
func contradictions() map[string]v1.Image {
	zlib := func(version, source string) string {
		return rootfs.APKInstalled(rootfs.Pkg{Name: "zlib", Version: version, Source: source})
	}
	file, text := imagetest.Files, imagetest.Text
	image := func(more ...imagetest.File) v1.Image { return imagetest.Image(rootfs.Alpine("3.23.0"), file(more...)) }
	sbom := func(version string) string {
		return fmt.Sprintf(`{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{"type":"library","name":"lodash","version":%q,"purl":"pkg:npm/lodash@%[1]s"}]}`, version)
	}
	status := func(source string) string {
		return "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2.13.dfsg-1\nArchitecture: amd64\nMaintainer: a\nSource: " + source + "\n\n"
	}
	archive := rootfs.Jar("a", "b", "1").Files[0].Body
	var failing []imagetest.File
	for i := range 30 {
		failing = append(failing, text(fmt.Sprintf("a/x%d.egg", i), "PK no egg"), text(fmt.Sprintf("b/specifications/x%d.gemspec", i), ""), text(fmt.Sprintf("c/x%d.deps.json", i), "{"))
	}
	return map[string]v1.Image{
		"two databases of one name, the last is bad":   image(text("lib/apk/db/installed", zlib("1.3.2-r0", "zlib")), text("lib/apk/db/installed", zlib("1.3.1-r2", "zlib"))),
		"two databases of one name, the first is bad":  image(text("lib/apk/db/installed", zlib("1.3.1-r2", "zlib")), text("lib/apk/db/installed", zlib("1.3.2-r0", "zlib"))),
		"a database that becomes a link":               image(text("lib/apk/db/installed", zlib("1.3.1-r2", "zlib")), imagetest.Symlink("lib/apk/db/installed", "elsewhere")),
		"two databases of one package, other sources":  image(text("lib/apk/db/installed", zlib("1.3.1-r2", "other")), text("usr/lib/apk/db/installed", zlib("1.3.1-r2", "zlib"))),
		"two databases of one package, other versions": image(text("lib/apk/db/installed", zlib("1.3.2-r0", "zlib")), text("usr/lib/apk/db/installed", zlib("1.3.1-r2", "zlib"))),
		"two databases of dpkg":                        image(text("var/lib/dpkg/status", status("zlib")), text("var/lib/dpkg/status.d/zlib1g", status("other"))),
		"two names of the OS": image(text("etc/os-release", "ID=alpine\nVERSION_ID=3.23.0\n"), text("usr/lib/os-release", "ID=debian\nVERSION_ID=12\n"),
			text("etc/debian_version", "12.1\n"), text("etc/redhat-release", "CentOS Linux release 7.9.2009\n"), text("etc/oracle-release", "Oracle Linux Server release 8.4\n")),
		"one OS twice": image(text("etc/os-release", "ID=alpine\nVERSION_ID=3.23.0\n"), text("etc/os-release", "ID=debian\nVERSION_ID=12\n")),
		"two bills":    image(text("a/bom.cdx.json", sbom("4.17.20")), text("b/bom.cdx.json", sbom("4.17.21")), text("b/bom.cdx.json", sbom("4.17.19"))),
		"one package.json twice": image(text("app/node_modules/lodash/package.json", `{"name":"lodash","version":"4.17.21"}`),
			text("app/node_modules/lodash/package.json", `{"name":"lodash","version":"4.17.20"}`)),
		"many places of one package": image(text("a/node_modules/lodash/package.json", `{"name":"lodash","version":"4.17.20","license":"MIT"}`),
			text("b/node_modules/lodash/package.json", `{"name":"lodash","version":"4.17.20","license":"ISC"}`),
			text("c/lodash-4.17.20.dist-info/METADATA", "Metadata-Version: 2.1\nName: lodash\nVersion: 4.17.20\n"),
			text("d/lodash-4.17.20.dist-info/METADATA", "Metadata-Version: 2.1\nName: lodash\nVersion: 4.17.20\nLicense: MIT\n")),
		"many files for which analyzers fail alike":     image(failing...),
		"a jar whose table points before its beginning": image(imagetest.File{Path: "app/x.jar", Body: archive[40:]}),
		"files that cannot be read": image(text("a/x.jar", "PK no jar"), text("b/y.jar", "PK no jar"), text("var/lib/rpm/rpmdb.sqlite", "none"),
			text("c/x-1.dist-info/METADATA", "\xff"), text("etc/apk/repositories", "ftp://x\n"), text("c/node_modules/z/package.json", "{")),
	}
}

// startedAt is the only thing in which two reports of one run may differ.
var startedAt = regexp.MustCompile(`"startedAt": "[^"]*"`)

// TestContradictionsHaveOneReport judges images that contradict themselves again
// and again, with other numbers of workers, with and without a layer cache: every
// report is the same, byte for byte.
func TestContradictionsHaveOneReport(t *testing.T) {
	runs := envInt(t, "IMAGEGATE_CONTRADICTION_RUNS", 4)
	o := newOracle(t)
	for name, img := range contradictions() {
		t.Run(name, func(t *testing.T) {
			ref := o.reg.MustPush(t, img, "contradiction/image:1.0.0").Tagged
			cache := t.TempDir()
			var first string
			for i := range 2 * runs {
				place := "none"
				if i%2 == 1 {
					place = cache
				}
				code, report := o.check(ref, "-o", "json", "--jobs", strconv.Itoa(i%8+1), "--cache", place)
				if report = startedAt.ReplaceAllString(report, ""); i == 0 {
					first = report
				}
				if report != first {
					t.Fatalf("run %d ended in %d with another report:\n%s\nand the first one was:\n%s", i, code, report, first)
				}
				if code != exitFail && code != exitNoVerdict {
					t.Errorf("it ended in %d", code)
				}
			}
		})
	}
}
