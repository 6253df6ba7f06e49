package layer

// foreignDatabases are what package managers keep whose packages no scanner reads: a
// file, or a directory with an entry for each package.
var foreignDatabases = []struct {
	manager, path string
	deep          bool // the entries are one directory further down
}{
	{"opkg", "usr/lib/opkg/status", false},
	{"opkg", "usr/lib/opkg/info", false},
	{"opkg", "var/lib/opkg/status", false},
	{"opkg", "var/lib/opkg/info", false},
	{"opkg", "var/opkg/status", false},
	{"pacman", "var/lib/pacman/local", true},
	{"portage", "var/db/pkg", true},
	{"xbps", "var/db/xbps", false},
	{"pkgtools", "var/lib/pkgtools/packages", false},
	{"eopkg", "var/lib/eopkg/package", true},
}

// foreignManagers reports packages of a package manager whose database no scanner reads, in an
// image whose other packages have advisories. They would be judged by none.
func (v *view) foreignManagers() {
	for _, db := range foreignDatabases {
		w := walk{t: v.t, layer: noLayer}
		n, _, err := w.find(db.path, true)
		if err != nil || n == nil || !holdsPackages(n, db.deep) {
			continue
		}
		v.t.gaps.add(gapOSMismatch, db.path, n.layer,
			"the image has packages of the package manager %s, which no scanner reads, beside those of its own OS", db.manager)
	}
}

// holdsPackages reports whether a file has content or a directory an entry for a package.
func holdsPackages(n *node, deep bool) bool {
	if n.kind != Dir {
		return n.file != nil && n.file.size > 0
	}
	for kid := range n.all {
		if kid.kind == Dir && deep || kid.kind == File && !deep {
			return true
		}
	}
	return false
}
