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
	"sync"
	"time"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/mapfs"
	"github.com/aquasecurity/trivy/pkg/semaphore"
	xio "github.com/aquasecurity/trivy/pkg/x/io"
	"golang.org/x/sync/errgroup"

	"github.com/imagegate/imagegate/gate/scan/manifest"
	"github.com/imagegate/imagegate/gate/scan/wire"
)

// inMemory is the size up to which a file is analysed from memory. Larger ones
// go to a temporary file, as in Trivy's own walker.
const inMemory = 16 << 20

// layerScan is the analysis of one layer by one group of analyzers.
type layerScan struct {
	group   analyzer.AnalyzerGroup
	result  *analyzer.AnalysisResult // of the whole layer, complete at its end
	results []*fileResult            // of its files, in the order of the layer
	byName  map[string]*fileResult
	post    *analyzer.CompositeFS
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
	diffID        string
	opaque, white []string
	hashes        fileHashes      // nil when nothing asks for secrets
	noText        map[string]bool // names of files that are no text; nil when they are not counted
	onlyArchives  bool            // noText has only archives of the application
	gone          []replacedFile
	links         []link
	main, sbom    *layerScan
	logs          *logs
	together      sync.RWMutex // held for writing while one file is analysed alone
	eg            *errgroup.Group
	ctx           context.Context
	limit         *semaphore.Weighted
	temps         []string
	jars          []jarFile
	archives      []archive // the jars, and the archives in them
	own           ownFacts
	readings      map[string]reading // by path
	gaps          []wire.Gap
	// unpackedPoms and unpackedClaims are what the metadata of unpacked jars says, by path.
	// unpackedNamed has the pom.properties with all coordinates.
	unpackedNamed  map[string]bool
	unpackedPoms   map[string]manifest.Coordinates
	unpackedClaims map[string]string
	skipped        []string // files that have the name of a package's metadata and need not describe one
	unversioned    []wire.Gap
	dropped        []string // names of files that a later entry replaced
	held           int64    // bytes of files for post-analyzers that are in memory
}

func newLayer(ctx context.Context, diffID string, g *groups, logs *logs, parallel int) (*layer, error) {
	l := &layer{diffID: diffID, logs: logs, limit: semaphore.New(parallel)}
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

var analysisOptions = analyzer.AnalysisOptions{Offline: true}

// file analyses one file whose bytes are at hand.
func (l *layer) file(e *wire.Entry, c content) error {
	if _, again := l.main.byName[e.Name]; again {
		l.forget(e.Name)
	}
	te, tc := inTrivysForm(e, c)
	head := headOf(c)
	var application *zipFile
	if !manifest.IsJar(e.Name) && manifest.MayHoldPackages(e.Name, head) {
		application = openZip(e, c)
		defer application.close()
	}
	jar := isJar(e.Name, head, application)
	for _, s := range []*layerScan{l.main, l.sbom} {
		if err := l.analyze(s, te, tc, jar); err != nil {
			return fmt.Errorf("analyse %s: %w", e.Name, err)
		}
	}
	l.read(e, c)
	l.unpackedJar(e, c)
	l.egg(e, c)
	switch {
	case path.Base(e.Name) == packageJSON:
		l.npm(e, c)
	case application != nil:
		if err := l.zipped(e, c, application); err != nil {
			return fmt.Errorf("read %s: %w", e.Name, err)
		}
	}
	return nil
}

// inTrivysForm returns the file as Trivy is to see it. A large file stays as it is:
// then the scanner says that it cannot read it, which is a gap.
func inTrivysForm(e *wire.Entry, c content) (*wire.Entry, content) {
	if c.bytes == nil {
		return e, c
	}
	data := manifest.InTrivysForm(e.Name, c.bytes)
	if len(data) == len(c.bytes) {
		return e, c
	}
	changed := *e
	changed.Size = int64(len(data))
	return &changed, content{open: fromMemory(data), bytes: data}
}

func (l *layer) analyze(s *layerScan, e *wire.Entry, c content, jar bool) error {
	info := fileInfo{e.Name, e.Mode, e.Size, e.Modified}
	r := s.newResult(e.Name)
	if err := l.start(s, e, info, c, r); err != nil {
		return err
	}
	types := s.group.RequiredPostAnalyzers(e.Name, info)
	if s == l.main && jar {
		types = append(types, analyzer.TypeJar)
	}
	r.posts = types
	switch {
	case len(types) == 0:
		return nil
	case slices.Contains(types, analyzer.TypeJar):
		return l.addJar(s, types, e.Name, c)
	case c.bytes != nil && len(c.bytes) <= virtualFile && l.held+e.Size <= virtualFiles:
		l.held += e.Size
		return addVirtual(s.post, types, e.Name, c.bytes)
	}
	tmp, err := s.post.CopyFileToTemp(c.open, info)
	if err != nil {
		return err
	}
	return s.post.CreateLink(types, "", e.Name, tmp)
}

const (
	// virtualFile is the size up to which a file for a post-analyzer stays in
	// memory. Without it, an image with thousands of small package lists would need
	// as many temporary files.
	virtualFile = 1 << 20
	// virtualFiles bounds all of them.
	virtualFiles = 64 << 20
)

// addVirtual does what CompositeFS.CreateLink does, with bytes instead of a
// file. The mode is that of CopyFileToTemp's files.
func addVirtual(post *analyzer.CompositeFS, types []analyzer.Type, name string, b []byte) error {
	for _, t := range types {
		files, ok := post.Get(t)
		if !ok {
			files = mapfs.New()
			post.Set(t, files)
		}
		if dir := path.Dir(name); dir != "." {
			if err := files.MkdirAll(dir, fs.ModePerm); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
		if err := files.WriteVirtualFile(name, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// finish waits for the analyzers, runs those that need the whole layer, and
// returns what Trivy's applier merges: the main result and the SBOMs' own.
func (l *layer) finish(ctx context.Context, g *groups, java bool) (*analysis, error) {
	if err := l.eg.Wait(); err != nil {
		return nil, fmt.Errorf("analyse layer %s: %w", l.diffID, err)
	}
	if java {
		if err := l.readJars(ctx); err != nil {
			return nil, fmt.Errorf("analyse layer %s: %w", l.diffID, err)
		}
	}
	bills := l.sbom.packages()
	sent := l.sent()
	for _, s := range []*layerScan{l.main, l.sbom} {
		s.merge()
		if err := s.group.PostAnalyze(ctx, s.post, s.result, analysisOptions); err != nil {
			return nil, fmt.Errorf("analyse layer %s: %w", l.diffID, err)
		}
		if s == l.main {
			l.compareReadings(s.result)
			l.pythonDirectories(sent, s.result)
			l.unpackedJars(s.result)
		}
		if java && s == l.main {
			l.identifyJars(s.result)
		}
		s.result.Sort()
	}
	links := l.aliases()
	l.own.keepUsed(l.main.result.Applications)
	a := &analysis{Main: l.blob(l.main.result), SBOM: l.blob(l.sbom.result), SBOMPackages: bills, Jars: len(l.jars), Own: l.own, Links: links, Gaps: l.gaps, Unversioned: l.unversioned, Skipped: l.skipped, Contents: l.hashes.of(l.main.result.Secrets), Gone: l.goneSecrets(), sent: sent}
	if err := g.post.PostHandle(ctx, l.main.result, &a.Main); err != nil {
		return nil, fmt.Errorf("analyse layer %s: %w", l.diffID, err)
	}
	return a, nil
}

func (l *layer) blob(r *analyzer.AnalysisResult) ftypes.BlobInfo {
	return ftypes.BlobInfo{
		SchemaVersion: ftypes.BlobJSONSchemaVersion,
		OpaqueDirs:    l.opaque,
		WhiteoutFiles: l.white,
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

// headOf returns the first bytes of a file, at most manifest.ArchiveHead.
func headOf(c content) []byte {
	if c.bytes != nil {
		return c.bytes[:min(len(c.bytes), manifest.ArchiveHead)]
	}
	f, err := c.open()
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, manifest.ArchiveHead)
	n, _ := io.ReadFull(f, head)
	return head[:n]
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
type fileInfo struct {
	name     string
	mode     fs.FileMode
	size     int64
	modified int64
}

func (i fileInfo) Name() string       { return path.Base(i.name) }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return i.mode }
func (i fileInfo) ModTime() time.Time { return time.Unix(i.modified, 0) }
func (i fileInfo) IsDir() bool        { return false }
func (i fileInfo) Sys() any           { return nil }
