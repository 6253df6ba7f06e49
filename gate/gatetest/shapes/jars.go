package shapes

import (
	"archive/zip"
	"bytes"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate/gatetest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// entry is one file of an archive.
type entry struct {
	name string
	body []byte
}

// archiveOf is a zip archive. Files that are archives are stored, as Spring Boot
// does it.
func archiveOf(entries ...entry) []byte { return packed(zip.Store, entries) }

// packed is a zip archive with a method for the archives in it.
func packed(inner uint16, entries []entry) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		method := zip.Deflate
		if bytes.HasPrefix(e.body, []byte("PK\x03\x04")) {
			method = inner
		}
		gatetest.Must(gatetest.Must(w.CreateHeader(&zip.FileHeader{Name: e.name, Method: method})).Write(e.body))
	}
	gatetest.Must(0, w.Close())
	return b.Bytes()
}

// sorted goes through a map in the order of its keys.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

const pomAt = "META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties"

// pom is a jar with a pom.properties.
func pom(text string) []byte { return archiveOf(entry{pomAt, []byte(text)}) }

// log4j is a jar that Maven built.
func log4j(version string) []byte {
	return pom(fmt.Sprintf("groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=%s\n", version))
}

// jars are Java archives whose metadata Trivy reads otherwise than Java, and archives
// that Trivy does not open.
func jars() []Shape {
	on := func(path string, body []byte) imagetest.Layer {
		return with(debian(), imagetest.File{Path: path, Body: body})
	}
	const library = "app/lib/logging.jar"
	var shapes []Shape
	for name, text := range sorted(map[string]string{
		"spaces":        "groupId = org.apache.logging.log4j\nartifactId = log4j-core\nversion = %s\n",
		"colons":        "groupId:org.apache.logging.log4j\nartifactId: log4j-core\nversion :%s\n",
		"white-space":   "groupId org.apache.logging.log4j\nartifactId\tlog4j-core\nversion\f%s\n",
		"escapes":       "group\\u0049d=org.apache.logging.log4j\n\\artifactId=log4j\\u002dcore\nversion=\\\n%s\n",
		"carriage":      "groupId=org.apache.logging.log4j\rartifactId=log4j-core\rversion=%s\r",
		"continued":     "groupId=org.apache.\\\r\n    logging.log4j\r\nartifact\\\r\nId=log4j-core\r\nversion=%s\r\n",
		"twice":         "groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=99\nversion = %s\n",
		"decoy-in-line": "groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=%s\nx=\\\nversion=99\n",
	}) {
		why := "java.util.Properties reads it as what it is"
		shapes = append(shapes,
			ordinary("jar-properties-"+name, why, on(library, pom(fmt.Sprintf(text, "2.25.4")))),
			attack("jar-attack-properties-"+name, why, Fail, on(library, pom(fmt.Sprintf(text, "2.14.1")))).naming("log4j-core"))
	}
	for name, inner := range sorted(map[string]string{
		"capitals": "WEB-INF/lib/log4j.JAR", "par": "lib/log4j.par", "boot": "BOOT-INF/lib/log4j", "other": "lib/log4j.bin", "above": "../lib/log4j.jar", "plugin": "lib/log4j.hpi",
	}) {
		why := "a class loader opens an archive under every name"
		shapes = append(shapes,
			ordinary("jar-inner-"+name, why, on("app/app.war", archiveOf(entry{inner, log4j("2.25.4")}))),
			attack("jar-attack-inner-"+name, why, Fail, on("app/app.war", archiveOf(entry{inner, log4j("2.14.1")}))).naming("log4j-core"))
	}
	deep := log4j("2.14.1")
	for range 4 {
		deep = archiveOf(entry{"lib/inner.jar", deep})
	}
	deeper := log4j("2.25.4")
	for range 120 {
		deeper = archiveOf(entry{"a.jar", deeper})
	}
	wide := log4j("2.25.4")
	for range 6 {
		var entries []entry
		for i := range 10 {
			entries = append(entries, entry{fmt.Sprint(i, ".jar"), wide})
		}
		wide = packed(zip.Deflate, entries)
	}
	harmless := archiveOf(entry{"META-INF/MANIFEST.MF", []byte("Manifest-Version: 1.0\r\n\r\n")}, entry{"docs/a.docx", archiveOf(entry{"[Content_Types].xml", []byte("<x/>")})},
		entry{pomAt, []byte("groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=2.25.4\n")}, entry{"META-INF/versions/9/MANIFEST.MF", []byte("Import-Package: x\n")})
	return append(shapes,
		ordinary("jar-office-document-inside", "an archive that is not for Java needs no identity", on("app/app.jar", harmless)),
		ordinary("jar-other-name", "java runs an archive under every name", on("usr/share/jenkins/log.hpi", log4j("2.25.4"))),
		attack("jar-attack-other-name", "java runs an archive under every name", Fail, on("app/server.bin", log4j("2.14.1"))).naming("log4j-core"),
		attack("jar-attack-four-deep", "an archive in archives is found", Fail, on("app/app.ear", deep)).naming("log4j-core"),
		attack("jar-attack-endlessly-deep", "nothing reads so many archives in archives", NoVerdict, on("app/app.ear", deeper)).naming("app/app.ear", "deep"),
		attack("jar-attack-endlessly-wide", "2 KB must not use the time of a scan", NoVerdict, on("app/app.ear", wide)).naming("app/app.ear", "archives"),
		attack("jar-attack-properties-broken", "what Java cannot read names no package", NoVerdict,
			on(library, pom("groupId=org.apache.logging.log4j\nartifactId = log4j-core\nversion=\\u00zz\n"))).naming("pom.properties", "line 3"),
		attack("jar-attack-properties-impossible", "no artifact has such a name", NoVerdict,
			on(library, pom("groupId=org.apache.logging.log4j\nartifactId=log4j-core\\u0000\nversion=2.14.1\n"))).naming("pom.properties"),
		attack("jar-attack-inner-broken", "an archive that cannot be read hides what is in it", NoVerdict,
			on("app/app.war", archiveOf(entry{"WEB-INF/lib/x.JAR", []byte(strings.Repeat("PK", 40))}))).naming("app/app.war/WEB-INF/lib/x.JAR"),
		attack("jar-attack-pom-without-properties", "the pom.xml says what it is", Fail, on(library, archiveOf(entry{"META-INF/maven/a/b/pom.xml",
			[]byte("<project><parent><groupId>org.apache.logging.log4j</groupId><version>2.14.1</version></parent><artifactId>log4j-core</artifactId></project>")}))).naming("log4j-core"),
	)
}
