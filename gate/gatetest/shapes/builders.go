package shapes

import (
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

func replaceAll(s, old, other string) string { return strings.ReplaceAll(s, old, other) }

// builders are images in the form that one tool or another gives them.
func builders() []Shape {
	const tool = "the form says nothing about the content"
	formed := func(name string, spec imagetest.Spec) Shape {
		s := ordinary("builder-"+name, tool)
		s.Image = spec.Image()
		return s
	}
	layers := []imagetest.Layer{debian()}
	prefixed := func(prefix string) imagetest.Layer {
		l := debian()
		for i := range l.Files {
			l.Files[i].Path = prefix + l.Files[i].Path
		}
		return l
	}
	lodash := func(dir, version string) imagetest.File {
		return npmPackage(dir+"node_modules/lodash", "lodash", version)
	}
	const bill = `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{"type":"library","name":"spring-core","version":"6.2.12","purl":"pkg:maven/org.springframework/spring-core@6.2.12"},` +
		`{"type":"library","name":"BellSoft Liberica JRE","version":"21.0.9","purl":"pkg:generic/bellsoft-jre@21.0.9?arch=amd64","cpe":"cpe:2.3:a:oracle:jre:21.0.9:*:*:*:*:*:*:*"}]}`
	paketo := func(text string) imagetest.Layer {
		return with(ubuntu("22.04"), imagetest.Text("layers/sbom/launch/paketo-buildpacks_bellsoft-liberica/jre/sbom.cdx.json", text), imagetest.Text("layers/sbom/launch/paketo-buildpacks_bellsoft-liberica/jre/sbom.syft.json", `{"artifacts":[]}`),
			imagetest.Text("layers/config/metadata.toml", "x=1\n"), goProgram("cnb/lifecycle/launcher"), imagetest.Symlink("cnb/process/web", "/cnb/lifecycle/launcher"))
	}
	var accounts []Shape
	for user, verdict := range sorted(map[string]Verdict{"1000": Pass, "1000:1000": Pass, "app": Pass, "app:app": Pass, "1000:0": Pass, "nobody": Pass, "root": Fail, "0": Fail, "0:1000": Fail, "00": Fail}) {
		s := formed("user-"+strings.ReplaceAll(user, ":", "-"), imagetest.Spec{Layers: layers, User: user})
		s.BuiltIn, s.Team, s.Why = verdict, verdict, "both policies ask for any user but root"
		accounts = append(accounts, s)
	}
	capability := map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
	return append(accounts,
		formed("created-1970", imagetest.Spec{Layers: layers, User: "65532", Created: time.Unix(0, 0).UTC()}),
		formed("created-1980", imagetest.Spec{Layers: layers, User: "65532", Created: time.Date(1980, 1, 1, 0, 0, 1, 0, time.UTC)}),
		formed("created-never", imagetest.Spec{Layers: layers, User: "65532", Config: func(c *v1.ConfigFile) { c.Created = v1.Time{} }}),
		formed("arm64", imagetest.Spec{Layers: layers, User: "65532", Platform: v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}}),
		formed("imported", imagetest.Spec{Layers: []imagetest.Layer{with(debian(), imagetest.Text(".dockerenv", ""), imagetest.File{Path: "dev/console", Type: '3'}, imagetest.File{Path: "run/x.fifo", Type: '6'})}, User: "65532",
			Config: func(c *v1.ConfigFile) { c.History = []v1.History{{Comment: "Imported from -"}} }}),
		ordinary("builder-kaniko", tool, prefixed("./")),
		ordinary("builder-slashes", tool, prefixed("/")),
		ordinary("builder-directories-twice", tool, with(debian(), imagetest.Dir("./"), imagetest.Dir("etc"), imagetest.Dir("var"), imagetest.Dir("etc"))),
		ordinary("builder-long-names", tool, with(debian(), imagetest.Text("app/"+strings.Repeat("long-directory-name/", 12)+strings.Repeat("f", 120), "x"), imagetest.File{Path: "app/x", Body: []byte("x"), PAX: capability})),
		ordinary("builder-other-letters", tool, with(debian(), imagetest.Text("app/blåbær – ü.txt", "x"), imagetest.Text("app/bl\xe5b\xe6r.txt", "x"), imagetest.Text("app/with space.txt", "x"))),
		ordinary("builder-ko", tool, with(debian(), imagetest.Symlink("var/run", "/run"), imagetest.Dir("run")), imagetest.Files(imagetest.Dir("var/run/ko"), imagetest.Text("var/run/ko/LICENSE", "x"), goProgram("ko-app/app"))),
		ordinary("builder-paketo", "the bill names a runtime that has no advisories", paketo(bill)),
		ordinary("builder-deletions-alone", tool, debian(), imagetest.Files(imagetest.Whiteout("usr/share/doc"), imagetest.Whiteout("var/cache/apt"))),
		ordinary("builder-deleted-and-again", tool, debian(), imagetest.Files(imagetest.Text("app/a", "1")), imagetest.Files(imagetest.Whiteout("app/a"), imagetest.Dir("app/a"), imagetest.Text("app/a/b", "2"))),
		ordinary("builder-opaque", "the old package is gone", debian(), imagetest.Files(lodash("app/", "4.17.20")), imagetest.Files(imagetest.Opaque("app"), lodash("app/", "4.18.0"))),
		refused("builder-no-layers", "there is nothing in it", NoVerdict),
		attack("builder-attack-kaniko", "the package has advisories, whatever the path begins with", Fail, prefixed("./"), imagetest.Files(lodash("./app/", "4.17.20"))),
		attack("builder-attack-slashes", "the package has advisories, whatever the path begins with", Fail, prefixed("/"), imagetest.Files(lodash("/app/", "4.17.20"))),
		attack("builder-attack-paketo", "the bill names a package with advisories", Fail, paketo(strings.ReplaceAll(bill, "org.springframework/spring-core@6.2.12", "org.apache.logging.log4j/log4j-core@2.14.1"))),
		attack("builder-attack-opaque", "the directory beside is hidden, not this one", Fail, debian(), imagetest.Files(lodash("app/", "4.17.20")), imagetest.Files(imagetest.Opaque("app2"), lodash("app2/", "4.18.0"))),
		attack("builder-attack-long-names", "the package has advisories, however long its path is", Fail, with(debian(), lodash("app/"+strings.Repeat("long-directory-name/", 12), "4.17.20"))),
	)
}
