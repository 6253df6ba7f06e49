package shapes

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// twists are archives, metadata and configs that two readers read differently.
func twists() []Shape {
	const at, store = "app/node_modules/lodash/package.json", "a/store/x"
	const good, bad = `{"name":"lodash","version":"4.18.0"}`, `{"name":"lodash","version":"4.17.20"}`
	text, link := imagetest.Text, imagetest.Hardlink
	on := func(files ...imagetest.File) imagetest.Layer { return with(debian(), files...) }
	const last, linked = "the last entry of a name counts", "a hard link is the file that has the name at that moment"
	const php = "Composer reads its keys as they are written"
	twig := func(version string) string {
		return fmt.Sprintf(`[{"name":"twig/twig","version":"v%s","version_normalized":"%s.0","type":"library"}]`, version, version)
	}
	const installed, deps = "app/vendor/composer/installed.json", "app/shop.deps.json"
	libraries := func(version string) string {
		return strings.ReplaceAll(`{"Newtonsoft.Json/VERSION":{"type":"package","serviceable":true,"sha512":"","path":"x"}}`, "VERSION", version)
	}
	dotnet := func(libraries string) imagetest.Layer {
		return on(text(deps, `{"runtimeTarget":{"name":".NETCoreApp,Version=v9.0"},"targets":{".NETCoreApp,Version=v9.0":{"Newtonsoft.Json/12.0.1":{"runtime":{"lib/net6.0/Newtonsoft.Json.dll":{}}},"Newtonsoft.Json/13.0.3":{"runtime":{"lib/net6.0/Newtonsoft.Json.dll":{}}}}},`+libraries+`}`))
	}
	token := "ghp_" + strings.Repeat("aB3", 12)
	configured := func(name string, edit func(*v1.ConfigFile)) Shape {
		return attack("twist-attack-token-"+name, "everyone who can pull the image has the token", Fail, debian()).withConfig(edit)
	}
	secret := log4j("2.14.1")
	for i := range secret {
		secret[i] ^= 0x5a
	}
	encrypted := archiveOf(entry{"WEB-INF/lib/log4j.jar", secret})
	encrypted[6] |= 1 // of the first file's flags
	return []Shape{
		ordinary("twist-link-before-replacement", linked, on(text(store, good), link(at, store), text(store, bad))),
		ordinary("twist-link-after-replacement", linked, on(text(store, bad), text(store, good), link(at, store))),
		ordinary("twist-composer-capitals", php, on(text(installed, `{"packages":`+twig("3.99.0")+`,"PACKAGES":[]}`))),
		ordinary("twist-jar-twice", "both files of the archive say the same", on(imagetest.File{Path: "app/x.jar", Body: archiveOf(entry{pomAt, []byte("groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=2.25.4\n")}, entry{pomAt, []byte("groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=2.25.4\n")})})),
		attack("twist-attack-entries-in-other-forms", last, Fail, on(text("./"+at, good), text("/"+at, bad))),
		attack("twist-attack-entries-with-dots", last, Fail, on(text(at, good), text("app/./x/../node_modules//lodash/package.json", bad))),
		attack("twist-attack-link-before-replacement", linked, Fail, on(text(store, bad), link(at, store), text(store, good))),
		attack("twist-attack-link-after-replacement", linked, Fail, on(text(store, good), text(store, bad), link(at, store))),
		attack("twist-attack-two-links-after-replacement", linked, Fail, on(text(store, good), text(store, bad), link(at, store), link("app2/node_modules/lodash/package.json", store))),
		attack("twist-attack-link-between-replacements", linked, Fail, on(text(store, good), text(store, bad), link(at, store), text(store, good))),
		attack("twist-attack-link-through-link", "the container resolves the directory of the target", NoVerdict, on(text(store, bad), imagetest.Symlink("l", "a/store"), link(at, "l/x"))).naming(at),
		attack("twist-attack-link-over-layers", "some runtimes make such a link", NoVerdict, on(text(store, bad)), imagetest.Files(link(at, store))).naming(at),
		attack("twist-attack-link-over-layers-deleted", "some runtimes make such a link, and the scanner forgets the file", NoVerdict, on(text("a/package.json", bad)), imagetest.Files(link("b/package.json", "a/package.json")), imagetest.Files(imagetest.Whiteout("a"))).naming("b/package.json"),
		attack("twist-attack-program-over-layers-deleted", "some runtimes make such a link, and the scanner forgets the program", NoVerdict, on(imagetest.Program("a/run", rootfs.GoBinary("go1.26.8", "example.org/app", rootfs.Module{Path: "golang.org/x/text", Version: "v0.3.5"}))), imagetest.Files(link("b/run", "a/run")), imagetest.Files(imagetest.Whiteout("a"))).naming("b/run"),
		attack("twist-attack-composer-capitals", php, Fail, on(text(installed, `{"packages":`+twig("2.4.3")+`,"PACKAGES":[]}`))),
		attack("twist-attack-composer-twice", "which list counts depends on who reads it", NoVerdict, on(text(installed, `{"packages":[],"packages":`+twig("2.4.3")+`}`))),
		attack("twist-attack-dotnet-twice", "the host of .NET takes the first of two", NoVerdict, dotnet(`"libraries":`+libraries("12.0.1")+`,"libraries":null`)).naming(deps),
		attack("twist-attack-dotnet-twice-others", "the host of .NET takes the first of two", NoVerdict, dotnet(`"libraries":`+libraries("12.0.1")+`,"libraries":`+libraries("13.0.3"))).naming(deps),
		attack("twist-attack-dotnet-capitals", "the host of .NET reads keys as they are written", Fail, dotnet(`"libraries":`+libraries("12.0.1")+`,"Libraries":null`)),
		attack("twist-attack-jar-twice", "which of two files counts depends on who reads them", Fail, on(imagetest.File{Path: "app/x.jar", Body: archiveOf(entry{pomAt, []byte("groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=2.14.1\n")}, entry{pomAt, []byte("groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=2.25.4\n")})})),
		attack("twist-attack-jar-encrypted", "what is encrypted cannot be judged", NoVerdict, on(imagetest.File{Path: "app/app.war", Body: encrypted})).naming("app/app.war"),
		attack("twist-attack-egg-twice", "which of two files counts depends on who reads them", Fail, on(imagetest.File{Path: "usr/lib/python3/dist-packages/Flask-2.2.3-py3.egg", Body: archiveOf(entry{"EGG-INFO/PKG-INFO", []byte("Metadata-Version: 2.1\nName: Flask\nVersion: 2.2.3\n")}, entry{"EGG-INFO/PKG-INFO", []byte("Metadata-Version: 2.1\nName: harmless\nVersion: 1\n")})})),
		ordinary("twist-token-of-the-documents", "the vendor publishes these as examples", on(text("app/README.md", "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"))),
		ordinary("twist-key-without-a-body", "the marks alone are no key", on(text("app/pem.py", "if text.startswith('-----BEGIN RSA PRIVATE KEY-----') and text.endswith('-----END RSA PRIVATE KEY-----'):\n    pass\n"))),
		ordinary("twist-npmrc-with-a-variable", "a variable is no token", on(text("app/.npmrc", "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\n"))),
		ordinary("twist-jwt-of-the-documents", "it is the example of jwt.io", on(text("app/README.md", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c\n"))),
		ordinary("twist-webhook-of-the-documents", "it is an example", on(text("app/README.md", "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX\n"))),
		ordinary("twist-pom-placeholder", "an archetype has no version", on(imagetest.File{Path: "app/x.jar", Body: pom("groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=${project.version}\n")})),
		ordinary("twist-empty-jar", "there is nothing in it", on(imagetest.File{Path: "app/lib/x.jar"})),
		ordinary("twist-index-of-foxpro", "this ending is one of indexes and drawings, too", on(text("srv/data/cities.cdx", "\x00\x0c\x00\x00\xff"), text("srv/data/benzene.cdx", "VjCD0100\x04\x03\x02\x01"))),
		ordinary("twist-own-annotations", "labels are for people", debian()).withConfig(func(c *v1.ConfigFile) {
			c.Config.Labels = map[string]string{"a": strings.Repeat("x", 5000), "": "empty"}
		}),
		ordinary("twist-odd-config", "a runtime takes it", debian()).withConfig(func(c *v1.ConfigFile) {
			c.Config.Volumes, c.Config.ExposedPorts, c.Config.StopSignal, c.Config.Shell = map[string]struct{}{"/data": {}}, map[string]struct{}{"8080/tcp": {}, "53/udp": {}}, "SIGRTMIN+3", []string{"/bin/bash", "-c"}
		}),
		ordinary("twist-sbom-3", "a bill of a version that no scanner reads yet adds nothing", on(text("app/bom.spdx.json", `{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[]}`))),
		configured("label", func(c *v1.ConfigFile) { c.Config.Labels = map[string]string{"x": token} }),
		configured("command", func(c *v1.ConfigFile) { c.Config.Cmd = []string{"--token=" + token} }),
		configured("healthcheck", func(c *v1.ConfigFile) {
			c.Config.Healthcheck = &v1.HealthConfig{Test: []string{"CMD", "curl", "-H", "Authorization: " + token}}
		}),
		configured("history-comment", func(c *v1.ConfigFile) { c.History[0].Comment = token }),
		configured("author", func(c *v1.ConfigFile) { c.Author = token }),
	}
}
