// Package strictjson reads and writes JSON in one strict way.
//
// Readers of JSON disagree about documents that are not quite right: some take
// the first of two equal keys and some the last, some ignore the case of keys,
// some replace bytes that are not UTF-8. A document that two programs read
// differently can hide something from one of them, so such documents are errors
// here.
package strictjson

import "encoding/json/v2"

// AllowUnknownKeys makes [Unmarshal] accept keys that the Go value does not
// have, as the OCI specification demands of readers. A key that differs from a
// known key only in case is still an error: many readers take it for the known one.
func AllowUnknownKeys() json.Options { return json.RejectUnknownMembers(false) }

// Unmarshal decodes data, which must be one JSON document and nothing more, into
// the value that v points to. These are errors: an object with the same key
// twice, a key that v does not have (see [AllowUnknownKeys]), a key in another
// case, text that is not UTF-8, and data after the document. An error about the
// document is an [*Error].
func Unmarshal(data []byte, v any, options ...json.Options) error {
	all := json.JoinOptions(json.RejectUnknownMembers(true), json.JoinOptions(options...))
	if err := json.Unmarshal(data, v, all); err != nil {
		return newError(data, err)
	}
	if rejects, _ := json.GetOption(all, json.RejectUnknownMembers); rejects {
		return nil // a key in another case is an unknown key
	}
	return checkCase(data, v)
}
