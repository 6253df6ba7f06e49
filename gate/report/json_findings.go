package report

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// advisoryTexts makes the JSON of advisories and keeps it. A thousand images have
// the same few thousand advisories of two kilobytes, and nearly all of a report
// is made of them.
type advisoryTexts struct {
	mu    sync.Mutex
	texts map[string]advisoryText // by id
	size  int                     // of all JSON in texts
}

// advisoryText is the JSON of an [AdvisoryInfo] as the last members of a finding.
type advisoryText struct {
	of   *evidence.Advisory
	json []byte
}

// keptAdvisories limits the size of an advisoryTexts.
const keptAdvisories = 64 << 20

// encodeResult encodes an image of the report as encodeElement does, in pieces: it
// adds the advisories to the JSON of the findings.
func (t *advisoryTexts) encodeResult(r *gate.Result) ([][]byte, error) {
	out, findings := imageResult(r)
	out.Findings = convert(findings, func(f *policy.Judged) FindingInfo { return findingInfo(r, f) })
	rest, err := encodeElement(out)
	if err != nil || len(findings) == 0 {
		return [][]byte{rest}, err
	}
	// What looks for a line break cannot find a text from outside: strings have none.
	at := bytes.Index(rest, []byte("\n      \"findings\": ["))
	pieces := make([][]byte, 0, 2*len(findings)+1)
	for _, f := range findings {
		end := bytes.Index(rest[max(at, 0):], []byte("\n        }")) // of the finding
		if at < 0 || end < 0 {
			return nil, errors.New("internal error: the JSON of an image does not have all of its findings")
		}
		text, err := t.text(f.Finding)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, rest[:at+end], text)
		rest, at = rest[at+end:], 1
	}
	return append(pieces, rest), nil
}

// text returns the JSON of the advisory of a finding.
func (t *advisoryTexts) text(f *evidence.Finding) ([]byte, error) {
	t.mu.Lock()
	known := t.texts[f.ID]
	t.mu.Unlock()
	if known.of != nil && sameAdvisory(known.of, f.Advisory) {
		return known.json, nil
	}
	b, err := strictjson.Marshal(advisoryInfo(f), jsontext.WithIndentPrefix("        "), jsontext.WithIndent("  "))
	if err != nil {
		return nil, err
	}
	b = bytes.TrimSuffix(b, []byte("\n        }"))
	b[0] = ',' // for the brace: the advisory follows the other members
	b = safe.JSON(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.size += len(b) - len(known.json); t.size > keptAdvisories || t.texts == nil {
		t.texts, t.size = map[string]advisoryText{}, len(b)
	}
	t.texts[f.ID] = advisoryText{f.Advisory, b}
	return b, nil
}

// sameAdvisory reports whether two advisories with one id are equal: feeds can describe
// one id differently. Findings that were read from a file share theirs.
func sameAdvisory(a, b *evidence.Advisory) bool {
	return a == b || a.Severity == b.Severity && a.SeveritySource == b.SeveritySource && a.DataSource == b.DataSource &&
		a.Title == b.Title && a.Description == b.Description && a.URL == b.URL &&
		slices.Equal(a.Aliases, b.Aliases) && slices.Equal(a.References, b.References) && slices.Equal(a.CWEs, b.CWEs) &&
		maps.Equal(a.VendorSeverity, b.VendorSeverity) && maps.Equal(a.CVSS, b.CVSS) &&
		sameTime(a.Published, b.Published) && sameTime(a.Modified, b.Modified)
}

func sameTime(a, b *time.Time) bool {
	return a == b || a != nil && b != nil && a.Equal(*b)
}
