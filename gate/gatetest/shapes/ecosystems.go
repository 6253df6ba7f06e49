package shapes

import (
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

const testKey = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAMIIEowIBAAKCAQEAMIIEowIBAAKCAQEAMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\n"

// forms are metadata files in a form that their owner reads and Trivy does not.
func forms() []Shape {
	const installed, deps = "app/vendor/composer/installed.json", "app/shop.deps.json"
	composer1 := func(version string) imagetest.Layer {
		return with(debian(), imagetest.Text(installed, fmt.Sprintf(`[{"name":"twig/twig","version":"v%s","version_normalized":"%s.0","type":"library"}]`, version, version)))
	}
	const library = `{"runtimeTarget":{"name":".NETCoreApp,Version=v9.0"},"targets":{".NETCoreApp,Version=v9.0":{"Newtonsoft.Json/VERSION":{"runtime":{"lib/net6.0/Newtonsoft.Json.dll":{}}}}},` +
		`"libraries":{"Newtonsoft.Json/VERSION":{"type":"package","serviceable":true,"sha512":"","path":"newtonsoft.json/VERSION"}}}`
	dotnet := func(version string) imagetest.Layer {
		return with(debian(), imagetest.Text(deps, "\ufeff"+strings.ReplaceAll(library, "VERSION", version)))
	}
	return []Shape{
		ordinary("form-composer-1", "version 1 of Composer writes a list", composer1("3.99.0")),
		ordinary("form-composer-1-empty", "nothing is installed", with(debian(), imagetest.Text(installed, "[]\n"))),
		ordinary("form-dotnet-byte-order-mark", ".NET skips the mark", dotnet("13.0.3")),
		attack("form-attack-composer-1", "the list has a package with advisories", Fail, composer1("2.4.3")),
		attack("form-attack-composer-torn", "a list that ends early hides packages", NoVerdict, with(debian(), imagetest.Text(installed, `[{"name":"twig/twig",`))).naming(installed),
		attack("form-attack-dotnet-byte-order-mark", "the package behind the mark has advisories", Fail, dotnet("12.0.1")),
	}
}

// examples are texts that look like secrets and are public.
func examples() []Shape {
	on := func(path, text string) imagetest.Layer { return with(debian(), imagetest.Text(path, text)) }
	settings := func(password string) imagetest.Layer {
		return on("etc/maven/settings.xml", "<settings>\n<!-- <server><password>"+password+"</password></server> -->\n"+
			"<!-- <server><passphrase>optional; leave empty if not used.</passphrase></server> -->\n</settings>\n")
	}
	xs := "export GITHUB_TOKEN=ghp_" + strings.Repeat("x", 36)
	token := "ghp_" + strings.Repeat("aB3", 12)
	pem := func(body string) string { return "-----BEGIN PRIVATE KEY-----" + body + "-----END PRIVATE KEY-----" }
	azurite := "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	azure := func(key string) imagetest.Layer {
		return on("app/appsettings.Development.json", "{\"Storage\":\"AccountName=devstoreaccount1;AccountKey="+key+";\"}\n")
	}
	account := func(key string) imagetest.Layer {
		return on("app/credentials.json", "{\n  \"type\": \"service_account\",\n  \"private_key\": \""+key+"\"\n}\n")
	}
	escaped := strings.ReplaceAll(strings.TrimSpace(testKey), "\n", `\n`)
	const words = "the text between the marks is no key"
	return []Shape{
		ordinary("example-key-of-words", words, on("app/.env.example", `KEY="`+pem(`\nYOURPRIVATEKEYGOESHERE\nREPLACE WITH Your own key\n`)+"\"\n")),
		ordinary("example-key-of-x", words, on("app/README.md", pem("\n"+strings.Repeat(strings.Repeat("x", 64)+"\n", 3))+"\n")),
		ordinary("example-key-begins", words, on("app/README.md", pem("\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n")+"\n")),
		ordinary("example-azure-emulator", "each installation of the emulator has this key", azure(azurite)),
		ordinary("example-service-account", "an account without its key is no secret", account(pem(`\nYOUR_KEY\n`)+`\n`)),
		ordinary("example-sendgrid", "it is a place for a token", on("app/.env.example", "SENDGRID_API_KEY=SG."+strings.Repeat("x", 22)+"."+strings.Repeat("x", 43)+"\n")),
		attack("example-attack-short-key", "it is as short as a key can be", Fail, on("app/key.pem", pem("\nMC4CAQAwBQYDK2VwBCIEIHJ8k2vXbYd1mQ0zN4wLr7sTtUo5aPqGgCfEeHhIiJjK\n"))),
		attack("example-attack-key-after-words", "words before a key make it no example", Fail, on("app/key.pem", strings.Replace(testKey, "\n", "\nyour key here\n", 1))),
		attack("example-attack-azure", "the account has a key of its own", Fail, azure("F"+azurite[1:])),
		attack("example-attack-service-account", "the key is in the file", Fail, account(escaped+`\n`)),
		ordinary("example-token-of-x", "sixteen equal letters are a place for a token", on("app/README.md", xs+"\n")),
		ordinary("example-maven-settings", "Maven comes with these examples", settings("repopwd")),
		ordinary("example-snakeoil", "Debian makes this key for a certificate that no program trusts", on("etc/ssl/private/ssl-cert-snakeoil.key", testKey)),
		ordinary("example-python-tests", "the tests of Python come with keys", on("usr/local/lib/python3.12/test/certdata/keycert.pem", testKey)),
		ordinary("example-python-2-tests", "the tests of Python come with keys", on("root/.pyenv/versions/2.7.18/lib/python2.7/test/keycert.pem", testKey)),
		attack("example-attack-token-beside", "a token stands beside the place for one", Fail, on("app/README.md", xs+" "+token+"\n")),
		attack("example-attack-token-with-x", "a token may hold some equal letters", Fail, on("app/README.md", "export GITHUB_TOKEN=ghp_"+strings.Repeat("x", 12)+strings.Repeat("aB3", 8)+"\n")),
		attack("example-attack-maven-settings", "the password is a team's own", Fail, settings("repopwd2026")),
		attack("example-attack-key-with-x", "a line of one letter makes a key no example", Fail,
			on("app/key.pem", strings.Replace(testKey, "\n", "\n"+strings.Repeat("x", 64)+"\n", 1))),
		attack("example-attack-key-beside-snakeoil", "another key in the same directory", Fail, on("etc/ssl/private/shop.key", testKey)),
		attack("example-attack-key-in-tests", "the tests of an application are its own", Fail, on("app/test/certdata/keycert.pem", testKey)),
	}
}
