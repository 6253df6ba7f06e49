package image

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const (
	goodLayer    = `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"%[1]s","size":5}`
	goodConfig   = `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:1111111111111111111111111111111111111111111111111111111111111111","size":7}`
	goodManifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":` + goodConfig + `,"layers":[` + goodLayer + `]}`
	goodIndex    = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
)

// sprint puts a digest into one of the documents above.
func sprint(s string) string { return fmt.Sprintf(s, sha) }

// replaced is the good manifest with one part replaced.
func replaced(t testing.TB, old, with string) string {
	t.Helper()
	good := sprint(goodManifest)
	if !strings.Contains(good, old) {
		t.Fatalf("%s is not in the manifest", old)
	}
	return strings.Replace(good, old, with, 1)
}

func TestParseDocument(t *testing.T) {
	good := sprint(goodManifest)
	for name, c := range map[string]struct {
		raw    string
		claims []string
		want   string // in the error, "" for none
	}{
		"manifest":                      {good, []string{typeOCIManifest, typeOCIManifest}, ""},
		"manifest without claims":       {good, []string{"", ""}, ""},
		"index":                         {goodIndex, []string{typeOCIIndex}, ""},
		"no media type in the document": {`{"schemaVersion":2,"manifests":[]}`, []string{typeDockerList}, ""},
		"unknown keys":                  {replaced(t, `"layers"`, `"org.example.new":{"Layers":[],"layers":1},"layers"`), nil, ""},
		"annotations are data":          {replaced(t, `"layers"`, `"annotations":{"Layers":"1","layers":"2"},"layers"`), nil, ""},

		"both":                           {replaced(t, `"layers"`, `"manifests":[],"layers"`), nil, "both an image manifest and an index"},
		"index with config":              {strings.Replace(goodIndex, `"manifests"`, `"config":{},"manifests"`, 1), nil, "both an image manifest and an index"},
		"neither":                        {`{"schemaVersion":2}`, nil, "neither"},
		"null layers":                    {`{"schemaVersion":2,"config":{},"layers":null}`, nil, "no list of layers"},
		"no config":                      {`{"schemaVersion":2,"layers":[]}`, nil, "no config"},
		"header says index":              {good, []string{typeOCIIndex}, "tools disagree"},
		"descriptor says index":          {good, []string{typeOCIManifest, typeDockerList}, "tools disagree"},
		"header says Docker":             {good, []string{typeDockerManifest}, "in one place"},
		"header and descriptor disagree": {`{"schemaVersion":2,"manifests":[]}`, []string{typeDockerList, typeOCIIndex}, "in one place"},
		"header says text":               {good, []string{"text/html"}, "not that of an image"},
		"document says index":            {replaced(t, "manifest.v1+json", "index.v1+json"), nil, "tools disagree"},
		"document says artifact":         {replaced(t, "image.manifest.v1+json", "artifact.manifest.v1+json"), nil, "not that of an image"},
		"schema 1":                       {`{"schemaVersion":1,"fsLayers":[{"blobSum":"x"}],"history":[]}`, nil, "schema 1"},
		"schema 1 in disguise":           {replaced(t, `"layers"`, `"fsLayers":[],"layers"`), nil, "schema 1"},
		"schema 1 by header":             {good, []string{typeSchema1Signed}, "schema 1"},
		"schemaVersion 3":                {replaced(t, `:2,`, `:3,`), nil, "schemaVersion is 3"},
		"no schemaVersion":               {replaced(t, `"schemaVersion":2,`, ``), nil, "schemaVersion is 0"},

		"duplicate key":          {replaced(t, `"layers"`, `"layers":[],"layers"`), nil, `"layers" appears twice`},
		"duplicate deep key":     {replaced(t, `"size":5`, `"size":5,"size":6`), nil, `"size" appears twice`},
		"duplicate unknown key":  {replaced(t, `"layers"`, `"x":1,"x":2,"layers"`), nil, `"x" appears twice`},
		"duplicate annotation":   {replaced(t, `"layers"`, `"annotations":{"a":"1","a":"2"},"layers"`), nil, "appears twice"},
		"duplicate in unknown":   {replaced(t, `"layers"`, `"x":[{"y":{"z":1,"z":2}}],"layers"`), nil, `"z" appears twice`},
		"escaped duplicate":      {replaced(t, `"layers"`, `"l\u0061yers":[],"layers"`), nil, "appears twice"},
		"other case":             {replaced(t, `"layers"`, `"Layers"`), nil, `"Layers" is "layers" in another case`},
		"both cases":             {replaced(t, `"layers"`, `"Layers":[],"layers"`), nil, "in another case"},
		"both cases, other way":  {replaced(t, `]}`, `],"LAYERS":[]}`), nil, `"LAYERS" is "layers" in another case`},
		"other case, deep":       {replaced(t, `"digest"`, `"Digest"`), nil, `"Digest" is "digest" in another case`},
		"folded letters":         {replaced(t, `"layers"`, `"layerſ"`), nil, "in another case"},
		"unknown keys by case":   {replaced(t, `"layers"`, `"foo":1,"Foo":2,"layers"`), nil, "only in case"},
		"trailing object":        {good + `{}`, nil, "after the end"},
		"trailing garbage":       {good + `x`, nil, "after the end"},
		"trailing NUL":           {good + "\x00", nil, "after the end"},
		"cut off":                {good[:len(good)-1], nil, "ends too early"},
		"empty":                  {"", nil, "ends too early"},
		"null":                   {"null", nil, "schemaVersion is 0"},
		"array":                  {"[]", nil, "an object is required"},
		"html":                   {"<html>", nil, "not JSON"},
		"byte order mark":        {"\ufeff" + good, nil, "not JSON"},
		"invalid UTF-8":          {replaced(t, `"layers"`, "\"x\":\"\xff\",\"layers\""), nil, "invalid UTF-8"},
		"deep":                   {replaced(t, `"layers"`, `"x":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+`,"layers"`), nil, "exceeded max depth"},
		"very deep":              {strings.Repeat(`{"a":`, 100_000), nil, "exceeded max depth"},
		"size as text":           {replaced(t, `"size":5`, `"size":"5"`), nil, "a number is required"},
		"size with a fraction":   {replaced(t, `"size":5`, `"size":5.5`), nil, "is not possible here"},
		"size beyond 63 bits":    {replaced(t, `"size":5`, `"size":9223372036854775808`), nil, "is not possible here"},
		"layers is an object":    {replaced(t, `[{"mediaType"`, `{"mediaType"`), nil, "an array is required"},
		"manifests as an object": {`{"schemaVersion":2,"manifests":{}}`, nil, "an array is required"},
	} {
		_, err := ParseDocument([]byte(c.raw), c.claims...)
		checkError(t, name, err, c.want)
	}
}

func checkError(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case want != "" && err == nil:
		t.Errorf("%s: no error, want %q", name, want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("%s: %v, want %q in it", name, err, want)
	}
}

func TestCheckManifest(t *testing.T) {
	other := "sha256:" + strings.Repeat("f", 64)
	for name, c := range map[string]struct{ old, with, want string }{
		"good":                   {"", "", ""},
		"same layer twice":       {`[{`, "[" + sprint(goodLayer) + ",{", ""},
		"zstd":                   {"tar+gzip", "tar+zstd", ""},
		"docker layer":           {"application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip", ""},
		"same layer, two sizes":  {`[{`, "[" + strings.Replace(sprint(goodLayer), ":5", ":6", 1) + ",{", "two sizes"},
		"foreign":                {"application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "foreign layer"},
		"nondistributable":       {"layer.v1.tar", "layer.nondistributable.v1.tar", "foreign layer"},
		"encrypted":              {"tar+gzip", "tar+gzip+encrypted", "encrypted"},
		"in-toto":                {"application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.in-toto+json", "artifact, not an image"},
		"helm config":            {"application/vnd.oci.image.config.v1+json", "application/vnd.cncf.helm.config.v1+json", "artifact, not an image"},
		"urls":                   {`"size":5`, `"size":5,"urls":["http://127.0.0.1/x"]`, "never fetched"},
		"urls of the config":     {`"size":7`, `"size":7,"urls":["http://127.0.0.1/x"]`, "never fetched"},
		"no size":                {`,"size":5`, ``, "size of 0"},
		"negative size":          {`"size":5`, `"size":-5`, "size of -5"},
		"huge":                   {`"size":5`, `"size":99999999999999`, "over the limit"},
		"no digest":              {`"digest":"` + sha + `","size":5`, `"size":5`, "is not a digest"},
		"short digest":           {sha + `","size":5`, sha[:20] + `","size":5`, "hex digits"},
		"upper case digest":      {sha + `","size":5`, "sha256:" + strings.ToUpper(hex256) + `","size":5`, "upper case"},
		"digest with path":       {sha + `","size":5`, "sha256:../../etc/passwd" + `","size":5`, "hex digits"},
		"no layer media type":    {`"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",`, ``, "not that of a file system layer"},
		"two layers, two hashes": {`[{`, "[" + strings.Replace(sprint(goodLayer), sha, other, 1) + ",{", ""},
	} {
		raw := sprint(goodManifest)
		if c.old != "" {
			i := strings.LastIndex(raw, c.old)
			if i < 0 {
				t.Fatalf("%s: %s is not there", name, c.old)
			}
			raw = raw[:i] + c.with + raw[i+len(c.old):]
		}
		d, err := ParseDocument([]byte(raw))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		limits := DefaultLimits()
		checkError(t, name, checkManifest(d, &limits), c.want)
	}
}

func goodConfigFile(change string) string {
	return `{"architecture":"amd64","os":"linux","config":{"User":"app","Env":["A=1"]},"rootfs":{"type":"layers","diff_ids":["` + sha + `"]}` + change + `}`
}

func TestParseConfig(t *testing.T) {
	one := []Descriptor{{Digest: sha, Size: 5}}
	two := []Descriptor{{Digest: sha, Size: 5}, {Digest: sha, Size: 5}}
	other := "sha256:" + strings.Repeat("f", 64)
	for name, c := range map[string]struct {
		raw    string
		layers []Descriptor
		want   string
	}{
		"good":                     {goodConfigFile(""), one, ""},
		"history fits":             {goodConfigFile(`,"history":[{"created_by":"a"},{"empty_layer":true}]`), one, ""},
		"history tells less":       {goodConfigFile(`,"history":[{"empty_layer":true}]`), one, ""},
		"history tells more":       {goodConfigFile(`,"history":[{},{}]`), one, ""},
		"labels are data":          {strings.Replace(goodConfigFile(""), `"User"`, `"Labels":{"a":"1","A":"2","user":"x"},"User"`, 1), one, ""},
		"user twice":               {strings.Replace(goodConfigFile(""), `"User"`, `"User":"root","User"`, 1), one, "appears twice"},
		"user in lower case":       {strings.Replace(goodConfigFile(""), `"User"`, `"user":"root","User"`, 1), one, "in another case"},
		"no os":                    {strings.Replace(goodConfigFile(""), `"os":"linux",`, ``, 1), one, "operating system"},
		"no architecture":          {strings.Replace(goodConfigFile(""), `"architecture":"amd64",`, ``, 1), one, "architecture"},
		"os with a newline":        {strings.Replace(goodConfigFile(""), `linux`, `li\nnux`, 1), one, "is not a platform"},
		"too few diff_ids":         {goodConfigFile(""), two, "1 diff_ids, but the manifest has 2 layers"},
		"too many diff_ids":        {goodConfigFile(""), nil, "1 diff_ids, but the manifest has 0 layers"},
		"malformed diff_id":        {strings.Replace(goodConfigFile(""), sha, "sha256:abc", 1), one, "diff_id 1"},
		"one blob, two contents":   {strings.Replace(goodConfigFile(""), `"`+sha+`"`, `"`+sha+`","`+other+`"`, 1), two, "two diff_ids"},
		"one blob, one content":    {strings.Replace(goodConfigFile(""), `"`+sha+`"`, `"`+sha+`","`+sha+`"`, 1), two, ""},
		"rootfs of another type":   {strings.Replace(goodConfigFile(""), `"layers"`, `"layers+base"`, 1), one, "rootfs.type"},
		"no rootfs":                {`{"architecture":"amd64","os":"linux"}`, nil, "rootfs.type"},
		"entrypoint is no list":    {strings.Replace(goodConfigFile(""), `"User":"app"`, `"Entrypoint":"sh"`, 1), one, "an array is required"},
		"null":                     {`null`, nil, "operating system"},
		"bad creation time is nil": {goodConfigFile(`,"created":"yesterday"`), one, ""},
	} {
		_, err := parseConfig([]byte(c.raw), c.layers)
		checkError(t, name, err, c.want)
	}
}

func FuzzParseDocument(f *testing.F) {
	for _, s := range []string{sprint(goodManifest), goodIndex, sprint(goodManifest) + "{}", `{"schemaVersion":2,"Layers":[]}`, "null", "[", `{"a":{"A":1,"a":2}}`} {
		f.Add([]byte(s), typeOCIManifest)
		f.Add([]byte(s), "")
	}
	f.Fuzz(func(t *testing.T, raw []byte, claim string) {
		d, err := ParseDocument(raw, claim)
		if err != nil {
			return
		}
		if d.IsIndex() == (d.Layers != nil) || claim != "" && claim != d.MediaType(claim) {
			t.Fatalf("%s as %s: %+v", raw, claim, d)
		}
		// A plain decoder reads the same document.
		var plain Document
		if err := json.Unmarshal(raw, &plain); err != nil || plain.IsIndex() != d.IsIndex() {
			t.Fatalf("%s: %v", raw, err)
		}
		if !d.IsIndex() {
			limits := DefaultLimits()
			_ = checkManifest(d, &limits)
		}
	})
}

// Where the strict decoder accepts, a decoder that takes the first of equal
// keys, one that takes the last, and one that knows no case see the same.
