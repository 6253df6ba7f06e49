package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ignoredFiles are files that other scanners obey when they are in the working
// directory. Pull requests can bring them along, so none may change a result.
func ignoredFiles() []string {
	return []string{
		".trivyignore", ".trivyignore.yaml", ".trivyignore.yml", ".trivyignore.rego",
		"trivy.yaml", "trivy.yml", "trivy-secret.yaml", "trivy-ignore.rego",
		".grype.yaml", ".grype.yml", ".grype", ".syft.yaml", ".syft.yml", ".syft",
		".dockleignore", ".dockle.yaml", ".snyk", ".clair.yaml", "osv-scanner.toml",
		".hadolint.yaml", ".vex", ".imagegateignore",
	}
}

// ignoredVariables are prefixes of environment variables with the same power.
func ignoredVariables() []string {
	return []string{"TRIVY_", "GRYPE_", "SYFT_", "DOCKLE_", "SNYK_"}
}

// implicitNotes tells which files and variables were seen and not followed. It
// looks at names only: a planted link or pipe is never opened.
func implicitNotes(dir string, environ []string) []string {
	var notes []string
	for _, name := range ignoredFiles() {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			notes = append(notes, name+" is in the working directory and is not followed: only the policy decides")
		}
	}
	var names []string
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		hasPrefix := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
		if slices.ContainsFunc(ignoredVariables(), hasPrefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		notes = append(notes, "environment variable "+name+" is set and not followed: only the policy decides")
	}
	return notes
}
