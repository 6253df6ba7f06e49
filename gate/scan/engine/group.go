//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"fmt"
	"slices"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/fanal/artifact"
	"github.com/aquasecurity/trivy/pkg/fanal/handler"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// classifierConfidence is the default of Trivy's --license-confidence-level.
const classifierConfidence = 0.9

// priority keeps language packages that an OS package claims to own. The author of
// the image can forge that claim, for example with an apk stanza that lists a
// package.json.
const priority = ftypes.PriorityComprehensive

// groups are the analyzers for one need. Building a group writes into
// analyzers that are singletons of the process (dpkg licences, eggs, secret
// rules), so groups are built between images and never during one.
type groups struct {
	main   analyzer.AnalyzerGroup
	sbom   analyzer.AnalyzerGroup
	config analyzer.ConfigAnalyzerGroup
	post   handler.Manager
}

// disabled is what `trivy image` turns off, and the SBOM analyzer, which gets
// a pass of its own: Trivy skips files that an SBOM lists, so an SBOM in the
// image could hide what it does not mention.
func disabled(need evidence.Need) []analyzer.Type {
	off := slices.Clone(analyzer.TypeLockfiles)
	off = append(off, analyzer.TypeApkCommand, analyzer.TypeExecutable, analyzer.TypeRpmArchive,
		analyzer.TypeHistoryDockerfile, analyzer.TypeLicenseFile, analyzer.TypeSBOM)
	switch {
	case !need.Has(evidence.NeedSecrets):
		off = append(off, analyzer.TypeSecret, typeSecretAnywhere, analyzer.TypeImageConfigSecret)
	case need.Has(evidence.NeedSecretsAnywhere):
		off = append(off, analyzer.TypeSecret)
	default:
		off = append(off, typeSecretAnywhere)
	}
	if !need.Has(evidence.NeedLicenses) {
		off = append(off, analyzer.TypeDpkgLicense) // classifies every copyright file
	}
	return off
}

// groupsIn returns the groups for a need, and makes them the first time.
func groupsIn(all *map[evidence.Need]*groups, need evidence.Need, parallel int) (*groups, error) {
	need &= wire.AnalysisNeeds
	if g := (*all)[need]; g != nil {
		return g, nil
	}
	g, err := newGroups(need, parallel)
	if err != nil {
		return nil, err
	}
	if *all == nil {
		*all = map[evidence.Need]*groups{}
	}
	(*all)[need] = g
	return g, nil
}

func newGroups(need evidence.Need, parallel int) (*groups, error) {
	opt := analyzer.AnalyzerOptions{
		Parallel:             parallel,
		DetectionPriority:    priority,
		DisabledAnalyzers:    disabled(need),
		LicenseScannerOption: analyzer.LicenseScannerOption{ClassifierConfidenceLevel: classifierConfidence},
	}
	sbomOnly := opt
	sbomOnly.DisabledAnalyzers = allBut(analyzer.TypeSBOM)

	var g groups
	var err error
	if g.main, err = analyzer.NewAnalyzerGroup(opt); err != nil {
		return nil, fmt.Errorf("analyzers: %w", err)
	}
	if g.sbom, err = analyzer.NewAnalyzerGroup(sbomOnly); err != nil {
		return nil, fmt.Errorf("analyzers: %w", err)
	}
	g.config, err = analyzer.NewConfigAnalyzerGroup(analyzer.ConfigAnalyzerOptions{DisabledAnalyzers: opt.DisabledAnalyzers})
	if err != nil {
		return nil, fmt.Errorf("config analyzers: %w", err)
	}
	g.post, err = handler.NewManager(artifact.Option{
		DisabledHandlers:  disabledHandlers,
		DetectionPriority: priority,
	})
	if err != nil {
		return nil, fmt.Errorf("handlers: %w", err)
	}
	return &g, nil
}

// disabledHandlers: system files are not filtered under the comprehensive
// priority, as in Trivy's own run (commands/artifact/run.go), and unpackaged
// files would be looked up at Rekor.
var disabledHandlers = []ftypes.HandlerType{ftypes.SystemFileFilteringPostHandler, ftypes.UnpackagedPostHandler}

// allBut lists every analyzer that is linked in except keep.
func allBut(keep analyzer.Type) []analyzer.Type {
	var off []analyzer.Type
	for _, types := range [][]analyzer.Type{analyzer.TypeOSes, analyzer.TypeLanguages, analyzer.TypeLockfiles, {
		analyzer.TypeApkRepo, analyzer.TypeApkCommand, analyzer.TypeExecutable, analyzer.TypeRpmArchive,
		analyzer.TypeLicenseFile, analyzer.TypeSecret, typeSecretAnywhere, analyzer.TypeRedHatContentManifestType,
		analyzer.TypeRedHatDockerfileType, analyzer.TypeDpkgLicense, typeConda,
	}} {
		for _, t := range types {
			if t != keep {
				off = append(off, t)
			}
		}
	}
	return off
}
