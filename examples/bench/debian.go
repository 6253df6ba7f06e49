package main

import (
	"crypto/md5"
	"fmt"
	"strings"
)

// debianRelease is the Debian release of all images.
const debianRelease = "12.5"

// debian is a root file system: the packages with their files, documents,
// translations and lists, filled up to a packed size.
func debian(packages []debPackage, arch string, packed int64) content {
	return func(w *layerWriter) {
		debianBase(w)
		var status strings.Builder
		for i, p := range packages {
			upTo := packed * int64(i+1) / int64(len(packages)+1)
			debianPackage(w, p, upTo)
			status.WriteString(stanza(p, arch))
		}
		w.text("var/lib/dpkg/status", status.String())
	}
}

func debianBase(w *layerWriter) {
	for _, dir := range []string{"bin", "lib", "lib64", "sbin"} {
		w.dir("usr/" + dir)
		w.link(dir, "usr/"+dir)
	}
	for name, body := range orderedFiles(
		"etc/debian_version", debianRelease+"\n",
		"usr/lib/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n",
		"etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\napp:x:65532:65532:app:/app:/usr/sbin/nologin\n",
		"etc/group", "root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\napp:x:65532:\n",
		"etc/apt/sources.list.d/debian.sources", "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\nComponents: main\n",
	) {
		w.text(name, body)
	}
	w.link("etc/os-release", "../usr/lib/os-release")
}

// orderedFiles yields names and bodies in the order written: a map would give
// other bytes each time.
func orderedFiles(pairs ...string) func(yield func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if !yield(pairs[i], pairs[i+1]) {
				return
			}
		}
	}
}

// debianPackage writes files of one package until the layer has the packed size
// upTo, and dpkg's lists of them.
func debianPackage(w *layerWriter, p debPackage, upTo int64) {
	var list, sums strings.Builder
	doc := "usr/share/doc/" + p.name + "/"
	put := func(name string, mode int64, body []byte) {
		fmt.Fprintf(&list, "/%s\n", name)
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(body), name)
		w.file(name, mode, body)
	}
	put(doc+"copyright", 0o644, w.prose(w.size(2500, 20_000)))
	for i := 0; w.short(upTo); i++ {
		name, mode, body := debianFile(w, p, i)
		put(name, mode, body)
	}
	info := "var/lib/dpkg/info/" + p.name
	w.text(info+".list", list.String())
	w.text(info+".md5sums", sums.String())
}

// debianFile makes up the i-th file of a package, in the proportions of a slim
// image: half the bytes are libraries, a third of the files are documents.
func debianFile(w *layerWriter, p debPackage, i int) (name string, mode int64, body []byte) {
	switch roll := w.dice.IntN(100); {
	case roll < 10:
		return fmt.Sprintf("usr/bin/%s-%d", p.name, i), 0o755, sharedObject(w.machine(w.size(30_000, 2<<20)))
	case roll < 26:
		return fmt.Sprintf("usr/lib/x86_64-linux-gnu/%s.so.%d", p.name, i), 0o644, sharedObject(w.machine(w.size(40_000, 4<<20)))
	case roll < 56:
		return fmt.Sprintf("usr/share/doc/%s/notes-%d", p.name, i), 0o644, w.prose(w.size(6000, 1<<20))
	case roll < 80:
		return fmt.Sprintf("usr/share/locale/l%02d/LC_MESSAGES/%s-%d.mo", i%40, p.name, i), 0o644, w.prose(w.size(9000, 1<<20))
	default:
		return fmt.Sprintf("usr/share/%s/data-%d", p.name, i), 0o644, w.prose(w.size(8000, 1<<20))
	}
}

// stanza is the package's entry in dpkg's database.
func stanza(p debPackage, arch string) string {
	var b strings.Builder
	if p.arch == "all" {
		arch = "all"
	}
	fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nPriority: optional\nSection: %s\nInstalled-Size: 512\n"+
		"Maintainer: Debian Maintainers <maintainers@debian.org>\nArchitecture: %s\n", p.name, p.section, arch)
	if p.source != "" {
		fmt.Fprintf(&b, "Source: %s\n", strings.Replace(p.source, "(", " (", 1))
	}
	fmt.Fprintf(&b, "Version: %s\nDescription: %s\n Part of an image that was made to be measured.\n\n", p.version, p.name)
	return b.String()
}
