package strictjson

import (
	jsonv1 "encoding/json"
	"encoding/json/jsontext"
	"encoding/json/v2"
)

// encodeOptions are how imagegate writes JSON: equal values give equal bytes, a
// nil slice or map is null, and omitempty means what it means in encoding/json
// (a zero number or false is empty too). Characters such as & and < are written
// as they are. Bytes that are not UTF-8 become U+FFFD: names of files in images
// can have any, and must not prevent a report.
func encodeOptions() json.Options {
	return json.JoinOptions(
		json.Deterministic(true),
		json.FormatNilSliceAsNull(true),
		json.FormatNilMapAsNull(true),
		jsontext.AllowInvalidUTF8(true),
		jsonv1.OmitEmptyWithLegacySemantics(true),
	)
}

// Marshal encodes v on one line, without a line break at the end.
func Marshal(v any, options ...json.Options) ([]byte, error) {
	return json.Marshal(v, encodeOptions(), json.JoinOptions(options...))
}

// MarshalIndent encodes v for people: a key or an element on a line, indented by
// two spaces for each level. It ends with a line break.
func MarshalIndent(v any, options ...json.Options) ([]byte, error) {
	b, err := Marshal(v, jsontext.WithIndent("  "), json.JoinOptions(options...))
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}
