package gate

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/policy/evidence"
)

// everyKind is JSON with every kind of value at every kind of place.
const everyKind = `{"schemaVersion":1,"images":[{"schemaVersion":1,
 "reference":{"asked":"app:1","source":"registry","name":"docker.io/library/app"},
 "digest":"sha256:aa","platform":"linux/amd64","platforms":["linux/amd64"],
 "config":{"user":"\u00e5\ud83d\ude00\"\\\/\b\f\n\r\t","labels":{"A":"1","a":"2","":"x"},"healthcheck":true,"created":"2026-01-02T03:04:05.000000006Z","size":-12,"layers":[]},
 "scan":{"engine":"trivy","need":3,"os":{"family":"alpine","release":"3.10","endOfLife":null},
  "user":{"spec":"1000","uid":1000,"numeric":false},
  "packages":[{"name":"a","version":"1","type":"debian","class":"os-pkgs"},{"name":"b","version":"2","type":"debian","class":"os-pkgs"}],
  "findings":[
   {"id":"CVE-1","aliases":["GHSA-a-b-c","GHSA-d-e-f"],"package":{"name":"a","version":"1","type":"","class":""},"severity":"high",
    "vendorSeverity":{"nvd":"high","debian":"low"},"cvss":{"nvd":{"v3Score":7.5,"v2Score":1e1,"v3Vector":"CVSS:3.1/AV:N"}},
    "title":"a title that is long enough","description":"a description that is long enough","published":"2026-01-02T03:04:05+02:00"},
   {"id":"CVE-1","aliases":["GHSA-a-b-c","GHSA-d-e-f"],"package":{"name":"b","version":"1","type":"","class":""},"severity":"high",
    "vendorSeverity":{"nvd":"high","debian":"low"},"cvss":{"nvd":{"v3Score":7.5,"v2Score":1e1,"v3Vector":"CVSS:3.1/AV:N"}},
    "title":"a title that is long enough","description":"a description that is long enough!","published":"2026-01-02T03:04:05+02:00"}],
  "coverage":{"gaps":[{"kind":"unknown-os","detail":"x"}],"unattributedCount":0,"executables":2}}}],
 "missing":[{"reference":"gone:1","reason":"404"}]}`

// changes are documents one change away from everyKind, and whether they are
// good for both readers, for none, or only for encoding/json.
func changes() map[string]string {
	out := map[string]string{"everything": everyKind}
	for name, c := range map[string][2]string{
		"no change":             {`"need":3`, `"need" : 3 `},
		"null object":           {`"coverage":{"gaps"`, `"java":null,"coverage":{"gaps"`},
		"null string":           {`"engine":"trivy"`, `"engine":null`},
		"null list":             {`"platforms":["linux/amd64"]`, `"platforms":null`},
		"null in a list":        {`"platforms":["linux/amd64"]`, `"platforms":[null,"x"]`},
		"null in a map":         {`"A":"1"`, `"A":null`},
		"null map":              {`"vendorSeverity":{"nvd":"high","debian":"low"}`, `"vendorSeverity":null`},
		"empty map":             {`"vendorSeverity":{"nvd":"high","debian":"low"}`, `"vendorSeverity":{}`},
		"cut null":              {`"engine":"trivy"`, `"engine":nul`},
		"fraction":              {`"need":3`, `"need":3.0`},
		"exponent":              {`"need":3`, `"need":3e0`},
		"negative need":         {`"need":3`, `"need":-3`},
		"leading zero":          {`"need":3`, `"need":03`},
		"plus":                  {`"need":3`, `"need":+3`},
		"too large":             {`"need":3`, `"need":99999999999999999999`},
		"huge score":            {`1e1`, `1e999`},
		"bare dot":              {`1e1`, `1.`},
		"dot first":             {`1e1`, `.5`},
		"not a number":          {`1e1`, `NaN`},
		"minus":                 {`1e1`, `-`},
		"minus zero":            {`1e1`, `-0`},
		"text for a number":     {`"need":3`, `"need":"3"`},
		"number for a text":     {`"engine":"trivy"`, `"engine":1`},
		"list for an object":    {`"coverage":{`, `"coverage":[{`},
		"object for a list":     {`"platforms":["linux/amd64"]`, `"platforms":{}`},
		"trailing comma":        {`["linux/amd64"]`, `["linux/amd64",]`},
		"leading comma":         {`["linux/amd64"]`, `[,"linux/amd64"]`},
		"trailing comma object": {`"executables":2`, `"executables":2,`},
		"no colon":              {`"need":3`, `"need"3`},
		"no comma":              {`"need":3,`, `"need":3`},
		"semicolon":             {`"need":3,`, `"need":3;`},
		"single quotes":         {`"trivy"`, `'trivy'`},
		"raw newline":           {`"trivy"`, "\"tri\nvy\""},
		"raw zero":              {`"trivy"`, "\"tri\x00vy\""},
		"delete character":      {`"trivy"`, "\"tri\x7fvy\""},
		"bad escape":            {`"trivy"`, `"tri\vy"`},
		"short escape":          {`"trivy"`, `"tri\u12"`},
		"bad hex":               {`"trivy"`, `"tri\u12g4"`},
		"upper-case escape":     {`"trivy"`, `"tri\U0041"`},
		"upper-case hex":        {`"trivy"`, `"tri\u00E5"`},
		"true in capitals":      {`true`, `True`},
		"unknown key":           {`"need":3`, `"needs":3`},
		"key in capitals":       {`"need":3`, `"Need":3`},
		"key with escape":       {`"need":3`, `"\u006eeed":3`},
		"key twice":             {`"need":3`, `"need":3,"need":3`},
		"key twice by escape":   {`"need":3`, `"need":3,"\u006eeed":3`},
		"label twice":           {`"A":"1"`, `"A":"1","A":"2"`},
		"id twice":              {`"id":"CVE-1"`, `"id":"CVE-1","id":"CVE-2"`},
		"id last":               {`"id":"CVE-1","aliases":["GHSA-a-b-c","GHSA-d-e-f"]`, `"aliases":["GHSA-a-b-c","GHSA-d-e-f"],"id":"CVE-1"`},
		"no version":            {`"schemaVersion":1,"images"`, `"images"`},
		"impossible day":        {`2026-01-02T03:04:05+02:00`, `2026-02-30T03:04:05+02:00`},
		"empty time":            {`"2026-01-02T03:04:05+02:00"`, `""`},
		"time as a number":      {`"2026-01-02T03:04:05+02:00"`, `1`},
		"time without zone":     {`2026-01-02T03:04:05+02:00`, `2026-01-02T03:04:05`},
	} {
		out[name] = strings.Replace(everyKind, c[0], c[1], 1)
		out[name+", at the end"] = everyKind[:strings.LastIndex(everyKind, c[0])] + c[1] + everyKind[strings.LastIndex(everyKind, c[0])+len(c[0]):]
	}
	out["twice"] = everyKind + everyKind
	out["comma behind"] = everyKind + ","
	out["space around"] = " \t\r\n" + everyKind + "\n"
	out["form feed"] = "\f" + everyKind
	out["zero behind"] = everyKind + "\x00"
	out["byte order mark"] = "\ufeff" + everyKind
	out["nested without end"] = `{"schemaVersion":1,"images":` + strings.Repeat("[", 10_000)
	out["nested labels"] = `{"schemaVersion":1,"images":` + strings.Repeat(`{"a":`, 10_000)
	for n := range 40 {
		out["cut"+strings.Repeat("'", n)] = everyKind[:len(everyKind)*n/40]
	}
	return out
}

// compare checks that the decoder and encoding/json agree: about what is a
// document of evidence, and about what it says.
func compare(t *testing.T, d *decoder, data []byte) {
	t.Helper()
	var fast, slow Saved
	fastErr := d.document(data, &fast)
	slowErr := decodeStrictly(data, &slow)
	switch {
	case fastErr == nil && slowErr != nil:
		t.Fatalf("accepted, but encoding/json says %v\n%q", slowErr, data)
	case fastErr != nil && slowErr == nil && !laxer(data):
		t.Fatalf("refused with %v, but encoding/json accepts\n%q", fastErr, data)
	case fastErr == nil:
		if diff := cmp.Diff(slow, fast); diff != "" {
			t.Fatalf("read differently (-encoding/json +decoder):\n%s", diff)
		}
	}
}

// laxer reports whether encoding/json accepts more by design: it replaces what
// is not Unicode, and some versions take times with escapes in them.
func laxer(data []byte) bool {
	return !json.Valid(data) || strings.ToValidUTF8(string(data), "") != string(data) ||
		strings.Contains(strings.ToLower(string(data)), `\u`)
}

func TestDecoderAgreesWithEncodingJSON(t *testing.T) {
	shared := newDecoder() // what it has seen must change nothing
	for name, text := range changes() {
		t.Run(name, func(t *testing.T) {
			compare(t, newDecoder(), []byte(text))
			compare(t, shared, []byte(text))
			compare(t, shared, []byte(text))
		})
	}
}

// A file that was cut is refused wherever that was, behind a backslash too.
func TestDecoderRefusesWhatWasCut(t *testing.T) {
	for n := range len(everyKind) {
		if err := newDecoder().document([]byte(everyKind[:n]), new(Saved)); err == nil {
			t.Errorf("accepted the first %d bytes", n)
		}
	}
}

// What encoding/json replaces in silence is refused: two texts that differ
// must not become one.
func TestDecoderRefusesWhatIsNotUnicode(t *testing.T) {
	for _, bad := range []string{"\xff", "\xc0\xaf", "\xed\xa0\x80", `\ud800`, `\udc00`, `\ud800\u0041`, `\ud800x`, `\ud83d\ud83d`} {
		for _, place := range []string{`"trivy"`, `"A":"1"`, `"a description that is long enough!"`} {
			text := strings.Replace(everyKind, place, place[:2]+bad+place[2:], 1)
			if err := newDecoder().document([]byte(text), new(Saved)); err == nil {
				t.Errorf("%q in %s was accepted", bad, place)
			}
		}
	}
}

// A kept value is taken only where a document goes on with all of its bytes.
func TestKnownValuesDoNotLeak(t *testing.T) {
	d := newDecoder()
	var first, second Saved
	if err := d.document([]byte(everyKind), &first); err != nil {
		t.Fatal(err)
	}
	other := strings.NewReplacer(
		`long enough!"`, `long enough!?"`, `"GHSA-d-e-f"]`, `"GHSA-d-e-f","GHSA-g"]`, `"debian":"low"}`, `"debian":"medium"}`,
		`"title":"a title that is long enough",`, ``,
	).Replace(everyKind)
	if err := d.document([]byte(other), &second); err != nil {
		t.Fatal(err)
	}
	f := second.Images[0].Scan.Findings[1]
	if f.Title != "" || f.Description != "a description that is long enough!?" || len(f.Aliases) != 3 || f.VendorSeverity["debian"] != "medium" {
		t.Errorf("read %+v", f)
	}
	if f := first.Images[0].Scan.Findings[1]; f.VendorSeverity["debian"] != "low" || len(f.Aliases) != 2 {
		t.Errorf("reading again changed what was read first: %+v", f)
	}
}

// Known values begin with the id: without that, none would be found.
func TestFindingsBeginWithTheID(t *testing.T) {
	for _, typ := range []reflect.Type{findingType, entryType} {
		if got := typ.Field(0).Tag.Get("json"); got != "id" || typ.Field(0).Type.Kind() != reflect.String {
			t.Errorf("%s begins with %s", typ, got)
		}
	}
}

// When there is no room left, nothing is kept and everything is still read.
func TestKnownValuesAreBounded(t *testing.T) {
	d := newDecoder()
	k := d.structReader(findingType).known
	if k.room = 2000; k.of("CVE-1") == nil {
		t.Fatal("no room for the first")
	}
	k.keep(k.of("CVE-1"), 11, []byte(`"`+strings.Repeat("x", 5000)+`"`), reflect.ValueOf("x"))
	for i := range 100 {
		k.of(strings.Repeat("x", i))
	}
	if len(k.byID) > 6 || k.byID["CVE-1"].raw[11] != "" {
		t.Errorf("kept %d values, %v", len(k.byID), k.byID["CVE-1"].raw)
	}
}

func FuzzDecoder(f *testing.F) {
	for _, text := range changes() {
		f.Add([]byte(text), []byte(everyKind))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		d := newDecoder()
		compare(t, d, first)
		compare(t, d, second)
	})
}

func TestOrdinaryFindsTheFirst(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			for _, after := range []byte{'a', '"', 0, 0xff, '\\', ' ', 0x7f} {
				b := []byte(strings.Repeat("a", 24))
				b[at], b[at+1] = byte(c), after
				want := strings.IndexFunc(string(b), func(rune) bool { return true }) // 0
				for want < len(b) && b[want] >= ' ' && b[want] < 0x80 && b[want] != '"' && b[want] != '\\' {
					want++
				}
				if got := ordinary(b); got != want {
					t.Fatalf("ordinary(%q) = %d, want %d", b, got, want)
				}
			}
		}
	}
}

// Fields of a kind that the decoder cannot read are found by building it.
func TestDecoderKnowsEveryField(t *testing.T) {
	NewSavedReader()
	newDecoder().reader(reflect.TypeFor[Saved]())
	defer func() {
		if recover() == nil {
			t.Error("a field of type any was accepted")
		}
	}()
	newDecoder().reader(reflect.TypeFor[struct {
		A any `json:"a"`
	}]())
}

// tableWith is a file of the second form with one finding.
func tableWith(finding string) string {
	return `{"schemaVersion":2,"advisories":[{"id":"CVE-1","severity":"high"},{"id":"CVE-2","severity":"low"}],"images":[` +
		`{"schemaVersion":1,"reference":{"asked":"a","source":"registry","name":"a"},"digest":"sha256:a","platform":"x","platforms":["x"],"scan":{"engine":"e","need":2,` +
		`"packages":[{"name":"p","version":"1","type":"t","class":"c"},{"name":"q","version":"1","type":"t","class":"c"}],"coverage":{"gaps":[],"unattributedCount":0,"executables":0},` +
		`"findings":[` + finding + `]}},` +
		`{"schemaVersion":1,"reference":{"asked":"b","source":"registry","name":"b"},"digest":"sha256:b","platform":"x","platforms":["x"]}]}`
}

func TestFindingsPointAtTheTable(t *testing.T) {
	s, err := ParseSaved([]byte(tableWith(`{"advisory":1,"packageAt":1,"status":"fixed","fixedVersion":"2"},{"advisory":0,"package":{"name":"r","version":"","type":"","class":""}}`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []evidence.Finding{
		{ID: "CVE-2", Severity: "low", Status: "fixed", FixedVersion: "2", Package: evidence.Package{Name: "q", Version: "1", Type: "t", Class: "c"}},
		{ID: "CVE-1", Severity: "high", Package: evidence.Package{Name: "r"}},
	}
	if diff := cmp.Diff(want, s.Images[0].Scan.Findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// A finding without its advisory or package is no finding, and never an empty one.
func TestDanglingReferencesAreErrors(t *testing.T) {
	good := tableWith(`{"advisory":0,"packageAt":0}`)
	if _, err := ParseSaved([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"advisory too large":      tableWith(`{"advisory":2,"packageAt":0}`),
		"advisory negative":       tableWith(`{"advisory":-1,"packageAt":0}`),
		"no advisory":             tableWith(`{"packageAt":0}`),
		"null advisory":           tableWith(`{"advisory":null,"packageAt":0}`),
		"null finding":            tableWith(`null`),
		"empty finding":           tableWith(`{}`),
		"package too large":       tableWith(`{"advisory":0,"packageAt":2}`),
		"package negative":        tableWith(`{"advisory":0,"packageAt":-1}`),
		"no package":              tableWith(`{"advisory":0}`),
		"two packages":            tableWith(`{"advisory":0,"packageAt":0,"package":{"name":"r","version":"","type":"","class":""}}`),
		"own text":                tableWith(`{"advisory":0,"packageAt":0,"title":"x"}`),
		"own severity":            tableWith(`{"advisory":0,"packageAt":0,"severity":"low"}`),
		"status of the advisory":  strings.Replace(good, `"severity":"high"`, `"severity":"high","status":"fixed"`, 1),
		"package of the advisory": strings.Replace(good, `"severity":"high"`, `"severity":"high","package":null`, 1),
		"version of the advisory": strings.Replace(good, `"severity":"high"`, `"severity":"high","fixedVersion":"1"`, 1),
		"table behind the images": `{"schemaVersion":2,` + good[strings.Index(good, `"images"`):len(good)-1] + `,` + good[strings.Index(good, `"advisories"`):strings.Index(good, `,"images"`)] + `}`,
		"no table":                `{"schemaVersion":2,` + good[strings.Index(good, `"images"`):],
		"null table":              `{"schemaVersion":2,"advisories":null,` + good[strings.Index(good, `"images"`):],
		"null advisory in table":  strings.Replace(good, `{"id":"CVE-1","severity":"high"}`, `null`, 1),
		"table in the first form": strings.Replace(good, `"schemaVersion":2`, `"schemaVersion":1`, 1),
		"version behind":          strings.Replace(strings.Replace(good, `"schemaVersion":2,`, ``, 1), `]}]}`, `]}],"schemaVersion":2}`, 1),
		"another image's package": strings.Replace(good, `"platforms":["x"]}]}`, `"platforms":["x"],"scan":{"engine":"e","need":2,"coverage":{"gaps":[],"unattributedCount":0,"executables":0},"findings":[{"advisory":0,"packageAt":0}]}}]}`, 1),
	} {
		if text == good {
			t.Fatalf("%s: not changed", name)
		}
		if got, err := ParseSaved([]byte(text)); err == nil {
			t.Errorf("%s: accepted as %+v", name, got.Images[0].Scan)
		}
	}
}

// One reader for many files: an error in one does not reach the next, and
// nothing of the one before is taken for the next one's.
func TestSavedReaderForgetsTheFileBefore(t *testing.T) {
	r := NewSavedReader()
	good := tableWith(`{"advisory":1,"packageAt":1}`)
	if _, err := r.Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		`{"schemaVersion":2,` + good[strings.Index(good, `"images"`):],
		good[:len(good)/2],
		everyKind[:len(everyKind)/2],
	} {
		if _, err := r.Parse([]byte(bad)); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
	got, err := r.Parse([]byte(good))
	want, wantErr := ParseSaved([]byte(good))
	if err := errors.Join(err, wantErr); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after errors (-want +got):\n%s", diff)
	}
}
