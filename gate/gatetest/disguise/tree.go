package disguise

import (
	"math/rand/v2"
	"path"
	"strings"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// Where the package databases are.
const (
	apkFile  = "lib/apk/db/installed"
	dpkgFile = "var/lib/dpkg/status"
	rpmFile  = "var/lib/rpm/rpmdb.sqlite"
)

// isDatabase tells the package databases.
func isDatabase(name string) bool {
	switch name {
	case apkFile, dpkgFile, rpmFile, "usr/lib/apk/db/installed", "var/lib/rpm/Packages", "var/lib/rpm/Packages.db",
		"usr/lib/sysimage/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/Packages.db":
		return true
	}
	return path.Dir(name) == dpkgFile+".d" && !strings.HasSuffix(name, ".md5sums")
}

func isText(name string) bool { return isDatabase(name) && !strings.Contains(name, "rpm") }
func isDpkg(name string) bool { return isDatabase(name) && strings.Contains(name, "dpkg") }
func isAPK(name string) bool  { return isDatabase(name) && strings.Contains(name, "apk") }
func isRPM(name string) bool  { return isDatabase(name) && strings.Contains(name, "rpm") }

// replaceBody gives a file another body, in a new layer or in its own layer,
// chosen by dice.
func replaceBody(p *imagetest.Parts, f imagetest.Place, body []byte, dice *rand.Rand) error {
	if dice.IntN(2) == 0 {
		return p.AddLayer(imagetest.Files(imagetest.File{Path: f.Path(), Body: body}))
	}
	f.Entries[f.Index].Body = body
	return p.Rewrite(f.Layer, f.Entries)
}
