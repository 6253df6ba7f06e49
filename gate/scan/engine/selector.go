//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/semaphore"
	xio "github.com/aquasecurity/trivy/pkg/x/io"

	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Selector answers for the worker's analyzers in the parent's process, where
// asking the worker would cost a round trip for every file of an image: which
// files they want, and what their results depend on. It looks at names, modes
// and sizes and never at a file's bytes.
//
// It is safe for concurrent use. Building a group of analyzers writes into
// singletons of the process, so no other goroutine may use a group meanwhile.
type Selector struct {
	mu     sync.RWMutex
	groups map[evidence.Need]*groups
}

// Wants returns a function that reports whether any analyzer asks for a file.
// The function is safe for concurrent use.
func (s *Selector) Wants(need evidence.Need) (func(name string, mode fs.FileMode, size int64) bool, error) {
	g, err := s.groupsFor(need)
	if err != nil {
		return nil, err
	}
	return func(name string, mode fs.FileMode, size int64) bool {
		s.mu.RLock()
		defer s.mu.RUnlock()
		info := fileInfo{name: name, mode: mode, size: size}
		return wants(g.main, info) || wants(g.sbom, info)
	}, nil
}

// errProbe ends AnalyzeFile before it runs an analyzer; wants drops it.
var errProbe = errors.New("only asking")

// wants reports whether any analyzer of the group asks for the file.
//
// Trivy decides by name, mode and size and offers no query for its plain
// analyzers, so AnalyzeFile is run with an opener that only notes that it was
// called. Its error ends AnalyzeFile before any analyzer has run.
func wants(g analyzer.AnalyzerGroup, info fileInfo) bool {
	asked := false
	probe := func() (xio.ReadSeekCloserAt, error) {
		asked = true
		return nil, errProbe
	}
	err := g.AnalyzeFile(context.Background(), nil, noLimit, nil, "", info.name, info, probe, withoutInterest(info.name), analysisOptions)
	return asked || err != nil || len(g.RequiredPostAnalyzers(info.name, info)) > 0
}

// withoutInterest lists slow analyzers that ask for no file of this name. They match
// a path with a regular expression, and for fifty thousand files these two took
// longer than all others together. This function searches for the literal part of
// the expressions first. A test compares it with Trivy's expressions.
func withoutInterest(name string) []analyzer.Type {
	gem, conda := strings.Contains(name, gemPart), strings.Contains(name, condaPart)
	switch {
	case !gem && !conda:
		return slowAnalyzers
	case !gem:
		return slowAnalyzers[:1]
	case !conda:
		return slowAnalyzers[1:]
	}
	return nil
}

const (
	gemPart   = ".gemspec"
	condaPart = "conda-meta/"
)

var slowAnalyzers = []analyzer.Type{analyzer.TypeGemSpec, analyzer.TypeCondaPkg}

// noLimit is never acquired: no analyzer runs.
var noLimit = semaphore.New(1)

// Fingerprint names everything but a layer's bytes that its analysis depends
// on: what is looked for, by which versions of which analyzers.
func (s *Selector) Fingerprint(need evidence.Need) (string, error) {
	g, err := s.groupsFor(need)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(struct {
		Engine     string
		Protocol   int
		Analysis   int
		Need       evidence.Need
		Main, SBOM analyzer.Versions
		Handlers   map[string]int
		Priority   string
		Confidence float64
	}{
		Version(), wire.Version, analysisVersion, need & wire.AnalysisNeeds,
		g.main.AnalyzerVersions(), g.sbom.AnalyzerVersions(), g.post.Versions(), string(priority), classifierConfidence,
	})
	if err != nil {
		return "", fmt.Errorf("versions of the analyzers: %w", err)
	}
	return string(b), nil
}

func (s *Selector) groupsFor(need evidence.Need) (*groups, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return groupsIn(&s.groups, need, 1)
}
