package shapes

import (
	"strings"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// goProgram is a Go program whose dependencies have no advisories.
func goProgram(path string) imagetest.File {
	return imagetest.Program(path, rootfs.GoBinary("go1.26.8", "example.org/app", rootfs.Module{Path: "golang.org/x/text", Version: "v0.39.0"}))
}

// scratch are images without an operating system (row 6): they are judged when
// every program accounts for itself.
func scratch() []Shape {
	app, elf := goProgram("app/run"), rootfs.ELF()
	rust := imagetest.Program("app/tool", rootfs.RustBinary("tool", rootfs.Crate{Name: "regex", Version: "1.12.2"}))
	oldGo := imagetest.Program("app/run", rootfs.GoBinary("go1.26.8", "example.org/app", rootfs.Module{Path: "golang.org/x/text", Version: "v0.3.5"}))
	data := []imagetest.File{
		imagetest.Text("etc/passwd", "app:x:65532:65532::/:/sbin/nologin\n"), imagetest.Text("etc/ssl/certs/ca-certificates.crt", "# certificates\n"),
		imagetest.Text("usr/share/zoneinfo/UTC", "TZif2\x00"), imagetest.Text("app/config.yaml", "a: b\n"),
	}
	const why = "every program says what it was built from, and there is nothing beside"
	files := func(list ...imagetest.File) imagetest.Layer { return imagetest.Files(list...) }
	return []Shape{
		ordinary("scratch-go", why, files(app)),
		ordinary("scratch-go-with-data", why+" but data", files(append(data, app)...)),
		ordinary("scratch-two-programs", why, files(app), files(goProgram("app/migrate"))),
		ordinary("scratch-rust", why, files(rust)),
		refused("scratch-go-vulnerable", "a dependency has advisories", Fail, files(oldGo)),
		refused("scratch-without-programs", "nothing in it says what it is", NoVerdict, files(data...)),
		attack("scratch-attack-program-beside", "one program says nothing", NoVerdict, files(app, imagetest.Program("app/tool", elf))).naming("app/tool"),
		attack("scratch-attack-without-modules", "Bazel and GOPATH leave no list of modules", NoVerdict, files(app, imagetest.Program("app/tool", rootfs.GoBinary("go1.26.8", "")))).naming("app/tool"),
		attack("scratch-attack-script-beside", "a script is a program", NoVerdict, files(app, imagetest.Program("app/start.sh", []byte("#!/app/sh\nexec /app/run\n")))).naming("app/start.sh"),
		attack("scratch-attack-not-executable", "a program that another one starts needs no permission", NoVerdict, files(app, imagetest.File{Path: "app/tool", Body: elf})),
		attack("scratch-attack-library", "a library is a program", NoVerdict, files(app, imagetest.File{Path: "lib/libc.so.6", Body: elf})),
		attack("scratch-attack-deleted-os", "an operating system was there, and its libraries may be", NoVerdict, rootfs.Base(),
			files(imagetest.Whiteout("etc"), imagetest.Whiteout("lib"), app)),
		attack("scratch-attack-database", "a package database without an operating system", NoVerdict,
			files(app, imagetest.Text("var/lib/dpkg/status", rootfs.DpkgStatus(rootfs.Pkg{Name: "openssl", Version: "1.1.1n-0"})))),
		attack("scratch-attack-deleted-database", "a package database was there, and its libraries may be", NoVerdict,
			files(imagetest.Text("lib/apk/db/installed", rootfs.APKInstalled(rootfs.Pkg{Name: "openssl", Version: "1.1.1n-r0"}))), files(imagetest.Whiteout("lib"), app)),
		attack("scratch-attack-bill", "a bill beside an unknown program accounts for nothing", NoVerdict,
			files(imagetest.Program("app/run", elf), imagetest.Text("app/run.spdx.json", spdx("pkg:golang/golang.org/x/text@v0.39.0", rootfs.Pkg{Name: "golang.org/x/text", Version: "v0.39.0"})))),
		attack("scratch-attack-lock-file", "a list beside an unknown program accounts for nothing", NoVerdict,
			files(imagetest.Program("app/run", elf), imagetest.Text("app/package-lock.json", `{"name":"app","lockfileVersion":3,"packages":{}}`))),
	}
}

// conda are environments of conda (row 7): no advisories exist for its
// packages, wherever they are.
func conda() []Shape {
	const text = `{"name":"openssl","version":"1.1.1k","build":"h7f98852_0","license":"OpenSSL","files":[]}`
	const why = "there are no advisories for this type of package"
	in := func(prefix string) imagetest.Layer {
		return with(debian(), imagetest.Text(prefix+"conda-meta/openssl-1.1.1k-h7f98852_0.json", text))
	}
	return []Shape{
		refused("conda-environment", why, NoVerdict, in("opt/conda/envs/app/")),
		refused("conda-miniforge", why, NoVerdict, in("home/app/miniforge3/")),
		attack("conda-attack-base", why+", in the base environment too", NoVerdict, in("opt/conda/")),
		attack("conda-attack-usr", why+", in any prefix", NoVerdict, in("usr/local/")),
		ordinary("conda-without-packages", "an empty environment holds nothing", with(debian(), imagetest.Text("opt/conda/conda-meta/history", "==> 2026-01-01 <==\n"))),
	}
}

// hardLinks are files with two names (row 8): both are the file.
func hardLinks() []Shape {
	const store, app = "home/node/.local/share/pnpm/store/v3/files/ab/cd12", "usr/src/app/node_modules/.pnpm/lodash@4/node_modules/lodash/package.json"
	pnpm := func(version string) imagetest.Layer {
		return with(debian(), imagetest.Text(store, `{"name":"lodash","version":"`+version+`"}`), imagetest.Hardlink(app, store))
	}
	const cache, site = "home/app/.cache/uv/archive-v0/x1/flask.dist-info/METADATA", "usr/src/app/.venv/lib/python3.12/site-packages/flask.dist-info/METADATA"
	uv := func(version string) imagetest.Layer {
		return with(debian(), pythonPackage(cache, "Flask", version), imagetest.Hardlink(site, cache))
	}
	perl := rootfs.Pkg{Name: "perl-base", Version: "5.36.0-7+deb12u3", Source: "perl", Files: []imagetest.File{imagetest.Program("usr/bin/perl", rootfs.ELF())}}
	second := imagetest.Hardlink("usr/bin/perl5.36.0", "usr/bin/perl")
	perlLayer := replaced(with(debian(perl), second), "var/lib/dpkg/info/perl-base.list", "/.\n/usr/bin/perl\n/usr/bin/perl5.36.0\n")
	const why = "the second name is the same file, and what it holds is known"
	return []Shape{
		ordinary("hardlink-pnpm", why, pnpm("4.18.0")),
		ordinary("hardlink-uv", why, uv("3.1.3")),
		ordinary("hardlink-perl", why, perlLayer, imagetest.Files(imagetest.Whiteout("usr/bin/perl"))),
		ordinary("hardlink-store-deleted", why, pnpm("4.18.0"), imagetest.Files(imagetest.Whiteout("home/node/.local"))),
		attack("hardlink-attack-pnpm", "the vulnerable package has a second name", Fail, pnpm("4.17.20")),
		attack("hardlink-attack-uv", "the vulnerable package has a second name", Fail, uv("2.2.3")),
		attack("hardlink-attack-store-deleted", "the second name stays", Fail, pnpm("4.17.20"), imagetest.Files(imagetest.Whiteout("home/node/.local"))),
	}
}

// chainguard are bills of materials with the purls of Wolfi (row 9).
func chainguard() []Shape {
	const apkDatabase, sbom = "usr/lib/apk/db/installed", "var/lib/db/sbom/"
	root := func(release string, packages ...rootfs.Pkg) imagetest.Layer {
		return imagetest.Files(imagetest.Text("etc/os-release", release), imagetest.Text(apkDatabase, rootfs.APKInstalled(packages...)))
	}
	const chain = "ID=chainguard\nNAME=\"Chainguard\"\nPRETTY_NAME=\"Chainguard\"\nVERSION_ID=\"20230214\"\n"
	const wolfi = "ID=wolfi\nNAME=\"Wolfi\"\nPRETTY_NAME=\"Wolfi\"\nVERSION_ID=\"20230201\"\n"
	glibc, openssl := rootfs.Pkg{Name: "glibc", Version: "2.41-r53"}, rootfs.Pkg{Name: "openssl", Version: "3.6.0-r2"}
	bill := func(vendor string, p rootfs.Pkg) imagetest.File {
		return imagetest.Text(sbom+p.Name+"-"+p.Version+".spdx.json", spdx("pkg:apk/"+vendor+"/"+p.Name+"@"+p.Version+"?arch=x86_64", p))
	}
	const why = "the package database lists every package that the bills name"
	return []Shape{
		ordinary("chainguard-wolfi-sbom", why, with(root(chain, glibc), bill("wolfi", glibc))).omitting("bundled-sboms"),
		ordinary("chainguard-two-sboms", why, with(root(chain, glibc, openssl), bill("wolfi", glibc), bill("chainguard", openssl))).omitting("bundled-sboms"),
		ordinary("wolfi-sbom", why, with(root(wolfi, glibc), bill("wolfi", glibc))),
		ordinary("chainguard-without-sbom", "the package database lists every package", root(chain, glibc)),
		ordinary("chainguard-bitnami", "Bitnami's bill has advisories of its own feed", bitnami("17.7.0")).naming("bundled-sboms"),
		attack("chainguard-attack-bitnami", "Bitnami's bill names a version with advisories", Fail, bitnami("16.0.0")),
		attack("chainguard-attack-bitnami-cut", "only the bill says what Bitnami has installed", NoVerdict, replaced(bitnami("16.0.0"), "opt/bitnami/postgresql/.spdx-postgresql.spdx", `{"spdxVersion":"SPDX-2.3",`)),
		attack("chainguard-attack-unknown-package", "the bill names a package that the database lacks", NoVerdict,
			with(root(chain, glibc), bill("wolfi", rootfs.Pkg{Name: "openssl", Version: "3.0.0-r0"}))),
	}
}

// bitnami is Debian with a program of Bitnami and its bill of materials.
func bitnami(version string) imagetest.Layer {
	bill := spdx("pkg:bitnami/postgresql@"+version+"?arch=amd64&distro=debian-12", rootfs.Pkg{Name: "postgresql", Version: version})
	return with(debian(), imagetest.Program("opt/bitnami/postgresql/bin/postgres", rootfs.ELF()), imagetest.Text("opt/bitnami/postgresql/.spdx-postgresql.spdx", bill))
}

// spdx is a bill of materials of one package, as melange writes it.
func spdx(purl string, p rootfs.Pkg) string {
	return strings.NewReplacer("NAME", p.Name, "VERSION", p.Version, "PURL", purl).Replace(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"apk-NAME-VERSION",` +
		`"dataLicense":"CC0-1.0","documentNamespace":"https://spdx.org/x","creationInfo":{"created":"2025-07-02T00:00:00Z","creators":["Tool: melange"]},` +
		`"packages":[{"SPDXID":"SPDXRef-Package-NAME","name":"NAME","versionInfo":"VERSION","downloadLocation":"NOASSERTION","filesAnalyzed":false,` +
		`"externalRefs":[{"referenceCategory":"PACKAGE_MANAGER","referenceType":"purl","referenceLocator":"PURL"}]}],` +
		`"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-Package-NAME"}]}`)
}
