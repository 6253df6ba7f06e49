package evidence

// Coverage is what the scan can and cannot vouch for. "Nothing found" means
// something only where nothing was missed.
type Coverage struct {
	// Gaps is everything that kept the scan from seeing the whole image.
	Gaps []Gap `json:"gaps"`
	// Counts compares packages as counted by us with those Trivy returned.
	Counts []Count `json:"counts,omitempty"`
	// SBOMs lists software bills of materials found inside the image. They may
	// add packages, never hide one.
	SBOMs []string `json:"sboms,omitempty"`
	// SBOMsRepeating are those of them that list only packages that are also known
	// from elsewhere in the image.
	SBOMsRepeating []string `json:"sbomsRepeating,omitempty"`
	// Unattributed lists executables that no package, build info or owner
	// accounts for. Sorted; may be cut, then UnattributedCount is larger.
	Unattributed      []string `json:"unattributed,omitempty"`
	UnattributedCount int      `json:"unattributedCount"`
	Executables       int      `json:"executables"` // all executables seen
	// SelfContained is true for an image without an operating system in which
	// every program is accounted for by its own Go or Rust build information, and
	// in which no layer ever held files of an OS or of a package manager.
	SelfContained bool `json:"selfContained,omitempty"`
	// Notes are remarks for people: settings and files that were seen and
	// deliberately not followed.
	Notes []string `json:"notes,omitempty"`
}

// Count is an independent count of one package database.
type Count struct {
	Type     string `json:"type"` // dpkg, apk, rpm
	Path     string `json:"path"`
	Expected int    `json:"expected"` // by our own reading
	Got      int    `json:"got"`      // returned by Trivy
}

// Gap is one thing the scan could not see or could not trust.
type Gap struct {
	Kind GapKind `json:"kind"`
	// Subject is the path, package or message it is about.
	Subject string `json:"subject,omitempty"`
	// Path is the path in the image that it is about; "" when it is about none.
	Path string `json:"path,omitempty"`
	// Detail says what is wrong, for a person.
	Detail string `json:"detail"`
	// Package is the package it is about, "NAME VERSION"; "" when it is about none.
	Package string `json:"package,omitempty"`
	// Count is how many gaps this entry represents; 0 is one.
	Count int `json:"count,omitempty"`
	// Cure says what the reader can do about this very gap; "" leaves it to the
	// rule.
	Cure string `json:"cure,omitempty"`
	// Layer is the diffID of the layer that caused it; "" when none did.
	Layer string `json:"layer,omitempty"`
}

// GapKind names a class of gaps. Each is judged by the coverage rule of the
// same name; a kind without a rule is judged by "scanner-errors", so that a new
// kind can never be overlooked.
type GapKind string

// The kinds of gaps.
const (
	// GapUnknownOS: no operating system was identified.
	GapUnknownOS GapKind = "unknown-os"
	// GapUnsupportedOS: Trivy has no detector for the OS, or the database has no
	// advisories for exactly this release.
	GapUnsupportedOS GapKind = "unsupported-os"
	// GapOSMismatch: OS and package manager do not fit, or files that name the
	// OS contradict each other, or the image switches to another vendor's feed.
	GapOSMismatch GapKind = "os-mismatch"
	// GapPackageDatabase: a package database is missing, unreadable, partly
	// parsed, linked, duplicated or deleted, or the counts differ.
	GapPackageDatabase GapKind = "package-database"
	// GapNoAdvisories: an OS package of a third party. Only the distribution's
	// advisories for a package of that name could be looked up.
	GapNoAdvisories GapKind = "no-advisories"
	// GapUnsupportedPackages: packages of a type for which the database has no
	// advisories at all, such as conda packages.
	GapUnsupportedPackages GapKind = "unsupported-packages"
	// GapUnidentifiedJars: a jar of which neither its metadata nor the Java database
	// says what it is.
	GapUnidentifiedJars GapKind = "unidentified-jars"
	// GapScannerErrors: an analyzer failed or Trivy warned of something that is
	// not known to be harmless.
	GapScannerErrors GapKind = "scanner-errors"
	// GapJavaDatabase: there are jars, but no usable Java database.
	GapJavaDatabase GapKind = "java-database"
	// GapHiddenFiles: entries at places that decide which cannot be judged:
	// links, devices, whiteouts through links, names that differ by case.
	GapHiddenFiles GapKind = "hidden-files"
)
