//go:build linux

package database

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// mountTmpfs gives the test a small file system, or skips it.
func mountTmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("tmpfs cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func readOnly(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("none", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skipf("tmpfs cannot be remounted here: %v", err)
	}
}

// A cache that cannot be written serves runs, with a note, and no update.
func TestReadOnlyCache(t *testing.T) {
	for name, fill := range map[string]func(t *testing.T, dir string){
		"made by imagegate": func(t *testing.T, dir string) { install(t, dir, installedBuild) },
		"made by Trivy": func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "db", "trivy.db"), installedBuild.content())
			writeFile(t, filepath.Join(dir, "db", "metadata.json"), meta(2, installedBuild.at()))
		},
		"made by imagegate, without lock files": func(t *testing.T, dir string) {
			install(t, dir, installedBuild)
			for _, lock := range []string{".imagegate-db.lock", ".imagegate-db.update.lock"} {
				if err := os.Remove(filepath.Join(dir, lock)); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := mountTmpfs(t, "4m")
			fill(t, dir)
			readOnly(t, dir)
			srv := newServer(t)
			srv.serve(t, next.layer(t), nil)
			var n notes
			s := newStore(t, dir, func(o *Options) { o.Warn = n.warn }, srv.ref())
			if _, err := s.Ensure(t.Context(), Vulnerability, true, 0); err != nil {
				t.Fatal(err)
			}
			run := t.TempDir()
			facts, err := s.Snapshot(t.Context(), Vulnerability, run)
			if err != nil || facts.FileSHA256 != sumOf(installedBuild.content()) {
				t.Fatalf("got %+v, %v", facts, err)
			}
			if !strings.Contains(n.String(), "cannot be written") {
				t.Errorf("notes: %q", n.String())
			}
			if err := s.Verify(t.Context(), Vulnerability, run); err != nil {
				t.Error(err)
			}
			_, err = s.Update(t.Context(), Vulnerability)
			wantFault(t, err, dir)
		})
	}
}

// A full disk is named, whether it is seen beforehand or hits in the middle; the
// old database stays.
func TestFullDisk(t *testing.T) {
	noise := make([]byte, 3<<20)
	_, _ = rand.Read(noise)
	layer := pack(t, item{name: "trivy.db", data: noise}, metaItem)
	for name, blind := range map[string]bool{"seen beforehand": false, "in the middle": true} {
		t.Run(name, func(t *testing.T) {
			dir := mountTmpfs(t, "2m")
			install(t, dir, installedBuild)
			before := tree(t, dir)
			srv, other := newServer(t), newServer(t)
			srv.serve(t, layer, nil)
			s := newStore(t, dir, nil, srv.ref(), other.ref())
			if blind {
				s.freeSpace = func(string) (int64, bool) { return 0, false }
			}
			_, err := s.Update(t.Context(), Vulnerability)
			wantFault(t, err, dir)
			if !errors.Is(err, syscall.ENOSPC) || other.count() > 0 {
				t.Errorf("got %v, want ENOSPC and no second repository", err)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("the cache changed (-before +after):\n%s", diff)
			}
			wantPair(t, newStore(t, dir, nil), installedBuild)
		})
	}
}

// Without a tmpfs the same check is made on what the file system claims.
func TestNoRoom(t *testing.T) {
	srv := newServer(t)
	srv.serve(t, next.layer(t), nil)
	s := newStore(t, t.TempDir(), nil, srv.ref())
	s.freeSpace = func(string) (int64, bool) { return 1 << 20, true }
	_, err := s.Update(t.Context(), Vulnerability)
	wantFault(t, err, "MiB are needed and 1.0 MiB are free")
}

const updaterEnv = "IMAGEGATE_TEST_UPDATER"

// TestMain lets the test binary be the updater that is killed.
func TestMain(m *testing.M) {
	if args := os.Getenv(updaterEnv); args != "" {
		if err := updater(strings.Split(args, "\n")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// updater updates as long as it lives, and takes snapshots, too.
func updater(args []string) error {
	s, err := New(Options{CacheDir: args[0], Source: httpSource{}, Now: func() time.Time { return today },
		Repositories: map[Kind][]string{Vulnerability: {args[1]}}})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		if _, err := s.Update(context.Background(), Vulnerability); err != nil {
			return err
		}
		if _, err := s.Snapshot(context.Background(), Vulnerability, args[2]); err != nil {
			return err
		}
	}
}

// A process that is killed at any moment leaves a whole database, and the next
// one neither waits for its locks nor keeps its leftovers.
func TestKilledUpdater(t *testing.T) {
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	dir, srv := t.TempDir(), newServer(t)
	install(t, dir, build{0})
	all := []build{{0}}
	n := 0
	srv.mu.Lock()
	srv.before = onManifest(func(w http.ResponseWriter, r *http.Request) {
		srv.mu.Lock()
		n++
		b := build{n % 900}
		all = append(all, b)
		srv.mu.Unlock()
		srv.serve(t, b.layer(t), nil)
		srv.mu.Lock()
		defer srv.mu.Unlock()
		w.Header().Set("Content-Type", srv.mediaType)
		_, _ = w.Write(srv.manifest)
	})
	srv.mu.Unlock()
	for range rounds {
		killUpdater(t, dir, srv.ref())
		srv.mu.Lock()
		seen := append([]build(nil), all...)
		srv.mu.Unlock()
		s := newStore(t, dir, func(o *Options) { o.Source, o.LockTimeout = noSource{t}, 20*time.Second })
		wantPair(t, s, seen...)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	install(t, dir, build{950})
	s := newStore(t, dir, nil)
	wantPair(t, s, build{950})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if l := leftovers(t, dir); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

// killUpdater starts an updater and kills it at a random moment.
func killUpdater(t *testing.T, dir, ref string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), updaterEnv+"="+dir+"\n"+ref+"\n"+t.TempDir())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !bufio.NewScanner(out).Scan() {
		t.Fatalf("the updater did not begin: %s", stderr.String())
	}
	wait, err := rand.Int(rand.Reader, big.NewInt(60))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(wait.Int64()) * time.Millisecond)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if stderr.Len() > 0 {
		t.Errorf("the updater failed by itself: %s", stderr.String())
	}
}
