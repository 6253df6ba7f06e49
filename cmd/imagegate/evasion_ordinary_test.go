package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// alma is AlmaLinux with the given packages beside its own.
func alma(t *testing.T, rpms ...rootfs.RPM) imagetest.Layer {
	t.Helper()
	l, err := rootfs.Alma("9.6")
	if err != nil {
		t.Fatal(err)
	}
	rpms = append([]rootfs.RPM{{Name: "bash", Version: "5.1.8", Release: "9.el9", Vendor: "AlmaLinux"}}, rpms...)
	db, err := rootfs.RPMDatabase(rpms...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range l.Files {
		if l.Files[i].Path == "var/lib/rpm/rpmdb.sqlite" {
			l.Files[i].Body = db
		}
	}
	return l
}

// maintained is Debian with one package more, which somebody maintains.
func maintained(by string, p rootfs.Pkg, files ...imagetest.File) imagetest.Spec {
	status := strings.ReplaceAll(rootfs.DpkgStatus(p), "Debian Maintainers <maintainers@debian.org>", by)
	own := rootfs.DpkgStatus(rootfs.Pkg{Name: "base-files", Version: "13"})
	return unprivileged(rootfs.Debian("13"), imagetest.Files(append(files, imagetest.Text("var/lib/dpkg/status", own+status))...))
}

// TestOrdinary are shapes of images that people ship, each beside the attack that
// looks most like it.
func TestOrdinary(t *testing.T) {
	const (
		nginx    = "NGINX Packaging <nginx-packaging@f5.com>"
		chrome   = "Chrome Linux Team <chromium-dev@chromium.org>"
		tagged   = "https://dl-cdn.alpinelinux.org/alpine/v3.23/main\n@testing https://dl-cdn.alpinelinux.org/alpine/edge/testing\n"
		mixed    = "https://dl-cdn.alpinelinux.org/alpine/v3.23/main\nhttps://apk.example.org/acme/v1/x86_64\n"
		record   = `{"name":"openssl","version":"1.1.1k","license":"OpenSSL"}`
		atModule = "app/node_modules/"
	)
	pkg := func(name, version string) rootfs.Pkg { return rootfs.Pkg{Name: name, Version: version} }
	repositories := func(text string, packages ...rootfs.Pkg) imagetest.Spec {
		return unprivileged(rootfs.Alpine("3.23.0", packages...), imagetest.Files(imagetest.Text("etc/apk/repositories", text)))
	}
	key := rootfs.RPM{Name: "gpg-pubkey", Version: "8483c65d", Release: "5ccc5b19", Key: true}
	table := []evasion{
		{"rpm/key", unprivileged(alma(t, key)), exitPass},
		{"rpm/key-of-rpm-6", unprivileged(alma(t, rootfs.RPM{Name: "gpg-pubkey", Version: "bf18ac2876178908d6e71267d36cb86cb86b3716", Release: "5ccc5b19", Key: true})), exitPass},
		{"rpm/package-called-like-a-key", unprivileged(alma(t, rootfs.RPM{Name: "gpg-pubkey", Version: "8483c65d", Release: "5ccc5b19", Vendor: "AlmaLinux"})), exitNoVerdict},
		{"rpm/key-with-files", unprivileged(alma(t, rootfs.RPM{Name: "gpg-pubkey", Version: "8483c65d", Release: "5ccc5b19", Key: true, Files: map[string]string{"usr/bin/x": hashOf("x")}})), exitNoVerdict},

		{"third-party/nginx.org", maintained(nginx, pkg("nginx", "1.29.3-1~trixie")), exitPass},
		{"third-party/chrome", maintained(chrome, pkg("google-chrome-stable", "142.0.7444.59-1")), exitPass},
		{"third-party/own", maintained("ACME <p@acme.example>", pkg("acme-billing", "1.4.2")), exitPass},
		{"third-party/epel", unprivileged(alma(t, rootfs.RPM{Name: "htop", Version: "3.3.0", Release: "1.el9", Vendor: "Fedora Project"})), exitPass},
		{"third-party/vendor-on-vulnerable", maintained("Someone <x@microsoft.com>", badDeb), exitFail},
		{"third-party/vendor-of-a-list-on-vulnerable", maintained(nginx, badDeb), exitFail},

		{"npm/exported-sub-path", onCleanBase(imagetest.Text(atModule+"rxjs/package.json", `{"name":"rxjs","version":"7.8.1"}`),
			imagetest.Text(atModule+"rxjs/ajax/package.json", `{"name":"rxjs/ajax","main":"x.js"}`)), exitPass},
		{"npm/broken-fixture", onCleanBase(imagetest.Text(atModule+"resolve/package.json", `{"name":"resolve","version":"1.22.1"}`),
			imagetest.Text(atModule+"resolve/test/resolver/malformed_package_json/package.json", "{\n")), exitPass},
		{"npm/broken-package-of-a-scope", onCleanBase(imagetest.Text(atModule+"@angular/core/package.json", "{\n")), exitNoVerdict},
		{"npm/name-in-capitals-beside", onCleanBase(imagetest.Text(manifestAt, `{"name":"lodash","NAME":"a","version":"4.17.20"}`)), exitFail},
		{"npm/version-twice", onCleanBase(imagetest.Text(manifestAt, `{"name":"lodash","version":"4.18.1","version":"4.17.20"}`)), exitFail},
		{"npm/harmless-beside-byte-order-mark", onCleanBase(imagetest.Text(manifestAt, "\ufeff"+`{"name":"lodash","version":"4.18.1"}`)), exitPass},

		{"apk/tagged-repository", repositories(tagged, pkg("musl", "1.2.5-r10")), exitPass},
		{"apk/repository-of-a-company", repositories(mixed, pkg("musl", "1.2.5-r10")), exitPass},
		{"apk/tagged-repository-on-vulnerable", repositories(tagged, badApk), exitFail},
		{"apk/only-edge-on-vulnerable", repositories("https://dl-cdn.alpinelinux.org/alpine/edge/main\n", badApk), exitFail},

		{"conda/base", onCleanBase(imagetest.Text("opt/conda/conda-meta/openssl-1.1.1k-h7f98852_0.json", record)), exitNoVerdict},
		{"conda/environment", onCleanBase(imagetest.Text("opt/conda/envs/a/conda-meta/openssl-1.1.1k-h7f98852_0.json", record)), exitNoVerdict},
		{"conda/record-with-another-name", onCleanBase(imagetest.Text("opt/conda/envs/a/conda-meta/x.json", record)), exitNoVerdict},
		{"conda/no-record", onCleanBase(imagetest.Text("opt/conda/conda-meta/history", "==> 2026 <==\n")), exitPass},
	}
	o := newOracle(t)
	for i, e := range table {
		t.Run(e.name, func(t *testing.T) {
			image := e.what.(imagetest.Spec).Image()
			ref := o.reg.MustPush(t, image, fmt.Sprintf("ordinary/x%d:1.0.0", i))
			if code, out := o.check(ref.Tagged); code != e.want {
				t.Errorf("ended in %d, not %d:\n%s", code, e.want, out)
			}
		})
	}
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
