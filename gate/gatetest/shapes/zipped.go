package shapes

import (
	"encoding/binary"
	"fmt"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// zipped are applications in one archive that nothing unpacks.
func zipped() []Shape {
	const python = "#!/usr/bin/env python3\n"
	const starter = "#!/bin/bash\n# .   ____          _            __ _ _\njarfile=$0\nexec java -jar \"$jarfile\" \"$@\"\n"
	program := func(path, before string, archive []byte) imagetest.Layer {
		return with(debian(), imagetest.Program(path, append([]byte(before), archive...)))
	}
	application := func(dir, version string) []byte {
		return archiveOf(entry{"__main__.py", []byte("import app\n")},
			entry{dir + "flask-" + version + ".dist-info/METADATA", []byte("Metadata-Version: 2.1\nName: Flask\nVersion: " + version + "\n\n")})
	}
	const why, hidden = "the program loads its packages from the archive", "a package in the archive has advisories"
	var shapes []Shape
	for _, p := range []struct{ name, path, before, dir string }{
		{"pex", "app/app.pex", python, ".deps/flask-3-py3-none-any.whl/"},
		{"shiv", "app/app", "#!/usr/local/bin/python3.12\n", "site-packages/"},
		{"zipapp", "app/app.pyz", "", ""},
		{"zipapp-without-ending", "app/app", "", ""},
	} {
		shapes = append(shapes, ordinary("zipped-"+p.name, why, program(p.path, p.before, application(p.dir, "3.1.3"))),
			attack("zipped-attack-"+p.name, hidden, Fail, program(p.path, p.before, application(p.dir, "2.2.3"))).naming("Flask", p.path))
	}
	shapes = append(shapes, ordinary("zipped-zip64", why, with(debian(), imagetest.Program("usr/local/lib/python3.12/test/archivetestdata/exe_with_z64", zip64(python, application("", "3.1.3"), 0)))),
		attack("zipped-attack-zip64", hidden, Fail, with(debian(), imagetest.Program("app/run", zip64(python, application("", "2.2.3"), 0)))).naming("Flask", "app/run"),
		attack("zipped-attack-zip64-elsewhere", "Python and others find different directories", NoVerdict, with(debian(), imagetest.Program("app/run", zip64(python, application("", "3.1.3"), 1)))).naming("app/run"))
	cut := application("", "3.1.3")
	// Through the link, the layer above writes to app/. Without it, the files stay.
	base, unlinked := with(debian(), imagetest.Dir("app"), imagetest.Symlink("link", "app")), imagetest.Files(imagetest.Whiteout("link"))
	through := func(flask, log, lodash string) []imagetest.File {
		return []imagetest.File{
			imagetest.Program("link/app.pyz", application("", flask)), imagetest.Program("link/run", append([]byte(python), application("", flask)...)),
			{Path: "link/server.bin", Body: log4j(log)}, {Path: "link/a.zip", Body: archiveOf(entry{"node_modules/lodash/package.json", fmt.Appendf(nil, `{"name":"lodash","version":%q}`, lodash)})},
		}
	}
	for i, f := range through("2.2.3", "2.14.1", "4.17.20") {
		name := f.Path[len("link/"):]
		shapes = append(shapes, attack("zipped-attack-link-"+name, "the scanner forgets the file with the link, and the file stays", NoVerdict, base, imagetest.Files(f), unlinked).naming("app/"+name),
			ordinary("zipped-link-"+name, "a file that was written through a link is a file", base, imagetest.Files(through("3.1.3", "2.25.4", "4.18.0")[i])))
	}
	return append(shapes,
		ordinary("zipped-spring-boot", "Spring Boot puts a start script before a jar", program("app/shop", starter, bootJar("2.25.4"))),
		ordinary("zipped-script-of-a-shell", "a script without an archive is a script", program("app/start.sh", "#!/bin/sh\nexec /app/run\n", nil)),
		ordinary("zipped-script-that-names-the-format", "these letters alone are no archive", program("app/unzip.py", python+"MAGIC = b'PK\\x03\\x04'\n", nil)),
		attack("zipped-attack-spring-boot", hidden, Fail, program("app/shop", starter, bootJar("2.14.1"))).naming("log4j-core", "app/shop"),
		attack("zipped-attack-cut-off", "an archive that cannot be read hides what is in it", NoVerdict, program("app/app.pyz", python, cut[:len(cut)-30])).naming("app/app.pyz"),
		attack("zipped-attack-broken-metadata", "a package that cannot be read is hidden", NoVerdict,
			program("app/app.pyz", python, archiveOf(entry{"flask-2.2.3.dist-info/METADATA", []byte("Metadata-Version: 2.1\nName: harmless\nName: Flask\nVersion: 2.2.3\n")}))).naming("flask-2.2.3.dist-info/METADATA"),
		attack("zipped-attack-second-name", "a hard link is the file", Fail, with(debian(),
			imagetest.Program("a/store", append([]byte(python), application("", "2.2.3")...)), imagetest.Hardlink("app/app.pyz", "a/store")), imagetest.Files(imagetest.Whiteout("a/store"))),
	)
}

// compilers are versions of Go that vendors build, under names of their own.
// zip64 puts a script before an archive and gives it the end of a zip64 archive, whose
// locator is off by some bytes.
func zip64(script string, archive []byte, off int) []byte {
	at := len(archive) - 22
	end, le := archive[at:], binary.LittleEndian
	entries, length, offset := uint64(le.Uint16(end[10:])), uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	out := append([]byte(script), archive[:at]...)
	out = le.AppendUint64(append(out, "PK\x06\x06"...), 44)
	out = append(out, 45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, n := range []uint64{entries, entries, length, offset} {
		out = le.AppendUint64(out, n)
	}
	out = le.AppendUint64(append(out, "PK\x06\x07\x00\x00\x00\x00"...), uint64(at+off))
	out = append(out, 1, 0, 0, 0)
	out = append(out, "PK\x05\x06\x00\x00\x00\x00"...)
	return append(out, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0)
}

func compilers() []Shape {
	built := func(compiler string) imagetest.Layer {
		return imagetest.Files(imagetest.Program("app/run", rootfs.GoBinary(compiler, "example.org/app", rootfs.Module{Path: "golang.org/x/text", Version: "v0.39.0"})))
	}
	const why, old = "the vendor's name stands behind the release that it has built", "the release that the vendor has built has advisories"
	return []Shape{
		ordinary("compiler-red-hat", why, built("go1.26.8 (Red Hat 1.26.8-1.el9_6)")),
		ordinary("compiler-microsoft", why, built("go1.26.8-microsoft")),
		ordinary("compiler-experiment", "an experiment changes no advisories", built("go1.26.8 X:jsonv2")),
		attack("compiler-attack-red-hat", old, Fail, built("go1.17.1 (Red Hat 1.17.1-1.el9)")).naming("stdlib"),
		attack("compiler-attack-microsoft", old, Fail, built("go1.17.4-1")).naming("stdlib"),
		attack("compiler-attack-unknown", "which release it is cannot be known", NoVerdict, built("devel go1.27-0a1b2c3 Thu Nov 5 2026")).naming("stdlib", "app/run"),
	}
}
