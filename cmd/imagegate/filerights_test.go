package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// rawSocket is the attribute that setcap cap_net_raw+ep writes.
const rawSocket = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// Files with the setuid bit or with capabilities are found however they come into
// the image, and files that are gone are not. Each image is judged twice: the
// second time the layers come from the cache.
func TestFilesWithRights(t *testing.T) {
	o := newOracle(t)
	const policy = "version: 1\nextends: none\nfiles:\n  setuid: {max: 0, allow: [usr/bin/sudo]}\n  capabilities: {max: 0}\n  world-writable: {max: 0}\n"
	o.policy = filepath.Join(t.TempDir(), "imagegate.yaml")
	if err := os.WriteFile(o.policy, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	mode := func(path string, mode int64) imagetest.File {
		return imagetest.File{Path: path, Body: []byte("x"), Mode: mode}
	}
	ping := imagetest.File{Path: "usr/bin/ping", Mode: 0o755, PAX: map[string]string{"SCHILY.xattr.security.capability": rawSocket}}
	su := mode("usr/bin/su", 0o4755)
	manifest := imagetest.File{Path: "store/1", Body: []byte(`{"name":"a","version":"1.0.0"}`), Mode: 0o644}
	linked := imagetest.Hardlink("app/node_modules/a/package.json", "store/1")
	linked.Mode = 0o4755
	plain := imagetest.Hardlink("app/node_modules/a/package.json", "store/1")
	table := imagetest.Text("stargz.index.json", `{"version":1,"entries":[{"name":"store/1","type":"reg","size":30,"mode":420},`+
		`{"name":"app/node_modules/a/package.json","type":"hardlink","linkName":"store/1","mode":420}]}`)
	for i, e := range []evasion{
		{"a table of contents, and a hard link that is read again", unprivileged(rootfs.Base(), imagetest.Files(manifest, plain, table)), exitPass},
		{"none", onCleanBase(mode("app/x", 0o755)), exitPass},
		{"allowed", onCleanBase(mode("usr/bin/sudo", 0o4755)), exitPass},
		{"setuid", onCleanBase(su), exitFail},
		{"setgid", onCleanBase(mode("usr/bin/wall", 0o2755)), exitFail},
		{"capabilities", onCleanBase(ping), exitFail},
		{"world-writable", onCleanBase(mode("app/x", 0o666)), exitFail},
		{"tmp", onCleanBase(imagetest.File{Path: "tmp/", Type: '5', Mode: 0o1777}), exitPass},
		{"deleted", unprivileged(rootfs.Base(), imagetest.Files(su), imagetest.Files(imagetest.Whiteout("usr/bin/su"))), exitPass},
		{"hidden", unprivileged(rootfs.Base(), imagetest.Files(su), imagetest.Files(imagetest.Opaque("usr/bin"))), exitPass},
		{"chmod above", unprivileged(rootfs.Base(), imagetest.Files(mode("app/x", 0o755)), imagetest.Files(mode("app/x", 0o4755))), exitFail},
		{"chmod back", unprivileged(rootfs.Base(), imagetest.Files(su), imagetest.Files(mode("usr/bin/su", 0o755))), exitPass},
		{"climbs out of an allowed place", onCleanBase(mode("usr/bin/../lib/sudo", 0o4755)), exitFail},
		{"by a hard link that is read again", onCleanBase(manifest, linked), exitFail},
	} {
		ref := o.reg.MustPush(t, e.what.(imagetest.Spec).Image(), fmt.Sprintf("rights/x%d:1.0.0", i))
		for _, cache := range []string{"cold", "warm"} {
			if code, out := o.check(ref.Tagged); code != e.want {
				t.Errorf("%s, %s: ended in %d, not %d:\n%s", e.name, cache, code, e.want, out)
			}
		}
	}
}

// A hundred thousand of them end in a verdict, too, and in a report that can be
// read.
func TestManyFilesWithRights(t *testing.T) {
	o := newOracle(t)
	o.policy = filepath.Join(t.TempDir(), "imagegate.yaml")
	if err := os.WriteFile(o.policy, []byte("version: 1\nextends: none\nfiles: {setuid: {max: 5}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var files []imagetest.File
	for i := range 100_000 {
		files = append(files, imagetest.File{Path: fmt.Sprintf("opt/%d", i), Mode: 0o4755})
	}
	ref := o.reg.MustPush(t, onCleanBase(files...).Image(), "rights/many:1.0.0")
	code, out := o.check(ref.Tagged)
	if code != exitFail || !strings.Contains(out, "100,000 files with the setuid or setgid bit") || len(out) > 20_000 {
		t.Errorf("ended in %d:\n%.2000s", code, out)
	}
}
