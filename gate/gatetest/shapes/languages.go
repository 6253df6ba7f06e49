package shapes

import (
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// languages are layouts of language packages that their tools leave.
func languages() []Shape {
	on := func(files ...imagetest.File) imagetest.Layer { return with(debian(), files...) }
	const modules = "app/node_modules/"
	const dotnet = `{"runtimeTarget":{"name":".NETCoreApp,Version=v9.0/linux-x64"},"targets":{".NETCoreApp,Version=v9.0/linux-x64":{"shop/1.0.0":{"dependencies":{"Newtonsoft.Json":"13.0.3"},"runtime":{"shop.dll":{}}},` +
		`"Newtonsoft.Json/13.0.3":{"runtime":{"lib/net6.0/Newtonsoft.Json.dll":{}}}}},"libraries":{"shop/1.0.0":{"type":"project","serviceable":false,"sha512":""},"Newtonsoft.Json/13.0.3":{"type":"package","serviceable":true,"sha512":"x","path":"newtonsoft.json/13.0.3"}}}`
	const composer = `{"packages":[{"name":"twig/twig","version":"vTWIG","version_normalized":"TWIG.0","type":"library"},{"name":"acme/lib","version":"dev-main","version_normalized":"dev-main","type":"library"}],"dev":false,"dev-package-names":[]}`
	nokogiri := "# -*- encoding: utf-8 -*-\n# stub: nokogiri 1.18.10 x86_64-linux-gnu lib\n\nGem::Specification.new do |s|\n  s.name = \"nokogiri\".freeze\n  s.version = \"1.18.10\".freeze\n" +
		"  s.platform = Gem::Platform.new([\"x86_64\".freeze, \"linux\".freeze, \"gnu\".freeze])\n  s.require_paths = [\"lib\".freeze]\n  s.add_runtime_dependency(%q<racc>.freeze, [\"~> 1.4\".freeze])\nend\n"
	jmod := append([]byte("JM\x01\x00"), archiveOf(entry{"classes/module-info.class", []byte("x")})...)
	data := func(path string) imagetest.File {
		return imagetest.File{Path: path, Body: archiveOf(entry{"a.txt", []byte("x")})}
	}
	torn := archiveOf(entry{"a.txt", []byte("aaa")})
	const tool = "the tool that wrote it leaves it so"
	own := func(text string) imagetest.Layer { return on(imagetest.Text(modules+"@acme/ui/package.json", text)) }
	return []Shape{
		ordinary("language-python-user", tool, on(pythonPackage("home/app/.local/lib/python3.12/site-packages/flask-3.1.3.dist-info/METADATA", "Flask", "3.1.3"))),
		ordinary("language-python-local-version", tool, on(pythonPackage(site+"urllib3-2.7.0+acme.1.dist-info/METADATA", "urllib3", "2.7.0+acme.1"))),
		ordinary("language-python-editable", tool, on(imagetest.Text(site+"__editable__.shop-0.1.pth", "/app/src\n"), pythonPackage(site+"shop-0.1.dev3+g1a2b3c4.d20261120.dist-info/METADATA", "shop", "0.1.dev3+g1a2b3c4.d20261120"),
			imagetest.Text("app/src/shop.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: shop\nVersion: 0.0.0\n"))),
		ordinary("language-python-wheels", "what pip installed from them is what is judged", on(imagetest.File{Path: "wheels/flask-3.1.3-py3-none-any.whl", Body: archiveOf(entry{"flask-3.1.3.dist-info/METADATA", []byte("Metadata-Version: 2.1\nName: Flask\nVersion: 3.1.3\n")})})),
		ordinary("language-npm-workspace", "a team's own package has no version", own(`{"name":"@acme/ui","private":true,"main":"index.js"}`)),
		ordinary("language-npm-no-release", "a team's own package has a version that npm does not compare", own(`{"name":"@acme/ui","version":"0.0.0-development"}`)),
		ordinary("language-npm-compiled", tool, on(npmPackage(modules+"next", "next", "16.0.3"), imagetest.Text(modules+"next/dist/compiled/ws/package.json", `{"name":"ws","main":"index.js","license":"MIT"}`), imagetest.Text("app/.next/package.json", `{"type": "commonjs"}`))),
		ordinary("language-npm-template", "a template is no package", on(npmPackage(modules+"@nestjs/schematics", "@nestjs/schematics", "11.0.9"), imagetest.Text(modules+"@nestjs/schematics/dist/lib/application/files/ts/package.json", `{"name":"<%= name %>","version":"<%= version %>"}`),
			npmPackage(modules+"create-thing", "create-thing", "1.0.0"), imagetest.Text(modules+"create-thing/template/package.json", `{{#if x}}{"name":"{{name}}"}{{/if}}`))),
		ordinary("language-npm-leftovers", tool, on(imagetest.Dir(modules+"lodash"), imagetest.Text(modules+".yarn-integrity", "{}"), imagetest.Text(modules+".modules.yaml", "x: 1\n"), imagetest.Text(modules+".cache/babel/package.json", "{"), npmPackage("home/node/.cache/node/corepack/v1/pnpm/10.20.0", "pnpm", "10.20.0"))),
		ordinary("language-gem-platform", tool, on(imagetest.Text("usr/local/bundle/specifications/nokogiri-1.18.10-x86_64-linux-gnu.gemspec", nokogiri))),
		ordinary("language-gem-git", "it is read where it is installed", on(imagetest.Text("usr/local/bundle/ruby/3.3.0/bundler/gems/shop-0a1b2c3/shop.gemspec", "require_relative 'lib/version'\nGem::Specification.new do |s|\n  s.name='shop'\n  s.version=Shop::VERSION\nend\n"))),
		ordinary("language-java-runtime", "modules and symbols are no jars", on(imagetest.File{Path: "opt/java/jmods/java.base.jmod", Body: jmod}, data("opt/java/lib/ct.sym"), data("opt/java/lib/src.zip"), imagetest.Text("opt/java/lib/modules", "\xca\xfe\xda\xda"))),
		ordinary("language-java-empty-jar", "an empty jar holds nothing", on(imagetest.File{Path: "app/libs/empty.jar", Body: archiveOf()})),
		ordinary("language-archives", "archives of data are no packages, broken ones neither", on(data("app/data.zip"), data("app/report.xlsx"), data("srv/mobile.apk"), imagetest.File{Path: "usr/local/go/src/archive/zip/testdata/readme.notzip", Body: torn[:len(torn)-10]}, imagetest.File{Path: "app/backup.zip", Body: torn[:len(torn)-10]})),
		ordinary("language-dotnet-self-contained", tool, on(imagetest.Text("app/shop.deps.json", dotnet), imagetest.Program("app/shop", rootfs.ELF()))),
		ordinary("language-php", tool, on(imagetest.Text("app/vendor/composer/installed.json", replaceAll(composer, "TWIG", "3.99.0")), imagetest.Program("usr/local/bin/composer", []byte("#!/usr/bin/env php\n<?php\nPhar::mapPhar('composer.phar');\n__HALT_COMPILER(); ?>\r\n\x00\x00")))),
		ordinary("language-others", "no scanner reads R, Perl, Lua and Erlang", on(imagetest.Text("usr/local/lib/R/site-library/jsonlite/DESCRIPTION", "Package: jsonlite\nVersion: 2.0.0\n"), imagetest.Text("usr/local/share/lua/5.1/x.lua", "x=1\n"), imagetest.Text("app/lib/shop-0.1.0/ebin/shop.app", "{application,shop,[]}.\n"))),
		attack("language-attack-python-user", "the package has advisories", Fail, on(pythonPackage("home/app/.local/lib/python3.12/site-packages/flask-2.2.3.dist-info/METADATA", "Flask", "2.2.3"))),
		attack("language-attack-python-local-version", "a local version is the release", Fail, on(pythonPackage(site+"urllib3-1.26.12+acme.1.dist-info/METADATA", "urllib3", "1.26.12+acme.1"))),
		attack("language-attack-npm-workspace", "a version makes it a package with advisories", Fail, on(imagetest.Text(modules+"lodash/package.json", `{"name":"lodash","private":true,"version":"4.17.20"}`))),
		attack("language-attack-npm-compiled", "a package inside the package is a package", Fail, on(npmPackage(modules+"next", "next", "16.0.3"), npmPackage(modules+"next/node_modules/lodash", "lodash", "4.17.20"))),
		attack("language-attack-java-runtime", "a jar beside the runtime is a jar", Fail, on(imagetest.File{Path: "opt/java/lib/ext/x.zip", Body: archiveOf(entry{"META-INF/MANIFEST.MF", []byte("Manifest-Version: 1.0\r\n")}, entry{pomAt, []byte("groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=2.14.1\n")})})),
		attack("language-attack-dotnet", "the package has advisories", Fail, on(imagetest.Text("app/shop.deps.json", replaceAll(dotnet, "13.0.3", "12.0.1")))),
		attack("language-attack-php", "the package has advisories", Fail, on(imagetest.Text("app/vendor/composer/installed.json", replaceAll(composer, "TWIG", "2.4.3")))),
	}
}
