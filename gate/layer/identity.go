package layer

import (
	"bytes"
	"regexp"
	"strings"
)

// OSRelease is what one file says the operating system is.
type OSRelease struct {
	Path  string
	Layer string // diffID
	// ID, IDLike and VersionID are those of os-release; of other files, what
	// they come to.
	ID, IDLike, VersionID string
	// Family is Trivy's name for it; "" when Trivy knows no such system.
	Family string
}

// identity is an OSRelease before layers have names.
type identity struct {
	id, like, version string
	family            string
	// weak marks files that derivatives inherit: Ubuntu has a debian_version and
	// Oracle Linux a redhat-release.
	weak bool
}

// parseIdentity reads one of the files that name the OS. The second result is
// false when the file names none.
func parseIdentity(path string, text []byte) (identity, bool) {
	switch base := baseOf(path); {
	case base == "alpine-release":
		return named("alpine", firstLine(text))
	case base == "debian_version":
		id, ok := named("debian", firstLine(text))
		id.weak = true
		return id, ok
	case base == "lsb-release":
		return parseLSB(text)
	case strings.HasPrefix(base, "os-release"):
		return parseOSRelease(text)
	case base == "system-release":
		if line := firstLine(text); strings.HasPrefix(line, "Amazon Linux") {
			return named("amazon", numberIn(line))
		}
		return identity{}, false
	case strings.HasSuffix(base, "-release"):
		return parseRedHat(base, firstLine(text))
	}
	return identity{}, false
}

func named(family, version string) (identity, bool) {
	return identity{id: family, family: family, version: version}, version != ""
}

func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return strings.TrimSpace(string(line))
}

// assignments reads KEY=value lines as Trivy does: the last one wins, quotes
// are trimmed.
func assignments(text []byte) map[string]string {
	m := make(map[string]string)
	for line := range bytes.Lines(text) {
		key, value, ok := strings.Cut(string(line), "=")
		if !ok {
			continue
		}
		switch key = strings.TrimSpace(key); key {
		case "ID", "ID_LIKE", "VERSION_ID", "NAME", "DISTRIB_ID", "DISTRIB_RELEASE":
			m[key] = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return m
}

func parseLSB(text []byte) (identity, bool) {
	m := assignments(text)
	if m["DISTRIB_ID"] != "Ubuntu" {
		return identity{}, false // Trivy ignores every other
	}
	return named("ubuntu", m["DISTRIB_RELEASE"])
}

func parseOSRelease(text []byte) (identity, bool) {
	m := assignments(text)
	id := identity{id: m["ID"], like: m["ID_LIKE"], version: m["VERSION_ID"], family: familyOf(m["ID"])}
	if id.family == "centos" && m["NAME"] == "CentOS Stream" {
		id.family = "centos-stream"
	}
	return id, id.id != ""
}

var redHatRelease = regexp.MustCompile(`^(.*) release (\d[\d.]*)`)

// parseRedHat reads redhat-release and the files of its derivatives.
func parseRedHat(base, line string) (identity, bool) {
	m := redHatRelease.FindStringSubmatch(line)
	if m == nil {
		return identity{}, false
	}
	id := identity{id: strings.ToLower(m[1]), version: m[2], weak: base == "redhat-release"}
	switch name := id.id; {
	case strings.HasPrefix(name, "centos stream"):
		id.family = "centos-stream"
	case strings.HasPrefix(name, "centos"):
		id.family = "centos"
	case strings.HasPrefix(name, "rocky"):
		id.family = "rocky"
	case strings.HasPrefix(name, "alma"):
		id.family = "alma"
	case strings.HasPrefix(name, "oracle"):
		id.family = "oracle"
	case strings.HasPrefix(name, "fedora"):
		id.family = "fedora"
	case strings.HasPrefix(name, "amazon"):
		id.family = "amazon"
	case strings.HasPrefix(name, "red hat"):
		id.family = "redhat"
	default:
		// Trivy takes every other name for Red Hat.
		id.family = "redhat"
		id.weak = false
	}
	return id, true
}

var number = regexp.MustCompile(`\d[\d.]*`)

func numberIn(line string) string { return number.FindString(line) }

// familyOf maps the ID of os-release to Trivy's family.
func familyOf(id string) string {
	switch id {
	case "alpine", "debian", "ubuntu", "centos", "rocky", "fedora", "photon", "wolfi", "chainguard", "echo",
		"minimos", "bottlerocket", "coreos", "activestate", "azurelinux":
		return id
	case "rhel":
		return "redhat"
	case "almalinux":
		return "alma"
	case "ol":
		return "oracle"
	case "amzn":
		return "amazon"
	case "mariner":
		return "cbl-mariner"
	case "opensuse-tumbleweed", "opensuse-leap", "opensuse", "sles", "sle-micro", "sl-micro", "sle-micro-rancher":
		return "suse"
	}
	return ""
}

// managerOf is the package manager of a family, "" when it is not known.
func managerOf(id identity) DatabaseType {
	for _, name := range append([]string{id.family}, strings.Fields(id.like)...) {
		switch name {
		case "alpine", "wolfi", "chainguard", "minimos":
			return TypeApk
		case "debian", "ubuntu", "echo":
			return TypeDpkg
		case "redhat", "rhel", "centos", "centos-stream", "rocky", "alma", "oracle", "fedora", "amazon", "photon", "azurelinux", "cbl-mariner", "suse", "coreos":
			return TypeRPM
		}
	}
	return ""
}

// stream is the part of a version for which there are advisories of its own:
// "3.19" of Alpine 3.19.1, "12" of Debian 12.5. It is "" for names like
// "trixie/sid".
func stream(family, version string) string {
	version = number.FindString(strings.TrimSpace(version))
	fields := strings.Split(strings.TrimSuffix(version, "."), ".")
	keep := 1
	switch family {
	case "alpine", "ubuntu", "photon", "suse":
		keep = 2
	}
	return strings.Join(fields[:min(keep, len(fields))], ".")
}

// IsPrerelease reports whether a version of Alpine is one of edge, the branch that
// has no releases: 3.21_alpha20240807.
func IsPrerelease(version string) bool {
	return version == "edge" || strings.Contains(version, "_alpha") || strings.Contains(version, "_git")
}

// repository finds the release of Alpine in a line of etc/apk/repositories.
var repository = regexp.MustCompile(`(?:https?|ftp)://[0-9A-Za-z.:-]+/(?:[^/\s]+/)*alpine/v?([0-9A-Za-z_.-]+)/`)

// repositoryReleases lists the releases of Alpine that the repositories are of.
// apk itself does not read lines that begin with #.
func repositoryReleases(text []byte) []string {
	var releases []string
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); bytes.HasPrefix(line, []byte("#")) {
			continue
		}
		if m := repository.FindSubmatch(line); m != nil {
			releases = append(releases, string(m[1]))
		}
	}
	return releases
}
