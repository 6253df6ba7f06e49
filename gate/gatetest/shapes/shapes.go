// Package shapes has images in the shapes that people ship, each with the
// verdict that a competent user agrees with and the reason for it. Users switch
// off a gate that refuses ordinary images, and then it stops no attack either.
// Each shape therefore has an attack beside it that differs as little as
// possible and must not pass.
package shapes

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// Verdict is the word for it in a JSON report.
type Verdict string

// The verdicts.
const (
	Pass      Verdict = "pass"
	Fail      Verdict = "fail"
	NoVerdict Verdict = "no-verdict"
)

// Shape is one image.
type Shape struct {
	Name  string // "hardlink-pnpm"
	Image v1.Image
	// BuiltIn and Team are the right verdicts under the built-in policy and
	// under [TeamPolicy].
	BuiltIn, Team Verdict
	Why           string
	// Attack says that the image differs from an ordinary one in as little as
	// possible, and must not pass.
	Attack bool
	// Names are texts that the report has to contain: the package, the file.
	Names []string
	// Omits are texts that the report must not contain.
	Omits []string
}

// TeamPolicy is what most teams write first.
const TeamPolicy = `version: 1
vulnerabilities:
  max: {critical: 0, high: 0}
  unfixed: warn
coverage:
  end-of-life: warn
`

// All returns every shape.
func All() []Shape {
	var all []Shape
	for _, family := range []func() []Shape{
		controls, distroOwned, keys, packageJSON, thirdParty, alpineRepositories, scratch, conda, hardLinks, chainguard, inputs, secrets, messages, jars, metadata, forms, examples, week, zipped, compilers, releases, managers, days, languages, builders, deleted, fixtures, ship, twists, remains,
	} {
		all = append(all, family()...)
	}
	return all
}

// Advisories adds to the database of the tests what the shapes need: advisories of
// the distributions for the sources of their packages, all fixed in the versions
// of the shapes or before.
func Advisories() []dbtest.Advisory {
	var all []dbtest.Advisory
	for bucket, sources := range map[string][]string{
		"debian 12":                  {"python-urllib3", "node-lodash", "rake", "apache-log4j2", "perl", "base-files", "docker.io", "curl"},
		"debian 13":                  {"python-urllib3"},
		"rocky 9":                    {"python-urllib3", "bash", "nodejs"},
		"alma 9":                     {"python-urllib3"},
		"Oracle Linux 9":             {"bash"},
		"amazon linux 2023":          {"bash"},
		"alpine 3.23":                {"py3-urllib3", "musl", "npm"},
		"chainguard":                 {"glibc", "openssl"},
		"wolfi":                      {"glibc", "openssl"},
		"ubuntu 24.04":               {"bash"},
		"ubuntu 20.04":               {"bash"},
		"ubuntu 20.04-ESM":           {"bash"},
		"Photon OS 5.0":              {"bash"},
		"SUSE Linux Enterprise 15.7": {"bash"},
		"openSUSE Leap 15.6":         {"bash"},
		"openSUSE Tumbleweed":        {"bash"},
		"Azure Linux 3.0":            {"bash"},
		"amazon linux 2":             {"bash"},
		"rocky 8":                    {"bash"},
	} {
		for _, source := range sources {
			all = append(all, dbtest.Advisory{Bucket: bucket, Package: source, ID: "CVE-2020-0001", Entry: map[string]any{"FixedVersion": "0.0.1"}})
		}
	}
	return append(all, dbtest.Advisory{Bucket: "ubuntu 20.04-ESM", Package: "tar", ID: "CVE-2020-0002", Entry: map[string]any{"FixedVersion": "1.30+dfsg-7ubuntu0.20.04.4+esm1"},
		Detail: map[string]any{"Title": "tar", "Severity": "HIGH", "VendorSeverity": map[string]int{"ubuntu": 3, "nvd": 3}}}, dbtest.Advisory{Bucket: "bitnami::Bitnami Vulnerability Database", Package: "postgresql", ID: "CVE-2024-10979",
		Entry:  map[string]any{"VulnerableVersions": []string{">=16.0.0, <16.5.0"}, "PatchedVersions": []string{"16.5.0"}},
		Detail: map[string]any{"Title": "PostgreSQL PL/Perl environment variables", "Severity": "HIGH", "VendorSeverity": map[string]int{"bitnami": 3, "nvd": 3}}})
}

// ordinary is an image that everyone agrees to ship.
func ordinary(name, why string, layers ...imagetest.Layer) Shape {
	return Shape{Name: name, Why: why, Image: built(layers...), BuiltIn: Pass, Team: Pass}
}

// refused is an image that is rightly refused with a verdict.
func refused(name, why string, verdict Verdict, layers ...imagetest.Layer) Shape {
	return Shape{Name: name, Why: why, Image: built(layers...), BuiltIn: verdict, Team: verdict}
}

// attack is a refused image that somebody made on purpose.
func attack(name, why string, verdict Verdict, layers ...imagetest.Layer) Shape {
	s := refused(name, why, verdict, layers...)
	s.Attack = true
	return s
}

func (s Shape) omitting(texts ...string) Shape {
	s.Omits = texts
	return s
}

func (s Shape) naming(texts ...string) Shape {
	s.Names = texts
	return s
}

func built(layers ...imagetest.Layer) v1.Image {
	return imagetest.Spec{Layers: layers, User: "65532:65532", Entrypoint: []string{"/app/run"}}.Image()
}

// debian is Debian 12 with packages, its own ones complete.
func debian(packages ...rootfs.Pkg) imagetest.Layer {
	return rootfs.Debian("12", append([]rootfs.Pkg{{Name: "base-files", Version: "12.4+deb12u12"}}, packages...)...)
}

// with adds files to a layer.
func with(l imagetest.Layer, files ...imagetest.File) imagetest.Layer {
	l.Files = append(l.Files[:len(l.Files):len(l.Files)], files...)
	return l
}

// without leaves a file out of a layer.
func without(l imagetest.Layer, path string) imagetest.Layer {
	var files []imagetest.File
	for _, f := range l.Files {
		if f.Path != path {
			files = append(files, f)
		}
	}
	l.Files = files
	return l
}

// fileOf returns a file of a layer.
func fileOf(l imagetest.Layer, path string) imagetest.File {
	for _, f := range l.Files {
		if f.Path == path {
			return f
		}
	}
	panic("shapes: the layer has no file " + path)
}

// replaced gives a file of a layer another content.
func replaced(l imagetest.Layer, path, body string) imagetest.Layer {
	return with(without(l, path), imagetest.Text(path, body))
}

// pythonPackage is the description of an installed Python package.
func pythonPackage(path, name, version string) imagetest.File {
	return imagetest.Text(path, fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n\n", name, version))
}

// npmPackage is an installed Node.js package.
func npmPackage(dir, name, version string) imagetest.File {
	return imagetest.Text(dir+"/package.json", fmt.Sprintf("{\"name\":%q,\"version\":%q}\n", name, version))
}
