package shapes

import (
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// configured is an image whose config document was edited.
func configured(edit func(*v1.ConfigFile), layers ...imagetest.Layer) v1.Image {
	return imagetest.Spec{Layers: layers, User: "65532:65532", Entrypoint: []string{"/app/run"}, Config: edit}.Image()
}

// inputs are documents and sizes that were seen in the wild (row 10).
func inputs() []Shape {
	longer := ordinary("history-longer", "the history is a comment, the layers are all there", debian())
	longer.Image = configured(func(c *v1.ConfigFile) {
		c.History = append(c.History, v1.History{CreatedBy: "RUN b"}, v1.History{CreatedBy: "RUN c"})
	}, debian())
	shorter := ordinary("history-shorter", "the history is a comment, the layers are all there", debian())
	shorter.Image = configured(func(c *v1.ConfigFile) { c.History = c.History[:1] }, debian(), imagetest.Files(imagetest.Text("app/config", "x")))
	none := ordinary("history-none", "the history is a comment, the layers are all there", debian())
	none.Image = configured(func(c *v1.ConfigFile) { c.History = nil }, debian())
	missing := attack("history-attack-layer-missing", "the config names fewer layers than the manifest", NoVerdict)
	missing.Image = configured(func(c *v1.ConfigFile) { c.RootFS.DiffIDs = slices.Clone(c.RootFS.DiffIDs[:1]) }, debian(), imagetest.Files(npmPackage("app/node_modules/lodash", "lodash", "4.17.20")))
	// useradd with a high number makes a sparse file, which a layer holds as zeros.
	sparse := imagetest.File{Path: "var/log/lastlog", Body: make([]byte, 140<<20), Mode: 0o640}
	docker := ordinary("history-docker-schema-2", "Docker's media types say the same", debian())
	docker.Image = imagetest.Spec{Layers: []imagetest.Layer{debian()}, User: "65532", Docker: true}.Image()
	zstd := debian()
	zstd.MediaType = imagetest.MediaTypeOCIZstd
	same := imagetest.Files(imagetest.Text("app/config", "x"))
	return []Shape{
		docker,
		ordinary("history-zstd", "the compression says nothing about the content", zstd),
		ordinary("history-same-layer-twice", "a layer may be there twice", debian(), same, same, imagetest.Files()),
		longer, shorter, none, missing,
		ordinary("lastlog-high-uid", "a sparse log is zeros and no bomb", debian(), imagetest.Files(sparse)),
	}
}

// secrets are texts that look like secrets (row 11): what may be published
// does not refuse an image.
func secrets() []Shape {
	on := func(path, text string) imagetest.Layer { return with(debian(), imagetest.Text(path, text)) }
	key := attack("secret-attack-token", "everyone who can pull the image has the token", Fail, on("app/env", "GITHUB_TOKEN=ghp_"+strings.Repeat("aB3", 12)+"\n"))
	private := attack("secret-attack-private-key", "everyone who can pull the image has the key", Fail,
		on("app/id_rsa", "-----BEGIN RSA PRIVATE KEY-----\n"+strings.Repeat("MIIEowIBAAKCAQEA", 4)+"\n-----END RSA PRIVATE KEY-----\n"))
	const why = "it is published on purpose, and no severity that counts"
	return []Shape{
		ordinary("secret-stripe-publishable", why, on("srv/app/main.js", `a={stripeKey:"pk_`+`live_51AbCdEfGhIjKlMnOpQrStUvWxYz0123"}`)),
		ordinary("secret-facebook-app", why, on("srv/app/main.js", `facebook_app = "0123456789abcdef0123456789abcdef"`)),
		ordinary("secret-asana-client", why, on("srv/app/main.js", `asana_client = "1234567890123456"`)),
		key, private,
	}
}

// messages are images that are refused or judged for the right reason (row 12).
func messages() []Shape {
	elf := rootfs.ELF()
	twice := func(a, b []byte) imagetest.Layer {
		return with(debian(), imagetest.Program("app/run", a), imagetest.Program("app/run", b))
	}
	jar := bootJar("2.14.1")
	windows := refused("message-windows", "Windows is not supported", NoVerdict)
	windows.Image = imagetest.Spec{Layers: []imagetest.Layer{imagetest.Files(imagetest.Text("Files/x", "1"))}, User: "ContainerUser", Platform: v1.Platform{OS: "windows", Architecture: "amd64"}}.Image()
	return []Shape{
		ordinary("message-same-entry-twice", "both entries are equal, every reader sees the same file", twice(elf, elf)),
		attack("message-attack-different-entries", "two readers may see two files", NoVerdict, twice(elf, append(slices.Clone(elf), 0))).naming("app/run"),
		refused("message-no-debian-version", "which release it is cannot be known", NoVerdict, without(debian(), "etc/debian_version")).naming("debian_version"),
		refused("message-empty-metadata", "a package without a name", NoVerdict, with(debian(), imagetest.Text("usr/lib/python3/site-packages/baz-1.0.dist-info/METADATA", ""))).naming("baz-1.0.dist-info/METADATA"),
		refused("message-jar-no-zip", "a jar that cannot be read hides what is in it", NoVerdict, with(debian(), imagetest.Text("app/x.jar", "version https://git-lfs.github.com/spec/v1\n"))).naming("app/x.jar"),
		attack("message-attack-jar-cut", "what is left of the jar can be run", Fail, with(debian(), imagetest.File{Path: "app/x.jar", Body: jar[:len(jar)-30]})).naming("app/x.jar"),
		refused("message-version", "a version that cannot be compared matches nothing", NoVerdict, with(debian(), npmPackage("app/node_modules/tar", "tar", "v4.4.1"))).naming("tar"),
		windows.naming("indows"),
	}
}
