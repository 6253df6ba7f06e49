package gatetest

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
)

// NPM is an installed Node.js package.
func NPM(name, version string) Layer {
	return Files(Text("app/node_modules/"+name+"/package.json",
		fmt.Sprintf("{\"name\":%q,\"version\":%q,\"license\":\"MIT\"}\n", name, version)))
}

// Wheel is an installed Python package.
func Wheel(name, version string) Layer {
	dir := fmt.Sprintf("usr/lib/python3/site-packages/%s-%s.dist-info/", strings.ReplaceAll(name, "-", "_"), version)
	return Files(
		Text(dir+"METADATA", fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\nLicense: BSD-3-Clause\n", name, version)),
		Text(dir+"RECORD", ""),
	)
}

// Gem is an installed Ruby gem.
func Gem(name, version string) Layer {
	return Files(Text(fmt.Sprintf("usr/lib/ruby/gems/3.3.0/specifications/%s-%s.gemspec", name, version),
		fmt.Sprintf("# -*- encoding: utf-8 -*-\nGem::Specification.new do |s|\n  s.name = %q.freeze\n  s.version = %q\n  s.licenses = [\"MIT\".freeze]\nend\n", name, version)))
}

// Jar is a Java archive that carries its own pom.properties.
func Jar(groupID, artifactID, version string) (Layer, error) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range []File{
		Text("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nImplementation-Version: "+version+"\r\n"),
		Text("META-INF/maven/"+groupID+"/"+artifactID+"/pom.properties",
			fmt.Sprintf("groupId=%s\nartifactId=%s\nversion=%s\n", groupID, artifactID, version)),
	} {
		e, err := w.Create(f.Path)
		if err != nil {
			return Layer{}, err
		}
		if _, err := e.Write(f.Body); err != nil {
			return Layer{}, err
		}
	}
	if err := w.Close(); err != nil {
		return Layer{}, err
	}
	return Files(File{Path: fmt.Sprintf("app/lib/%s-%s.jar", artifactID, version), Body: buf.Bytes()}), nil
}

// GoProgram is an executable with build information.
func GoProgram(path, compiler string, modules ...Module) Layer {
	return Files(Program(path, GoBinary(compiler, "example.org/app", modules...)))
}
