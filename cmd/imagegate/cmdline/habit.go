package cmdline

import "strings"

// habits translates flags of Trivy and Grype that people type from memory.
func habits() map[string]string {
	const (
		severity = "the policy says which severities may ship, such as vulnerabilities: {max: {critical: 0, high: 0}}; imagegate policy init prints one"
		unfixed  = "write it in the policy: vulnerabilities: {unfixed: ignore}"
		format   = "write -o FORMAT=FILE, such as -o json=report.json"
		ignore   = "imagegate policy import FILE makes exceptions of it, which go into the policy"
	)
	return map[string]string{
		"--severity": severity, "--fail-on": severity, "-s": severity,
		"--ignore-unfixed": unfixed, "--only-fixed": unfixed, "--ignore-status": unfixed,
		"--format": format, "-f": format,
		"--exit-code":        "leave it out: the exit code is 1 whenever an image is rejected",
		"--exit-on-eol":      "write it in the policy: coverage: {end-of-life: fail}",
		"--ignorefile":       ignore,
		"--ignore-policy":    "write exceptions into the policy; imagegate policy explain tells what the rules check",
		"--scanners":         "leave it out: the policy says what is looked for",
		"--vuln-type":        "leave it out: all packages are looked at",
		"--pkg-types":        "leave it out: all packages are looked at",
		"--input":            "name the archive as an image: tar:FILE",
		"--skip-db-update":   "write --offline",
		"--download-db-only": "write imagegate db update",
		"--insecure":         "write --plain-http HOST for a registry without TLS, or --ca-cert FILE for one with a certificate of your own",
		"--no-progress":      "write --quiet",
	}
}

// habit returns the translation of a flag, "" when it is no known habit.
func habit(flag string) string { return habits()[flag] }

// commandHabit returns the translation of a command of Trivy or Grype, or of an
// image where a command is expected.
func commandHabit(name string, rest []string) string {
	switch name {
	case "scan", "image", "i", "vulns", "test":
		image := "IMAGE"
		for _, arg := range rest {
			if !strings.HasPrefix(arg, "-") {
				image = arg
				break
			}
		}
		return "write imagegate check " + image
	}
	if strings.ContainsAny(name, ":/@") || strings.HasSuffix(name, ".tar") {
		return "write imagegate check " + name
	}
	return ""
}
