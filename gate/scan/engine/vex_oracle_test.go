//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/aquasecurity/trivy/pkg/vex"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/package-url/packageurl-go"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	oracleDigest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	oracleImage  = "registry.example.no/shop/app"
	oracleApp    = "pkg:oci/app?repository_url=" + oracleImage
	oraclePURL   = "pkg:npm/lodash@4.17.15"
)

func oracleOpenVEX(statements ...string) string {
	return `{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.no/vex/1", "author": "shop", "version": 1, "timestamp": "2026-06-01T00:00:00Z", "statements": [` + strings.Join(statements, ", ") + `]}`
}

func oracleStatement(id, status, date, product string, parts ...string) string {
	why, sub := "", ""
	if status == "not_affected" {
		why = `, "justification": "vulnerable_code_not_present"`
	}
	for i, p := range parts {
		parts[i] = fmt.Sprintf(`{"@id": %q}`, p)
	}
	if len(parts) > 0 {
		sub = `, "subcomponents": [` + strings.Join(parts, ", ") + `]`
	}
	return fmt.Sprintf(`{"vulnerability": {"name": %q}, "products": [{"@id": %q%s}], "status": %q, "timestamp": %q%s}`, id, product, sub, status, date, why)
}

// oracleCSAF has the image A, the package P and the package in the image, R.
func oracleCSAF(status, product, app, pkg, relation, branch string) string {
	flags := ""
	if status == "known_not_affected" {
		flags = fmt.Sprintf(`, "flags": [{"label": "vulnerable_code_not_present", "product_ids": [%q]}]`, product)
	}
	return fmt.Sprintf(`{"document": {"category": "csaf_vex", "csaf_version": "2.0", "title": "t", "publisher": {"category": "vendor", "name": "shop", "namespace": "https://example.no"},
  "tracking": {"id": "V-1", "status": "final", "version": "1", "initial_release_date": "2026-06-01T00:00:00Z", "current_release_date": "2026-06-01T00:00:00Z", "revision_history": [{"number": "1", "date": "2026-06-01T00:00:00Z", "summary": "first"}]}},
  "product_tree": {"branches": [{"category": "product_name", "name": "app", "product": {"name": "app", "product_id": "A", "product_identification_helper": {"purl": %q}}},
    {"category": %q, "name": "<4.17.15", "product": {"name": "lodash", "product_id": "P", "product_identification_helper": {"purl": %q}}}],
    "relationships": [{"category": %q, "product_reference": "P", "relates_to_product_reference": "A", "full_product_name": {"name": "x", "product_id": "R"}}]},
  "vulnerabilities": [{"cve": "CVE-2026-0001", "product_status": {%q: [%q]}%s}]}`, app, branch, pkg, relation, status, product, flags)
}

const (
	oracleDay   = "2026-06-01T00:00:00Z"
	oracleLater = "2026-06-02T00:00:00Z"
	oracleCVE   = "CVE-2026-0001"
)

// oracleCases are well-formed documents. differs says where Trivy and we do not agree,
// and why.
func oracleCases() map[string]struct{ doc, differs string } {
	csaf := func(status, product string) string {
		return oracleCSAF(status, product, oracleApp, oraclePURL, "default_component_of", "product_name")
	}
	open := func(status, product string, parts ...string) string {
		return oracleOpenVEX(oracleStatement(oracleCVE, status, oracleDay, product, parts...))
	}
	const fixed = "Trivy hides what is called fixed; we compare versions with the advisory instead"
	const whole = "Trivy lets a statement about a whole image hide every package; we ask for the package"
	return map[string]struct{ doc, differs string }{
		"package":                                {open("not_affected", oraclePURL), ""},
		"package, any version":                   {open("not_affected", "pkg:npm/lodash"), ""},
		"package, another version":               {open("not_affected", "pkg:npm/lodash@4.17.16"), ""},
		"package, another type":                  {open("not_affected", "pkg:pypi/lodash@4.17.15"), ""},
		"package in the image":                   {open("not_affected", oracleApp, oraclePURL), ""},
		"package in the image by digest":         {open("not_affected", "pkg:oci/app@"+oracleDigest+"?repository_url="+oracleImage, oraclePURL), ""},
		"package in another image":               {open("not_affected", "pkg:oci/app?repository_url=registry.example.no/evil/app", oraclePURL), ""},
		"package in another digest":              {open("not_affected", "pkg:oci/app@sha256:"+strings.Repeat("b", 64)+"?repository_url="+oracleImage, oraclePURL), ""},
		"another package in the image":           {open("not_affected", oracleApp, "pkg:npm/other@1"), ""},
		"another vulnerability":                  {oracleOpenVEX(oracleStatement("CVE-2026-0002", "not_affected", oracleDay, oraclePURL)), ""},
		"affected":                               {open("affected", oraclePURL), ""},
		"under investigation":                    {open("under_investigation", oraclePURL), ""},
		"later affected":                         {oracleOpenVEX(oracleStatement(oracleCVE, "not_affected", oracleDay, oraclePURL), oracleStatement(oracleCVE, "affected", oracleLater, oraclePURL)), ""},
		"later not affected":                     {oracleOpenVEX(oracleStatement(oracleCVE, "affected", oracleDay, oraclePURL), oracleStatement(oracleCVE, "not_affected", oracleLater, oraclePURL)), ""},
		"fixed":                                  {open("fixed", oraclePURL), fixed},
		"the image":                              {open("not_affected", oracleApp), whole},
		"every image of the name":                {open("not_affected", "pkg:oci/app", oraclePURL), "Trivy takes pkg:oci/app for the image of that name in every repository"},
		"CSAF, package in the image":             {csaf("known_not_affected", "R"), ""},
		"CSAF, package":                          {csaf("known_not_affected", "P"), ""},
		"CSAF, installed on the image":           {oracleCSAF("known_not_affected", "R", oracleApp, oraclePURL, "installed_on", "product_name"), ""},
		"CSAF, another version":                  {oracleCSAF("known_not_affected", "R", oracleApp, "pkg:npm/lodash@4.17.16", "default_component_of", "product_name"), ""},
		"CSAF, another image":                    {oracleCSAF("known_not_affected", "R", "pkg:oci/app?repository_url=registry.example.no/evil/app", oraclePURL, "default_component_of", "product_name"), ""},
		"CSAF, outside the image":                {oracleCSAF("known_not_affected", "R", oracleApp, oraclePURL, "external_component_of", "product_name"), ""},
		"CSAF, affected":                         {csaf("known_affected", "R"), ""},
		"CSAF, under investigation":              {csaf("under_investigation", "R"), ""},
		"CSAF, optional part of the image":       {oracleCSAF("known_not_affected", "R", oracleApp, oraclePURL, "optional_component_of", "product_name"), "Trivy ignores optional_component_of"},
		"CSAF, beside the image":                 {oracleCSAF("known_not_affected", "R", oracleApp, oraclePURL, "installed_with", "product_name"), "Trivy takes what is installed with the image for a part of it"},
		"CSAF, fixed":                            {csaf("fixed", "R"), fixed},
		"CSAF, the image":                        {csaf("known_not_affected", "A"), whole},
		"CSAF, a range of versions":              {oracleCSAF("known_not_affected", "R", oracleApp, "pkg:npm/lodash", "default_component_of", "product_version_range"), "Trivy does not look at the branch, and takes every version"},
		"CSAF, another version beside its purl":  {oracleCSAF("known_not_affected", "R", oracleApp, "pkg:npm/lodash", "default_component_of", "product_version"), "Trivy does not look at the branch, and takes every version"},
		"CycloneDX (Trivy reads it beside SBOM)": {`{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {"timestamp": "2026-06-01T00:00:00Z"}, "components": [{"type": "library", "name": "lodash", "bom-ref": "l", "purl": "pkg:npm/lodash@4.17.15"}], "vulnerabilities": [{"id": "CVE-2026-0001", "analysis": {"state": "not_affected", "justification": "code_not_present"}, "affects": [{"ref": "l"}]}]}`, "Trivy reads CycloneDX VEX for SBOMs only"},
	}
}

// Trivy's own handling of VEX is the oracle for well-formed documents. Where we differ,
// the table says why.
func TestVEXAgainstTrivy(t *testing.T) {
	for name, c := range oracleCases() {
		path := filepath.Join(t.TempDir(), "vex.json")
		if err := os.WriteFile(path, []byte(c.doc), 0o600); err != nil {
			t.Fatal(err)
		}
		theirs, ours := hiddenByTrivy(t, path), coveredByUs(t, name, c.doc)
		t.Logf("%-40s Trivy %-5t imagegate %-5t %s", name, theirs, ours, c.differs)
		if (theirs != ours) != (c.differs != "") {
			t.Errorf("%s: Trivy hides it: %t, we cover it: %t; listed difference: %q", name, theirs, ours, c.differs)
		}
	}
}

func hiddenByTrivy(t *testing.T, path string) bool {
	t.Helper()
	purl, err := packageurl.FromString(oraclePURL)
	if err != nil {
		t.Fatal(err)
	}
	id := ftypes.PkgIdentifier{UID: "lodash", PURL: &purl}
	report := &types.Report{
		ArtifactName: oracleImage, ArtifactType: ftypes.TypeContainerImage,
		Metadata: types.Metadata{RepoDigests: []string{oracleImage + "@" + oracleDigest}, ImageConfig: v1.ConfigFile{Architecture: "amd64"}},
		Results: types.Results{{
			Target: "Node.js", Class: types.ClassLangPkg, Type: ftypes.NodePkg,
			Packages:        []ftypes.Package{{ID: "lodash@4.17.15", Name: "lodash", Version: "4.17.15", Identifier: id}},
			Vulnerabilities: []types.DetectedVulnerability{{VulnerabilityID: oracleCVE, PkgName: "lodash", InstalledVersion: "4.17.15", PkgIdentifier: id}},
		}},
	}
	if err := vex.Filter(t.Context(), report, vex.Options{Sources: []vex.Source{{Type: vex.TypeFile, FilePath: path}}}); err != nil {
		if !strings.Contains(err.Error(), "CycloneDX") {
			t.Fatal(err)
		}
		return false
	}
	return len(report.Results[0].Vulnerabilities) == 0
}

func coveredByUs(t *testing.T, name, doc string) bool {
	t.Helper()
	const src = "version: 1\nextends: none\nvulnerabilities: {max: {high: 0}}\ntrust: [{name: a, identity: a@example.no, issuer: \"https://login.example.no\", for: [vex]}]\nvex: {files: [{path: vex.json}], signed-by: [a]}\n"
	p, err := policy.ParseOn("policy.yaml", []byte(src), func(_ string, b policy.Base) (string, []byte, error) {
		b.VEX.Signed = []evidence.Signer{{Identity: "a@example.no", Issuer: "https://login.example.no"}}
		return "vex.json", []byte(doc), nil
	})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	pkg := evidence.Package{Name: "lodash", Version: "4.17.15", PURL: oraclePURL}
	img := &evidence.Image{
		SchemaVersion: evidence.SchemaVersion, Digest: oracleDigest, Platform: "linux/amd64",
		Reference: evidence.Reference{Asked: oracleImage, Source: evidence.SourceRegistry, Name: oracleImage},
		Scan:      &evidence.Scan{Findings: []evidence.Finding{{Advisory: &evidence.Advisory{ID: oracleCVE, Severity: evidence.SeverityHigh}, Package: &pkg}}},
	}
	v := p.Evaluate(img, time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC))
	return len(v.Findings) == 1 && v.Findings[0].Class == policy.ClassNotAffected
}
