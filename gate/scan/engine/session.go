//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/scan/utils"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// session is one image.
type session struct {
	engine *engine
	groups *groups
	begin  wire.Begin
	main   []ftypes.BlobInfo
	sbom   []ftypes.BlobInfo
	counts map[string][]string // package database -> name@version, of the topmost layer that has it
	jars   int
}

// read takes the image's layers from the parent and returns the report.
func (s *session) read(ctx context.Context) (*wire.Report, error) {
	s.counts = map[string][]string{}
	for {
		t, payload, err := s.engine.in.Next()
		if err != nil {
			return nil, fmt.Errorf("the parent went away: %w", err)
		}
		switch t {
		case wire.TypeLayer:
			var head wire.Layer
			if err := wire.Decode(payload, &head); err != nil {
				return nil, err
			}
			if err := s.layer(ctx, head); err != nil {
				return nil, err
			}
		case wire.TypeFinish:
			var f wire.Finish
			if err := wire.Decode(payload, &f); err != nil {
				return nil, err
			}
			return s.finish(ctx, &f)
		default:
			return nil, fmt.Errorf("frame %q between layers", t)
		}
	}
}

// layer reads one layer to its end and analyses it.
func (s *session) layer(ctx context.Context, head wire.Layer) error {
	s.engine.logs.enter(head.DiffID)
	l, err := newLayer(ctx, head, s.groups, s.engine.parallel)
	if err != nil {
		return err
	}
	defer l.close()
	for {
		t, payload, err := s.engine.in.Next()
		if err != nil {
			return fmt.Errorf("the parent went away: %w", err)
		}
		switch t {
		case wire.TypeEntry:
			e, err := wire.ParseEntry(payload)
			if err != nil {
				return err
			}
			if err := s.entry(l, &e); err != nil {
				return err
			}
		case wire.TypeLayerEnd:
			var end wire.LayerEnd
			if err := wire.Decode(payload, &end); err != nil {
				return err
			}
			return s.endLayer(ctx, l, end)
		default:
			return fmt.Errorf("frame %q inside a layer", t)
		}
	}
}

func (s *session) endLayer(ctx context.Context, l *layer, end wire.LayerEnd) error {
	main, sbom, err := l.finish(ctx, s.groups, end.JavaDatabase)
	if err != nil {
		return err
	}
	for _, info := range main.PackageInfos {
		s.counts[info.FilePath] = identities(info.Packages)
	}
	s.jars += len(l.jars)
	s.main, s.sbom = append(s.main, main), append(s.sbom, sbom)
	return nil
}

// identities lists packages as name@version, for the parent to compare with its
// own reading of the database.
func identities(pkgs ftypes.Packages) []string {
	ids := make([]string, len(pkgs))
	for i := range pkgs {
		ids[i] = pkgs[i].Name + "@" + utils.FormatVersion(pkgs[i])
	}
	slices.Sort(ids)
	return ids
}

// entry takes one entry of the layer and, if it is a file, its bytes.
func (s *session) entry(l *layer, e *wire.Entry) error {
	switch e.Type {
	case wire.EntryWhiteout:
		l.white = append(l.white, e.Name)
		return nil
	case wire.EntryOpaque:
		l.opaque = append(l.opaque, e.Name)
		return nil
	}
	wanted := l.wants(e)
	if e.Ask {
		answer := []byte{0}
		if wanted {
			answer[0] = 1
		}
		if err := s.engine.out.Frame(wire.TypeWant, answer); err != nil {
			return err
		}
		if err := s.engine.out.Flush(); err != nil {
			return err
		}
		if !wanted {
			return nil
		}
	}
	body := &body{in: s.engine.in, left: e.Size}
	if wanted {
		open, err := s.content(l, e, body)
		if err != nil {
			return err
		}
		if err := l.file(e, open); err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, body)
	return err
}

// content reads a file's bytes, into memory when they are few.
func (s *session) content(l *layer, e *wire.Entry, r io.Reader) (analyzer.Opener, error) {
	if e.Size > inMemory {
		return l.spill(r)
	}
	b := make([]byte, e.Size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	return fromMemory(b), nil
}

// body reads the Data frames of one file: exactly as many bytes as its entry
// promised.
type body struct {
	in   *wire.Reader
	left int64
	rest bytes.Reader
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	for b.rest.Len() == 0 {
		if b.left == 0 {
			return 0, io.EOF
		}
		t, payload, err := b.in.Next()
		if err != nil {
			return 0, fmt.Errorf("the parent went away: %w", err)
		}
		if t != wire.TypeData || int64(len(payload)) > b.left || len(payload) == 0 {
			return 0, fmt.Errorf("frame %q of %d bytes inside a file with %d to come", t, len(payload), b.left)
		}
		b.left -= int64(len(payload))
		b.rest.Reset(payload)
	}
	return b.rest.Read(p)
}

// finish merges, detects, and makes the report.
func (s *session) finish(ctx context.Context, f *wire.Finish) (*wire.Report, error) {
	s.engine.logs.enter("")
	report := &wire.Report{Jars: s.jars}
	d, err := s.detect(ctx, report)
	if err != nil {
		return nil, err
	}
	addResults(report, d.results)
	for path, ids := range s.counts {
		report.Databases = append(report.Databases, wire.Count{Path: path, Packages: len(ids), IDs: ids})
	}
	if s.begin.Need.Has(evidence.NeedSecrets) {
		secrets, err := s.secrets(ctx, d.detail.Secrets)
		if err != nil {
			return nil, err
		}
		addSecrets(report, secrets)
	}
	if s.begin.Need.Has(evidence.NeedLicenses) {
		addLicenses(report, &d.detail)
	}
	report.Unattributed = unattributed(f.Executables, &d.detail)
	if report.Documents, err = s.documents(ctx, d); err != nil {
		return nil, err
	}
	return report, nil
}

// secrets adds those in the image config: environment, labels and history.
func (s *session) secrets(ctx context.Context, found []ftypes.Secret) ([]ftypes.Secret, error) {
	if len(s.begin.Config) == 0 {
		return found, nil
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(s.begin.Config, &config); err != nil {
		return nil, fmt.Errorf("image config: %w", err)
	}
	if r := s.groups.config.AnalyzeImageConfig(ctx, ftypes.OS{}, &config); r.Secret != nil {
		found = append(found, *r.Secret)
	}
	return found, nil
}
