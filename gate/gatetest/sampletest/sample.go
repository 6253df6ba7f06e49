package sampletest

import (
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// Sample is an image with a known answer.
type Sample struct {
	Name  string
	Image *imagetest.Parts
	// Findings are "id package" pairs that every scan must report with the
	// advisories of this package; there may be more. At least one is high or
	// critical and has a fix. None means that the image is clean.
	Findings []string
	// OS is the family, "" for an image that has none by design. Such an image
	// passes only if the policy allows it.
	OS string
	// Package is the path of the file that the findings come from.
	Package string
}

// Clean reports whether a gate must let the image through.
func (s Sample) Clean() bool { return len(s.Findings) == 0 }

// Good and bad Go compilers: the newest fixes of the standard library in the
// advisories are those of 1.26.6.
const (
	fixedGo = "go1.26.8"
	// baseRelease has advisories in the data and is not at its end of life.
	baseRelease = "3.23.0"
)

// sampleSpec is a sample before it is built.
type sampleSpec struct {
	name, os, file string
	layers         []imagetest.Layer
	findings       []string
}

// Samples returns every sample, built anew: bad ones, each with a clean twin
// of the same shape.
func Samples() []Sample {
	var out []Sample
	for _, s := range append(osSamples(), librarySamples()...) {
		img := imagetest.Spec{
			Layers: s.layers, User: "65532:65532", Entrypoint: []string{"/app/run"},
			Labels: map[string]string{"org.opencontainers.image.source": "https://git.example.org/app", "org.opencontainers.image.revision": "4f6c1e2"},
		}.Build()
		out = append(out, Sample{Name: s.name, Image: img, Findings: s.findings, OS: s.os, Package: s.file})
	}
	return out
}

// onBase puts a library on a clean operating system, so that only the library
// can be what a gate finds.
func onBase(l imagetest.Layer) []imagetest.Layer { return []imagetest.Layer{rootfs.Base(), l} }

// onDebian puts a library on a clean Debian.
func onDebian(l imagetest.Layer) []imagetest.Layer {
	return []imagetest.Layer{rootfs.Debian("13", rootfs.Pkg{Name: "libssl3t64", Version: "3.5.7-1~deb13u3", Source: "openssl"}), l}
}

const (
	apkFile  = "lib/apk/db/installed"
	dpkgFile = "var/lib/dpkg/status"
	rpmFile  = "var/lib/rpm/rpmdb.sqlite"
)

func osSamples() []sampleSpec {
	const old, fixed = "3.5.6-1~deb13u1", "3.5.7-1~deb13u3"
	deb := func(version string) []rootfs.Pkg {
		return []rootfs.Pkg{{Name: "libssl3t64", Version: version, Source: "openssl"}}
	}
	openssl := []string{"CVE-2026-34182 libssl3t64", "CVE-2026-45447 libssl3t64", "CVE-2026-9076 libssl3t64"}
	return []sampleSpec{
		{"alpine-bad", "alpine", apkFile, []imagetest.Layer{rootfs.Alpine(baseRelease,
			rootfs.Pkg{Name: "zlib", Version: "1.3.1-r2"}, rootfs.Pkg{Name: "gnutls", Version: "3.8.11-r0"})},
			[]string{"CVE-2026-1584 gnutls", "CVE-2026-22184 zlib", "CVE-2026-27171 zlib"}},
		{"alpine-clean", "alpine", apkFile, []imagetest.Layer{rootfs.Base()}, nil},
		{"debian-bad", "debian", dpkgFile, []imagetest.Layer{rootfs.Debian("13", deb(old)...)}, openssl},
		{"debian-clean", "debian", dpkgFile, []imagetest.Layer{rootfs.Debian("13", deb(fixed)...)}, nil},
		{"distroless-bad", "debian", dpkgFile + ".d/libssl3t64", []imagetest.Layer{rootfs.Distroless("13", deb(old)...)}, openssl},
		{"distroless-clean", "debian", dpkgFile + ".d/libssl3t64", []imagetest.Layer{rootfs.Distroless("13", deb(fixed)...)}, nil},
		{"alma-bad", "alma", rpmFile, []imagetest.Layer{rootfs.Alma("9.6", rootfs.Pkg{Name: "expat", Version: "2.5.0-5.el9"}, rootfs.Pkg{Name: "bash", Version: "5.1.8-5.el9"})},
			[]string{"CVE-2022-3715 bash", "CVE-2025-59375 expat"}},
		{"alma-clean", "alma", rpmFile, []imagetest.Layer{rootfs.Alma("9.6", rootfs.Pkg{Name: "expat", Version: "2.5.0-6.el9_8.1"}, rootfs.Pkg{Name: "bash", Version: "5.1.8-9.el9"})}, nil},
	}
}

func librarySamples() []sampleSpec {
	const log4j, core = "org.apache.logging.log4j", "log4j-core"
	oldModules := []rootfs.Module{{Path: "github.com/jackc/pgx/v5", Version: "v5.5.3"}, {Path: "golang.org/x/text", Version: "v0.3.5"}}
	newModules := []rootfs.Module{{Path: "github.com/jackc/pgx/v5", Version: "v5.9.2"}, {Path: "golang.org/x/text", Version: "v0.39.0"}}
	inOld := []string{"CVE-2024-27304 github.com/jackc/pgx/v5", "CVE-2021-38561 golang.org/x/text"}
	return []sampleSpec{
		{"npm-bad", "alpine", "app/node_modules/lodash/package.json", onBase(rootfs.NPM("lodash", "4.17.20")), []string{
			"CVE-2020-28500 lodash", "CVE-2021-23337 lodash", "CVE-2025-13465 lodash", "CVE-2026-2950 lodash", "CVE-2026-4800 lodash"}},
		{"npm-clean", "alpine", "app/node_modules/lodash/package.json", onBase(rootfs.NPM("lodash", "4.18.0")), nil},
		{"python-bad", "alpine", "usr/lib/python3/site-packages/Flask-2.2.3.dist-info/METADATA", onBase(rootfs.Wheel("Flask", "2.2.3")), []string{
			"CVE-2023-30861 Flask", "CVE-2026-27205 Flask"}},
		{"python-clean", "alpine", "usr/lib/python3/site-packages/Flask-3.1.3.dist-info/METADATA", onBase(rootfs.Wheel("Flask", "3.1.3")), nil},
		{"debian-python-bad", "debian", "usr/lib/python3/site-packages/Flask-2.2.3.dist-info/METADATA", onDebian(rootfs.Wheel("Flask", "2.2.3")), []string{
			"CVE-2023-30861 Flask", "CVE-2026-27205 Flask"}},
		{"debian-python-clean", "debian", "usr/lib/python3/site-packages/Flask-3.1.3.dist-info/METADATA", onDebian(rootfs.Wheel("Flask", "3.1.3")), nil},
		{"ruby-bad", "alpine", "usr/lib/ruby/gems/3.3.0/specifications/rake-12.3.2.gemspec", onBase(rootfs.Gem("rake", "12.3.2")), []string{
			"CVE-2020-8130 rake"}},
		{"ruby-clean", "alpine", "usr/lib/ruby/gems/3.3.0/specifications/rake-13.2.1.gemspec", onBase(rootfs.Gem("rake", "13.2.1")), nil},
		{"jar-bad", "alpine", "app/lib/log4j-core-2.14.1.jar", onBase(rootfs.Jar(log4j, core, "2.14.1")), []string{
			"CVE-2021-44228 org.apache.logging.log4j:log4j-core", "CVE-2021-45046 org.apache.logging.log4j:log4j-core"}},
		{"jar-clean", "alpine", "app/lib/log4j-core-2.25.4.jar", onBase(rootfs.Jar(log4j, core, "2.25.4")), nil},
		{"go-bad", "alpine", "app/run", onBase(rootfs.GoProgram("app/run", fixedGo, oldModules...)), inOld},
		{"go-clean", "alpine", "app/run", onBase(rootfs.GoProgram("app/run", fixedGo, newModules...)), nil},
		{"scratch-bad", "", "app/run", []imagetest.Layer{rootfs.GoProgram("app/run", fixedGo, oldModules...)}, inOld},
		{"scratch-clean", "", "app/run", []imagetest.Layer{rootfs.GoProgram("app/run", fixedGo, newModules...)}, nil},
	}
}
