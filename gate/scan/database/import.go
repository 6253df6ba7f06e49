package database

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Import installs a database from a file, for machines without a network: an
// OCI layout in a tar archive (what Export, oras, crane and skopeo write), or
// the artifact's layer itself, db.tar.gz. It passes the same checks as a
// download. The kind is what the file holds.
func (s *Store) Import(ctx context.Context, file string) (Kind, *evidence.Database, error) {
	k, inst, err := s.importFile(ctx, file)
	if err != nil {
		return 0, nil, fault(fmt.Errorf("import %s: %w", file, err), importHint(err))
	}
	return k, inst.facts(), nil
}

func importHint(err error) string {
	if hint := cure(err); hint != "run `imagegate db update`" && !errors.Is(err, ErrRollback) {
		return hint
	}
	if errors.Is(err, ErrRollback) {
		return "if the older database is really wanted: `imagegate db import --allow-db-rollback FILE`"
	}
	return "make the file with `imagegate db export` on a machine with a network, or `oras copy --to-oci-layout`"
}

func (s *Store) importFile(ctx context.Context, file string) (Kind, *installed, error) {
	info, err := os.Stat(file) // before it is opened, which waits at a pipe
	if err != nil {
		return 0, nil, err
	}
	if !info.Mode().IsRegular() {
		return 0, nil, fmt.Errorf("it is %s, not a regular file", describeMode(info.Mode()))
	}
	f, err := os.Open(file)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	k, err := sniffLayer(f)
	if err != nil {
		return 0, nil, err
	}
	if k != 0 {
		inst, err := s.importLayer(ctx, k, f, info.Size())
		return k, inst, err
	}
	return s.importLayout(ctx, f)
}

// sniffLayer tells which kind of db.tar.gz f is; 0 when it is not gzip.
func sniffLayer(f *os.File) (Kind, error) {
	defer f.Seek(0, io.SeekStart)
	magic := make([]byte, 2)
	if _, err := io.ReadFull(f, magic); err != nil {
		return 0, errors.New("it is too short to be an archive")
	}
	if string(magic) != "\x1f\x8b" {
		return 0, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return 0, err
	}
	defer z.Close()
	// The database is the first or second file: other files are refused when the
	// archive is unpacked.
	archive := tar.NewReader(io.LimitReader(z, 1<<20))
	for {
		h, err := archive.Next()
		if err != nil {
			return 0, errors.New("it holds neither trivy.db nor trivy-java.db near its beginning")
		}
		for _, k := range []Kind{Vulnerability, Java} {
			if t, _ := k.traits(); strings.TrimPrefix(h.Name, "./") == t.file {
				return k, nil
			}
		}
	}
}

// importLayer installs a db.tar.gz. There is no digest to compare it with.
func (s *Store) importLayer(ctx context.Context, k Kind, f *os.File, size int64) (*installed, error) {
	if limit := s.opt.Limits.Artifact; size > limit {
		return nil, fmt.Errorf("it is too large: %d bytes, the limit is %d", size, limit)
	}
	p, err := s.place(k)
	if err != nil {
		return nil, err
	}
	return s.exclusively(ctx, p, func(*installed) (*installed, error) {
		staging, err := os.MkdirTemp(p.dir, tempPrefix)
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(staging)
		u := unpacker{traits: p.traits, dir: staging, limits: s.opt.Limits,
			packed:  func() int64 { return size },
			reserve: func(n int64) error { return s.reserve(staging, n) }}
		files, err := u.unpack(ctx, f)
		if err != nil {
			return nil, err
		}
		next, err := s.describe(p, f.Name(), "", staging, files)
		if err != nil {
			return nil, err
		}
		return s.install(ctx, p, staging, next)
	})
}

// importLayout installs the artifact of an OCI layout and verifies its digests.
func (s *Store) importLayout(ctx context.Context, f *os.File) (Kind, *installed, error) {
	l, err := openLayout(f)
	if err != nil {
		return 0, nil, err
	}
	raw, _, _, err := l.Manifest(ctx, "")
	if err != nil {
		return 0, nil, err
	}
	k := layerKind(raw)
	if k == 0 {
		return 0, nil, errors.New("the artifact in it is no Trivy database")
	}
	p, err := s.place(k)
	if err != nil {
		return 0, nil, err
	}
	inst, err := s.exclusively(ctx, p, func(current *installed) (*installed, error) {
		return s.updateFrom(ctx, p, origin{Source: l, ref: f.Name()}, current)
	})
	return k, inst, err
}
