package layer

import "testing"

func TestOfSystem(t *testing.T) {
	for path, want := range map[string]bool{
		"etc/os-release": true, "usr/lib/os-release": true, "etc/alpine-release": true, "etc/debian_version": true,
		"var/lib/dpkg": true, "var/lib/dpkg/status.d/x": true, "lib/apk/db/installed": true, "etc/apk": true, "etc/apt/sources.list": true,
		"etc/pacman.conf": true, "usr/lib/sysimage/rpm": true, "var/cache/apt/archives": true, "usr/share/rpm": true,
		"etc/passwd": false, "etc/ssl/certs/ca-certificates.crt": false, "app/run": false, "usr/share/zoneinfo/UTC": false,
		"var/lib/dpkgx/a": false, "app/etc/os-release": false, "": false,
	} {
		dir, base := cutBase(path)
		if got := ofSystem(dir, base); got != want {
			t.Errorf("%s: got %v", path, got)
		}
	}
}
