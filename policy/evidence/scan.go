package evidence

import "time"

// Scan is what reading the image's layers brought to light.
type Scan struct {
	Engine string `json:"engine"` // "trivy 0.74.0"
	Need   Need   `json:"need"`   // what was collected

	OS   *OS   `json:"os,omitempty"` // nil when no OS was identified
	User *User `json:"user,omitempty"`
	// Users are the users that services of Compose give to containers of the image by
	// name, looked up like USER.
	Users    []User    `json:"users,omitempty"`
	Packages []Package `json:"packages,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	Secrets  []Secret  `json:"secrets,omitempty"`
	Licenses []License `json:"licenses,omitempty"`
	// Files is nil when the modes and attributes of files were not collected.
	Files *Files `json:"files,omitempty"`

	Database     *Database `json:"database,omitempty"`
	JavaDatabase *Database `json:"javaDatabase,omitempty"` // nil when not needed
	// Exploited is what is known of the exploitation of the findings; nil when no feed
	// was read.
	Exploited *Exploited `json:"exploited,omitempty"`

	Coverage Coverage `json:"coverage"`
}

// OS is the operating system of the merged image.
type OS struct {
	Family  string `json:"family"` // Trivy's family: alpine, debian, redhat, ...
	Release string `json:"release"`
	// EndOfLife is the last day of support (UTC); nil when no such day was
	// published.
	EndOfLife *time.Time `json:"endOfLife,omitempty"`
	// Ended is true when support is over without a known day.
	Ended bool `json:"ended,omitempty"`
}

// Package is an installed package or a library.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"` // with epoch and release, as Trivy prints it
	// Type is Trivy's result type: the OS family for OS packages, and "npm",
	// "gobinary", "jar", "python-pkg" and so on for libraries.
	Type  string `json:"type"`
	Class Class  `json:"class"`
	PURL  string `json:"purl,omitempty"`
	Path  string `json:"path,omitempty"` // file it was found in, language packages
	// Layer is the diffID of the layer that brought the package; "" unknown.
	Layer string `json:"layer,omitempty"`
	// SourceName is the source package, where the OS distinguishes.
	SourceName string `json:"sourceName,omitempty"`
	// OwnedBy is the package of the distribution that installed the file in which
	// a language package was found, "NAME VERSION". It is set only when the package
	// database lists the file with the hash that the file has and nothing suggests
	// a third party; "" means that no such owner is proven.
	OwnedBy string `json:"ownedBy,omitempty"`
}

// Class tells OS packages from language packages, in Trivy's words.
type Class string

// The classes of packages.
const (
	ClassOS       Class = "os-pkgs"
	ClassLanguage Class = "lang-pkgs"
)

// Severity is how bad a finding is, in Trivy's words but lower case.
type Severity string

// The severities from worst to least; SeverityUnknown means that no source
// rated the finding, which is not the same as harmless.
const (
	SeverityCritical Severity = "critical"
	SeverityHigh     Severity = "high"
	SeverityMedium   Severity = "medium"
	SeverityLow      Severity = "low"
	SeverityUnknown  Severity = "unknown"
)

// Severities lists every severity, worst first.
func Severities() []Severity {
	return []Severity{SeverityCritical, SeverityHigh, SeverityMedium, SeverityLow, SeverityUnknown}
}

// Finding is one vulnerability of one package.
type Finding struct {
	*Advisory

	Package      *Package `json:"package"`
	FixedVersion string   `json:"fixedVersion,omitempty"` // "" when there is no fix
	Status       string   `json:"status,omitempty"`       // fixed, affected, will_not_fix, ...
}

// Advisory is what a feed says of a vulnerability, in whatever package it was found.
// Many findings share one: it must not be changed.
type Advisory struct {
	ID      string   `json:"id"`
	Aliases []string `json:"aliases,omitempty"` // every other id it is known by, sorted

	Severity       Severity `json:"severity"`
	SeveritySource string   `json:"severitySource,omitempty"`
	// VendorSeverity holds every source's own rating: nvd, debian, ghsa, ...
	VendorSeverity map[string]Severity `json:"vendorSeverity,omitempty"`
	CVSS           map[string]CVSS     `json:"cvss,omitempty"`

	Title       string     `json:"title,omitempty"`
	Description string     `json:"description,omitempty"`
	URL         string     `json:"url,omitempty"`
	References  []string   `json:"references,omitempty"`
	CWEs        []string   `json:"cwes,omitempty"`
	Published   *time.Time `json:"published,omitempty"`
	Modified    *time.Time `json:"modified,omitempty"`
	// DataSource is the id of the advisory feed that matched.
	DataSource string `json:"dataSource,omitempty"`
}

// CVSS is one source's score.
type CVSS struct {
	V2Vector  string  `json:"v2Vector,omitempty"`
	V3Vector  string  `json:"v3Vector,omitempty"`
	V40Vector string  `json:"v40Vector,omitempty"`
	V2Score   float64 `json:"v2Score,omitempty"`
	V3Score   float64 `json:"v3Score,omitempty"`
	V40Score  float64 `json:"v40Score,omitempty"`
}

// Secret is a credential found in a file or in the image config. Only its place
// is stored, never its text.
type Secret struct {
	RuleID    string   `json:"ruleID"`
	Category  string   `json:"category,omitempty"`
	Severity  Severity `json:"severity"`
	Title     string   `json:"title,omitempty"`
	Path      string   `json:"path"`
	StartLine int      `json:"startLine,omitempty"`
	EndLine   int      `json:"endLine,omitempty"`
	Layer     string   `json:"layer,omitempty"` // diffID
	// Content is the sha256 of the whole file, "sha256:HEX"; "" when it is not
	// known. A hash of the secret alone could be tried out by readers of a report.
	Content string `json:"content,omitempty"`
	// LeftOut is true for a file that is looked into only with NeedSecretsAnywhere:
	// one of the distribution or of an installed dependency. Policies that do not ask
	// for such files do not count it, so the verdict does not depend on what was
	// searched for the sake of others.
	LeftOut bool `json:"leftOut,omitempty"`
}

// License is the licence of a package or a file.
type License struct {
	Name     string `json:"name"` // SPDX id where Trivy could normalise it
	Package  string `json:"package,omitempty"`
	Type     string `json:"type,omitempty"` // as Package.Type
	Path     string `json:"path,omitempty"`
	Category string `json:"category,omitempty"`
}

// Database is the advisory database that was used.
type Database struct {
	// Source is the repository it was downloaded from, or the directory.
	Source string `json:"source"`
	// Digest is the digest of the OCI artifact it came in; "" when it was not
	// downloaded by imagegate.
	Digest string `json:"digest,omitempty"`
	// FileSHA256 is the hash of trivy.db itself, sha256:...
	FileSHA256 string `json:"fileSHA256,omitempty"`
	Version    int    `json:"version"`
	// UpdatedAt is when the database was built: the only date that tells how
	// old the advisories are. DownloadedAt only tells when it was copied.
	UpdatedAt    time.Time  `json:"updatedAt"`
	NextUpdate   *time.Time `json:"nextUpdate,omitempty"`
	DownloadedAt *time.Time `json:"downloadedAt,omitempty"`
}
