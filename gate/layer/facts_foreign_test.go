package layer

import (
	"strings"
	"testing"
)

// Each database of another package manager counts when it has an entry of its kind, and
// only then.
func TestForeignManagers(t *testing.T) {
	for _, db := range foreignDatabases {
		entries := map[string]item{"file": file1(db.path+"/x", "x"), "directory": dir(db.path + "/x"), "link": symlink(db.path+"/x", "/etc")}
		want := map[string]bool{"file": !db.deep, "directory": db.deep}
		if strings.HasSuffix(db.path, "/status") {
			entries = map[string]item{"file": file1(db.path, "x"), "empty file": file1(db.path, "")}
		}
		entries["device"] = device(db.path)
		for kind, entry := range entries {
			f := facts(t, plus(alpine(), entry))
			if got := len(f.Gaps) == 1 && strings.Contains(f.Gaps[0].Detail, "package manager "+db.manager); got != want[kind] {
				t.Errorf("%s, %s: %+v", db.path, kind, f.Gaps)
			}
		}
	}
}
