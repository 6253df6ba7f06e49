package layer

import (
	"slices"
	"strings"
	"sync"
)

// class is why a file matters.
type class uint8

const (
	classNone class = iota
	classDpkg
	classApk
	classRPM
	classOS
	classRepositories // etc/apk/repositories
	classAccounts     // etc/passwd, etc/group
	// The classes below are read by us or by Trivy, but hold no packages.
	classDpkgList // var/lib/dpkg/info/*.list
	classApkWorld
	classJournal  // what SQLite would replay before it reads an RPM database
	classTOC      // table of contents of an estargz layer
	classOSTarget // what os-release may be a link to; Trivy does not read it
	// classLanguage is a file that Trivy recognises by its name.
	classLanguage
)

const (
	passwdPath = "etc/passwd"
	groupPath  = "etc/group"

	dpkgStatus    = "var/lib/dpkg/status"
	dpkgStatusDir = "var/lib/dpkg/status.d"
	dpkgInfoDir   = "var/lib/dpkg/info"
	dpkgUpdates   = "var/lib/dpkg/updates"
	apkWorld      = "etc/apk/world"
	apkRepos      = "etc/apk/repositories"
	osRelease     = "etc/os-release"
	libOSRelease  = "usr/lib/os-release"
	tocName       = "stargz.index.json"
	// rpmManifest replaces the database in distroless images of Azure Linux.
	rpmManifest = "var/lib/rpmmanifest/container-manifest-2"
)

// decidingPaths tells which files matter.
type decidingPaths struct {
	class map[string]class
	above map[string]bool // every path of class, and every directory above one
}

func newDecidingPaths() *decidingPaths {
	paths := scannedPaths()
	return &decidingPaths{paths, ancestors(paths)}
}

// scannedPaths are the files that Trivy v0.74.0 reads by path. It is a copy of
// Trivy's list. A path that a later Trivy adds is scanned, but not compared with
// the merged tree.
func scannedPaths() map[string]class {
	paths := map[string]class{
		dpkgStatus:                   classDpkg,
		"lib/apk/db/installed":       classApk,
		"usr/lib/apk/db/installed":   classApk,
		apkRepos:                     classRepositories,
		apkWorld:                     classApkWorld,
		passwdPath:                   classAccounts,
		groupPath:                    classAccounts,
		"usr/share/rpm/rpmdb.sqlite": classRPM,
		rpmManifest:                  classRPM,
	}
	for _, dir := range []string{"usr/lib/sysimage/rpm", "var/lib/rpm"} {
		paths[dir+"/Packages"] = classRPM
		paths[dir+"/Packages.db"] = classRPM
		paths[dir+"/rpmdb.sqlite"] = classRPM
	}
	for path, c := range paths {
		if c == classRPM && strings.HasSuffix(path, ".sqlite") {
			paths[path+"-wal"] = classJournal
			paths[path+"-journal"] = classJournal
		}
	}
	for _, path := range []string{
		osRelease, libOSRelease, "etc/alpine-release", "etc/debian_version", "etc/lsb-release",
		"etc/redhat-release", "etc/centos-release", "etc/rocky-release", "etc/almalinux-release", "etc/oracle-release",
		"etc/fedora-release", "usr/lib/fedora-release", "etc/system-release", "usr/lib/system-release",
		"aarch64-bottlerocket-linux-gnu/sys-root/usr/lib/os-release",
		"x86_64-bottlerocket-linux-gnu/sys-root/usr/lib/os-release",
	} {
		paths[path] = classOS
	}
	return paths
}

// classify tells why the file at path matters.
func (p *decidingPaths) classify(path string) class {
	if c, ok := p.class[path]; ok {
		return c
	}
	if rest, ok := strings.CutPrefix(path, "var/lib/dpkg/"); ok {
		return classifyDpkg(rest)
	}
	if path == tocName {
		return classTOC
	}
	base := baseOf(path)
	if strings.HasPrefix(base, "os-release") || strings.HasSuffix(base, "-os-release") {
		return classOSTarget // usr/lib/os.release.d/os-release-fedora, nix/store/...-os-release
	}
	return languageClass(base)
}

// Decides reports whether the file at path says which packages there are or what
// the operating system is.
func Decides(path string) bool {
	c := decidingOnce().classify(path)
	return c != classNone && c < classOSTarget && c != classAccounts
}

var decidingOnce = sync.OnceValue(newDecidingPaths)

func classifyDpkg(rest string) class {
	dir, base, ok := strings.Cut(rest, "/")
	switch {
	case !ok || strings.Contains(base, "/"):
		return classNone
	case dir == "status.d" && !strings.HasSuffix(base, ".md5sums"):
		return classDpkg
	case dir == "info" && strings.HasSuffix(base, ".list"):
		return classDpkgList
	}
	return classNone
}

// languageClass knows the names by which Trivy finds the packages of language
// package managers in an image.
func languageClass(base string) class {
	switch base {
	case "package.json", "METADATA", "PKG-INFO", "installed.json":
		return classLanguage
	}
	if isJar(base) || strings.HasSuffix(base, ".gemspec") || strings.HasSuffix(base, ".deps.json") ||
		strings.HasSuffix(base, ".egg-info") || strings.HasSuffix(base, ".egg") {
		return classLanguage
	}
	return classNone
}

func isJar(base string) bool {
	if len(base) < 5 {
		return false
	}
	switch strings.ToLower(base[len(base)-4:]) {
	case ".jar", ".war", ".ear", ".par":
		return true
	}
	return false
}

// isSBOM knows the names under which Trivy accepts a bill of materials.
func isSBOM(base string) bool {
	return slices.ContainsFunc([]string{".spdx", ".spdx.json", ".cdx", ".cdx.json"}, func(suffix string) bool { return strings.HasSuffix(base, suffix) })
}

func baseOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// ancestors returns every deciding path and every directory above one. A link, a
// device or a whiteout at such a path must be reported.
func ancestors(paths map[string]class) map[string]bool {
	all := map[string]bool{dpkgStatusDir: true, dpkgInfoDir: true}
	for path := range paths {
		for path != "" {
			all[path] = true
			path = path[:max(strings.LastIndexByte(path, '/'), 0)]
		}
	}
	return all
}

// relevant reports whether path is, or is above, a file that decides.
func (p *decidingPaths) relevant(path string) bool {
	if p.above[path] {
		return true
	}
	c := p.classify(path)
	return c != classNone && c < classOSTarget
}
