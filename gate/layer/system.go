package layer

import "strings"

// ofSystem reports whether a name is of an operating system or of a package
// manager. An image in which no layer has such a name was made without either.
func ofSystem(dir, base string) bool {
	switch dir {
	case "etc", "usr/lib":
		if base == "apk" || base == "apt" || base == "dnf" || base == "zypp" || base == "opkg" || base == "sysimage" || base == "yum.repos.d" || strings.HasPrefix(base, "pacman") {
			return true
		}
		return strings.HasPrefix(base, "os-release") || strings.HasSuffix(base, "-release") || strings.HasSuffix(base, "_version")
	}
	for _, place := range managerPlaces {
		if rest, ok := strings.CutPrefix(dir, place); ok && (rest == "" || rest[0] == '/') {
			return true
		}
		if above, last := cutBase(place); dir == above && base == last {
			return true
		}
	}
	return false
}

// managerPlaces are the directories in which package managers keep what they
// know.
var managerPlaces = []string{
	"etc/apk", "etc/apt", "lib/apk", "usr/lib/apk", "usr/lib/opkg", "usr/lib/os.release.d", "usr/lib/sysimage", "usr/share/rpm",
	"var/cache/apk", "var/cache/apt", "var/cache/dnf", "var/cache/yum", "var/db/pkg", "var/db/xbps", "var/lib/apt", "var/lib/dnf",
	"var/lib/dpkg", "var/lib/opkg", "var/lib/pacman", "var/lib/rpm", "var/lib/rpmmanifest", "var/lib/zypp",
}
