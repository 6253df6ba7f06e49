//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"context"
	"os"

	"github.com/aquasecurity/trivy/pkg/dependency/parser/python/packaging"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer/language"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/manifest"
)

// pythonAnalyzer reads the metadata of Python packages that Python finds and Trivy's
// analyzer does not look for.
type pythonAnalyzer struct{}

func init() { analyzer.RegisterAnalyzer(pythonAnalyzer{}) }

const typePython analyzer.Type = "python-info"

// Required implements Trivy's analyzer.
func (pythonAnalyzer) Required(file string, _ os.FileInfo) bool {
	_, other := manifest.PythonDirectory(file) // it shows that a package without METADATA is there
	return (other || manifest.IsPythonMetadata(file)) && !manifest.TrivyReadsPython(file)
}

// Analyze implements Trivy's analyzer.
func (pythonAnalyzer) Analyze(ctx context.Context, in analyzer.AnalysisInput) (*analyzer.AnalysisResult, error) {
	if !manifest.IsPythonMetadata(in.FilePath) {
		return nil, nil
	}
	return language.AnalyzePackage(ctx, ftypes.PythonPkg, in.FilePath, in.Content, packaging.NewParser(), false)
}

// Type implements Trivy's analyzer.
func (pythonAnalyzer) Type() analyzer.Type { return typePython }

// Version implements Trivy's analyzer.
func (pythonAnalyzer) Version() int { return 1 }
