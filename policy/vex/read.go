package vex

import (
	"encoding/json/jsontext"
	"errors"
	"fmt"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// Parse reads a VEX document in one of the forms that are known. The error names the
// place in it.
func Parse(data []byte) (*Document, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(data), MaxSize)
	}
	read, err := formOf(data)
	if err != nil {
		return nil, err
	}
	out, err := read(data)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// formOf tells the form of a document by the key that only documents of that form
// have, and returns its reader. A document that two readers could take for two things
// is refused.
func formOf(data []byte) (func([]byte) (*Document, error), error) {
	var keys struct {
		OpenVEX   jsontext.Value `json:"@context"`
		CSAF      jsontext.Value `json:"document"`
		CycloneDX jsontext.Value `json:"bomFormat"`
	}
	if err := strictjson.Unmarshal(data, &keys, strictjson.AllowUnknownKeys()); err != nil {
		return nil, err
	}
	var out func([]byte) (*Document, error)
	for _, form := range []struct {
		key  jsontext.Value
		read func([]byte) (*Document, error)
	}{{keys.OpenVEX, parseOpenVEX}, {keys.CSAF, parseCSAF}, {keys.CycloneDX, parseCycloneDX}} {
		switch {
		case form.key == nil:
		case out != nil:
			return nil, errors.New("it has the keys of two forms of VEX documents")
		default:
			out = form.read
		}
	}
	if out == nil {
		return nil, errors.New(`it is no VEX document: OpenVEX has the key "@context", CSAF "document", and CycloneDX "bomFormat"`)
	}
	return out, nil
}
