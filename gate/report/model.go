package report

import (
	"time"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// SchemaVersion is the version of the JSON report. It changes when a field
// changes its meaning or goes away, not when one is added.
const SchemaVersion = 1

// Document is the JSON report. Arrays are never null.
type Document struct {
	SchemaVersion int    `json:"schemaVersion"`
	Tool          string `json:"tool"`
	// StartedAt is the moment the images were judged at.
	StartedAt time.Time `json:"startedAt"`
	// Hypothetical is true when that moment is one that the user asked about, and
	// not the time of the clock.
	Hypothetical bool          `json:"hypothetical"`
	Policy       PolicyInfo    `json:"policy"`
	Results      []ImageResult `json:"results"`
	// What follows the results is known when the last image is judged.
	Verdict  string             `json:"verdict"` // pass, fail or no-verdict
	Engine   string             `json:"engine"`
	Database *evidence.Database `json:"database"` // null when none was used
	Shard    *ShardInfo         `json:"shard"`    // null when the whole list was judged
	// Promotion is what was copied, null when nothing was to be copied.
	Promotion *PromotionInfo `json:"promotion"`
	Release   *ReleaseInfo   `json:"release"` // null when no documents were given
	// Exceptions tells what became of every exception over all results.
	Exceptions []ExceptionResult `json:"exceptions"`
	Notes      []string          `json:"notes"`
}

// ShardInfo is the share of a list of images that was judged. The list passed
// when the reports of all shares from 1 to Count say pass and the same Listed.
type ShardInfo struct {
	Index    int  `json:"index"`
	Count    int  `json:"count"`
	Listed   int  `json:"listed"`
	Images   int  `json:"images"`
	Borrowed bool `json:"borrowed"`
}

// PolicyInfo tells which policy judged.
type PolicyInfo struct {
	Path    string     `json:"path"`
	SHA256  string     `json:"sha256"`
	Digest  string     `json:"digest"`  // of all that applies
	Parts   []PartInfo `json:"parts"`   // that apply together, the one at the bottom first
	Unasked []string   `json:"unasked"` // main questions that the policy does not ask
}

// PartInfo is one policy of those that apply together.
type PartInfo struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Pinned bool   `json:"pinned"` // the policy above it names it by its hash
}

// ImageResult is one image for one platform, or a reference that could not be
// resolved to any.
type ImageResult struct {
	Reference   string `json:"reference"` // as asked
	Name        string `json:"name"`      // without tag and digest, as policies match it
	Digest      string `json:"digest"`    // "" when it never became known, or with an imageID
	ImageID     string `json:"imageID"`   // of an image from docker save, which has no digest
	IndexDigest string `json:"indexDigest"`
	Platform    string `json:"platform"`
	Verdict     string `json:"verdict"`
	// OwnVerdict is that of the image by itself, "" without one. It differs from Verdict
	// where the documents say as whom the image runs.
	OwnVerdict string `json:"ownVerdict"`
	// JudgedFrom is the reference that the image was read from instead, "" for none.
	JudgedFrom string `json:"judgedFrom"`
	// Error is why there is no verdict, null when the policy was evaluated.
	Error    *ErrorInfo     `json:"error"`
	OS       *evidence.OS   `json:"os"`
	User     *evidence.User `json:"user"`
	Packages int            `json:"packages"` // how many were found
	// Overrides are those of the policy that apply, in order.
	Overrides []OverrideInfo `json:"overrides"`
	Rules     []RuleInfo     `json:"rules"`
	Counts    Counts         `json:"counts"`
	// Fixes is what would make a denied image pass, null when no finding of a
	// package blocks it.
	Fixes    *FixesInfo        `json:"fixes"`
	Findings []FindingInfo     `json:"findings"`
	Secrets  []SecretInfo      `json:"secrets"`
	Licenses []LicenseInfo     `json:"licenses"`
	Coverage *CoverageInfo     `json:"coverage"` // null when nothing was scanned
	Skipped  []SkippedInfo     `json:"skipped"`
	Excepted []ExceptionResult `json:"exceptions"`
}

// ErrorInfo is why there is no verdict.
type ErrorInfo struct {
	Phase   string `json:"phase"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// RuleInfo is the answer of one rule.
type RuleInfo struct {
	Rule     string   `json:"rule"`
	Result   string   `json:"result"` // pass, fail, warn, undecided or off
	Message  string   `json:"message"`
	Allowed  string   `json:"allowed"`
	Cure     string   `json:"cure"`
	Details  []string `json:"details"`
	Control  string   `json:"control"` // the requirements that it meets, "" for none
	Position Position `json:"position"`
}

// Position is a place in the policy file; empty and zero for the built-in
// default.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// OverrideInfo is an override of the policy that applies to an image.
type OverrideInfo struct {
	Position   Position `json:"position"`
	Loosens    []string `json:"loosens"` // in which keys it is not as strict as the policy
	Ended      string   `json:"ended"`   // why it no longer loosens anything, "" when it does
	Reason     string   `json:"reason"`
	Owner      string   `json:"owner"`
	Ticket     string   `json:"ticket"`
	ApprovedBy string   `json:"approvedBy"`
	Expires    string   `json:"expires"` // last day, YYYY-MM-DD, UTC; "" for none
}

// Counts counts the findings by class. They add up to Total.
type Counts struct {
	Total          int `json:"total"`
	Blocking       int `json:"blocking"`
	Grace          int `json:"grace"`
	Baseline       int `json:"baseline"`
	Unfixed        int `json:"unfixed"`
	BelowThreshold int `json:"below-threshold"`
	DistroOwned    int `json:"distro-owned"`
	Excepted       int `json:"excepted"`
	NotAffected    int `json:"not-affected"`
	IgnoredType    int `json:"ignored-type"`
}

// FixesInfo is the plan for an image: upgrades, and what remains after them.
type FixesInfo struct {
	Steps []FixInfo `json:"steps"` // those that clear most first
	// Verdict is the policy's answer after all steps.
	Verdict string        `json:"verdict"`
	Left    []LeftInfo    `json:"left"`    // rules that do not pass then
	Unfixed []UnfixedInfo `json:"unfixed"` // blocking findings that no step clears
	// RebuildMayDo is true when all packages came with the base image, by the
	// image's own history.
	RebuildMayDo bool `json:"rebuildMayDo"`
}

// FixInfo is the upgrade of one package, or of packages of one source.
type FixInfo struct {
	Packages []string   `json:"packages"`
	From     string     `json:"from"`
	To       string     `json:"to"` // the smallest version that clears Clears
	Clears   []string   `json:"clears"`
	Severity string     `json:"severity"` // the worst of what it clears
	Layer    *LayerInfo `json:"layer"`    // null when it is not known
	Command  string     `json:"command"`  // "" when there is none that is safe to paste
	Advice   string     `json:"advice"`
}

// LeftInfo is a rule that does not pass after all steps.
type LeftInfo struct {
	Rule    string `json:"rule"`
	Result  string `json:"result"`
	Message string `json:"message"`
	Cure    string `json:"cure"`
}

// UnfixedInfo is a blocking finding that no step clears.
type UnfixedInfo struct {
	ID      string `json:"id"`
	Package string `json:"package"`
	Version string `json:"version"`
	Why     string `json:"why"`
}

// FindingInfo is one vulnerability of one package, and its class.
type FindingInfo struct {
	ID            string         `json:"id"`
	Package       PackageInfo    `json:"package"`
	FixedVersion  string         `json:"fixedVersion"` // "" without a fix
	Status        string         `json:"status"`
	Severity      string         `json:"severity"` // the one that the policy used
	Class         string         `json:"class"`
	Rule          string         `json:"rule"` // that blocks, "" when none does
	Reason        string         `json:"reason"`
	Exception     *ExceptionInfo `json:"exception"`
	GraceUntil    *time.Time     `json:"graceUntil"`
	Due           *time.Time     `json:"due"`       // from then on it blocks by deadlines, null without a deadline
	FirstSeen     *time.Time     `json:"firstSeen"` // by earlier evidence, null where the time does not begin then
	KEV           *KEVInfo       `json:"kev"`       // null when CISA's catalogue does not list it, or was not read
	EPSS          *EPSSInfo      `json:"epss"`      // null without a score, or when the scores were not read
	*AdvisoryInfo                // its members are members of the finding
}

// KEVInfo is what CISA's catalogue of exploited vulnerabilities says of a finding.
type KEVInfo struct {
	Added      string `json:"added"` // YYYY-MM-DD
	Due        string `json:"due"`   // last day to fix it, YYYY-MM-DD
	DuePassed  bool   `json:"duePassed"`
	Ransomware bool   `json:"ransomware"`
}

// EPSSInfo is how likely the exploitation of a finding is within 30 days.
type EPSSInfo struct {
	Probability float64 `json:"probability"`
	Percentile  float64 `json:"percentile"`
}

// AdvisoryInfo is what a finding says about the vulnerability. It does not
// depend on the package.
type AdvisoryInfo struct {
	Aliases         []string                 `json:"aliases"`
	ScannerSeverity string                   `json:"scannerSeverity"`
	SeveritySource  string                   `json:"severitySource"`
	VendorSeverity  map[string]string        `json:"vendorSeverity"`
	CVSS            map[string]evidence.CVSS `json:"cvss"`
	Title           string                   `json:"title"`
	Description     string                   `json:"description"`
	URL             string                   `json:"url"`
	References      []string                 `json:"references"`
	CWEs            []string                 `json:"cwes"`
	Published       *time.Time               `json:"published"`
	Modified        *time.Time               `json:"modified"`
	DataSource      string                   `json:"dataSource"`
}

// PackageInfo is the package a finding is about.
type PackageInfo struct {
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	Type       string     `json:"type"`
	Class      string     `json:"class"`
	PURL       string     `json:"purl"`
	Path       string     `json:"path"`
	SourceName string     `json:"sourceName"`
	OwnedBy    string     `json:"ownedBy"` // the OS package that installed it, "" for none
	Layer      *LayerInfo `json:"layer"`   // null when it is not known
}

// LayerInfo is the layer a package came with.
type LayerInfo struct {
	DiffID    string `json:"diffID"`
	Base      bool   `json:"base"` // of the base image, by the image's own history
	CreatedBy string `json:"createdBy"`
}

// SecretInfo is the place of a secret. The report never holds its text.
type SecretInfo struct {
	RuleID    string `json:"ruleID"`
	Category  string `json:"category"`
	Severity  string `json:"severity"`
	Title     string `json:"title"`
	Path      string `json:"path"`
	StartLine int    `json:"startLine"`
	EndLine   int    `json:"endLine"`
	Layer     string `json:"layer"`
	Content   string `json:"content"` // sha256 of the whole file, "" when it is not known
}

// LicenseInfo is the licence of a package or file.
type LicenseInfo struct {
	Name     string `json:"name"`
	Package  string `json:"package"`
	Type     string `json:"type"`
	Path     string `json:"path"`
	Category string `json:"category"`
}

// CoverageInfo is what the scan can and cannot vouch for.
type CoverageInfo struct {
	Gaps              []evidence.Gap   `json:"gaps"`
	Counts            []evidence.Count `json:"counts"`
	SBOMs             []string         `json:"sboms"`
	Unattributed      []string         `json:"unattributed"`
	UnattributedCount int              `json:"unattributedCount"`
	Executables       int              `json:"executables"`
	Notes             []string         `json:"notes"`
}

// SkippedInfo is a manifest of the index that was not judged.
type SkippedInfo struct {
	Digest   string `json:"digest"`
	Platform string `json:"platform"`
	Reason   string `json:"reason"`
}

// ExceptionInfo is one exception of the policy. One of ID, Secret, License, Gap
// and Rule says what it is for.
type ExceptionInfo struct {
	ID            string   `json:"id"`
	Secret        string   `json:"secret"`
	License       string   `json:"license"`
	Gap           string   `json:"gap"`
	Rule          string   `json:"rule"`
	Package       string   `json:"package"`
	Images        []string `json:"images"`
	Paths         []string `json:"paths"`
	Path          string   `json:"path"`
	Content       string   `json:"content"`
	Cause         string   `json:"cause"`
	Workload      string   `json:"workload"` // that a rule is excepted for, "" for none
	Reason        string   `json:"reason"`
	Owner         string   `json:"owner"`
	Ticket        string   `json:"ticket"`
	ApprovedBy    string   `json:"approvedBy"`
	Justification string   `json:"justification"`
	Expires       string   `json:"expires"` // last day, YYYY-MM-DD, UTC; "" for none
	Position      Position `json:"position"`
}

// ExceptionResult is an exception and what became of it.
type ExceptionResult struct {
	Exception ExceptionInfo          `json:"exception"`
	Status    policy.ExceptionStatus `json:"status"`
	Matches   int                    `json:"matches"`
	Why       string                 `json:"why"` // of refused and out-of-scope ones
	DaysLeft  int                    `json:"daysLeft"`
	EndsSoon  bool                   `json:"endsSoon"`
}
