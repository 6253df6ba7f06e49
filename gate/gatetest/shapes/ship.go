package shapes

import (
	"bytes"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

const (
	leapOS   = "NAME=\"openSUSE Leap\"\nVERSION=\"15.6\"\nID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.6\"\n"
	tumbleOS = "NAME=\"openSUSE Tumbleweed\"\nID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\nVERSION_ID=\"20261120\"\n"
	azureOS  = "NAME=\"Microsoft Azure Linux\"\nVERSION=\"3.0.20261101\"\nID=azurelinux\nVERSION_ID=\"3.0\"\n"
	amazon2  = "NAME=\"Amazon Linux\"\nVERSION=\"2\"\nID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\nVERSION_ID=\"2\"\nPRETTY_NAME=\"Amazon Linux 2\"\n"
	rocky8   = "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"8.10\"\n"
)

// ship are images as teams ship them, on bases and with tools of every kind.
func ship() []Shape {
	elf := rootfs.ELF()
	on := func(files ...imagetest.File) imagetest.Layer { return with(debian(), files...) }
	program := func(path string) imagetest.File { return imagetest.Program(path, elf) }
	const base, tool = "the base is one that has advisories", "the tool that made it leaves it so"
	var shapes []Shape
	for _, d := range []struct {
		name, release, vendor, version string
		ended                          bool // the release has no support any more
		more                           []imagetest.File
	}{
		{"leap", leapOS, "openSUSE", "4.4-150400.27.3.2", true, nil},
		{"tumbleweed", tumbleOS, "openSUSE", "5.3.3-2.1", false, nil},
		{"azure-linux", azureOS, "Microsoft Corporation", "5.2.15-3.azl3", false, nil},
		{"amazon-2", amazon2, "Amazon Linux", "4.2.46-34.amzn2", true, []imagetest.File{imagetest.Text("etc/system-release", "Amazon Linux release 2 (Karoo)\n")}},
		{"rocky-8", rocky8, "Rocky Enterprise Software Foundation", "4.4.20-6.el8_10", false, nil},
	} {
		l := rootfs.RPMSystem(d.release, d.vendor, rootfs.Pkg{Name: "bash", Version: d.version}, key("39db7c82-66c5d91a"))
		s := ordinary("ship-"+d.name, base, with(l, d.more...))
		if d.ended {
			s.BuiltIn = Fail
		}
		shapes = append(shapes, s)
	}
	distroless := func(files ...imagetest.File) imagetest.Layer {
		return with(rootfs.Distroless("12", rootfs.Pkg{Name: "base-files", Version: "12.4+deb12u12"}, rootfs.Pkg{Name: "libssl3", Version: "3.9.0-5", Source: "openssl"}), files...)
	}
	var busybox []imagetest.File
	for _, name := range strings.Fields("sh ls cat cp mv wget vi awk sed grep") {
		busybox = append(busybox, imagetest.Hardlink("busybox/"+name, "busybox/busybox"))
	}
	manifest := "Manifest-Version: 1.0\r\nImplementation-Title: signed\r\n\r\n" + strings.Repeat("Name: a/b/C.class\r\nSHA-256-Digest: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n", 70_000)
	signed := func(version string) []byte {
		return archiveOf(entry{"META-INF/MANIFEST.MF", []byte(manifest)}, entry{pomAt, []byte("groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=" + version + "\n")})
	}
	nix := "nix/store/0c3ax5d7yjd5ya6fgz1hhm2gfmmhbgs2-"
	pipx := "root/.local/share/pipx/venvs/httpie/lib/python3.12/site-packages/"
	many := []imagetest.Layer{debian()}
	for range 40 {
		many = append(many, imagetest.Files())
	}
	deep := debian()
	deep.Files = append(deep.Files, imagetest.Text("app/"+strings.Repeat("d/", 300)+"x", "1"))
	shapes = append(shapes,
		ordinary("ship-distroless-java", base, distroless(program("usr/lib/jvm/temurin21_jre_amd64/bin/java"), imagetest.Text("usr/lib/jvm/temurin21_jre_amd64/release", "JAVA_VERSION=\"21.0.9\"\n"), imagetest.File{Path: "app/app.jar", Body: log4j("2.25.4")})),
		ordinary("ship-distroless-python", base, distroless(program("usr/bin/python3.11"), imagetest.Text("usr/lib/python3.11/os.py", "x"), pythonPackage("app/site-packages/flask-3.1.3.dist-info/METADATA", "Flask", "3.1.3"))),
		ordinary("ship-distroless-node", base, distroless(program("nodejs/bin/node"), imagetest.Text("nodejs/LICENSE", "x"), npmPackage("app/node_modules/lodash", "lodash", "4.18.0"))),
		ordinary("ship-distroless-debug", base, distroless(append([]imagetest.File{program("busybox/busybox")}, busybox...)...)),
		ordinary("ship-bitnami-layout", tool, on(program("opt/bitnami/nginx/sbin/nginx"), imagetest.Text("opt/bitnami/scripts/nginx/entrypoint.sh", "#!/bin/bash\nexec \"$@\"\n"), imagetest.Text("opt/bitnami/.bitnami_components.json", `{"nginx":{"arch":"amd64","version":"1.29.3-0"}}`), imagetest.Symlink("run.sh", "/opt/bitnami/scripts/nginx/run.sh"), imagetest.Dir("bitnami"))),
		ordinary("ship-heroku", tool, ubuntu("24.04", rootfs.Pkg{Name: "bash", Version: "5.2.21-2ubuntu4"}), imagetest.Files(pythonPackage("workspace/.heroku/python/lib/python3.13/site-packages/flask-3.1.3.dist-info/METADATA", "Flask", "3.1.3"), imagetest.Text("layers/config/metadata.toml", "x=1\n"), imagetest.Symlink("cnb/process/web", "/cnb/lifecycle/launcher"), goProgram("cnb/lifecycle/launcher"))),
		ordinary("ship-nix-go", "the program says what it was built from", imagetest.Files(goProgram(nix+"app-1.0/bin/app"), imagetest.Text(nix+"nss-cacert-3.107/etc/ssl/certs/ca-bundle.crt", "x"), imagetest.Dir("bin"), imagetest.Symlink("bin/app", "/"+nix+"app-1.0/bin/app"))),
		refused("ship-nix-bash", "nothing says what the programs are", NoVerdict, imagetest.Files(program(nix+"bash-5.2p37/bin/bash"), imagetest.Symlink("bin/sh", "/"+nix+"bash-5.2p37/bin/bash"))),
		refused("ship-busybox", "nothing says what the program is", NoVerdict, imagetest.Files(append([]imagetest.File{program("busybox/busybox"), imagetest.Text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")}, busybox...)...)),
		refused("ship-packed-go", "nothing says what the packed program is", NoVerdict, imagetest.Files(imagetest.Program("app/run", append(append([]byte(nil), elf...), "UPX!"...)))),
		ordinary("ship-packed-go-on-debian", base, on(imagetest.Program("app/run", append(append([]byte(nil), elf...), "UPX!"...)))),
		refused("ship-debian-sid", "no advisories are for no release", NoVerdict, replaced(replaced(debian(), "etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux forky/sid\"\nNAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=forky\nID=debian\n"), "etc/debian_version", "forky/sid\n")).naming("forky/sid"),
		ordinary("ship-pipx", tool, on(pythonPackage(pipx+"httpie-3.2.4.dist-info/METADATA", "httpie", "3.2.4"), imagetest.Text("root/.local/share/pipx/venvs/httpie/pipx_metadata.json", "{}"), imagetest.Symlink("root/.local/bin/http", "/root/.local/share/pipx/venvs/httpie/bin/http"))),
		ordinary("ship-poetry", tool, on(imagetest.Text("app/poetry.lock", "[[package]]\nname = \"flask\"\nversion = \"2.2.3\"\n"), imagetest.Text("app/pyproject.toml", "[tool.poetry]\nname=\"shop\"\n"), pythonPackage("app/.venv/lib/python3.12/site-packages/flask-3.1.3.dist-info/METADATA", "Flask", "3.1.3"))),
		ordinary("ship-uv-tool", tool, on(imagetest.Text("root/.local/share/uv/tools/ruff/uv-receipt.toml", "x=1\n"), pythonPackage("root/.local/share/uv/tools/ruff/lib/python3.13/site-packages/ruff-0.14.5.dist-info/METADATA", "ruff", "0.14.5"), imagetest.Text("root/.cache/uv/archive-v0/aB/ruff-0.14.5.dist-info/METADATA", "Metadata-Version: 2.4\nName: ruff\nVersion: 0.14.5\n"))),
		refused("ship-pixi", "there are no advisories for this type of package", NoVerdict, on(imagetest.Text("app/.pixi/envs/default/conda-meta/openssl-3.6.0-h26f9b46_0.json", `{"name":"openssl","version":"3.6.0","build":"h26f9b46_0","license":"Apache-2.0"}`))),
		ordinary("ship-pnpm-deploy", tool, on(npmPackage("app/node_modules/.pnpm/lodash@4.18.0/node_modules/lodash", "lodash", "4.18.0"), imagetest.Symlink("app/node_modules/lodash", ".pnpm/lodash@4.18.0/node_modules/lodash"), imagetest.Text("app/node_modules/.pnpm/lock.yaml", "lockfileVersion: '9.0'\n"))),
		ordinary("ship-bun", tool, on(npmPackage("app/node_modules/lodash", "lodash", "4.18.0"), imagetest.Text("app/bun.lock", "{\n  \"lockfileVersion\": 1, // comment\n}\n"), imagetest.Program("usr/local/bin/bun", elf))),
		ordinary("ship-deno", tool, on(npmPackage("deno-dir/npm/registry.npmjs.org/lodash/4.18.0", "lodash", "4.18.0"), imagetest.Text("deno-dir/npm/registry.npmjs.org/lodash/registry.json", "{}"), imagetest.Text("app/deno.json", "{ // comment\n}\n"))),
		ordinary("ship-jib", tool, on(imagetest.Text("app/classes/shop/Main.class", "\xca\xfe\xba\xbe\x00\x00\x00\x41"), imagetest.File{Path: "app/libs/log4j-core-2.25.4.jar", Body: log4j("2.25.4")}, imagetest.Text("app/jib-classpath-file", "/app/classes:/app/libs/log4j-core-2.25.4.jar"))),
		ordinary("ship-signed-jar", "a signed jar has a hash of each class in its manifest", on(imagetest.File{Path: "app/lib/signed.jar", Body: signed("2.25.4")})),
		ordinary("ship-parameter-file", "this ending is one of tables of parameters, too", on(imagetest.Text("opt/heasoft/syspfiles/fdump.par", "infile,s,a,\"\",,,\"Name of FITS file\"\n"), imagetest.Text("opt/gromacs/x.PAR", "BONDS\n"))),
		ordinary("ship-wordpress", tool, on(imagetest.Text("var/www/html/wp-content/plugins/a/vendor/composer/installed.json", `{"packages":[{"name":"twig/twig","version":"v3.99.0","version_normalized":"3.99.0.0","type":"library"}],"dev":false,"dev-package-names":[]}`), imagetest.Text("var/www/html/wp-content/plugins/b/installed.json", `{"plugin":true}`))),
		ordinary("ship-elixir", tool, on(program("app/erts-15.2/bin/beam.smp"), imagetest.Text("app/releases/start_erl.data", "15.2 0.1.0"), imagetest.Program("app/bin/shop", []byte("#!/bin/sh\nset -e\n")), imagetest.Text("app/lib/phoenix-1.8.1/ebin/phoenix.app", "{application,phoenix,[{vsn,\"1.8.1\"}]}.\n"), imagetest.Text("app/lib/phoenix-1.8.1/priv/static/package.json", "{\"name\": \"phoenix\"}"))),
		ordinary("ship-rails", tool, on(imagetest.Text("rails/vendor/bundle/ruby/3.3.0/specifications/rake-13.3.1.gemspec", rootfs.GemSpec("rake", "13.3.1")), imagetest.Text("rails/Gemfile.lock", "GEM\n  specs:\n    rake (12.3.2)\n"), imagetest.Text("rails/public/assets/.sprockets-manifest-x.json", "{}"))),
		ordinary("ship-rust-builder", tool, on(imagetest.Text("usr/local/cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustls-0.23.35/tests/certs/server.key", testKey), imagetest.Text("usr/local/cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustls-0.23.35/Cargo.toml", "[package]\n"))),
		ordinary("ship-golang", tool, on(imagetest.Text("usr/local/go/VERSION", "go1.26.8\n"), goProgram("usr/local/go/bin/go"), imagetest.File{Path: "usr/local/go/src/debug/elf/testdata/compressed-32.obj", Body: elf[:70]}, imagetest.File{Path: "usr/local/go/src/debug/pe/testdata/cut.exe", Body: []byte("MZ\x90\x00cut")}, imagetest.File{Path: "usr/local/go/src/debug/macho/testdata/fat", Body: []byte("\xca\xfe\xba\xbe\x00\x00\x00\x02")}, imagetest.File{Path: "usr/local/go/src/archive/zip/testdata/test-prefix.zip", Body: append([]byte("This is a test of the zip\n"), archiveOf(entry{"a", []byte("b")})...)})),
		ordinary("ship-julia-r-perl", "no scanner reads them", on(imagetest.Text("usr/local/lib/R/site-library/Rcpp/DESCRIPTION", "Package: Rcpp\nVersion: 1.1.0\n"), imagetest.Text("usr/local/share/perl/5.36.0/Mojo.pm", "package Mojo;\n"), imagetest.Text("usr/local/share/perl/5.36.0/auto/share/x/META.json", "{}"), imagetest.Text("root/.julia/packages/JSON/93Ea8/Project.toml", "name=\"JSON\"\n"))),
		ordinary("ship-makeself", "an installer has its archive behind the script", on(imagetest.Program("opt/install.sh", append([]byte("#!/bin/sh\n# This script was generated using Makeself 2.5.0\nexit 0\n"), bytes.Repeat([]byte("\x1f\x8b\x08payload"), 900)...)))),
		ordinary("ship-empty-layers", tool, many...),
		ordinary("ship-deep", tool, deep),
		ordinary("ship-squashed", tool, on(npmPackage("app/node_modules/lodash", "lodash", "4.18.0"), imagetest.Symlink("bin", "usr/bin"), imagetest.Dir("usr/bin"), program("usr/bin/tini"))),
		ordinary("ship-graal", base, on(program("app/shop"), imagetest.File{Path: "app/libawt.so", Body: elf})),
		ordinary("ship-playwright", tool, ubuntu("24.04", rootfs.Pkg{Name: "bash", Version: "5.2.21-2ubuntu4"}), imagetest.Files(program("ms-playwright/chromium-1200/chrome-linux/chrome"), imagetest.Text("ms-playwright/chromium-1200/chrome-linux/resources/a/package.json", "{}"), npmPackage("usr/lib/node_modules/playwright", "playwright", "1.56.1"))),
		ordinary("ship-jupyter", tool, on(imagetest.Text("usr/local/share/jupyter/lab/static/package.json", `{"name":"@jupyterlab/application-top","version":"4.5.0"}`), imagetest.Text("usr/local/share/jupyter/labextensions/@jupyter-widgets/jupyterlab-manager/package.json", `{"name":"@jupyter-widgets/jupyterlab-manager","version":"5.0.15"}`))),
		attack("ship-attack-distroless-java", "the jar has advisories", Fail, distroless(imagetest.File{Path: "app/app.jar", Body: log4j("2.14.1")})),
		attack("ship-attack-pipx", "the package has advisories", Fail, on(pythonPackage(strings.ReplaceAll(pipx, "httpie", "flask")+"flask-2.2.3.dist-info/METADATA", "Flask", "2.2.3"))),
		attack("ship-attack-deno", "the package has advisories", Fail, on(npmPackage("deno-dir/npm/registry.npmjs.org/lodash/4.17.20", "lodash", "4.17.20"))),
		attack("ship-attack-uv-cache", "the package has advisories", Fail, on(pythonPackage("root/.cache/uv/archive-v0/aB/flask-2.2.3.dist-info/METADATA", "Flask", "2.2.3"))),
		attack("ship-attack-signed-jar", "the jar has advisories", Fail, on(imagetest.File{Path: "app/lib/signed.jar", Body: signed("2.14.1")})),
		attack("ship-attack-parameter-file", "it is a jar", Fail, on(imagetest.File{Path: "opt/heasoft/x.par", Body: log4j("2.14.1")})),
		attack("ship-attack-parameter-file-cut", "it may be a jar", NoVerdict, on(imagetest.File{Path: "opt/heasoft/x.par", Body: append(log4j("2.14.1")[90:], "PK\x05\x06"...)})),
		attack("ship-attack-nix", "a program beside says nothing", NoVerdict, imagetest.Files(goProgram(nix+"app-1.0/bin/app"), program(nix+"openssl-1.1.1/lib/libssl.so"))),
		attack("ship-attack-cargo", "the key is of the application", Fail, on(imagetest.Text("app/registry/src/tests/certs/server.key", testKey))),
		attack("ship-attack-cargo-name", "the key is of the application", Fail, on(imagetest.Text("app/registry/src/shop-0.1.0/tests/server.key", testKey))),
		attack("ship-attack-deps", "the list of .NET has advisories", NoVerdict, on(imagetest.Text("app/x.deps.json", `["Newtonsoft.Json/12.0.1"`))),
		attack("ship-attack-sid-with-number", "the release is one, and the package has advisories", Fail, replaced(debian(rootfs.Pkg{Name: "libssl3", Version: "3.0.1-1", Source: "openssl"}), "etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux forky/sid\"\nID=debian\n")),
		attack("ship-attack-wordpress", "the plugin has a library with advisories", Fail, on(imagetest.Text("var/www/html/wp-content/plugins/a/vendor/composer/installed.json", `{"packages":[{"name":"twig/twig","version":"v2.4.3","version_normalized":"2.4.3.0","type":"library"}],"dev":false,"dev-package-names":[]}`))),
		attack("ship-attack-makeself", "the archive behind the script has advisories", Fail, on(imagetest.Program("opt/install.sh", append([]byte("#!/bin/sh\nexit 0\n"), log4j("2.14.1")...)))),
		attack("ship-attack-leap", "the database is of another release", NoVerdict, with(debian(), imagetest.Text("etc/os-release", tumbleOS))),
		attack("ship-attack-deep", "the package has advisories, however deep it is", Fail, with(debian(), npmPackage("app/"+strings.Repeat("d/", 300)+"node_modules/lodash", "lodash", "4.17.20"))),
		attack("ship-attack-empty-layers", "one of the layers is not empty", Fail, append(append([]imagetest.Layer(nil), many...), imagetest.Files(npmPackage("app/node_modules/lodash", "lodash", "4.17.20")))...),
		attack("ship-attack-user", "the name is one of root", Fail, with(debian(), imagetest.Text("etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:0:0::/:/bin/sh\n"))).withUser("app"),
		attack("ship-attack-user-number", "the user is root", Fail, debian()).withUser("+0"),
		attack("ship-attack-onbuild", "the config has a token", Fail, debian()).withConfig(func(c *v1.ConfigFile) {
			c.Config.OnBuild = []string{fmt.Sprintf("ENV GITHUB_TOKEN=ghp_%s", strings.Repeat("aB3", 12))}
		}),
	)
	return shapes
}

func (s Shape) withUser(user string) Shape {
	return s.withConfig(func(c *v1.ConfigFile) { c.Config.User = user })
}

func (s Shape) withConfig(edit func(*v1.ConfigFile)) Shape {
	parts, err := imagetest.TakeApart(s.Image)
	if err != nil {
		panic("shapes: " + err.Error())
	}
	edit(parts.Config)
	if err := parts.Seal(); err != nil {
		panic("shapes: " + err.Error())
	}
	s.Image = parts
	return s
}
