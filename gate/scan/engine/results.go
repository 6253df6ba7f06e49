//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/semaphore"
	"golang.org/x/sync/errgroup"

	"github.com/imagegate/imagegate/gate/scan/wire"
)

// fileResult is what the analyzers found in one file. Each file has a result of
// its own, and they are merged in the order of the layer: Trivy merges them in the
// order in which its goroutines end, and then chance decides which of two
// os-release files counts.
type fileResult struct {
	found    *analyzer.AnalysisResult // by Trivy, nil for nothing
	own      *analyzer.AnalysisResult // by us in a package.json or an archive, nil for nothing
	replaced bool                     // by a later entry of the same name
	posts    []analyzer.Type          // analyzers that see the file when the layer is complete
}

// newResult returns the place for what is found in a file. There must be none yet.
func (s *layerScan) newResult(name string) *fileResult {
	r := new(fileResult)
	if s.byName == nil {
		s.byName = map[string]*fileResult{}
	}
	s.byName[name] = r
	s.results = append(s.results, r)
	return r
}

// merge merges what was found in all files.
func (s *layerScan) merge() {
	for _, r := range s.results {
		if !r.replaced {
			s.result.Merge(r.found)
			s.result.Merge(r.own)
		}
	}
	s.results, s.byName = nil, nil
}

// packages lists the packages that were found in each file.
func (s *layerScan) packages() map[string][]string {
	found := map[string][]string{}
	for name, r := range s.byName {
		if r.found == nil {
			continue
		}
		for _, info := range r.found.PackageInfos {
			for i := range info.Packages {
				found[name] = append(found[name], packageKey("", &info.Packages[i]))
			}
		}
		for _, app := range r.found.Applications {
			for i := range app.Packages {
				found[name] = append(found[name], packageKey(app.Type, &app.Packages[i]))
			}
		}
	}
	return found
}

// forget drops what was found in a file that a later entry of the layer replaces.
func (s *layerScan) forget(name string) {
	r := s.byName[name]
	if r == nil {
		return
	}
	delete(s.byName, name)
	r.replaced = true
	for _, t := range r.posts {
		if files, ok := s.post.Get(t); ok {
			_ = files.Remove(name) // it may wait for the Java database
		}
	}
}

// replacedFile is a file of the layer that a later entry replaced. Its bytes are
// still in the layer, where everyone who can pull the image can read them, so the
// secrets in it count.
type replacedFile struct {
	name   string
	hash   [sha256.Size]byte
	result *fileResult
}

// replaced keeps what has to be known of a file that is replaced.
func (l *layer) replaced(name string) {
	if sum, ok := l.hashes[name]; ok {
		delete(l.hashes, name)
		l.gone = append(l.gone, replacedFile{name, sum, l.main.byName[name]})
	}
}

// goneSecrets returns the secrets in files that were replaced by other content.
func (l *layer) goneSecrets() []ftypes.Secret {
	var out []ftypes.Secret
	for _, f := range l.gone {
		if f.result != nil && f.result.found != nil && l.hashes[f.name] != f.hash {
			out = append(out, f.result.found.Secrets...)
		}
	}
	return out
}

// forget drops all that is known of a file that a later entry of the layer
// replaces: a runtime unpacks both, and the later one is left.
func (l *layer) forget(name string) {
	l.replaced(name)
	l.main.forget(name)
	l.sbom.forget(name)
	l.jars = slices.DeleteFunc(l.jars, func(j jarFile) bool { return j.name == name })
	l.dropped = append(l.dropped, name)
	ofFile := func(g wire.Gap) bool { return g.File == name }
	l.gaps, l.unversioned = slices.DeleteFunc(l.gaps, ofFile), slices.DeleteFunc(l.unversioned, ofFile)
	l.skipped = slices.DeleteFunc(l.skipped, func(s string) bool { return s == name })
	delete(l.readings, name)
	delete(l.unpackedNamed, name)
	delete(l.unpackedPoms, name)
	delete(l.unpackedClaims, name)
	delete(l.own.Databases, name)
	delete(l.own.Sums, name)
	delete(l.own.Hashes, name)
}

// sent returns the names of all files that were analysed, with those that a later entry
// replaced.
func (l *layer) sent() map[string]bool {
	names := make(map[string]bool, len(l.main.byName))
	for name := range l.main.byName {
		names[name] = true
	}
	for _, name := range l.dropped {
		names[name] = true
	}
	return names
}

// start has the analyzers that want a file look at it, one after another and
// beside those of other files.
func (l *layer) start(s *layerScan, e *wire.Entry, info fileInfo, c content, r *fileResult) error {
	if err := l.limit.Acquire(l.ctx, 1); err != nil {
		return err
	}
	l.eg.Go(func() error {
		defer l.limit.Release(1)
		l.together.RLock()
		before := l.logs.failures()
		found, err := s.look(l.ctx, e.Name, info, c)
		failed := l.logs.failures() != before
		l.together.RUnlock()
		if err == nil && failed {
			err = l.alone(s, e.Name, info, c)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		// Which files the packages own is asked for under another priority only.
		found.SystemInstalledFiles = nil
		if !isEmpty(found) {
			r.found = found
		}
		return nil
	})
	return nil
}

// look has the analyzers that want a file look at it.
func (s *layerScan) look(ctx context.Context, name string, info fileInfo, c content) (*analyzer.AnalysisResult, error) {
	found := analyzer.NewAnalysisResult()
	var analyzers errgroup.Group
	err := s.group.AnalyzeFile(ctx, &analyzers, semaphore.New(1), found, "", name, info, c.open, onlyUs, analysisOptions)
	if werr := analyzers.Wait(); err == nil {
		err = werr
	}
	return found, err
}

// alone has the analyzers look at a file once more while they look at no other. Trivy
// does not log which file it was that an analyzer failed for.
func (l *layer) alone(s *layerScan, name string, info fileInfo, c content) error {
	l.together.Lock()
	defer l.together.Unlock()
	l.logs.only(name)
	defer l.logs.only("")
	_, err := s.look(l.ctx, name, info, c)
	return err
}

func isEmpty(r *analyzer.AnalysisResult) bool {
	return r.OS == ftypes.OS{} && r.Repository == nil && r.BuildInfo == nil &&
		len(r.PackageInfos)+len(r.Applications)+len(r.Secrets)+len(r.Licenses) == 0
}
