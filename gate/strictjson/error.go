package strictjson

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// Error is a mistake in a JSON document and its place.
type Error struct {
	Offset       int64  // in bytes
	Line, Column int    // counted from 1, the column in bytes; 0 for a document that was read as a stream
	Pointer      string // the value with the mistake as a JSON pointer (RFC 6901), "" for the document
	Problem      string // such as `the key "digest" appears twice`
	Err          error  // the error of encoding/json/v2 or jsontext, nil for none
}

// Error tells the place and the problem. It quotes parts of the document so that
// they cannot change what a terminal or a log shows.
func (e *Error) Error() string {
	at := ""
	if e.Pointer != "" {
		at = ", at " + shown(e.Pointer)
	}
	if e.Line == 0 {
		return fmt.Sprintf("byte %d%s: %s", e.Offset, at, e.Problem)
	}
	return fmt.Sprintf("line %d, column %d%s: %s", e.Line, e.Column, at, e.Problem)
}

// Unwrap returns the error of the decoder.
func (e *Error) Unwrap() error { return e.Err }

// newError adds the place in data to an error of the decoder.
func newError(data []byte, err error) *Error {
	offset, pointer, _ := placeOf(err)
	before := data[:min(max(offset, 0), int64(len(data)))]
	return &Error{
		Offset: offset, Line: bytes.Count(before, []byte("\n")) + 1, Column: len(before) - bytes.LastIndexByte(before, '\n'),
		Pointer: string(pointer), Problem: problemOf(err, pointer), Err: err,
	}
}

// placeOf returns the place of an error; ok is false for an error that has none.
func placeOf(err error) (offset int64, pointer jsontext.Pointer, ok bool) {
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		return e.ByteOffset, e.JSONPointer, true
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return e.ByteOffset, e.JSONPointer, true
	}
	return 0, "", false
}

func problemOf(err error, pointer jsontext.Pointer) string {
	syntax, isSyntax := errors.AsType[*jsontext.SyntacticError](err)
	value, isValue := errors.AsType[*json.SemanticError](err)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return fmt.Sprintf("the key %s appears twice", quote(pointer.LastToken()))
	case errors.Is(err, json.ErrUnknownName):
		return fmt.Sprintf("unknown key %s", quote(pointer.LastToken()))
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return "the document ends too early"
	case isSyntax && strings.HasSuffix(syntax.Err.Error(), "after top-level value"):
		return "there is more data after the end of the document"
	case isSyntax:
		return "this is not JSON: " + shown(syntax.Err.Error())
	case isValue && value.Err == nil:
		return fmt.Sprintf("%s is required here, not %s", kindOf(value.GoType), nameOf(value.JSONKind))
	case isValue && value.JSONKind == '0':
		return fmt.Sprintf("%s is not possible here: %s", shown(string(value.JSONValue)), shown(value.Err.Error()))
	case isValue:
		return shown(value.Err.Error())
	}
	return shown(err.Error())
}

// nameOf names the kind of a JSON value.
func nameOf(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "true or false"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "this"
}

// kindOf names the kind of JSON value that is decoded into a t.
func kindOf(t reflect.Type) string {
	if t == nil {
		return "another value"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kindOf(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "a string"
		}
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Interface:
		return "another value"
	}
	return "a number"
}

// longestShown limits how much of a document an error repeats.
const longestShown = 120

func quote(s string) string {
	if len(s) > longestShown {
		return strconv.Quote(s[:longestShown]) + "..."
	}
	return strconv.Quote(s)
}

// shown is quote without the quotation marks, for text that is harmless as a rule.
func shown(s string) string {
	s, cut := strings.CutSuffix(quote(s), "...")
	s = strings.ReplaceAll(s[1:len(s)-1], `\"`, `"`)
	if cut {
		s += "..."
	}
	return s
}
