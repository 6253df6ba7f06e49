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
// singletons of the process, so nobody may ask one meanwhile.
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

// errProbe is not an error that anybody sees.
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
	err := g.AnalyzeFile(context.Background(), nil, noLimit, nil, "", info.name, info, probe, hopeless(info.name), analysisOptions)
	return asked || err != nil || len(g.RequiredPostAnalyzers(info.name, info)) > 0
}

// hopeless lists the analyzers that ask for no file of this name. Trivy's own
// question is a regular expression that looks for its literal part anywhere
// in the path, and with fifty thousand files these two took longer than all others
// together. A test holds them to Trivy's expressions.
func hopeless(name string) []analyzer.Type {
	gem, conda := strings.Contains(name, gemPart), strings.Contains(name, condaPart)
	switch {
	case !gem && !conda:
		return hopelessBoth
	case !gem:
		return hopelessBoth[:1]
	case !conda:
		return hopelessBoth[1:]
	}
	return nil
}

const (
	gemPart   = ".gemspec"
	condaPart = "conda-meta/"
)

var hopelessBoth = []analyzer.Type{analyzer.TypeGemSpec, analyzer.TypeCondaPkg}

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
