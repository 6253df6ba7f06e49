package gatetest

import (
	"fmt"
	"math/rand/v2"
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

// identityTransforms make the image claim to be something else, or nothing.
func identityTransforms() []Transform {
	return []Transform{
		{Name: "os-files-deleted", apply: deleteOSFiles},
		{Name: "os-files-empty", apply: emptyOSFiles},
		onOS("os-other-family", func(dice *rand.Rand) []File {
			id := pick(dice, "fedora", "wolfi", "chainguard", "arch", "echo", "minimos", "photon", "azurelinux", "sles", "void", "activestate")
			return []File{Text(osRelease, lines("ID="+id, "VERSION_ID=42", "NAME="+id))}
		}),
		onOS("os-no-such-release", func(dice *rand.Rand) []File {
			release := pick(dice, "3.999.0", "99", "0", "-1", "rolling")
			return []File{Text(osRelease, lines("ID="+pick(dice, "alpine", "debian", "almalinux", "ubuntu"), "VERSION_ID="+release)),
				Text("etc/alpine-release", release+"\n"), Text("etc/debian_version", release+"\n"),
				Text("etc/almalinux-release", "AlmaLinux release 99.9 (Nobody)\n")}
		}),
		onOS("os-release-symlink-nowhere", func(*rand.Rand) []File { return []File{Symlink(osRelease, "/nowhere")} }),
		onOS("os-release-symlink-itself", func(*rand.Rand) []File { return []File{Symlink(osRelease, "/"+osRelease)} }),
		onOS("os-release-contradicts-usr", func(*rand.Rand) []File {
			return []File{Text(usrOSRelease, lines("ID=wolfi", "VERSION_ID=20230201"))}
		}),
		onOS("os-marker-of-other-family", func(dice *rand.Rand) []File {
			return []File{pick(dice, Text("etc/alpine-release", "3.999.0\n"), Text("etc/debian_version", "99.0\n"),
				Text("etc/redhat-release", "Fedora release 99 (Nobody)\n"), Text("etc/fedora-release", "Fedora release 99 (Nobody)\n"),
				Text("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=99.04\n"), Text("etc/system-release", "Amazon Linux release 99\n"))}
		}),
		onOS("os-rapidfort-marker", func(*rand.Rand) []File { return []File{Text("usr/share/rapidfort/curated.json", "{}")} }),
		onOS("apk-repositories-edge", func(*rand.Rand) []File {
			return []File{Text("etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/edge/main\n")}
		}),
		onOS("apk-repositories-other-release", func(*rand.Rand) []File {
			return []File{Text("etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/v3.999/main\n")}
		}),
	}
}

// onOS adds a layer to images that have an operating system to lie about. An
// image without one is stopped for that very reason.
func onOS(name string, files func(*rand.Rand) []File) Transform {
	return Transform{Name: name, apply: func(p *Parts, dice *rand.Rand) error {
		if _, err := p.find(isOSFile); err != nil {
			return err
		}
		return p.AddLayer(Files(files(dice)...))
	}}
}

// osFiles lists every file of the image that names its operating system.
func (p *Parts) osFiles() []string {
	seen := map[string]bool{}
	for _, b := range p.Blobs {
		entries, err := b.entries()
		if err != nil {
			continue
		}
		for _, e := range entries {
			if isOSFile(e.clean()) {
				seen[e.clean()] = true
			}
		}
	}
	return sortedKeys(seen)
}

func deleteOSFiles(p *Parts, _ *rand.Rand) error {
	var l Layer
	for _, name := range p.osFiles() {
		l.Files = append(l.Files, Whiteout(name))
	}
	if len(l.Files) == 0 {
		return errNotApplicable
	}
	return p.AddLayer(l)
}

func emptyOSFiles(p *Parts, dice *rand.Rand) error {
	text := pick(dice, "", "\n", "ID=\n", "\x00\x00\x00", fmt.Sprintf("ID=%s\n", "\u202e"))
	var l Layer
	for _, name := range p.osFiles() {
		l.Files = append(l.Files, Text(name, text))
	}
	if len(l.Files) == 0 {
		return errNotApplicable
	}
	return p.AddLayer(l)
}
