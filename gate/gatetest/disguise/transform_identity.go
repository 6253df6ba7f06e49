package disguise

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// Places that say which operating system an image is.
const (
	osRelease    = "etc/os-release"
	usrOSRelease = "usr/lib/os-release"
)

// isOSFile tells the files that name the operating system.
func isOSFile(name string) bool {
	switch name {
	case osRelease, usrOSRelease, "etc/alpine-release", "etc/debian_version", "etc/almalinux-release", "etc/redhat-release":
		return true
	}
	return false
}

// identityTransforms make the image claim another operating system, or none.
func identityTransforms() []Transform {
	return []Transform{
		{Name: "os-files-deleted", apply: deleteOSFiles},
		{Name: "os-files-empty", apply: emptyOSFiles},
		onOS("os-other-family", func(dice *rand.Rand) []imagetest.File {
			id := pick(dice, "fedora", "wolfi", "chainguard", "arch", "echo", "minimos", "photon", "azurelinux", "sles", "void", "activestate")
			return []imagetest.File{imagetest.Text(osRelease, lines("ID="+id, "VERSION_ID=42", "NAME="+id))}
		}),
		onOS("os-no-such-release", func(dice *rand.Rand) []imagetest.File {
			release := pick(dice, "3.999.0", "99", "0", "-1", "rolling")
			return []imagetest.File{imagetest.Text(osRelease, lines("ID="+pick(dice, "alpine", "debian", "almalinux", "ubuntu"), "VERSION_ID="+release)),
				imagetest.Text("etc/alpine-release", release+"\n"), imagetest.Text("etc/debian_version", release+"\n"),
				imagetest.Text("etc/almalinux-release", "AlmaLinux release 99.9 (Nobody)\n")}
		}),
		onOS("os-release-symlink-nowhere", func(*rand.Rand) []imagetest.File { return []imagetest.File{imagetest.Symlink(osRelease, "/nowhere")} }),
		onOS("os-release-symlink-itself", func(*rand.Rand) []imagetest.File {
			return []imagetest.File{imagetest.Symlink(osRelease, "/"+osRelease)}
		}),
		onOS("os-release-contradicts-usr", func(*rand.Rand) []imagetest.File {
			return []imagetest.File{imagetest.Text(usrOSRelease, lines("ID=wolfi", "VERSION_ID=20230201"))}
		}),
		onOS("os-marker-of-other-family", func(dice *rand.Rand) []imagetest.File {
			return []imagetest.File{pick(dice, imagetest.Text("etc/alpine-release", "3.999.0\n"), imagetest.Text("etc/debian_version", "99.0\n"),
				imagetest.Text("etc/redhat-release", "Fedora release 99 (Nobody)\n"), imagetest.Text("etc/fedora-release", "Fedora release 99 (Nobody)\n"),
				imagetest.Text("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=99.04\n"), imagetest.Text("etc/system-release", "Amazon Linux release 99\n"))}
		}),
		onOS("os-rapidfort-marker", func(*rand.Rand) []imagetest.File {
			return []imagetest.File{imagetest.Text("usr/share/rapidfort/curated.json", "{}")}
		}),
		onOS("apk-repositories-edge", func(*rand.Rand) []imagetest.File {
			return []imagetest.File{imagetest.Text("etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/edge/main\n")}
		}),
		onOS("apk-repositories-other-release", func(*rand.Rand) []imagetest.File {
			return []imagetest.File{imagetest.Text("etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/v3.999/main\n")}
		}),
	}
}

// onOS adds a layer to images that have an operating system. An image without
// an operating system is refused for that reason already.
func onOS(name string, files func(*rand.Rand) []imagetest.File) Transform {
	return Transform{Name: name, apply: func(p *imagetest.Parts, dice *rand.Rand) error {
		if _, err := p.Find(isOSFile); err != nil {
			return err
		}
		return p.AddLayer(imagetest.Files(files(dice)...))
	}}
}

// osFiles lists every file of the image that names its operating system.
func osFiles(p *imagetest.Parts) []string {
	seen := map[string]bool{}
	for _, b := range p.Blobs {
		entries, err := b.Entries()
		if err != nil {
			continue
		}
		for _, e := range entries {
			if isOSFile(e.Clean()) {
				seen[e.Clean()] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func deleteOSFiles(p *imagetest.Parts, _ *rand.Rand) error {
	var l imagetest.Layer
	for _, name := range osFiles(p) {
		l.Files = append(l.Files, imagetest.Whiteout(name))
	}
	if len(l.Files) == 0 {
		return imagetest.ErrNoFile
	}
	return p.AddLayer(l)
}

func emptyOSFiles(p *imagetest.Parts, dice *rand.Rand) error {
	text := pick(dice, "", "\n", "ID=\n", "\x00\x00\x00", fmt.Sprintf("ID=%s\n", "\u202e"))
	var l imagetest.Layer
	for _, name := range osFiles(p) {
		l.Files = append(l.Files, imagetest.Text(name, text))
	}
	if len(l.Files) == 0 {
		return imagetest.ErrNoFile
	}
	return p.AddLayer(l)
}
