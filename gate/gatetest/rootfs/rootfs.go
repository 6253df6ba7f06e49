package rootfs

import (
	"cmp"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"path"
	"strings"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// Pkg is an installed OS package.
type Pkg struct {
	Name, Version string
	Source        string // source package, "" is Name
	Epoch         int32  // RPM only
	// Maintainer is dpkg's maintainer, apk's maintainer or rpm's vendor; "" is
	// the distribution's own.
	Maintainer string
	// Files are installed with the package: they are part of the layer, and the
	// package's database lists them with their hashes.
	Files []imagetest.File
	// Dirs are directories that the package lists. RPM only.
	Dirs []string
}

// files lists the files of all packages.
func files(packages []Pkg) []imagetest.File {
	var all []imagetest.File
	for _, p := range packages {
		all = append(all, p.Files...)
	}
	return all
}

func (p Pkg) source() string { return cmp.Or(p.Source, p.Name) }

// passwd and group are those of a small image with one user who is not root.
const (
	passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\napp:x:65532:65532:app:/app:/sbin/nologin\n"
	group  = "root:x:0:\nnobody:x:65534:\napp:x:65532:\n"
)

func users() []imagetest.File {
	return []imagetest.File{imagetest.Text("etc/passwd", passwd), imagetest.Text("etc/group", group)}
}

// Alpine is the root file system of an Alpine release such as "3.23.0".
func Alpine(release string, packages ...Pkg) imagetest.Layer {
	parts := strings.SplitN(release, ".", 3)
	branch := strings.Join(parts[:min(2, len(parts))], ".")
	return imagetest.Layer{Files: append(append(users(), files(packages)...),
		imagetest.Text("etc/alpine-release", release+"\n"),
		imagetest.Text("etc/os-release", fmt.Sprintf("NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=%s\nPRETTY_NAME=\"Alpine Linux v%s\"\n", release, branch)),
		imagetest.Text("etc/apk/repositories", fmt.Sprintf("https://dl-cdn.alpinelinux.org/alpine/v%[1]s/main\nhttps://dl-cdn.alpinelinux.org/alpine/v%[1]s/community\n", branch)),
		imagetest.Text("lib/apk/db/installed", APKInstalled(packages...)),
	)}
}

// APKInstalled is apk's database of installed packages.
func APKInstalled(packages ...Pkg) string {
	var b strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&b, "C:Q1%028s=\nP:%s\nV:%s\nA:x86_64\nS:1024\nI:4096\nT:%s\nL:MIT\no:%s\nm:%s\n",
			strings.Repeat("A", 27), p.Name, p.Version, p.Name, p.source(), cmp.Or(p.Maintainer, "Natanael Copa <ncopa@alpinelinux.org>"))
		for _, f := range p.Files {
			sum := sha1.Sum(f.Body)
			fmt.Fprintf(&b, "F:%s\nR:%s\nZ:Q1%s\n", path.Dir(f.Path), path.Base(f.Path), base64.StdEncoding.EncodeToString(sum[:]))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Debian is the root file system of a Debian release such as "13".
func Debian(release string, packages ...Pkg) imagetest.Layer {
	return imagetest.Layer{Files: append(append(debianFiles(release), DpkgFiles(packages...)...), imagetest.Text("var/lib/dpkg/status", DpkgStatus(packages...)))}
}

// DpkgFiles are the files of packages and dpkg's lists of them.
func DpkgFiles(packages ...Pkg) []imagetest.File {
	all := files(packages)
	for _, p := range packages {
		if len(p.Files) == 0 {
			continue
		}
		list, sums := "/.\n", ""
		for _, f := range p.Files {
			list += "/" + f.Path + "\n"
			sums += fmt.Sprintf("%x  %s\n", md5.Sum(f.Body), f.Path)
		}
		all = append(all, imagetest.Text("var/lib/dpkg/info/"+p.Name+".list", list), imagetest.Text("var/lib/dpkg/info/"+p.Name+".md5sums", sums))
	}
	return all
}

// Distroless is Debian with one file per package, as distroless images have it.
func Distroless(release string, packages ...Pkg) imagetest.Layer {
	files := debianFiles(release)
	for _, p := range packages {
		files = append(files, imagetest.Text("var/lib/dpkg/status.d/"+p.Name, DpkgStatus(p)))
	}
	return imagetest.Layer{Files: files}
}

// Ubuntu is the root file system of an Ubuntu release such as "22.04".
func Ubuntu(release string, packages ...Pkg) imagetest.Layer {
	return imagetest.Layer{Files: append(users(),
		imagetest.Text("etc/os-release", fmt.Sprintf("NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=%q\n", release)),
		imagetest.Text("etc/lsb-release", fmt.Sprintf("DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=%s\n", release)),
		imagetest.Text("var/lib/dpkg/status", DpkgStatus(packages...)),
	)}
}

func debianFiles(release string) []imagetest.File {
	return append(users(),
		imagetest.Text("etc/debian_version", release+".0\n"),
		imagetest.Text("etc/os-release", fmt.Sprintf("NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=%q\n", release)),
	)
}

// DpkgStatus is dpkg's database of installed packages.
func DpkgStatus(packages ...Pkg) string {
	var b strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nPriority: optional\nSection: libs\n"+
			"Maintainer: %s\nArchitecture: amd64\n", p.Name, cmp.Or(p.Maintainer, "Debian Maintainers <maintainers@debian.org>"))
		if p.Source != "" {
			fmt.Fprintf(&b, "Source: %s\n", p.Source)
		}
		fmt.Fprintf(&b, "Version: %s\nDescription: %s\n\n", p.Version, p.Name)
	}
	return b.String()
}

// Alma is the root file system of an AlmaLinux release such as "9.6", with an
// SQLite package database. Versions are "1.2.3-4.el9".
func Alma(release string, packages ...Pkg) imagetest.Layer {
	l := RPMSystem(fmt.Sprintf("NAME=\"AlmaLinux\"\nID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=%q\n", release), "AlmaLinux", packages...)
	l.Files = append(l.Files,
		imagetest.Text("etc/almalinux-release", fmt.Sprintf("AlmaLinux release %s (Sage Margay)\n", release)),
		imagetest.Text("etc/redhat-release", fmt.Sprintf("AlmaLinux release %s (Sage Margay)\n", release)))
	return l
}

// Base is a clean Alpine release that has advisories in the data of the tests
// and is not at its end of life.
func Base() imagetest.Layer {
	return Alpine("3.23.0", Pkg{Name: "zlib", Version: "1.3.2-r0"}, Pkg{Name: "gnutls", Version: "3.8.12-r0"})
}

// rpms makes RPM packages of vendor.
func rpms(vendor string, packages []Pkg) []RPM {
	var out []RPM
	for _, p := range packages {
		version, release, _ := strings.Cut(p.Version, "-")
		r := RPM{Name: p.Name, Version: version, Release: release, Epoch: p.Epoch, Vendor: cmp.Or(p.Maintainer, vendor), Files: map[string]string{}}
		if p.Name == "gpg-pubkey" {
			r.Key, r.Vendor = true, ""
		}
		for _, dir := range p.Dirs {
			r.Files[dir] = ""
		}
		for _, f := range p.Files {
			r.Files[f.Path] = imagetest.HashOf(f.Body).Hex
		}
		if p.Source != "" {
			r.SourceRPM = fmt.Sprintf("%s-%s-%s.src.rpm", p.Source, version, release)
		}
		out = append(out, r)
	}
	return out
}

// RPMSystem is the root file system of a distribution with RPM packages, given
// its os-release.
func RPMSystem(osRelease, vendor string, packages ...Pkg) imagetest.Layer {
	return imagetest.Layer{Files: append(append(users(), files(packages)...),
		imagetest.Text("etc/os-release", osRelease),
		imagetest.File{Path: "var/lib/rpm/rpmdb.sqlite", Body: RPMDatabase(rpms(vendor, packages)...)},
	)}
}
