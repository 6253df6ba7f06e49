package database

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Export writes the installed database to a file that Import reads: an OCI
// layout in a tar archive, which oras, crane and skopeo can push to a mirror.
// The file is whole or it is not there.
func (s *Store) Export(ctx context.Context, k Kind, file string) (*evidence.Database, error) {
	p, err := s.place(k)
	if err != nil {
		return nil, err
	}
	inst, db, err := s.open(ctx, p)
	if err != nil {
		return nil, s.readFault(p, err)
	}
	defer db.Close()
	if err := writeExport(ctx, file, inst, db); err != nil {
		return nil, fault(fmt.Errorf("export the %s to %s: %w", p.name, file, err), exportHint(err))
	}
	return inst.facts(), nil
}

func exportHint(err error) string {
	if errors.Is(err, ErrChanged) {
		return cure(err)
	}
	return "name a file in a directory that can be written and has room"
}

// open verifies the database and opens it: the file stays the same one when it
// is replaced afterwards.
func (s *Store) open(ctx context.Context, p place) (*installed, *os.File, error) {
	h, err := s.acquire(ctx, p.lockFile())
	if err != nil {
		return nil, nil, err
	}
	defer h.release()
	inst, err := s.load(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(p.database())
	return inst, f, err
}

func writeExport(ctx context.Context, file string, inst *installed, db io.Reader) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), ".imagegate-export-")
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := (&exporter{f: f, inst: inst}).write(ctx, db); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// exporter writes one archive.
type exporter struct {
	f    *os.File
	inst *installed
}

// block is the size that tar rounds everything to.
const block = 512

func (e *exporter) write(ctx context.Context, db io.Reader) error {
	if err := e.add("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	config := []byte("{}")
	if err := e.add(blobName(sumOf(config)), config); err != nil {
		return err
	}
	layer, err := e.addLayer(ctx, db)
	if err != nil {
		return err
	}
	doc, err := e.manifest(config, layer)
	if err != nil {
		return err
	}
	if err := e.add(blobName(sumOf(doc)), doc); err != nil {
		return err
	}
	index, err := e.index(doc)
	if err != nil {
		return err
	}
	if err := e.add("index.json", index); err != nil {
		return err
	}
	_, err = e.f.Write(make([]byte, 2*block))
	return err
}

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.aquasec.trivy.config.v1+json" // as in Trivy's own artifacts
)

func (e *exporter) manifest(config []byte, layer *descriptor) ([]byte, error) {
	return strictjson.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": descriptor{configType, sumOf(config), int64(len(config))},
		"layers": []any{map[string]any{
			"mediaType": layer.MediaType, "digest": layer.Digest, "size": layer.Size,
			"annotations": map[string]string{"org.opencontainers.image.title": e.inst.place.title},
		}},
		"annotations": map[string]string{"org.opencontainers.image.created": e.built().Format(time.RFC3339)},
	})
}

func (e *exporter) index(manifest []byte) ([]byte, error) {
	return strictjson.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
		"manifests": []any{map[string]any{
			"mediaType": manifestType, "digest": sumOf(manifest), "size": len(manifest),
			"annotations": map[string]string{"org.opencontainers.image.ref.name": strconv.Itoa(e.inst.place.schema)},
		}},
	})
}

func (e *exporter) built() time.Time { return e.inst.entry.Metadata.UpdatedAt }

// header returns the one block that goes before a file.
func (e *exporter) header(name string, size int64) ([]byte, error) {
	var b bytes.Buffer
	err := tar.NewWriter(&b).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644,
		ModTime: e.built().Truncate(time.Second), Format: tar.FormatGNU})
	if err == nil && b.Len() != block {
		err = fmt.Errorf("the tar header of %s has %d bytes", name, b.Len())
	}
	return b.Bytes(), err
}

func (e *exporter) add(name string, data []byte) error {
	h, err := e.header(name, int64(len(data)))
	if err != nil {
		return err
	}
	padding := make([]byte, -len(data)&(block-1))
	_, err = e.f.Write(append(append(h, data...), padding...))
	return err
}

// addLayer packs the database straight into the archive. Name and size are
// known afterwards, so the header is written last, over its place.
func (e *exporter) addLayer(ctx context.Context, db io.Reader) (*descriptor, error) {
	start, err := e.f.Seek(block, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	if err := e.pack(ctx, io.MultiWriter(e.f, sum), db); err != nil {
		return nil, err
	}
	end, err := e.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	layer := &descriptor{MediaType: e.inst.place.layer, Digest: hexSum(sum), Size: end - start}
	h, err := e.header(blobName(layer.Digest), layer.Size)
	if err != nil {
		return nil, err
	}
	if _, err := e.f.WriteAt(h, start-block); err != nil {
		return nil, err
	}
	_, err = e.f.Write(make([]byte, -layer.Size&(block-1)))
	return layer, err
}

// pack writes the layer: the two files as Trivy's builders pack them.
func (e *exporter) pack(ctx context.Context, w io.Writer, db io.Reader) error {
	m := e.inst.entry.Metadata
	m.DownloadedAt = time.Time{}
	raw, err := m.encode()
	if err != nil {
		return err
	}
	z := gzip.NewWriter(w)
	archive := tar.NewWriter(z)
	header := func(name string, size int64) error {
		return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644,
			ModTime: e.built().Truncate(time.Second)})
	}
	if err := header(e.inst.place.file, e.inst.entry.Size); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := copyContext(ctx, io.MultiWriter(archive, sum), db); err != nil {
		return err
	}
	if got := hexSum(sum); got != e.inst.entry.SHA256 {
		return fmt.Errorf("%w: it has %s, it was recorded as %s", ErrChanged, got, e.inst.entry.SHA256)
	}
	if err := header(metadataFile, int64(len(raw))); err != nil {
		return err
	}
	_, err = archive.Write(raw)
	return errors.Join(err, archive.Close(), z.Close())
}
