package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func systemRoles() map[string]func(args []string) error {
	return map[string]func(args []string) error{"read-only": playReadOnly, "limited": playLimited}
}

const nobody = 65534

// Directories that another user can write to are not used: that user could store an
// analysis without findings.
func TestUnsafeDirectoriesAreNotUsed(t *testing.T) {
	for _, test := range []struct {
		name   string
		spoil  func(dir, shelf, file string) error
		unsafe bool
		root   bool // changing an owner needs root
	}{
		{name: "all ours", spoil: func(_, _, _ string) error { return nil }},
		{name: "readable by others", spoil: func(d, s, f string) error {
			return errors.Join(os.Chmod(d, 0o755), os.Chmod(s, 0o755), os.Chmod(f, 0o644))
		}},
		{name: "the group can write", spoil: func(d, _, _ string) error { return os.Chmod(d, 0o770) }, unsafe: true},
		{name: "others can write", spoil: func(d, _, _ string) error { return os.Chmod(d, 0o702) }, unsafe: true},
		{name: "a sticky bit is no help", spoil: func(d, _, _ string) error { return os.Chmod(d, os.ModeSticky|0o777) }, unsafe: true},
		{name: "others can write to the shelf", spoil: func(_, s, _ string) error { return os.Chmod(s, 0o722) }, unsafe: true},
		{name: "others can write to the file", spoil: func(_, _, f string) error { return os.Chmod(f, 0o622) }, unsafe: true},
		{name: "another user's directory", spoil: func(d, _, _ string) error { return os.Chown(d, nobody, nobody) }, unsafe: true, root: true},
		{name: "another user's shelf", spoil: func(_, s, _ string) error { return os.Chown(s, nobody, nobody) }, unsafe: true, root: true},
		{name: "another user's file", spoil: func(_, _, f string) error { return os.Chown(f, nobody, nobody) }, unsafe: true, root: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.root && os.Geteuid() != 0 {
				t.Skip("changing owners needs root")
			}
			dir := t.TempDir()
			for _, o := range []Options{{}, {Key: testSecret}} {
				key := keyOf(1)
				file := fileWith(o.Key, dir, key)
				err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, os.Geteuid(), -1),
					mustOpen(t, dir, o).Put(t.Context(), key, []byte("data")))
				if err == nil {
					err = test.spoil(dir, filepath.Dir(file), file)
				}
				if err != nil {
					t.Fatal(err)
				}
				var n notes
				o.Warn = n.add
				s := mustOpen(t, dir, o)
				_, err = s.Get(t.Context(), key, saves)
				_, err2 := s.Get(t.Context(), key, saves)
				if test.unsafe && o.Key == nil {
					if !errors.Is(err, ErrMissing) || !errors.Is(err2, ErrMissing) {
						t.Errorf("errors %v and %v, want ErrMissing", err, err2)
					}
					n.want(t, "is not used: ")
					n.want(t, "IMAGEGATE_CACHE_KEY")
				} else if err != nil {
					t.Errorf("secret %q: %v", o.Key, err)
				}
			}
		})
	}
}

func TestUnsafeDirectoryIsToldToMaintenance(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(mustOpen(t, dir, Options{}).Put(t.Context(), keyOf(1), nil), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := mustOpen(t, dir, Options{}).Info(t.Context()); err == nil || !strings.Contains(err.Error(), "others can write") {
		t.Errorf("Info: error %v, want why it is not used", err)
	}
	var n notes
	s := mustOpen(t, dir, Options{Maintenance: true, Warn: n.add})
	if info, err := s.Info(t.Context()); err != nil || info.Entries != 1 {
		t.Errorf("%+v, error %v, want one entry", info, err)
	}
	n.want(t, "others can write")
}

// A secret makes a directory that is shared; those it is shared with can read.
func TestSharedDirectoryIsReadableForAll(t *testing.T) {
	for mode, want := range map[os.FileMode][2]os.FileMode{
		0o700: {0o700, 0o600}, 0o770: {0o770, 0o660}, 0o777: {0o777, 0o666}, 0o755: {0o755, 0o644},
	} {
		for _, secret := range [][]byte{nil, testSecret} {
			dir := t.TempDir()
			s := mustOpen(t, dir, Options{Key: secret})
			mode, want := mode, want
			if secret == nil {
				want = [2]os.FileMode{0o700, 0o600}
				mode &^= 0o022
			}
			if err := errors.Join(os.Chmod(dir, mode), s.Put(t.Context(), keyOf(1), nil)); err != nil {
				t.Fatal(err)
			}
			name := fileWith(secret, dir, keyOf(1))
			shelf, err := os.Stat(filepath.Dir(name))
			file, err2 := os.Stat(name)
			if err := errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			if got := [2]os.FileMode{shelf.Mode().Perm(), file.Mode().Perm()}; got != want {
				t.Errorf("directory %o, secret %q: shelf and file have %o, want %o", mode, secret, got, want)
			}
		}
	}
}

func TestLinksAndPipesAreNotFollowed(t *testing.T) {
	for name, plant := range map[string]func(shelf, file, genuine string) error{
		"a link":           func(_, file, genuine string) error { return os.Symlink(genuine, file) },
		"a pipe":           func(_, file, _ string) error { return syscall.Mkfifo(file, 0o600) },
		"a link to itself": func(_, file, _ string) error { return os.Symlink(file, file) },
		"a linked shelf": func(shelf, _, genuine string) error {
			return errors.Join(os.Remove(shelf), os.Symlink(filepath.Dir(genuine), shelf))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, elsewhere := t.TempDir(), t.TempDir()
			key, shelf := keyOf(1), filepath.Dir(fileOf(dir, keyOf(1)))
			err := errors.Join(mustOpen(t, elsewhere, Options{}).Put(t.Context(), key, []byte("data")),
				os.Mkdir(shelf, 0o700), plant(shelf, fileOf(dir, key), fileOf(elsewhere, key)))
			if err != nil {
				t.Fatal(err)
			}
			var n notes
			s := mustOpen(t, dir, Options{Warn: n.add})
			if _, err := s.Get(t.Context(), key, saves); !errors.Is(err, ErrMissing) {
				t.Errorf("error %v, want ErrMissing", err)
			}
			if len(n.all()) != 1 {
				t.Errorf("warnings %q, want one", n.all())
			}
			if got, err := s.Prune(t.Context(), Prune{All: true}); err != nil || got.Deleted > 0 {
				t.Errorf("Prune: %+v, error %v, want nothing deleted", got, err)
			}
			if _, err := os.Stat(fileOf(elsewhere, key)); err != nil {
				t.Error(err)
			}
		})
	}
}

// playReadOnly becomes an ordinary user, for whom permissions count, and uses a
// directory that it cannot write to: args: directory, owner.
func playReadOnly(args []string) error {
	if err := os.Chdir(args[0]); err != nil { // its parents are root's
		return err
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			return err
		}
	}
	var n notes
	s, err := Open(context.Background(), ".", Options{Warn: n.add})
	if err != nil {
		return err
	}
	data, err := s.Get(context.Background(), keyOf(1), saves)
	if err != nil || string(data) != "data" {
		return fmt.Errorf("Get: %q, %w", data, err)
	}
	for range 3 {
		if err := s.Put(context.Background(), keyOf(2), nil); err == nil {
			return errors.New("Put works")
		}
	}
	if w := n.all(); len(w) != 1 || !strings.Contains(w[0], "is read only") {
		return fmt.Errorf("warnings %q", w)
	}
	return nil
}

func TestReadOnlyDirectoryServes(t *testing.T) {
	for _, owner := range []int{0, nobody} { // a cache in a CI image is root's
		if os.Geteuid() != 0 {
			owner = os.Geteuid()
		}
		dir := t.TempDir()
		shelf, file := filepath.Dir(fileOf(dir, keyOf(1))), fileOf(dir, keyOf(1))
		err := mustOpen(t, dir, Options{}).Put(t.Context(), keyOf(1), []byte("data"))
		for _, name := range []string{file, shelf, dir} {
			err = errors.Join(err, os.Chown(name, owner, -1))
		}
		err = errors.Join(err, os.Chmod(file, 0o444), os.Chmod(shelf, 0o555), os.Chmod(dir, 0o555))
		if err != nil {
			t.Fatal(err)
		}
		perform(t, "read-only", dir)
		if err := errors.Join(os.Chmod(dir, 0o700), os.Chmod(shelf, 0o700)); err != nil { // for TempDir to remove it
			t.Error(err)
		}
	}
}

// playLimited writes more than it may, which is what a quota and a full disk
// look like. args: directory.
func playLimited(args []string) error {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	return fillUp(args[0])
}

// fillUp finds that a large entry does not fit, once told, and a small one does.
func fillUp(dir string) error {
	var n notes
	s, err := Open(context.Background(), dir, Options{Warn: n.add})
	if err != nil {
		return err
	}
	for i := range 3 {
		if err := s.Put(context.Background(), keyOf(i), noise(i)); err == nil {
			return errors.New("a large entry fits")
		}
	}
	if err := s.Put(context.Background(), keyOf(9), []byte("data")); err != nil {
		return fmt.Errorf("a small entry does not fit: %w", err)
	}
	if w := n.all(); len(w) != 1 || !strings.Contains(w[0], "does not keep every layer") {
		return fmt.Errorf("warnings %q", w)
	}
	if info, err := s.Info(context.Background()); err != nil || info.Entries != 1 {
		return fmt.Errorf("%+v, error %w, want one entry", info, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
	if len(left) > 0 || err != nil {
		return fmt.Errorf("temporary files %v, error %w", left, err)
	}
	return nil
}

func TestNoHalfEntriesWithinALimit(t *testing.T) { perform(t, "limited", t.TempDir()) }

func TestNoHalfEntriesOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=0700"); err != nil {
		t.Skipf("a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := fillUp(dir); err != nil {
		t.Error(err)
	}
}
