package vex_test

import (
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/vex"
)

const goodCycloneDX = `{
  "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79", "version": 1,
  "metadata": {"timestamp": "2026-06-01T00:00:00Z", "supplier": {"name": "shop"}, "tools": {"components": [{"name": "t"}]},
    "component": {"type": "container", "bom-ref": "app", "name": "app", "purl": "pkg:oci/app?repository_url=registry.example.no/shop/app"}},
  "components": [
    {"type": "library", "bom-ref": "lodash", "name": "lodash", "version": "4.17.15", "purl": "pkg:npm/lodash@4.17.15"},
    {"type": "library", "bom-ref": "pad", "name": "left-pad", "purl": "pkg:npm/left-pad@1.0.0"}
  ],
  "services": [{"bom-ref": "api", "name": "api"}],
  "vulnerabilities": [
    {"id": "CVE-2026-0001", "source": {"name": "NVD"}, "references": [{"id": "GHSA-aaaa-bbbb-cccc", "source": {"name": "GitHub"}}], "ratings": [{"severity": "high"}],
      "analysis": {"state": "not_affected", "justification": "code_not_reachable", "response": ["will_not_fix"], "detail": "d", "firstIssued": "2026-05-01T00:00:00Z", "lastUpdated": "2026-05-02T00:00:00Z"},
      "affects": [{"ref": "lodash"}]},
    {"id": "CVE-2026-0002", "analysis": {"state": "exploitable"}, "affects": [{"ref": "pad"}]},
    {"id": "CVE-2026-0003", "affects": [{"ref": "anything"}]},
    {"id": "CVE-2026-0004", "analysis": {"state": "false_positive", "detail": "another lodash"}, "affects": [{"ref": "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#lodash"}]},
    {"id": "CVE-2026-0005", "analysis": {"state": "resolved"}, "affects": [{"ref": "app"}]},
    {"id": "CVE-2026-0006", "analysis": {"state": "in_triage"}, "affects": [{"ref": "api"}]}
  ]
}`

func changeCycloneDX(from, to string) string {
	if !strings.Contains(goodCycloneDX, from) {
		panic(from)
	}
	return strings.Replace(goodCycloneDX, from, to, 1)
}

func TestParseCycloneDX(t *testing.T) {
	d, err := vex.Parse([]byte(goodCycloneDX))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range d.Statements {
		all = append(all, s.Place+" "+string(s.Status)+" "+s.Why+" "+strings.Join(s.IDs, ",")+" "+s.At.Format(time.DateOnly))
	}
	want := `vulnerability 1 not_affected code_not_reachable CVE-2026-0001,GHSA-AAAA-BBBB-CCCC 2026-05-02
vulnerability 2 affected  CVE-2026-0002 2026-06-01
vulnerability 4 not_affected another lodash CVE-2026-0004 2026-06-01
vulnerability 5 fixed  CVE-2026-0005 2026-06-01
vulnerability 6 under_investigation  CVE-2026-0006 2026-06-01`
	if got := strings.Join(all, "\n"); got != want || d.Author != "shop" {
		t.Errorf("%s\n%s", d.Author, got)
	}
}

func refusedCycloneDX() map[string][2]string {
	return map[string][2]string{
		"another format":          {changeCycloneDX(`"CycloneDX"`, `"SPDX"`), "/bomFormat"},
		"an old version":          {changeCycloneDX(`"1.6"`, `"1.3"`), "/specVersion"},
		"no date":                 {changeCycloneDX(`"timestamp": "2026-06-01T00:00:00Z", `, ``), "/metadata/timestamp"},
		"an unknown state":        {changeCycloneDX(`"not_affected"`, `"Not_affected"`), "/vulnerabilities/0/analysis/state"},
		"no state":                {changeCycloneDX(`"state": "not_affected", `, ``), "/vulnerabilities/0/analysis/state"},
		"an unknown reason":       {changeCycloneDX(`"code_not_reachable"`, `"trust_me"`), "/vulnerabilities/0/analysis/justification"},
		"no reason":               {changeCycloneDX(`"justification": "code_not_reachable", "response": ["will_not_fix"], "detail": "d", `, ``), "/vulnerabilities/0/analysis is not_affected"},
		"false without a reason":  {changeCycloneDX(`, "detail": "another lodash"`, ``), "/vulnerabilities/3/analysis is false_positive"},
		"no id":                   {changeCycloneDX(`"id": "CVE-2026-0001", `, ``), "/vulnerabilities/0/id"},
		"another CVE":             {changeCycloneDX(`"GHSA-aaaa-bbbb-cccc"`, `"CVE-2026-0009"`), "CVE-2026-0009"},
		"about nothing":           {changeCycloneDX(`[{"ref": "lodash"}]`, `[]`), "/vulnerabilities/0/affects"},
		"a component that is not": {changeCycloneDX(`{"ref": "lodash"}`, `{"ref": "pkg:npm/lodash@4.17.15"}`), "/vulnerabilities/0/affects/0/ref"},
		"an empty ref":            {changeCycloneDX(`{"ref": "lodash"}`, `{"ref": ""}`), "/vulnerabilities/0/affects/0/ref"},
		"a link to nothing":       {changeCycloneDX(`/1#lodash`, `/1#nothing`), "/vulnerabilities/3/affects/0/ref"},
		"a ref twice":             {changeCycloneDX(`"bom-ref": "pad"`, `"bom-ref": "lodash"`), "/components/1/bom-ref"},
		"a ref of a service too":  {changeCycloneDX(`"bom-ref": "api"`, `"bom-ref": "lodash"`), "/services/0/bom-ref"},
		"no purl":                 {changeCycloneDX(`"pkg:npm/lodash@4.17.15"`, `"pkg:npm"`), "/components/0/purl"},
		"a version and a range":   {changeCycloneDX(`{"ref": "lodash"}`, `{"ref": "lodash", "versions": [{"version": "1", "range": "2"}]}`), "/vulnerabilities/0/affects/0/versions/0"},
		"an unknown status":       {changeCycloneDX(`{"ref": "lodash"}`, `{"ref": "lodash", "versions": [{"version": "1", "status": "x"}]}`), "/vulnerabilities/0/affects/0/versions/0/status"},
		"an unknown key":          {changeCycloneDX(`"affects": [{"ref": "lodash"}]`, `"affects": [{"ref": "lodash", "unless": 1}]`), "/vulnerabilities/0"},
		"a key twice":             {changeCycloneDX(`"state": "exploitable"`, `"state": "exploitable", "state": "not_affected"`), "state"},
		"a key in another case":   {changeCycloneDX(`"state": "exploitable"`, `"state": "exploitable", "State": "not_affected"`), "/vulnerabilities/1"},
		"a folded key above":      {changeCycloneDX(`"vulnerabilities"`, `"Vulnerabilities": [], "vulnerabilities"`), "case"},
		"a folded key of a purl":  {changeCycloneDX(`"purl": "pkg:npm/lodash@4.17.15"`, `"purl": "pkg:npm/lodash@4.17.15", "PURL": "pkg:npm/x"`), "case"},
		"deep components":         {changeCycloneDX(`"components": [`+"\n", `"components": [`+strings.Repeat(`{"components": [`, 9)+`{}`+strings.Repeat(`]}`, 9)+`, `), "nested deeper"},
		"no analysis":             {goodCycloneDX[:strings.Index(goodCycloneDX, `"vulnerabilities"`)] + `"vulnerabilities": [{"id": "CVE-2026-0001"}]}`, "none with an analysis"},
		"no vulnerability":        {`{"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"timestamp": "2026-06-01T00:00:00Z"}}`, "none with an analysis"},
		"two forms":               {changeCycloneDX(`"bomFormat"`, `"document": {}, "bomFormat"`), "two forms"},
	}
}

func TestCycloneDXDocumentsThatAreRefused(t *testing.T) {
	for name, c := range refusedCycloneDX() {
		d, err := vex.Parse([]byte(c[0]))
		if err == nil || d != nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want %q", name, err, c[1])
		}
	}
}

func TestMatchCycloneDX(t *testing.T) {
	const (
		app = `"purl": "pkg:oci/app?repository_url=registry.example.no/shop/app"}`
		ref = `{"ref": "lodash"}`
	)
	affected := func(doc string) string {
		return strings.Replace(doc, `"state": "not_affected"`, `"state": "exploitable"`, 1)
	}
	nested := changeCycloneDX(`{"type": "library", "bom-ref": "lodash"`, `{"type": "library", "bom-ref": "outer", "name": "o", "purl": "pkg:npm/outer@1", "components": [{"type": "library", "bom-ref": "lodash"`)
	nested = strings.Replace(nested, `"purl": "pkg:npm/lodash@4.17.15"}`, `"purl": "pkg:npm/lodash@4.17.15"}]}`, 1)
	for name, c := range map[string]struct {
		doc  string
		want vex.Match
	}{
		"part of this image":             {goodCycloneDX, vex.Matches},
		"this tag":                       {changeCycloneDX(app, `"version": "1.4.2", `+app), vex.Matches},
		"another tag":                    {changeCycloneDX(app, `"version": "1.4.1", `+app), vex.OtherProduct},
		"this digest":                    {changeCycloneDX(app, `"version": "sha256:`+strings.Repeat("a", 64)+`", `+app), vex.Matches},
		"another digest":                 {changeCycloneDX(app, `"version": "sha256:`+strings.Repeat("c", 64)+`", `+app), vex.OtherProduct},
		"another repository":             {changeCycloneDX("no/shop/app", "no/evil/app"), vex.OtherProduct},
		"every repository":               {changeCycloneDX("?repository_url=registry.example.no/shop/app", ""), vex.OtherProduct},
		"an application":                 {changeCycloneDX("pkg:oci/app?repository_url=registry.example.no/shop/app", "pkg:npm/app@1"), vex.OtherProduct},
		"a product without a purl":       {changeCycloneDX(app, `"version": "1"}`), vex.OtherProduct},
		"no product":                     {strings.Replace(changeCycloneDX(`"component": {"type": "container", "bom-ref": "app", "name": "app", `+app, `"lifecycles": []`), `{"ref": "app"}`, `{"ref": "pad"}`, 1), vex.Matches},
		"the image and no package":       {changeCycloneDX(ref, `{"ref": "app"}`), vex.OtherProduct},
		"another package":                {changeCycloneDX(ref, `{"ref": "pad"}`), vex.OtherProduct},
		"a service":                      {changeCycloneDX(ref, `{"ref": "api"}`), vex.OtherProduct},
		"another document":               {changeCycloneDX(ref, `{"ref": "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#pkg:npm/lodash@4.17.15"}`), vex.OtherProduct},
		"another version of it":          {changeCycloneDX(ref, `{"ref": "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/2#lodash"}`), vex.OtherProduct},
		"a ref that is another purl":     {strings.Replace(strings.ReplaceAll(goodCycloneDX, `"pad"`, `"pkg:npm/lodash@4.17.15"`), ref, `{"ref": "pkg:npm/lodash@4.17.15"}`, 1), vex.OtherProduct},
		"another version":                {changeCycloneDX("lodash@4.17.15", "lodash@4.17.16"), vex.OtherVersion},
		"a version beside the purl":      {changeCycloneDX("npm/lodash@4.17.15", "npm/lodash"), vex.Matches},
		"another one beside the purl":    {strings.Replace(changeCycloneDX("npm/lodash@4.17.15", "npm/lodash"), `"version": "4.17.15"`, `"version": "4.17.20"`, 1), vex.OtherVersion},
		"another ecosystem":              {changeCycloneDX("pkg:npm/lodash", "pkg:pypi/lodash"), vex.OtherProduct},
		"a package with a hash":          {changeCycloneDX(`"purl": "pkg:npm/lodash@4.17.15"`, `"purl": "pkg:npm/lodash@4.17.15", "hashes": [{"alg": "SHA-1", "content": "a"}]`), vex.OtherProduct},
		"the version is listed":          {changeCycloneDX(ref, `{"ref": "lodash", "versions": [{"version": "4.17.15", "status": "unaffected"}]}`), vex.Matches},
		"the version is listed as well":  {changeCycloneDX(ref, `{"ref": "lodash", "versions": [{"range": "vers:npm/<4", "status": "affected"}, {"version": "4.17.15", "status": "unaffected"}]}`), vex.Matches},
		"the version has no status":      {changeCycloneDX(ref, `{"ref": "lodash", "versions": [{"version": "4.17.15"}]}`), vex.OtherVersion},
		"another version is listed":      {changeCycloneDX(ref, `{"ref": "lodash", "versions": [{"version": "4.17.14", "status": "unaffected"}]}`), vex.OtherVersion},
		"a range":                        {changeCycloneDX(ref, `{"ref": "lodash", "versions": [{"range": "vers:npm/>=4", "status": "unaffected"}]}`), vex.OtherVersion},
		"a part of a part":               {nested, vex.OtherProduct},
		"affected, part of a part":       {affected(nested), vex.Matches},
		"affected, another document":     {affected(changeCycloneDX(ref, `{"ref": "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#pkg:npm/lodash@4.17.15"}`)), vex.Matches},
		"affected, encoded":              {affected(changeCycloneDX(ref, `{"ref": "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#pkg%3Anpm%2Flodash%404.17.15"}`)), vex.Matches},
		"affected, some product":         {affected(changeCycloneDX(app, `"version": "1"}`)), vex.Matches},
		"affected, another image":        {affected(changeCycloneDX("no/shop/app", "no/evil/app")), vex.OtherProduct},
		"affected, a range":              {affected(changeCycloneDX(ref, `{"ref": "lodash", "versions": [{"range": "vers:npm/>=5"}]}`)), vex.Matches},
		"affected, the image":            {affected(changeCycloneDX(ref, `{"ref": "app"}`)), vex.Matches},
		"affected, a service":            {affected(changeCycloneDX(ref, `{"ref": "api"}`)), vex.OtherProduct},
		"affected, another document's x": {affected(changeCycloneDX(ref, `{"ref": "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#x"}`)), vex.OtherProduct},
	} {
		d, err := vex.Parse([]byte(c.doc))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := d.Statements[0].Match(anImage(), vex.PackageOf(&evidence.Package{PURL: "pkg:npm/lodash@4.17.15"})); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func FuzzCycloneDX(f *testing.F) {
	f.Add([]byte(goodCycloneDX))
	for _, c := range refusedCycloneDX() {
		f.Add([]byte(c[0]))
	}
	f.Fuzz(checkParsed)
}
