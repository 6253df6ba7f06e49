//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/semaphore"
	xio "github.com/aquasecurity/trivy/pkg/x/io"
	"golang.org/x/sync/errgroup"

	"github.com/imagegate/imagegate/gate/scan/wire"
)

// inMemory is the size up to which a file is analysed from memory. Larger ones
// go to a temporary file, as in Trivy's own walker.
const inMemory = 16 << 20

// layerScan is the analysis of one layer by one group of analyzers.
type layerScan struct {
	group  analyzer.AnalyzerGroup
	result *analyzer.AnalysisResult
	post   *analyzer.CompositeFS
}

func newLayerScan(g analyzer.AnalyzerGroup) (*layerScan, error) {
	post, err := g.PostAnalyzerFS()
	if err != nil {
		return nil, fmt.Errorf("temporary directory: %w", err)
	}
	return &layerScan{group: g, result: analyzer.NewAnalysisResult(), post: post}, nil
}

// layer is one layer being read.
type layer struct {
	head          wire.Layer
	opaque, white []string
	main, sbom    *layerScan
	eg            *errgroup.Group
	ctx           context.Context
	limit         *semaphore.Weighted
	temps         []string
	jars          []jar
}

func newLayer(ctx context.Context, head wire.Layer, g *groups, parallel int) (*layer, error) {
	l := &layer{head: head, limit: semaphore.New(parallel)}
	var err error
	if l.main, err = newLayerScan(g.main); err != nil {
		return nil, err
	}
	if l.sbom, err = newLayerScan(g.sbom); err != nil {
		l.close()
		return nil, err
	}
	l.eg, l.ctx = errgroup.WithContext(ctx)
	return l, nil
}

// close removes the layer's temporary files.
func (l *layer) close() {
	for _, s := range []*layerScan{l.main, l.sbom} {
		if s != nil {
			_ = s.post.Cleanup()
		}
	}
	for _, name := range l.temps {
		_ = os.Remove(name)
	}
}

// wants reports whether any analyzer asks for the file.
//
// Trivy decides by name, mode and size and offers no query for its plain
// analyzers, so AnalyzeFile is run with an opener that only notes that it was
// called. Its error ends AnalyzeFile before any analyzer has run.
func (l *layer) wants(e *wire.Entry) bool {
	info := fileInfo{e}
	for _, s := range []*layerScan{l.main, l.sbom} {
		if len(s.group.RequiredPostAnalyzers(e.Name, info)) > 0 {
			return true
		}
		asked := false
		probe := func() (xio.ReadSeekCloserAt, error) {
			asked = true
			return nil, errProbe
		}
		err := s.group.AnalyzeFile(l.ctx, l.eg, l.limit, s.result, "", e.Name, info, probe, nil, analysisOptions)
		if asked || err != nil {
			return true
		}
	}
	return false
}

var (
	errProbe        = errors.New("only asking")
	analysisOptions = analyzer.AnalysisOptions{Offline: true}
)

// file analyses one file whose bytes are at hand.
func (l *layer) file(e *wire.Entry, open analyzer.Opener) error {
	for _, s := range []*layerScan{l.main, l.sbom} {
		if err := l.analyze(s, e, open); err != nil {
			return fmt.Errorf("analyse %s: %w", e.Name, err)
		}
	}
	return nil
}

func (l *layer) analyze(s *layerScan, e *wire.Entry, open analyzer.Opener) error {
	info := fileInfo{e}
	if err := s.group.AnalyzeFile(l.ctx, l.eg, l.limit, s.result, "", e.Name, info, open, nil, analysisOptions); err != nil {
		return err
	}
	types := s.group.RequiredPostAnalyzers(e.Name, info)
	if len(types) == 0 {
		return nil
	}
	tmp, err := s.post.CopyFileToTemp(open, info)
	if err != nil {
		return err
	}
	if slices.Contains(types, analyzer.TypeJar) {
		l.jars = append(l.jars, jar{e.Name, tmp})
		types = slices.DeleteFunc(types, func(t analyzer.Type) bool { return t == analyzer.TypeJar })
	}
	return s.post.CreateLink(types, "", e.Name, tmp)
}

// jar is a file for the Java analyzer, which sees it only when there is a Java
// database. Without one it fails for the whole layer, and later in the same
// process finds nothing without saying so (sync.Once in trivy pkg/javadb).
type jar struct{ name, copied string }

func (l *layer) linkJars() error {
	for _, j := range l.jars {
		if err := l.main.post.CreateLink([]analyzer.Type{analyzer.TypeJar}, "", j.name, j.copied); err != nil {
			return err
		}
	}
	return nil
}

// finish waits for the analyzers, runs those that need the whole layer, and
// returns what Trivy's applier merges: the main result and the SBOMs' own.
func (l *layer) finish(ctx context.Context, g *groups, java bool) (main, sbom ftypes.BlobInfo, err error) {
	if err := l.eg.Wait(); err != nil {
		return main, sbom, fmt.Errorf("analyse layer %s: %w", l.head.DiffID, err)
	}
	if java {
		if err := l.linkJars(); err != nil {
			return main, sbom, err
		}
	}
	for _, s := range []*layerScan{l.main, l.sbom} {
		if err := s.group.PostAnalyze(ctx, s.post, s.result, analysisOptions); err != nil {
			return main, sbom, fmt.Errorf("analyse layer %s: %w", l.head.DiffID, err)
		}
		s.result.Sort()
	}
	main, sbom = l.blob(l.main.result), l.blob(l.sbom.result)
	main.OpaqueDirs, main.WhiteoutFiles = l.opaque, l.white
	sbom.OpaqueDirs, sbom.WhiteoutFiles = l.opaque, l.white
	if err := g.post.PostHandle(ctx, l.main.result, &main); err != nil {
		return main, sbom, fmt.Errorf("analyse layer %s: %w", l.head.DiffID, err)
	}
	return main, sbom, nil
}

func (l *layer) blob(r *analyzer.AnalysisResult) ftypes.BlobInfo {
	return ftypes.BlobInfo{
		SchemaVersion: ftypes.BlobJSONSchemaVersion,
		Digest:        l.head.Digest,
		DiffID:        l.head.DiffID,
		CreatedBy:     l.head.CreatedBy,
		OS:            r.OS,
		Repository:    r.Repository,
		PackageInfos:  r.PackageInfos,
		Applications:  r.Applications,
		Secrets:       r.Secrets,
		Licenses:      r.Licenses,
		BuildInfo:     r.BuildInfo,
	}
}

// fromMemory returns an opener over bytes that every analyzer shares.
func fromMemory(b []byte) analyzer.Opener {
	return func() (xio.ReadSeekCloserAt, error) {
		return xio.NopCloser(bytes.NewReader(b)), nil
	}
}

// spill copies a large file to the worker's private temporary directory.
func (l *layer) spill(r io.Reader) (analyzer.Opener, error) {
	f, err := os.CreateTemp("", "file-")
	if err != nil {
		return nil, err
	}
	l.temps = append(l.temps, f.Name())
	_, err = io.Copy(f, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return func() (xio.ReadSeekCloserAt, error) { return os.Open(f.Name()) }, nil
}

// fileInfo shows an entry as Trivy's analyzers want to see it.
type fileInfo struct{ e *wire.Entry }

func (i fileInfo) Name() string       { return path.Base(i.e.Name) }
func (i fileInfo) Size() int64        { return i.e.Size }
func (i fileInfo) Mode() fs.FileMode  { return i.e.Mode }
func (i fileInfo) ModTime() time.Time { return time.Unix(i.e.Modified, 0) }
func (i fileInfo) IsDir() bool        { return false }
func (i fileInfo) Sys() any           { return nil }
