//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/fanal/secret"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/fanal/utils"
	xio "github.com/aquasecurity/trivy/pkg/x/io"

	"github.com/imagegate/imagegate/gate/scan/secretpath"
	"github.com/imagegate/imagegate/gate/scan/wire"
)

// secretAnalyzer looks for secrets with Trivy's rules and a few of ours. It replaces
// Trivy's analyzer, which skips .git, tests, examples, lock files and text in UTF-16 or with a control
// character, and does not report that. There are two of it, and a group of analyzers
// has one of them: that for the files of an application, and that for all files.
type secretAnalyzer struct{ anywhere bool }

func init() {
	analyzer.RegisterAnalyzer(secretAnalyzer{})
	analyzer.RegisterAnalyzer(secretAnalyzer{anywhere: true})
}

// typeSecretAnywhere is the type of the analyzer that looks into all files.
const typeSecretAnywhere analyzer.Type = "secret-anywhere"

// secretScanners are Trivy's scanner as it is, which knows what Trivy leaves out,
// and one that leaves out no path. Making one writes into Trivy's rules.
var secretScanners = sync.OnceValue(func() [2]*secret.Scanner {
	trivy, all := secret.NewScanner(nil), secret.NewScanner(secretConfig())
	var anywhere secret.AllowRules
	for _, rule := range trivy.AllowRules {
		if rule.Path = nil; rule.Regex != nil {
			anywhere = append(anywhere, rule)
		}
	}
	anywhere = append(anywhere, placeholders...)
	all.Global = &secret.Global{Rules: withKeyPlaceholders(all.Rules), AllowRules: anywhere, ExcludeBlock: all.ExcludeBlock}
	return [2]*secret.Scanner{&trivy, &all}
})

// minSecret is the size below which a file holds no secret, as for Trivy.
const minSecret = 10

// Required implements Trivy's analyzer.
func (a secretAnalyzer) Required(file string, info os.FileInfo) bool {
	return info.Size() >= minSecret && (a.anywhere || !leftOut(file))
}

// leftOut reports whether a file is looked into only when all files are.
func leftOut(file string) bool {
	if secretpath.Public(file) {
		return true
	}
	if !secretpath.Out(file) {
		return false
	}
	trivy := secretScanners()[0]
	return trivy.IsSkipped(file) || trivy.AllowPath(file)
}

// Analyze implements Trivy's analyzer.
func (secretAnalyzer) Analyze(_ context.Context, in analyzer.AnalysisInput) (*analyzer.AnalysisResult, error) {
	text, isBinary, err := textOf(in.FilePath, in.Content)
	if text == nil || err != nil {
		return nil, err
	}
	found := secretScanners()[1].Scan(secret.ScanArgs{FilePath: "/" + in.FilePath, Content: text, Binary: isBinary})
	if found.Findings = withoutAccounts(found.Findings); len(found.Findings) == 0 {
		return nil, nil
	}
	return &analyzer.AnalysisResult{Secrets: []ftypes.Secret{found}}, nil
}

// textOf returns the text of a file, nil for a file that is no text, and whether the
// text was taken out of a binary.
func textOf(file string, r xio.ReadSeekerAt) (text io.Reader, isBinary bool, err error) {
	switch isText, err := isText(r); {
	case err != nil:
		return nil, false, err
	case isText:
		return secretpath.WithoutZeros(r), false, nil
	case filepath.Ext(file) != ".pyc":
		return nil, true, nil
	}
	printable, err := utils.ExtractPrintableBytes(r)
	if err != nil {
		return nil, true, err
	}
	return bytes.NewReader(printable), true, nil
}

// unsearched reports whether a file counts as one in which secrets were not looked for.
func (l *layer) unsearched(e *wire.Entry, c content) (bool, error) {
	if !l.onlyArchives {
		return noText(e, c)
	}
	return e.Size >= minSecret && !leftOut(e.Name) && secretpath.IsArchive(headOf(c)), nil
}

// noText reports whether no secrets are looked for in a file because it is no text.
func noText(e *wire.Entry, c content) (bool, error) {
	if e.Size < minSecret || filepath.Ext(e.Name) == ".pyc" {
		return false, nil
	}
	r, err := c.open()
	if err != nil {
		return false, err
	}
	defer func() { _ = r.Close() }()
	ok, err := isText(r)
	return !ok, err
}

// isText looks at the beginning of a file.
func isText(r io.ReaderAt) (bool, error) {
	all := io.NewSectionReader(r, 0, math.MaxInt64)
	var head bytes.Buffer
	head.Grow(secretpath.HeadSize + bytes.MinRead) // once, and not in steps
	_, err := head.ReadFrom(io.LimitReader(secretpath.WithoutZeros(all), secretpath.HeadSize))
	return secretpath.IsText(head.Bytes()), err
}

// Type implements Trivy's analyzer.
func (a secretAnalyzer) Type() analyzer.Type {
	if a.anywhere {
		return typeSecretAnywhere
	}
	return analyzer.TypeSecret
}

// Version implements Trivy's analyzer. Trivy's own version of the rules is part of
// the version of the engine.
func (secretAnalyzer) Version() int { return 102 }
