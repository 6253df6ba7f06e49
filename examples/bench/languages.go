package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// python is a site-packages directory filled up to a packed size.
func python(packages []library, packed int64) content {
	return func(w *layerWriter) {
		const site = "usr/local/lib/python3.11/site-packages/"
		for i, p := range packages {
			module := strings.ReplaceAll(p.name, "-", "_")
			var record strings.Builder
			for j := 0; j == 0 || w.short(packed*int64(i+1)/int64(len(packages))); j++ {
				name, body := fmt.Sprintf("%s/sub%d/mod%d.py", module, j%7, j), w.prose(w.size(5000, 1<<20))
				if w.dice.IntN(60) == 0 {
					name, body = fmt.Sprintf("%s/_native%d.so", module, j), sharedObject(w.machine(w.size(200_000, 4<<20)))
				}
				fmt.Fprintf(&record, "%s,,%d\n", name, len(body))
				w.file(site+name, 0o644, body)
			}
			dist := fmt.Sprintf("%s%s-%s.dist-info/", site, module, p.version)
			for name, body := range orderedFiles(
				"METADATA", fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\nLicense: BSD-3-Clause\n", p.name, p.version),
				"RECORD", record.String(), "INSTALLER", "pip\n", "top_level.txt", module+"\n",
			) {
				w.text(dist+name, body)
			}
		}
	}
}

// node is a node_modules directory of many small files. When the packages are
// used up, those from plain on come again inside others, as npm nests them.
func node(root string, packages []library, plain, perPackage, files int) content {
	return func(w *layerWriter) {
		nested := packages[plain:]
		for i := 0; w.files < files; i++ {
			p, dir := packages[i%len(packages)], root
			if i >= len(packages) {
				p = nested[(i-len(packages))%len(nested)]
				host := packages[(i/len(nested)*7+i)%len(packages)]
				dir = fmt.Sprintf("%s/%s/node_modules/l%d/node_modules", root, host.name, i)
			}
			nodePackage(w, path.Join(dir, p.name), p, min(perPackage, files-w.files))
		}
	}
}

func nodePackage(w *layerWriter, dir string, p library, files int) {
	manifest, _ := json.MarshalIndent(map[string]string{ // texts cannot fail
		"name": p.name, "version": p.version, "main": "lib/f1.js", "license": "MIT", "description": string(bytes.ToValidUTF8(w.prose(80), nil)),
	}, "", "  ")
	w.file(dir+"/package.json", 0o644, manifest)
	for i := 1; i < files; i++ {
		w.file(fmt.Sprintf("%s/lib/f%d.js", dir, i), 0o644, w.prose(w.size(2200, 400_000)))
	}
}

// programs are n Go programs, the modules dealt out among them, and the go
// command, which is a real one, up to a packed size.
func programs(modules []library, n int, packed int64) content {
	return func(w *layerWriter) {
		w.file("usr/local/go/bin/go", 0o755, w.program)
		for i := range n {
			var mine []library
			for j := i; j < len(modules); j += n {
				mine = append(mine, modules[j])
			}
			// Machine code packs to about half.
			code := w.machine(max(1<<20, int(packed-w.packed.n)*2/(n-i)))
			name := fmt.Sprintf("app/bin/service-%d", i)
			w.file(name, 0o755, goProgram("go1.24.6", "example.org/shop/"+path.Base(name), mine, code))
		}
	}
}

// jars are Java archives of about the same size.
func jars(packages []library, packed int64) content {
	return func(w *layerWriter) {
		for _, p := range packages {
			_, artifact, _ := strings.Cut(p.name, ":")
			w.file(fmt.Sprintf("app/lib/%s-%s.jar", artifact, p.version), 0o644, jar(w, p, packed/int64(len(packages))))
		}
	}
}

func jar(w *layerWriter, p library, packed int64) []byte {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	put := func(name string, body []byte) {
		e, _ := z.Create(name) // into memory
		_, _ = e.Write(body)
	}
	group, artifact, _ := strings.Cut(p.name, ":")
	put("META-INF/MANIFEST.MF", []byte("Manifest-Version: 1.0\r\nImplementation-Version: "+p.version+"\r\n"))
	put("META-INF/maven/"+group+"/"+artifact+"/pom.properties", fmt.Appendf(nil, "groupId=%s\nartifactId=%s\nversion=%s\n", group, artifact, p.version))
	for i := 0; int64(buf.Len()) < packed; i++ {
		put(fmt.Sprintf("%s/C%d.class", strings.ReplaceAll(group, ".", "/"), i), w.machine(w.size(6000, 200_000)))
	}
	body := buf.Bytes() // without the directory at the end, as in all images that were measured so far
	_ = z.Close()
	return body
}

// blobs are files that no analyzer knows: assets, models, shared data.
func blobs(dir string, median int, packed int64) content {
	return func(w *layerWriter) {
		for i := 0; w.short(packed); i++ {
			body := w.prose(w.size(median, 8<<20))
			if i%3 == 0 {
				body = w.machine(len(body))
			}
			w.file(fmt.Sprintf("%s/d%d/asset-%d.bin", dir, i%50, i), 0o644, body)
		}
	}
}

// smallFiles are exactly n files.
func smallFiles(dir string, n, median int) content {
	return func(w *layerWriter) {
		for i := range n {
			w.file(fmt.Sprintf("%s/d%d/f%d.txt", dir, i/250, i), 0o644, w.prose(w.size(median, 64<<10)))
		}
	}
}

// zeros is one file of so many MiB of zeros, which is a thousandth of it packed.
func zeros(name string, size int64) content {
	return func(w *layerWriter) {
		w.dir(path.Dir(name))
		w.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size * mib})
		w.files++
		w.unpacked += size * mib
		block := make([]byte, mib)
		for range size {
			if w.err == nil {
				_, w.err = w.tar.Write(block)
			}
		}
	}
}
