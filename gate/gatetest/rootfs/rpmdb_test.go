package rootfs

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rpmdb "github.com/knqyf263/go-rpmdb/pkg"
)

func TestRPMDatabaseIsReadByGoRPMDB(t *testing.T) {
	raw := RPMDatabase(RPM{Name: "openssl", Version: "3.0.1", Release: "41.el9", Epoch: 1, Vendor: "AlmaLinux"}, RPM{Name: "bash", Version: "5.1.8", Release: "5.el9"})
	file := filepath.Join(t.TempDir(), "rpmdb.sqlite")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := rpmdb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	packages, err := db.ListPackages()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range packages {
		got = append(got, p.Name+" "+p.Version+" "+p.Release+" "+p.Vendor+" "+p.SourceRpm)
	}
	slices.Sort(got)
	want := []string{"bash 5.1.8 5.el9  bash-5.1.8-5.el9.src.rpm", "openssl 3.0.1 41.el9 AlmaLinux openssl-3.0.1-41.el9.src.rpm"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if packages[0].EpochNum()+packages[1].EpochNum() != 1 {
		t.Error("the epoch is lost")
	}
}
