package vex_test

import (
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/vex"
)

const goodCSAF = `{
  "document": {
    "category": "csaf_vex", "csaf_version": "2.0", "title": "t", "notes": [{"category": "summary", "text": "x"}],
    "publisher": {"category": "vendor", "name": "shop", "namespace": "https://example.no"},
    "tracking": {"id": "V-1", "status": "final", "version": "2", "initial_release_date": "2026-05-01T00:00:00Z", "current_release_date": "2026-06-01T00:00:00Z",
      "generator": {"date": "2026-06-01T00:00:00Z", "engine": {"name": "e"}},
      "revision_history": [{"number": "1", "date": "2026-05-01T00:00:00Z", "summary": "first"}, {"number": "2", "date": "2026-06-01T00:00:00Z", "summary": "second"}]}
  },
  "product_tree": {
    "branches": [{"category": "vendor", "name": "shop", "branches": [
      {"category": "product_name", "name": "app", "branches": [{"category": "product_version", "name": "1.0", "product": {"name": "app 1.0", "product_id": "APP",
        "product_identification_helper": {"purl": "pkg:oci/app?repository_url=registry.example.no/shop/app"}}}]},
      {"category": "product_name", "name": "lodash", "product": {"name": "lodash", "product_id": "LODASH", "product_identification_helper": {"purl": "pkg:npm/lodash@4.17.15"}}},
      {"category": "product_name", "name": "left-pad", "product": {"name": "left-pad", "product_id": "PAD", "product_identification_helper": {"purl": "pkg:npm/left-pad@1.0.0"}}}
    ]}],
    "relationships": [{"category": "default_component_of", "product_reference": "LODASH", "relates_to_product_reference": "APP", "full_product_name": {"name": "lodash in app", "product_id": "APP:LODASH"}}],
    "product_groups": [{"group_id": "G", "product_ids": ["APP:LODASH"]}]
  },
  "vulnerabilities": [
    {"cve": "CVE-2026-0001", "ids": [{"system_name": "GitHub", "text": "GHSA-aaaa-bbbb-cccc"}], "product_status": {"known_not_affected": ["APP:LODASH"], "recommended": ["PAD"]},
      "flags": [{"label": "vulnerable_code_not_in_execute_path", "group_ids": ["G"]}], "remediations": [{"category": "no_fix_planned", "details": "d", "date": "2099-01-01T00:00:00Z", "product_ids": ["APP:LODASH"]}]},
    {"cve": "CVE-2026-0002", "product_status": {"known_not_affected": ["APP:LODASH"], "known_affected": ["PAD"], "fixed": ["APP"], "under_investigation": ["LODASH"]},
      "threats": [{"category": "impact", "details": "it is not called", "product_ids": ["APP:LODASH"]}]}
  ]
}`

func changeCSAF(from, to string) string {
	if !strings.Contains(goodCSAF, from) {
		panic(from)
	}
	return strings.Replace(goodCSAF, from, to, 1)
}

func TestParseCSAF(t *testing.T) {
	d, err := vex.Parse([]byte(goodCSAF))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range d.Statements {
		all = append(all, s.Place+" "+string(s.Status)+" "+s.Why+" "+strings.Join(s.IDs, ","))
	}
	want := `vulnerability 1, known_not_affected not_affected vulnerable_code_not_in_execute_path CVE-2026-0001,GHSA-AAAA-BBBB-CCCC
vulnerability 2, known_not_affected not_affected it is not called CVE-2026-0002
vulnerability 2, known_affected affected  CVE-2026-0002
vulnerability 2, fixed fixed  CVE-2026-0002
vulnerability 2, under_investigation under_investigation  CVE-2026-0002`
	if got := strings.Join(all, "\n"); got != want || d.Author != "shop" {
		t.Errorf("%s\n%s", d.Author, got)
	}
	if day := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC); !d.Statements[0].At.Equal(day) || !d.Newest.Equal(day) {
		t.Errorf("%s, %s", d.Statements[0].At, d.Newest) // the date of a remediation may be to come
	}
}

// refusedCSAF has documents that other readers take, with the place that the message
// names.
func refusedCSAF() map[string][2]string {
	const flag = `"flags": [{"label": "vulnerable_code_not_in_execute_path", "group_ids": ["G"]}], `
	return map[string][2]string{
		"another version":         {changeCSAF(`"2.0"`, `"2.1"`), "/document/csaf_version"},
		"an advisory":             {changeCSAF(`"csaf_vex"`, `"csaf_security_advisory"`), "/document/category"},
		"a draft":                 {changeCSAF(`"final"`, `"draft"`), "/document/tracking/status"},
		"no publisher":            {changeCSAF(`"name": "shop", "namespace"`, `"namespace"`), "/document/publisher/name"},
		"no date":                 {changeCSAF(`"current_release_date": "2026-06-01T00:00:00Z",`, ``), "current_release_date is missing"},
		"no id":                   {changeCSAF(`"id": "V-1", `, ``), "/document/tracking/id"},
		"no reason":               {changeCSAF(flag, ``), "/vulnerabilities/0/product_status/known_not_affected/0"},
		"a reason for another":    {changeCSAF(`"group_ids": ["G"]`, `"product_ids": ["PAD"]`), "/vulnerabilities/0/product_status/known_not_affected/0"},
		"a threat for a reason":   {changeCSAF(`"category": "impact"`, `"category": "exploit_status"`), "/vulnerabilities/1/product_status/known_not_affected/0"},
		"an empty reason":         {changeCSAF(`"it is not called"`, `" "`), "/vulnerabilities/1/product_status/known_not_affected/0"},
		"an unknown label":        {changeCSAF(`"vulnerable_code_not_in_execute_path"`, `"trust_me"`), "/vulnerabilities/0/flags/0/label"},
		"two statuses":            {changeCSAF(`"known_affected": ["PAD"]`, `"known_affected": ["APP:LODASH"]`), "is not_affected and affected"},
		"an unknown status":       {changeCSAF(`"recommended"`, `"not_affected"`), "/vulnerabilities/0"},
		"no id of it":             {changeCSAF(`"cve": "CVE-2026-0001", "ids": [{"system_name": "GitHub", "text": "GHSA-aaaa-bbbb-cccc"}], `, ``), "/vulnerabilities/0 has neither"},
		"another CVE":             {changeCSAF(`"GHSA-aaaa-bbbb-cccc"`, `"CVE-2026-0009"`), "/vulnerabilities/0/ids has CVE-2026-0009"},
		"no CVE":                  {changeCSAF(`"CVE-2026-0001"`, `"CVE-1"`), "/vulnerabilities/0/cve"},
		"the same CVE twice":      {changeCSAF(`"CVE-2026-0002"`, `"CVE-2026-0001"`), "/vulnerabilities/1"},
		"a product that is none":  {changeCSAF(`"known_not_affected": ["APP:LODASH"], "recommended"`, `"known_not_affected": ["X"], "recommended"`), "/vulnerabilities/0/product_status/known_not_affected/0"},
		"a group that is none":    {changeCSAF(`["G"]`, `["H"]`), "/vulnerabilities/0/flags/0"},
		"a product twice":         {changeCSAF(`"product_id": "PAD"`, `"product_id": "LODASH"`), "another product's"},
		"a product in two forms":  {changeCSAF(`"product_id": "APP:LODASH"`, `"product_id": "APP"`), "another product's"},
		"a product without an id": {changeCSAF(`"product_id": "PAD"`, `"product_id": ""`), "is empty"},
		"a circle":                {changeCSAF(`"product_reference": "LODASH"`, `"product_reference": "APP:LODASH"`), "a circle"},
		"a relationship to none":  {changeCSAF(`"relates_to_product_reference": "APP"`, `"relates_to_product_reference": "X"`), "/product_tree/relationships/0/relates_to_product_reference"},
		"an unknown relationship": {changeCSAF(`"default_component_of"`, `"next_to"`), "/product_tree/relationships/0/category"},
		"an unknown branch":       {changeCSAF(`"category": "vendor", "name": "shop", "branches"`, `"category": "x", "name": "shop", "branches"`), "/product_tree/branches/0/category"},
		"a branch of nothing":     {changeCSAF(`"branches": [{"category": "vendor"`, `"branches": [{"category": "vendor", "name": "x"}, {"category": "vendor"`), "either product or branches"},
		"no purl":                 {changeCSAF(`"pkg:npm/lodash@4.17.15"`, `"pkg:npm"`), "which is no purl"},
		"a key twice":             {changeCSAF(`"cve": "CVE-2026-0001"`, `"cve": "CVE-2026-0002", "cve": "CVE-2026-0001"`), "/vulnerabilities/0"},
		"a key in another case":   {changeCSAF(`"recommended"`, `"Known_affected"`), "/vulnerabilities/0"},
		"an unknown key":          {changeCSAF(`"recommended"`, `"except"`), "/vulnerabilities/0"},
		"nothing":                 {changeCSAF(`"vulnerabilities": [`, `"vulnerabilities": [], "$schema": "x", "product_tree": {}}`), "line"},
		"no vulnerability":        {goodCSAF[:strings.Index(goodCSAF, `"vulnerabilities"`)] + `"vulnerabilities": []}`, "/vulnerabilities is missing"},
		"no statement":            {goodCSAF[:strings.Index(goodCSAF, `"vulnerabilities"`)] + `"vulnerabilities": [{"cve": "CVE-2026-0001"}]}`, "none has a product_status"},
		"two forms":               {changeCSAF(`"document"`, `"@context": "https://openvex.dev/ns/v0.2.0", "document"`), "two forms"},
		"deep branches":           {changeCSAF(`"branches": [{"category": "vendor"`, `"branches": [`+strings.Repeat(`{"category": "vendor", "name": "x", "branches": [`, 40)+`{"category": "vendor", "name": "y", "product": {"name": "z", "product_id": "Z"}}`+strings.Repeat(`]}`, 40)+`, {"category": "vendor"`), "deeper than"},
	}
}

func TestCSAFDocumentsThatAreRefused(t *testing.T) {
	for name, c := range refusedCSAF() {
		d, err := vex.Parse([]byte(c[0]))
		if err == nil || d != nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want %q", name, err, c[1])
		}
	}
}

// No trick with the product tree makes a statement about more than it says.
func TestMatchCSAF(t *testing.T) {
	const (
		app    = `{"purl": "pkg:oci/app?repository_url=registry.example.no/shop/app"}`
		lodash = `{"purl": "pkg:npm/lodash@4.17.15"}`
		inApp  = `"known_not_affected": ["APP:LODASH"], "recommended"`
	)
	plain := changeCSAF(`{"category": "product_version", "name": "1.0", "product": {"name": "app 1.0"`, `{"category": "product_name", "name": "1.0", "product": {"name": "app 1.0"`)
	plain = strings.Replace(plain, `"group_ids": ["G"]`, `"group_ids": ["G"], "product_ids": ["APP", "LODASH", "PAD"]`, 1)
	from := func(doc, old, new string) string {
		if !strings.Contains(doc, old) {
			panic(old)
		}
		return strings.Replace(doc, old, new, 1)
	}
	for name, c := range map[string]struct {
		doc  string
		want vex.Match
	}{
		"part of this image":           {plain, vex.Matches},
		"optional part":                {from(plain, "default_component_of", "optional_component_of"), vex.Matches},
		"installed on it":              {from(plain, "default_component_of", "installed_on"), vex.Matches},
		"installed with it":            {from(plain, "default_component_of", "installed_with"), vex.OtherProduct},
		"outside it":                   {from(plain, "default_component_of", "external_component_of"), vex.OtherProduct},
		"this tag":                     {strings.ReplaceAll(goodCSAF, `"name": "1.0"`, `"name": "1.4.2"`), vex.Matches},
		"another tag":                  {goodCSAF, vex.OtherProduct},
		"a range of the image":         {changeCSAF(`"category": "product_version", "name": "1.0"`, `"category": "product_version_range", "name": "vers:oci/>=1.0"`), vex.OtherProduct},
		"another repository":           {from(plain, "no/shop/app", "no/evil/app"), vex.OtherProduct},
		"every repository":             {from(plain, app, `{"purl": "pkg:oci/app"}`), vex.OtherProduct},
		"an image named by a CPE":      {from(plain, app, `{"cpe": "cpe:2.3:a:shop:app:1.0:*:*:*:*:*:*:*"}`), vex.OtherProduct},
		"this digest":                  {from(plain, app, `{"hashes": [{"filename": "m", "file_hashes": [{"algorithm": "sha256", "value": "`+strings.Repeat("a", 64)+`"}]}]}`), vex.Matches},
		"two hashes":                   {from(plain, app, `{"hashes": [{"filename": "m", "file_hashes": [{"algorithm": "sha256", "value": "`+strings.Repeat("a", 64)+`"}, {"algorithm": "sha512", "value": "x"}]}]}`), vex.OtherProduct},
		"the wrong way around":         {from(from(plain, `"product_reference": "LODASH"`, `"product_reference": "APP"`), `"relates_to_product_reference": "APP"`, `"relates_to_product_reference": "LODASH"`), vex.OtherProduct},
		"another version":              {from(plain, "lodash@4.17.15", "lodash@4.17.16"), vex.OtherVersion},
		"any version":                  {from(plain, "lodash@4.17.15", "lodash"), vex.Matches},
		"another ecosystem":            {from(plain, "pkg:npm/lodash", "pkg:pypi/lodash"), vex.OtherProduct},
		"a package with a hash":        {from(plain, lodash, `{"purl": "pkg:npm/lodash@4.17.15", "hashes": [{"filename": "m", "file_hashes": [{"algorithm": "sha256", "value": "ab"}]}]}`), vex.OtherProduct},
		"a package with a serial":      {from(plain, lodash, `{"purl": "pkg:npm/lodash@4.17.15", "serial_numbers": ["1"]}`), vex.OtherVersion},
		"a range beside the purl":      {from(from(plain, `{"category": "product_name", "name": "lodash", "product"`, `{"category": "product_version_range", "name": "<4.17.15", "product"`), "lodash@4.17.15", "lodash"), vex.OtherVersion},
		"a version beside the purl":    {from(from(plain, `{"category": "product_name", "name": "lodash", "product"`, `{"category": "product_version", "name": "4.17.15", "product"`), "lodash@4.17.15", "lodash"), vex.Matches},
		"another one beside the purl":  {from(from(plain, `{"category": "product_name", "name": "lodash", "product"`, `{"category": "product_version", "name": "4.17.20", "product"`), "lodash@4.17.15", "lodash"), vex.OtherVersion},
		"a patch level":                {from(plain, `{"category": "product_name", "name": "lodash", "product"`, `{"category": "patch_level", "name": "p1", "product"`), vex.OtherVersion},
		"another name for the whole":   {from(plain, `"product_id": "APP:LODASH"`, `"product_id": "APP:LODASH", "product_identification_helper": {"purl": "pkg:npm/left-pad"}`), vex.OtherProduct},
		"the image and no package":     {from(plain, inApp, `"known_not_affected": ["APP"], "recommended"`), vex.OtherProduct},
		"the package":                  {from(plain, inApp, `"known_not_affected": ["LODASH"], "recommended"`), vex.Matches},
		"another package":              {from(plain, inApp, `"known_not_affected": ["PAD"], "recommended"`), vex.OtherProduct},
		"a part of a part":             {from(from(plain, `"relationships": [`, `"relationships": [{"category": "default_component_of", "product_reference": "PAD", "relates_to_product_reference": "APP", "full_product_name": {"name": "x", "product_id": "APP:PAD"}}, `), `"relates_to_product_reference": "APP", "full_product_name": {"name": "lodash`, `"relates_to_product_reference": "APP:PAD", "full_product_name": {"name": "lodash`), vex.OtherProduct},
		"affected, part of a part":     {from(from(from(plain, `"relationships": [`, `"relationships": [{"category": "default_component_of", "product_reference": "PAD", "relates_to_product_reference": "APP", "full_product_name": {"name": "x", "product_id": "APP:PAD"}}, `), `"relates_to_product_reference": "APP", "full_product_name": {"name": "lodash`, `"relates_to_product_reference": "APP:PAD", "full_product_name": {"name": "lodash`), "known_not_affected", "known_affected"), vex.Matches},
		"affected, of some product":    {from(from(plain, app, `{"cpe": "cpe:/o:shop"}`), "known_not_affected", "known_affected"), vex.Matches},
		"affected, of another image":   {from(from(plain, "no/shop/app", "no/evil/app"), "known_not_affected", "known_affected"), vex.OtherProduct},
		"affected, in a range":         {from(from(plain, `{"category": "product_name", "name": "lodash", "product"`, `{"category": "product_version_range", "name": "<4.17.15", "product"`), "known_not_affected", "known_affected"), vex.Matches},
		"affected, the image as such":  {from(plain, inApp, `"known_affected": ["APP"], "recommended"`), vex.Matches},
		"affected, another version":    {from(from(plain, "lodash@4.17.15", "lodash@4.17.16"), "known_not_affected", "known_affected"), vex.OtherVersion},
		"affected, with another hash":  {from(from(plain, lodash, `{"purl": "pkg:npm/lodash@4.17.15", "hashes": [{"filename": "m", "file_hashes": [{"algorithm": "sha256", "value": "ab"}]}]}`), "known_not_affected", "known_affected"), vex.Matches},
		"affected, outside the image":  {from(from(plain, "default_component_of", "external_component_of"), "known_not_affected", "known_affected"), vex.Matches},
		"under investigation, no tree": {from(plain, inApp, `"under_investigation": ["LODASH"], "recommended"`), vex.Matches},
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

func anImage() *evidence.Image {
	return &evidence.Image{
		Reference: evidence.Reference{Name: "registry.example.no/shop/app", Tag: "1.4.2"},
		Digest:    "sha256:" + strings.Repeat("a", 64), IndexDigest: "sha256:" + strings.Repeat("b", 64), Platform: "linux/amd64",
	}
}

func FuzzCSAF(f *testing.F) {
	f.Add([]byte(goodCSAF))
	for _, c := range refusedCSAF() {
		f.Add([]byte(c[0]))
	}
	f.Fuzz(checkParsed)
}
