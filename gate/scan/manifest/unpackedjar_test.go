package manifest

import "testing"

func TestUnpackedJar(t *testing.T) {
	for file, want := range map[string]string{
		"app/META-INF/MANIFEST.MF":                         "app",
		"META-INF/MANIFEST.MF":                             "",
		"META-INF/maven/g/a/pom.properties":                "",
		"app/lib/x/META-INF/maven/g/a/pom.xml":             "app/lib/x",
		"app/meta-inf/manifest.mf":                         "app",
		"app/META-INF/x/META-INF/maven/g/a/pom.properties": "app/META-INF/x",
		"app/target/maven-archiver/pom.properties":         "none",
		"app/pom.xml":                         "none",
		"app/MANIFEST.MF":                     "none",
		"app/XMETA-INF/maven/g/a/pom.xml":     "none",
		"app/META-INF/versions/9/MANIFEST.MF": "none",
	} {
		root, ok := UnpackedJar(file)
		if !ok {
			root = "none"
		}
		if root != want {
			t.Errorf("%s: %q", file, root)
		}
	}
}
