//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"sync"
	"unicode/utf16"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/fanal/secret"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/fanal/utils"

	"github.com/imagegate/imagegate/gate/scan/secretpath"
)

// secretAnalyzer looks for secrets with Trivy's rules. It replaces Trivy's analyzer,
// which skips .git, tests, examples, lock files and text in UTF-16 and does not
// report that.
type secretAnalyzer struct{}

func init() { analyzer.RegisterAnalyzer(secretAnalyzer{}) }

// secretScanners are Trivy's scanner as it is, which knows what Trivy leaves out,
// and one that leaves out no path. Making one writes into Trivy's rules.
var secretScanners = sync.OnceValue(func() [2]*secret.Scanner {
	trivy, all := secret.NewScanner(nil), secret.NewScanner(nil)
	var anywhere secret.AllowRules
	for _, rule := range trivy.AllowRules {
		if rule.Path = nil; rule.Regex != nil {
			anywhere = append(anywhere, rule)
		}
	}
	all.Global = &secret.Global{Rules: all.Rules, AllowRules: anywhere, ExcludeBlock: all.ExcludeBlock}
	return [2]*secret.Scanner{&trivy, &all}
})

// minSecret is the size below which a file holds no secret, as for Trivy.
const minSecret = 10

// Required implements Trivy's analyzer.
func (secretAnalyzer) Required(file string, info os.FileInfo) bool {
	if info.Size() < minSecret {
		return false
	}
	if !secretpath.Out(file) {
		return true
	}
	trivy := secretScanners()[0]
	return !trivy.IsSkipped(file) && !trivy.AllowPath(file)
}

// Analyze implements Trivy's analyzer.
func (secretAnalyzer) Analyze(_ context.Context, in analyzer.AnalysisInput) (*analyzer.AnalysisResult, error) {
	isBinary, err := utils.IsBinary(in.Content, in.Info.Size())
	if err != nil {
		return nil, nil // as Trivy: an empty file
	}
	var text io.Reader = in.Content
	if isBinary {
		switch order := utf16Order(in.Content); {
		case order != nil:
			if text, err = fromUTF16(in.Content, order); err != nil {
				return nil, err
			}
			isBinary = false
		case filepath.Ext(in.FilePath) == ".pyc":
			printable, err := utils.ExtractPrintableBytes(in.Content)
			if err != nil {
				return nil, err
			}
			text = bytes.NewReader(printable)
		default:
			return nil, nil
		}
	}
	found := secretScanners()[1].Scan(secret.ScanArgs{FilePath: "/" + in.FilePath, Content: text, Binary: isBinary})
	if len(found.Findings) == 0 {
		return nil, nil
	}
	return &analyzer.AnalysisResult{Secrets: []ftypes.Secret{found}}, nil
}

// utf16Order recognises text in UTF-16 by its byte order mark, or by every other
// byte of its beginning being zero. It returns nil for any other file.
func utf16Order(r io.ReaderAt) binary.ByteOrder {
	head := make([]byte, 64)
	n, _ := r.ReadAt(head, 0)
	head = head[:n&^1]
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return binary.LittleEndian
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return binary.BigEndian
	case len(head) < 2:
		return nil
	}
	var zeros [2]int
	for i, b := range head {
		if b == 0 {
			zeros[i%2]++
		}
	}
	switch half := len(head) / 2; {
	case zeros[1] == half && zeros[0] == 0:
		return binary.LittleEndian
	case zeros[0] == half && zeros[1] == 0:
		return binary.BigEndian
	}
	return nil
}

// fromUTF16 decodes a whole file.
func fromUTF16(r io.ReadSeeker, order binary.ByteOrder) (io.Reader, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return bytes.NewReader([]byte(string(utf16.Decode(units)))), nil
}

// Type implements Trivy's analyzer.
func (secretAnalyzer) Type() analyzer.Type { return analyzer.TypeSecret }

// Version implements Trivy's analyzer. Trivy's own version of the rules is part of
// the version of the engine.
func (secretAnalyzer) Version() int { return 100 }
