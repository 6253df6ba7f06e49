package trivytest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Found is what two scanners must agree on: which advisory, for which package,
// in which file. Everything else about a finding is description.
type Found struct {
	ID, Package, Version string
	// Path is the file a language package was found in; "" for OS packages.
	Path string
}

// String is the finding in one line.
func (f Found) String() string {
	return strings.TrimSpace(strings.Join([]string{f.ID, f.Package, f.Version, f.Path}, " "))
}

// TrivyFindings reads the findings of a report by `trivy image --format json`,
// sorted, each once.
func TrivyFindings(report []byte) ([]Found, error) {
	var r struct {
		Results []struct {
			Target, Type, Class string
			Vulnerabilities     []struct{ VulnerabilityID, PkgName, PkgPath, InstalledVersion string }
		}
	}
	if err := json.Unmarshal(report, &r); err != nil {
		return nil, fmt.Errorf("trivy report: %w", err)
	}
	var out []Found
	for _, result := range r.Results {
		for _, v := range result.Vulnerabilities {
			f := Found{v.VulnerabilityID, v.PkgName, v.InstalledVersion, v.PkgPath}
			if f.Path == "" && result.Class == "lang-pkgs" && !aggregated(result.Type) {
				f.Path = result.Target
			}
			out = append(out, f)
		}
	}
	return sortFound(out), nil
}

// aggregated tells the types that Trivy puts into one result with a title such
// as "Node.js". The target of every other language result is a file.
func aggregated(resultType string) bool {
	return slices.Contains([]string{"node-pkg", "python-pkg", "gemspec", "jar", "conda-pkg"}, resultType)
}

// Judged is one result of our own JSON report.
type Judged struct {
	Reference, Digest, Platform, Verdict string
	Findings                             []Found
}

// OurFindings reads the results of a report by `imagegate check -o json`.
func OurFindings(report []byte) ([]Judged, error) {
	var r struct {
		Results []struct {
			Reference, Digest, Platform, Verdict string
			Findings                             []struct {
				ID      string
				Package struct{ Name, Version, Path string }
			}
		}
	}
	if err := json.Unmarshal(report, &r); err != nil {
		return nil, fmt.Errorf("imagegate report: %w", err)
	}
	var out []Judged
	for _, result := range r.Results {
		j := Judged{Reference: result.Reference, Digest: result.Digest, Platform: result.Platform, Verdict: result.Verdict}
		for _, f := range result.Findings {
			j.Findings = append(j.Findings, Found{f.ID, f.Package.Name, f.Package.Version, f.Package.Path})
		}
		j.Findings = sortFound(j.Findings)
		out = append(out, j)
	}
	return out, nil
}

// Differences lists what only one side has: "missing" is in want alone,
// "extra" in got alone. No lines mean parity.
func Differences(want, got []Found) []string {
	var out []string
	for _, f := range want {
		if !slices.Contains(got, f) {
			out = append(out, "missing "+f.String())
		}
	}
	for _, f := range got {
		if !slices.Contains(want, f) {
			out = append(out, "extra "+f.String())
		}
	}
	return out
}

func sortFound(fs []Found) []Found {
	slices.SortFunc(fs, func(a, b Found) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(fs)
}
