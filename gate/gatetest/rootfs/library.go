package rootfs

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/gate/gatetest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// NPM is an installed Node.js package.
func NPM(name, version string) imagetest.Layer {
	return imagetest.Files(imagetest.Text("app/node_modules/"+name+"/package.json",
		fmt.Sprintf("{\"name\":%q,\"version\":%q,\"license\":\"MIT\"}\n", name, version)))
}

// Wheel is an installed Python package.
func Wheel(name, version string) imagetest.Layer {
	dir := fmt.Sprintf("usr/lib/python3/site-packages/%s-%s.dist-info/", strings.ReplaceAll(name, "-", "_"), version)
	return imagetest.Files(
		imagetest.Text(dir+"METADATA", fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\nLicense: BSD-3-Clause\n", name, version)),
		imagetest.Text(dir+"RECORD", ""),
	)
}

// Gem is an installed Ruby gem.
func Gem(name, version string) imagetest.Layer {
	return imagetest.Files(imagetest.Text(fmt.Sprintf("usr/lib/ruby/gems/3.3.0/specifications/%s-%s.gemspec", name, version), GemSpec(name, version)))
}

// GemSpec is the description of a Ruby gem.
func GemSpec(name, version string) string {
	return fmt.Sprintf("# -*- encoding: utf-8 -*-\nGem::Specification.new do |s|\n  s.name = %q.freeze\n  s.version = %q\n  s.licenses = [\"MIT\".freeze]\nend\n", name, version)
}

// Jar is a Java archive that carries its own pom.properties.
func Jar(groupID, artifactID, version string) imagetest.Layer {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range []imagetest.File{
		imagetest.Text("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nImplementation-Version: "+version+"\r\n"),
		imagetest.Text("META-INF/maven/"+groupID+"/"+artifactID+"/pom.properties",
			fmt.Sprintf("groupId=%s\nartifactId=%s\nversion=%s\n", groupID, artifactID, version)),
	} {
		gatetest.Must(gatetest.Must(w.Create(f.Path)).Write(f.Body))
	}
	gatetest.Must(0, w.Close())
	return imagetest.Files(imagetest.File{Path: fmt.Sprintf("app/lib/%s-%s.jar", artifactID, version), Body: buf.Bytes()})
}

// GoProgram is an executable with build information.
func GoProgram(path, compiler string, modules ...Module) imagetest.Layer {
	return imagetest.Files(imagetest.Program(path, GoBinary(compiler, "example.org/app", modules...)))
}
