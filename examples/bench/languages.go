package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// python is a site-packages directory filled up to a packed size.
func python(packages []library, packed int64) content {
	return func(w *layerWriter) error {
		const site = "usr/local/lib/python3.11/site-packages/"
		for i, p := range packages {
			module := strings.ReplaceAll(p.name, "-", "_")
			var record strings.Builder
			for j := 0; j == 0 || w.packed.n < packed*int64(i+1)/int64(len(packages)); j++ {
				name, body := fmt.Sprintf("%s/sub%d/mod%d.py", module, j%7, j), w.prose(w.size(5000, 1<<20))
				if w.dice.IntN(60) == 0 {
					name, body = fmt.Sprintf("%s/_native%d.so", module, j), sharedObject(w.machine(w.size(200_000, 4<<20)))
				}
				fmt.Fprintf(&record, "%s,,%d\n", name, len(body))
				if err := w.file(site+name, 0o644, body); err != nil {
					return err
				}
			}
			dist := fmt.Sprintf("%s%s-%s.dist-info/", site, module, p.version)
			for name, body := range orderedFiles(
				"METADATA", fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\nLicense: BSD-3-Clause\n", p.name, p.version),
				"RECORD", record.String(), "INSTALLER", "pip\n", "top_level.txt", module+"\n",
			) {
				if err := w.text(dist+name, body); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// node is a node_modules directory of many small files. When the packages are
// used up, those from plain on come again inside others, as npm nests them.
func node(root string, packages []library, plain, perPackage, files int) content {
	return func(w *layerWriter) error {
		nested := packages[plain:]
		for i := 0; w.files < files; i++ {
			p, dir := packages[i%len(packages)], root
			if i >= len(packages) {
				p = nested[(i-len(packages))%len(nested)]
				host := packages[(i/len(nested)*7+i)%len(packages)]
				dir = fmt.Sprintf("%s/%s/node_modules/l%d/node_modules", root, host.name, i)
			}
			if err := nodePackage(w, path.Join(dir, p.name), p, min(perPackage, files-w.files)); err != nil {
				return err
			}
		}
		return nil
	}
}

func nodePackage(w *layerWriter, dir string, p library, files int) error {
	manifest, err := json.MarshalIndent(map[string]string{
		"name": p.name, "version": p.version, "main": "lib/f1.js", "license": "MIT", "description": string(bytes.ToValidUTF8(w.prose(80), nil)),
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := w.file(dir+"/package.json", 0o644, manifest); err != nil {
		return err
	}
	for i := 1; i < files; i++ {
		if err := w.file(fmt.Sprintf("%s/lib/f%d.js", dir, i), 0o644, w.prose(w.size(2200, 400_000))); err != nil {
			return err
		}
	}
	return nil
}

// programs are n Go programs, the modules dealt out among them, and the go
// command, which is a real one, up to a packed size.
func programs(modules []library, n int, packed int64) content {
	return func(w *layerWriter) error {
		if err := w.file("usr/local/go/bin/go", 0o755, w.program); err != nil {
			return err
		}
		for i := range n {
			var mine []library
			for j := i; j < len(modules); j += n {
				mine = append(mine, modules[j])
			}
			// Machine code packs to about half.
			code := w.machine(max(1<<20, int(packed-w.packed.n)*2/(n-i)))
			name := fmt.Sprintf("app/bin/service-%d", i)
			if err := w.file(name, 0o755, goProgram("go1.24.6", "example.org/shop/"+path.Base(name), mine, code)); err != nil {
				return err
			}
		}
		return nil
	}
}

// jars are Java archives of about the same size.
func jars(packages []library, packed int64) content {
	return func(w *layerWriter) error {
		for _, p := range packages {
			body, err := jar(w, p, packed/int64(len(packages)))
			if err != nil {
				return err
			}
			_, artifact, _ := strings.Cut(p.name, ":")
			if err := w.file(fmt.Sprintf("app/lib/%s-%s.jar", artifact, p.version), 0o644, body); err != nil {
				return err
			}
		}
		return nil
	}
}

func jar(w *layerWriter, p library, packed int64) ([]byte, error) {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	put := func(name string, body []byte) error {
		e, err := z.Create(name)
		if err != nil {
			return err
		}
		_, err = e.Write(body)
		return err
	}
	group, artifact, _ := strings.Cut(p.name, ":")
	for name, body := range orderedFiles(
		"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nImplementation-Version: "+p.version+"\r\n",
		"META-INF/maven/"+group+"/"+artifact+"/pom.properties", fmt.Sprintf("groupId=%s\nartifactId=%s\nversion=%s\n", group, artifact, p.version),
	) {
		if err := put(name, []byte(body)); err != nil {
			return nil, err
		}
	}
	for i := 0; int64(buf.Len()) < packed; i++ {
		if err := put(fmt.Sprintf("%s/C%d.class", strings.ReplaceAll(group, ".", "/"), i), w.machine(w.size(6000, 200_000))); err != nil {
			return nil, err
		}
	}
	return buf.Bytes(), z.Close()
}

// blobs are files that no analyzer knows: assets, models, shared data.
func blobs(dir string, median int, packed int64) content {
	return func(w *layerWriter) error {
		for i := 0; w.packed.n < packed; i++ {
			body := w.prose(w.size(median, 8<<20))
			if i%3 == 0 {
				body = w.machine(len(body))
			}
			if err := w.file(fmt.Sprintf("%s/d%d/asset-%d.bin", dir, i%50, i), 0o644, body); err != nil {
				return err
			}
		}
		return nil
	}
}

// smallFiles are exactly n files.
func smallFiles(dir string, n, median int) content {
	return func(w *layerWriter) error {
		for i := range n {
			if err := w.file(fmt.Sprintf("%s/d%d/f%d.txt", dir, i/250, i), 0o644, w.prose(w.size(median, 64<<10))); err != nil {
				return err
			}
		}
		return nil
	}
}
