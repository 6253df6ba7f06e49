package wire

import (
	"encoding/json/jsontext"
	"fmt"

	"github.com/imagegate/imagegate/gate/findings"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// report is a [Report] as it is sent.
type report struct {
	Report
	Advisories []jsontext.Value   `json:"advisories,omitempty"`
	Findings   []findings.Finding `json:"findings,omitempty"`
}

// EncodeReport returns the JSON of a report.
func EncodeReport(r *Report) ([]byte, error) {
	var t findings.Table
	list, err := t.Refer(r.Findings, r.Packages)
	if err != nil {
		return nil, err
	}
	return strictjson.Marshal(&report{Report: *r, Advisories: t.Advisories, Findings: list})
}

// DecodeReport is the reverse of [EncodeReport]. Reports that are decoded with the same
// known advisories share memory.
func DecodeReport(data []byte, known *findings.Known) (*Report, error) {
	var r report
	if err := strictjson.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	advisories := make([]*evidence.Advisory, len(r.Advisories))
	for i, value := range r.Advisories {
		a, err := known.Advisory(value, decodeAdvisory)
		if err != nil {
			return nil, fmt.Errorf("advisories[%d]: %w", i, err)
		}
		advisories[i] = a
	}
	var err error
	r.Report.Findings, err = findings.Resolve(r.Findings, advisories, r.Packages)
	return &r.Report, err
}

func decodeAdvisory(value jsontext.Value, v any) error {
	if value.Kind() != '{' {
		return fmt.Errorf("an advisory must be an object")
	}
	return strictjson.Unmarshal(value, v)
}
