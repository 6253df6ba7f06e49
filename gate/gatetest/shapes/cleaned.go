package shapes

import (
	"bytes"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// deleted are images in which a later step of the build deletes or replaces a file
// that cannot be read.
func deleted() []Shape {
	const why, there = "the file is not in the image any more", "the file is still in the image, or some runtime leaves it there"
	broken := map[string]imagetest.File{
		"jar":      {Path: "app/lib/x.jar", Body: log4j("2.14.1")[:60]},
		"npm":      imagetest.Text("app/lib/node_modules/lodash/package.json", `{"name":"lodash",`),
		"python":   imagetest.Text("app/lib/site-packages/Flask-2.2.3.dist-info/METADATA", "Metadata-Version: 2.1\nName: a\nName: Flask\nVersion: 2.2.3\n"),
		"unnamed":  imagetest.Text("app/lib/site-packages/Flask-2.2.3.dist-info/METADATA", "Metadata-Version: 2.1\n\n"),
		"gem":      imagetest.Text("app/lib/specifications/rake-12.3.2.gemspec", "Gem::Specification.new do |s|\nend\n"),
		"composer": imagetest.Text("app/lib/composer/installed.json", "{"),
		"dotnet":   imagetest.Text("app/lib/x.deps.json", "{"),
		"egg":      imagetest.Text("app/lib/site-packages/Flask-2.2.3-py3.egg", "PK\x03\x04junk"),
		"program":  {Path: "app/lib/app.pyz", Body: append([]byte("#!/usr/bin/python3\n"), log4j("2.14.1")[:60]...)},
		"nested":   {Path: "app/lib/app.war", Body: archiveOf(entry{"WEB-INF/lib/a.jar", bytes.Repeat([]byte("PK"), 40)}, entry{"WEB-INF/lib/b.jar", bytes.Repeat([]byte("PK"), 50)})},
	}
	var shapes []Shape
	for name, f := range sorted(broken) {
		first := imagetest.Files(f)
		shapes = append(shapes,
			ordinary("cleaned-"+name, why, debian(), first, imagetest.Files(imagetest.Whiteout(f.Path))),
			ordinary("cleaned-directory-"+name, why, debian(), first, imagetest.Files(imagetest.Whiteout("app/lib"))),
			attack("cleaned-attack-"+name, there, NoVerdict, debian(), first, imagetest.Files(imagetest.Whiteout(f.Path)), first).naming(f.Path),
		)
	}
	first := imagetest.Files(broken["jar"])
	at := broken["jar"].Path
	layers := func(more ...imagetest.Layer) []imagetest.Layer {
		return append([]imagetest.Layer{debian(), first}, more...)
	}
	lodash := func(version string) imagetest.Layer {
		return imagetest.Files(npmPackage("app/lib/node_modules/lodash", "lodash", version))
	}
	deleted := imagetest.Files(imagetest.Whiteout(at))
	var long = "app/" + string(bytes.Repeat([]byte("a-long-name/"), 180))
	return append(shapes,
		ordinary("cleaned-opaque", why, layers(imagetest.Files(imagetest.Opaque("app/lib"), imagetest.Text("app/lib/y", "1")))...),
		ordinary("cleaned-replaced", "the new file is judged", layers(imagetest.Files(imagetest.File{Path: at, Body: log4j("2.25.4")}))...),
		ordinary("cleaned-replaced-npm", "the new file is judged", debian(), imagetest.Files(broken["npm"]), lodash("4.18.0")),
		ordinary("cleaned-replaced-by-directory", "the new files are judged", layers(imagetest.Files(imagetest.Dir(at), imagetest.File{Path: at + "/y.jar", Body: log4j("2.25.4")}))...),
		ordinary("cleaned-both-names", why, debian(), imagetest.Files(broken["jar"], imagetest.Hardlink("app/lib/y.jar", at)), imagetest.Files(imagetest.Whiteout("app/lib"))),
		attack("cleaned-attack-replaced", "the new file has advisories", Fail, layers(imagetest.Files(imagetest.File{Path: at, Body: log4j("2.14.1")}))...).naming("log4j-core"),
		attack("cleaned-attack-replaced-npm", "the new file has advisories", Fail, debian(), imagetest.Files(broken["npm"]), lodash("4.17.20")),
		attack("cleaned-attack-replaced-by-broken", "the new file cannot be read", NoVerdict, layers(imagetest.Files(imagetest.File{Path: at, Body: log4j("2.14.1")[:70]}))...).naming(at),
		attack("cleaned-attack-copied", there, NoVerdict, layers(imagetest.Files(imagetest.File{Path: "app/y.jar", Body: broken["jar"].Body}), deleted)...).naming("app/y.jar"),
		attack("cleaned-attack-second-name", there, NoVerdict, debian(), imagetest.Files(broken["jar"], imagetest.Hardlink("app/y.jar", at)), deleted).naming("app/y.jar"),
		attack("cleaned-attack-name-in-other-layer", there, NoVerdict, layers(imagetest.Files(imagetest.Hardlink("app/y.jar", at)), deleted)...).naming(at),
		attack("cleaned-attack-other-case", there, NoVerdict, layers(imagetest.Files(imagetest.Whiteout("app/lib/X.jar")))...).naming(at),
		attack("cleaned-attack-directory-and-whiteout", there, NoVerdict, layers(imagetest.Files(imagetest.Whiteout("app/lib"), imagetest.Dir("app/lib")))...).naming(at),
		attack("cleaned-attack-root", there, NoVerdict, layers(with(debian(), imagetest.Opaque(".")))...).naming(at),
		attack("cleaned-attack-device", there, NoVerdict, layers(imagetest.Files(imagetest.File{Path: at, Type: '3'}))...).naming(at),
		attack("cleaned-attack-through-link", there, NoVerdict, with(debian(), imagetest.Dir("opt"), imagetest.Symlink("app/lib", "../opt")), first, imagetest.Files(imagetest.Whiteout("app/lib"))),
		attack("cleaned-attack-below-the-file", there, NoVerdict, layers(imagetest.Files(imagetest.Whiteout(at+"/y")))...).naming(at),
		attack("cleaned-attack-same-layer", there, NoVerdict, debian(), imagetest.Files(broken["jar"], imagetest.Whiteout(at))).naming(at),
		// The error names "app/a: b/specifications/x.gemspec". Of two readings, one is of a
		// file that is deleted.
		attack("cleaned-attack-name-in-the-error", there, NoVerdict, debian(),
			imagetest.Files(imagetest.Text("x/specifications/a.gemspec", "# nothing\n"), imagetest.Text("x/specifications/a.gemspec: b/specifications/x.gemspec", "# nothing\n")),
			imagetest.Files(imagetest.Whiteout("x/specifications/a.gemspec"))).naming("b/specifications/x.gemspec"),
		attack("cleaned-attack-long-name", there, NoVerdict, debian(),
			imagetest.Files(imagetest.Text(long[:2000-8]+".gemspec", "# nothing\n"), imagetest.Text(long+"specifications/x.gemspec", "# nothing\n")),
			imagetest.Files(imagetest.Whiteout(long[:2000-8]+".gemspec"))),
		attack("cleaned-attack-database", "what was installed cannot be known", NoVerdict, debian(), imagetest.Files(imagetest.Text("var/lib/dpkg/status.d/x", "Package: x\nPackage: y\nVersion: 1\nVersion: 2\n")),
			imagetest.Files(imagetest.Text("var/lib/dpkg/status.d/x", "garbage\n"))),
	)
}

// fixtures are files with the name of a package's metadata in the tests of packages.
func fixtures() []Shape {
	const why, real = "the file is part of the tests of a package", "the place is one where packages are loaded from"
	const gems = "usr/local/lib/ruby/gems/3.3.0/"
	empty, doubtful := "# empty\n", "Gem::Specification.new do |s|\n  s.name = \"ra\"+\"ke\"\n  s.version = \"12.3.2\"\nend\n"
	const unnamed = "Metadata-Version: 2.1\n\n"
	on := func(path, text string) imagetest.Layer { return with(debian(), imagetest.Text(path, text)) }
	var shapes []Shape
	for name, f := range sorted(map[string][2]string{
		"gem":                {gems + "gems/bundler-2.6.2/spec/fixtures/specifications/x-1.gemspec", empty},
		"gem-test":           {gems + "gems/rubygems-update-3.6.2/test/rubygems/specifications/bad-1.gemspec", doubtful},
		"gem-features":       {gems + "gems/cucumber-9.2.0/features/home/specifications/x.gemspec", ""},
		"gem-platform":       {"app/vendor/bundle/ruby/3.3.0/gems/nokogiri-1.18.1-x86_64-linux-gnu/test/specifications/x.gemspec", empty},
		"python":             {"usr/lib/python3.12/site-packages/setuptools/tests/indexes/x-1.dist-info/METADATA", unnamed},
		"python-egg":         {"usr/lib/python3/dist-packages/pkg_resources/tests/data/my_test_package-1.0-py3.7.egg/EGG-INFO/PKG-INFO", ""},
		"python-two-names":   {"opt/venv/lib/python3.12/site-packages/pip/tests/x-1.dist-info/METADATA", "Name: a\nName: b\nVersion: 1\n"},
		"composer":           {"app/vendor/composer/composer/tests/Composer/Fixtures/installed.json", "{"},
		"composer-elsewhere": {"app/data/installed.json", `["a","b"]`},
		"jar":                {"usr/lib/python3.12/site-packages/jpype/tests/broken.jar", "no archive\n"},
		"jar-of-maven":       {"app/src/test/resources/empty.jar", ""},
		"npm-scope":          {"app/node_modules/@babel/core/test/fixtures/x/node_modules/y/package.json", "{"},
	}) {
		shapes = append(shapes, ordinary("fixture-"+name, why, on(f[0], f[1])))
	}
	for name, f := range sorted(map[string][2]string{
		"gem-installed":       {gems + "specifications/x-1.gemspec", empty},
		"gem-default":         {gems + "specifications/default/x-1.gemspec", doubtful},
		"gem-tests-above":     {"app/spec/vendor/bundle/ruby/3.3.0/specifications/x-1.gemspec", empty},
		"gem-home-is-test":    {"test/ruby/3.3.0/specifications/x-1.gemspec", empty},
		"gem-no-version":      {gems + "gems/test/specifications/x-1.gemspec", empty},
		"gem-of-a-gem":        {gems + "gems/rake-13.2.1/specifications/x-1.gemspec", empty},
		"gem-called-spec":     {gems + "gems/spec-1.0/specifications/x-1.gemspec", empty},
		"python-called-tests": {"usr/lib/python3.12/site-packages/tests/x-1.dist-info/METADATA", unnamed},
		"python-tests-above":  {"app/tests/lib/python3.12/site-packages/x-1.dist-info/METADATA", unnamed},
		"npm-called-test":     {"app/node_modules/test/node_modules/lodash/package.json", "{"},
		"npm-scope-test":      {"app/node_modules/@x/test/node_modules/lodash/package.json", "{"},
		"npm-in-vendor":       {"app/vendor/node_modules/@x/test/package.json", "{"},
		"composer":            {"app/tests/vendor/composer/installed.json", "{"},
		"jar":                 {"app/test/lib/x.jar", "no archive\n"},
		"jar-that-java-reads": {"app/src/test/resources/x.jar", string(log4j("2.14.1")[40:])},
	}) {
		shapes = append(shapes, attack("fixture-attack-"+name, real, NoVerdict, on(f[0], f[1])).naming(f[0]))
	}
	return append(shapes,
		attack("fixture-attack-gem-that-can-be-read", "what can be read is a package", Fail,
			on(gems+"gems/bundler-2.6.2/spec/fixtures/specifications/rake-12.3.2.gemspec", "Gem::Specification.new do |s|\n  s.name = \"rake\"\n  s.version = \"12.3.2\"\nend\n")).naming("rake"),
		attack("fixture-attack-python-that-can-be-read", "what can be read is a package", Fail,
			on("usr/lib/python3.12/site-packages/setuptools/tests/Flask-2.2.3.dist-info/METADATA", "Metadata-Version: 2.1\nName: Flask\nVersion: 2.2.3\n")).naming("Flask"),
		attack("fixture-attack-jar-that-can-be-read", "what can be read is a package", Fail,
			with(debian(), imagetest.File{Path: "app/src/test/resources/x.jar", Body: log4j("2.14.1")})).naming("log4j-core"),
	)
}
