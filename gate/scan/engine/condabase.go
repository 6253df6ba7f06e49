//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"context"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/aquasecurity/trivy/pkg/dependency/parser/conda/meta"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer/language"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// condaAnalyzer reads the packages of conda environments that Trivy's analyzer
// does not look for: the base environment (opt/conda/conda-meta), and records
// whose names are not NAME-VERSION-BUILD. conda itself reads every record.
type condaAnalyzer struct{}

func init() { analyzer.RegisterAnalyzer(condaAnalyzer{}) }

const typeConda analyzer.Type = "conda-base"

// trivyConda is what Trivy's analyzer reads (fanal/analyzer/language/conda/meta).
var trivyConda = regexp.MustCompile(`.*/envs/.+/conda-meta/.+-.+-.+\.json`)

// Required implements Trivy's analyzer.
func (condaAnalyzer) Required(file string, _ os.FileInfo) bool {
	dir, base := path.Split(file)
	return strings.HasSuffix(base, ".json") && path.Base(dir) == "conda-meta" && !trivyConda.MatchString(file)
}

// Analyze implements Trivy's analyzer.
func (condaAnalyzer) Analyze(ctx context.Context, in analyzer.AnalysisInput) (*analyzer.AnalysisResult, error) {
	return language.AnalyzePackage(ctx, ftypes.CondaPkg, in.FilePath, in.Content, meta.NewParser(), false)
}

// Type implements Trivy's analyzer.
func (condaAnalyzer) Type() analyzer.Type { return typeConda }

// Version implements Trivy's analyzer.
func (condaAnalyzer) Version() int { return 1 }
