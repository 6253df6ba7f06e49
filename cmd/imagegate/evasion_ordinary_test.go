package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// alma is AlmaLinux with the given packages beside its own.
func alma(t *testing.T, rpms ...rootfs.RPM) imagetest.Layer {
	t.Helper()
	l := rootfs.Alma("9.6")
	rpms = append([]rootfs.RPM{{Name: "bash", Version: "5.1.8", Release: "9.el9", Vendor: "AlmaLinux"}}, rpms...)
	db := rootfs.RPMDatabase(rpms...)
	for i := range l.Files {
		if l.Files[i].Path == "var/lib/rpm/rpmdb.sqlite" {
			l.Files[i].Body = db
		}
	}
	return l
}

// maintained is Debian with one package more, whose maintainer is by.
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

		{"yarn/archive", onCleanBase(yarnArchive(t, "app/.yarn/cache/lodash-npm-4.17.20-4a6cf9d7f1-8.zip", "lodash", "4.17.20")), exitFail},
		{"yarn/archive-fixed", onCleanBase(yarnArchive(t, "app/.yarn/cache/lodash-npm-4.18.1-4a6cf9d7f1-8.zip", "lodash", "4.18.1")), exitPass},
		{"yarn/archive-called-like-a-fixed-one", onCleanBase(yarnArchive(t, "app/.yarn/cache/lodash-npm-4.18.1-4a6cf9d7f1-8.zip", "lodash", "4.17.20")), exitFail},
		{"yarn/archive-under-another-name", onCleanBase(yarnArchive(t, "app/packages.bin", "lodash", "4.17.20")), exitFail},
		{"yarn/bundled", onCleanBase(yarnArchive(t, "app/.yarn/cache/a-npm-1.0.0-4a6cf9d7f1-8.zip", "a", "1.0.0", "a/node_modules/lodash", "4.17.20")), exitFail},
		{"yarn/cut-off", onCleanBase(cutOff(yarnArchive(t, "app/.yarn/cache/lodash-npm-4.18.1-4a6cf9d7f1-8.zip", "lodash", "4.18.1"))), exitNoVerdict},
		{"yarn/broken-package", onCleanBase(yarnArchive(t, "app/.yarn/cache/lodash-npm-4.18.1-4a6cf9d7f1-8.zip", "lodash", "\"")), exitNoVerdict},

		{"apk/tagged-repository", repositories(tagged, pkg("musl", "1.2.5-r10")), exitPass},
		{"apk/repository-of-a-company", repositories(mixed, pkg("musl", "1.2.5-r10")), exitPass},
		{"apk/tagged-repository-on-vulnerable", repositories(tagged, badApk), exitFail},
		{"apk/only-edge-on-vulnerable", repositories("https://dl-cdn.alpinelinux.org/alpine/edge/main\n", badApk), exitFail},

		{"link/store-before-the-name", onCleanBase(imagetest.Text("a/store/cd12", `{"name":"lodash","version":"4.18.1"}`), imagetest.Hardlink(manifestAt, "a/store/cd12")), exitPass},
		{"link/store-before-two-names", onCleanBase(imagetest.Text("a/store/cd12", badManifest), imagetest.Hardlink(manifestAt, "a/store/cd12"),
			imagetest.Hardlink("app2/node_modules/lodash/package.json", "a/store/cd12")), exitFail},
		{"link/large-file-before-two-names", onCleanBase(imagetest.Text("a/store/cd12", badManifest+strings.Repeat(" ", 65<<20)), imagetest.Hardlink(manifestAt, "a/store/cd12"),
			imagetest.Hardlink("app2/node_modules/lodash/package.json", "a/store/cd12")), exitNoVerdict},
		{"link/link-to-a-link", onCleanBase(imagetest.Text("a/store/cd12", badManifest), imagetest.Hardlink("a/x", "a/store/cd12"), imagetest.Hardlink(manifestAt, "a/x")), exitFail},
		{"link/metadata-of-python", onCleanBase(imagetest.Text("a/store/cd12", "Metadata-Version: 2.1\nName: Flask\nVersion: 2.2.3\n"), imagetest.Hardlink(packagesAt+"Flask-2.2.3.dist-info/METADATA", "a/store/cd12")), exitFail},
		{"link/package-database", unprivileged(imagetest.Files(imagetest.Text("a/status", rootfs.DpkgStatus(badDeb))), hardStatus()), exitNoVerdict},
		{"link/package-database-of-one-layer", hardDebian(badDeb), exitFail},
		{"link/clean-package-database-of-one-layer", hardDebian(pkg("base-files", "13")), exitPass},
		{"link/second-name-after-the-first-was-deleted", unprivileged(rootfs.Base(), imagetest.Files(imagetest.Text("app/node_modules/a/package.json", badManifest), imagetest.Hardlink(manifestAt, "app/node_modules/a/package.json")),
			imagetest.Files(imagetest.Whiteout("app/node_modules/a"))), exitFail},
		{"link/program-whose-first-name-was-deleted", unprivileged(rootfs.Base(), imagetest.Files(imagetest.Program("usr/bin/perl", []byte("\x7fELF perl")), imagetest.Hardlink("usr/bin/perl5", "usr/bin/perl")),
			imagetest.Files(imagetest.Whiteout("usr/bin/perl"))), exitPass},

		{"scratch/program-with-its-second-name", unprivileged(imagetest.Files(imagetest.Program("app/run", goodProgram()), imagetest.Hardlink("app/other", "app/run"))), exitPass},
		{"scratch/script-beside", unprivileged(imagetest.Files(imagetest.Program("app/run", goodProgram()), imagetest.Program("app/x.sh", []byte("#!/app/run\n")))), exitNoVerdict},
		{"scratch/directory-of-a-package-manager", unprivileged(imagetest.Files(imagetest.Program("app/run", goodProgram()), imagetest.Text("var/lib/dpkg/info/x.list", "/x\n")), imagetest.Files(imagetest.Whiteout("var"))), exitNoVerdict},
		{"scratch/os-release-is-a-link", unprivileged(imagetest.Files(imagetest.Program("app/run", goodProgram()), imagetest.Symlink("etc/os-release", "../x"))), exitNoVerdict},
		{"scratch/list-of-materials", unprivileged(imagetest.Files(imagetest.Program("app/run", []byte("\x7fELF none")), imagetest.Text("app/run.spdx.json", "{}"))), exitNoVerdict},

		{"jar/unidentified-warns", onCleanBase(imagetest.File{Path: "app/x.jar", Body: jarOf(t, "a/A.class", "META-INF/MANIFEST.MF")}), exitPass},
		{"jar/manifest-only-warns", onCleanBase(imagetest.File{Path: "app/x.jar", Body: jarOf(t, "META-INF/MANIFEST.MF")}), exitPass},

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
			code, out := o.check(ref.Tagged)
			if code != e.want {
				t.Errorf("ended in %d, not %d:\n%s", code, e.want, out)
			}
			if strings.HasPrefix(e.name, "jar/") && !strings.Contains(out, "app/x.jar") {
				t.Errorf("the jar is not named:\n%s", out)
			}
		})
	}
}

// hardDebian is Debian whose package database is a hard link, as in images that
// are made of an ostree repository.
func hardDebian(packages ...rootfs.Pkg) imagetest.Spec {
	l := rootfs.Debian("13", packages...)
	files := []imagetest.File{imagetest.Text("a/status", rootfs.DpkgStatus(packages...)), imagetest.Hardlink("var/lib/dpkg/status", "a/status")}
	for _, f := range l.Files {
		if f.Path != "var/lib/dpkg/status" {
			files = append(files, f)
		}
	}
	return unprivileged(imagetest.Layer{Files: files})
}

// hardStatus is Debian whose package database is a hard link to a file of a lower
// layer.
func hardStatus() imagetest.Layer {
	l := hardDebian().Layers[0]
	return imagetest.Layer{Files: l.Files[1:]}
}

func goodProgram() []byte { return rootfs.GoBinary("go1.26.8", "example.org/app") }

// jarOf is a jar with the entries, which say nothing of what it is.
func jarOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var files []imagetest.File
	for _, name := range names {
		files = append(files, imagetest.Text(name, "Manifest-Version: 1.0\n"))
	}
	return archiveOf(t, files...)
}

// yarnArchive is a package in the cache of Yarn, with the packages that it bundles:
// pairs of a place below node_modules and a version.
func yarnArchive(t *testing.T, file string, packages ...string) imagetest.File {
	t.Helper()
	files := []imagetest.File{{Path: "node_modules/"}}
	for i := 0; i < len(packages); i += 2 {
		name := path.Base(packages[i])
		files = append(files, imagetest.Text("node_modules/"+packages[i]+"/package.json", fmt.Sprintf(`{"name":"%s","version":"%s"}`, name, packages[i+1])))
	}
	return imagetest.File{Path: file, Body: archiveOf(t, files...)}
}

func cutOff(f imagetest.File) imagetest.File {
	f.Body = f.Body[:len(f.Body)-30]
	return f
}

func archiveOf(t *testing.T, files ...imagetest.File) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, file := range files {
		f, err := w.Create(file.Path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(file.Body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// TestSecretsEverywhere looks for a token in the files that Trivy leaves out, and
// in those that stay out because an application did not make them.
func TestSecretsEverywhere(t *testing.T) {
	const token = "token = ghp_" + "0123456789abcdefghijABCDEFGHIJ012345\n"
	wide := func(order binary.AppendByteOrder, mark ...byte) string {
		b := mark
		for _, u := range utf16.Encode([]rune(token)) {
			b = order.AppendUint16(b, u)
		}
		return string(b)
	}
	o := newOracle(t)
	if err := os.WriteFile(o.policy, []byte("version: 1\nsecrets: {max: 0}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	for path, test := range map[string]struct {
		text string
		want int
	}{
		"app/config.ini":                   {token, exitFail},
		"app/.git/config":                  {token, exitFail},
		"app/README.md":                    {token, exitFail},
		"app/tests/settings.py":            {token, exitFail},
		"app/example/settings.py":          {token, exitFail},
		"app/package-lock.json":            {token, exitFail},
		"app/little.txt":                   {wide(binary.LittleEndian), exitFail},
		"app/big.txt":                      {wide(binary.BigEndian), exitFail},
		"app/marked.reg":                   {wide(binary.LittleEndian, 0xff, 0xfe), exitFail},
		"app/wide.txt":                     {"\xff\xfe\x00\x00" + strings.Join(strings.Split(token, ""), "\x00\x00\x00") + "\x00\x00\x00", exitFail},
		"app/zeros.log":                    {strings.Repeat("\x00", 40) + token, exitFail},
		"app/late.log":                     {strings.Repeat("\x00", 100_000) + token, exitFail},
		"app/mixed.txt":                    {strings.Repeat("a line\n", 100) + wide(binary.LittleEndian), exitFail},
		"app/marked-twice.txt":             {"\xff\xfe\x00\x00" + wide(binary.LittleEndian), exitFail},
		"root/.docker/config.json":         {`{"auths":{"ghcr.io":{"auth":"Ym9iOnNlY3JldA=="}}}`, exitFail},
		"usr/share/nginx/html/config.js":   {token, exitFail},
		"app/locale/en.json":               {token, exitFail},
		"app/clean.txt":                    {"nothing to see here\n", exitPass},
		"app/node_modules/a/test.js":       {token, exitPass}, // told in a note
		"usr/share/doc/examples/a.example": {token, exitPass},
	} {
		t.Run(path, func(t *testing.T) {
			n++
			ref := o.reg.MustPush(t, onCleanBase(imagetest.Text(path, test.text)).Image(), fmt.Sprintf("secret/x%d:1.0.0", n))
			code, out := o.check(ref.Tagged)
			if code != test.want {
				t.Errorf("ended in %d, not %d:\n%s", code, test.want, out)
			}
			left := strings.HasPrefix(path, "usr/share/doc/") || strings.Contains(path, "node_modules")
			if _, report := o.check(ref.Tagged, "-o", "json"); strings.Contains(report, "secrets were not looked for in 1 file") != left {
				t.Errorf("what was left out is told: %v, want %v", !left, left)
			}
		})
	}
}
