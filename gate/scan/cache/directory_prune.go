package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
)

var shelfForm = regexp.MustCompile(`^[0-9a-f]{2}$`)

// Info implements Store.
func (d *directory) Info(ctx context.Context) (Info, error) {
	root, err := d.open(false)
	if errors.Is(err, fs.ErrNotExist) {
		return Info{Place: d.dir}, nil
	}
	if err != nil {
		return Info{}, fmt.Errorf("the layer cache %s: %w", d.dir, err)
	}
	entries, err := d.list(ctx, root)
	if err != nil {
		return Info{}, fmt.Errorf("list the layer cache %s: %w", d.dir, err)
	}
	return describe(d.dir, entries), nil
}

// Prune implements Store. It goes on after an entry that cannot be deleted.
func (d *directory) Prune(ctx context.Context, p Prune) (Pruned, error) {
	root, err := d.open(false)
	if errors.Is(err, fs.ErrNotExist) {
		return Pruned{}, nil
	}
	if err != nil {
		return Pruned{}, fmt.Errorf("the layer cache %s: %w", d.dir, err)
	}
	d.sweepTemps(root)
	entries, err := d.list(ctx, root)
	if err != nil {
		return Pruned{}, fmt.Errorf("list the layer cache %s: %w", d.dir, err)
	}
	before := describe(d.dir, entries)
	done := Pruned{Kept: before.Entries, KeptBytes: before.Bytes}
	var failed error
	for _, e := range p.choose(entries, d.options.Now()) {
		if ctx.Err() != nil {
			return done, context.Cause(ctx)
		}
		deleted, err := d.delete(root, e, p.All)
		if err != nil && failed == nil {
			failed = fmt.Errorf("prune the layer cache %s: %w", d.dir, err)
		}
		if deleted {
			done.Deleted++
			done.DeletedBytes += e.size
			done.Kept--
			done.KeptBytes -= e.size
		}
	}
	return done, failed
}

// delete removes an entry, unless it was used since it was listed. One that is
// gone was deleted by another Prune.
func (d *directory) delete(root *os.Root, e entry, anyway bool) (bool, error) {
	info, err := root.Lstat(e.name)
	if err == nil && !anyway && !info.ModTime().Equal(e.used) {
		return false, nil
	}
	if err == nil {
		err = root.Remove(e.name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return err == nil, err
}

// list returns all entries. What does not look like one of ours is left alone:
// the directory may hold other things as well.
func (d *directory) list(ctx context.Context, root *os.Root) ([]entry, error) {
	shelves, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, shelf := range shelves {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !shelf.IsDir() || !shelfForm.MatchString(shelf.Name()) {
			continue
		}
		if entries, err = listShelf(root, shelf.Name(), entries); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func listShelf(root *os.Root, shelf string, entries []entry) ([]entry, error) {
	files, err := fs.ReadDir(root.FS(), shelf)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		key, ours := strings.CutSuffix(f.Name(), suffix)
		if !ours || !keyForm.MatchString(key) || key[:2] != shelf {
			continue
		}
		name := path.Join(shelf, f.Name())
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another Prune
		}
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			entries = append(entries, entry{name: name, size: info.Size(), used: info.ModTime()})
		}
	}
	return entries, nil
}

// sweepTemps deletes the temporary files of killed processes. It ignores the files
// that it cannot delete.
func (d *directory) sweepTemps(root *os.Root) {
	files, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Name(), tempPrefix) {
			continue
		}
		info, err := root.Lstat(f.Name())
		if err == nil && info.Mode().IsRegular() && d.options.Now().Sub(info.ModTime()) > tempTooOld {
			_ = root.Remove(f.Name())
		}
	}
}
