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
	xio "github.com/aquasecurity/trivy/pkg/x/io"

	"github.com/imagegate/imagegate/gate/scan/secretpath"
	"github.com/imagegate/imagegate/gate/scan/wire"
)

// secretAnalyzer looks for secrets with Trivy's rules. It replaces Trivy's analyzer,
// which skips .git, tests, examples, lock files and text in UTF-16 and does not
// report that. There are two of it, and a group of analyzers has one of them: that
// for the files of an application, and that for all files.
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
	trivy, all := secret.NewScanner(nil), secret.NewScanner(nil)
	var anywhere secret.AllowRules
	for _, rule := range trivy.AllowRules {
		if rule.Path = nil; rule.Regex != nil {
			anywhere = append(anywhere, rule)
		}
	}
	anywhere = append(anywhere, placeholders...)
	all.Global = &secret.Global{Rules: all.Rules, AllowRules: anywhere, ExcludeBlock: all.ExcludeBlock}
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
	text, isBinary, err := textOf(in.FilePath, in.Info.Size(), in.Content)
	if text == nil || err != nil {
		return nil, err
	}
	found := secretScanners()[1].Scan(secret.ScanArgs{FilePath: "/" + in.FilePath, Content: text, Binary: isBinary})
	if len(found.Findings) == 0 {
		return nil, nil
	}
	return &analyzer.AnalysisResult{Secrets: []ftypes.Secret{found}}, nil
}

// textOf returns the text of a file, nil for a file that is no text, and whether the
// text was taken out of a binary.
func textOf(file string, size int64, r xio.ReadSeekerAt) (text io.Reader, isBinary bool, err error) {
	isBinary, err = utils.IsBinary(r, size)
	switch {
	case err != nil:
		return nil, false, nil // as Trivy: an empty file
	case !isBinary:
		return r, false, nil
	}
	order := utf16Order(r)
	switch {
	case order != nil:
		text, err = fromUTF16(r, order)
		return text, false, err
	case filepath.Ext(file) != ".pyc":
		return nil, true, nil
	}
	printable, err := utils.ExtractPrintableBytes(r)
	if err != nil {
		return nil, true, err
	}
	return bytes.NewReader(printable), true, nil
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
	isBinary, err := utils.IsBinary(r, e.Size)
	return err == nil && isBinary && utf16Order(r) == nil, err
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
func (a secretAnalyzer) Type() analyzer.Type {
	if a.anywhere {
		return typeSecretAnywhere
	}
	return analyzer.TypeSecret
}

// Version implements Trivy's analyzer. Trivy's own version of the rules is part of
// the version of the engine.
func (secretAnalyzer) Version() int { return 100 }
