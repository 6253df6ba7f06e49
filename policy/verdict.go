package policy

import (
	"cmp"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Decision is the outcome for one image. The zero value is Undecided, so a
// forgotten assignment can never let an image through.
type Decision int

// The decisions. Only Passed lets an image through.
const (
	Undecided Decision = iota // evidence that a rule needs is missing
	Denied
	Passed
)

// String returns the decision in the words of the JSON report.
func (d Decision) String() string {
	switch d {
	case Denied:
		return "fail"
	case Passed:
		return "pass"
	default:
		return "no-verdict"
	}
}

// Result is the answer of one rule. The zero value is ResultUndecided.
type Result int

// The results of a rule. ResultWarn and ResultOff never stop an image.
const (
	ResultUndecided Result = iota
	ResultFail
	ResultWarn
	ResultPass
	ResultOff // the policy does not ask
)

// String returns the result in the words of the JSON report.
func (r Result) String() string {
	return [...]string{"undecided", "fail", "warn", "pass", "off"}[r]
}

// Position is a place in a policy file. The zero value means "built-in default".
type Position struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`   // 1-based
	Column int    `json:"column,omitempty"` // 1-based
}

// RuleResult is what one rule has to say about one image.
type RuleResult struct {
	Rule   string // id, "vulnerabilities.max"
	Result Result
	// Message says in one line what was found.
	Message string
	// NotApplying is true for a rule that the policy asks and that is off because it
	// has no meaning for what is judged: it did not pass. Message says why.
	NotApplying bool
	// Allowed says what the policy allows, "at most 0 critical".
	Allowed string
	// Cure says what would make the rule pass.
	Cure string
	// Control names the requirements that the policy says the rule meets, "CIS 4.1".
	Control string
	// Details are further lines: one per label missing, gap, secret and so on.
	Details []string
	// Position is where the policy sets the rule.
	Position Position
	// Problems says what a rule about documents has against each place of them.
	Problems []Problem
}

// Judged is a finding with the class the policy gave it.
type Judged struct {
	// Finding is that of the evidence itself and no copy: a thousand images have
	// hundreds of thousands of them.
	*evidence.Finding
	// Severity is the severity the policy used, which can differ from the
	// finding's own when severity-source says so.
	Severity evidence.Severity
	Class    Class
	// Rule is the id of the rule that blocks, "" for every other class.
	Rule string
	// Reason says why the finding has its class, in a few words.
	Reason string
	// Exception is the exception that applies, nil when none does.
	Exception *Exception
	// GraceUntil is when the grace period ends; zero when there is none.
	GraceUntil time.Time
	// KEV and EPSS are what is known of the exploitation of the vulnerability, nil for
	// nothing. Mark says it in words, "" for nothing.
	KEV  *evidence.KEVEntry
	EPSS *evidence.EPSSScore
	Mark string
	// Due is the moment from which on the finding blocks by a row of deadlines; zero when
	// it has none.
	Due time.Time
	// FirstSeen is when earlier evidence first had it, where its time begins then; zero
	// otherwise.
	FirstSeen time.Time
	// DuePassed is true when the day has passed by which the catalogue wants it fixed.
	DuePassed bool
}

// Verdict is a policy's answer for one image.
type Verdict struct {
	Decision Decision
	Rules    []RuleResult // in the order of [Rules]
	Findings []Judged     // blocking first, then by severity, id, package
	// Exceptions tells what became of every exception that this image was
	// checked against. Of an image whose packages were not looked at it lists
	// only those that have expired.
	Exceptions []ExceptionUse
	// Overrides are those that apply to the image, in order.
	Overrides []AppliedOverride
}

// AppliedOverride is an override of the policy that applies to an image.
type AppliedOverride struct {
	Position Position
	// Loosens says in which keys it is not as strict as the policy, one line each.
	Loosens []string
	// Ended says why it no longer loosens anything, "" when it does.
	Ended                             string
	Reason, Owner, Ticket, ApprovedBy string
	Expires                           time.Time // last day, midnight UTC; zero when it has no end
}

// Count returns how many findings ended in class c.
func (v *Verdict) Count(c Class) int {
	n := 0
	for i := range v.Findings {
		if v.Findings[i].Class == c {
			n++
		}
	}
	return n
}

// Exception is one entry of the policy's exceptions. Exactly one of ID, Secret,
// License, Gap and Rule is set: it says what the exception is for.
type Exception struct {
	ID      string // of a vulnerability, matched against every id of a finding
	Secret  string // rule that found a secret
	License string // licence of a package
	Gap     string // kind of gap in what the scan could see
	Rule    string // rule about the reference, the config or the platforms

	Package string   // purl with optional version range, or a name; "" any
	Images  []string // globs on registry/repository; none = any
	Paths   []string // globs on the path of a package or a gap; none = any
	Path    string   // exact path of a secret
	// Workload is the workload or the container that a rule is excepted for:
	// "shop/Deployment/web/sidecar".
	Workload string
	Content  string // sha256 of the file that holds a secret
	Cause    string // part of what the report says of a gap

	Reason        string    // why
	Owner         string    // the team or person that is responsible for it
	Ticket        string    // where the decision is recorded
	ApprovedBy    string    // the person who accepted the risk
	Justification string    // in the words of OpenVEX
	Added         time.Time // the day on which it was decided; zero when it is not known
	Expires       time.Time // last day, midnight UTC; it applies through its end
	Position      Position
}

// Kind returns the key that says what the exception is for.
func (e *Exception) Kind() string {
	switch {
	case e.Secret != "":
		return exceptSecret
	case e.License != "":
		return exceptLicense
	case e.Gap != "":
		return exceptGap
	case e.Rule != "":
		return exceptRule
	}
	return exceptID
}

// Subject returns what the exception is for: the id of a vulnerability, the
// rule that found a secret, a licence, a kind of gap, or a rule.
func (e *Exception) Subject() string {
	return cmp.Or(e.Secret, e.License, e.Gap, e.Rule, e.ID)
}

// Name returns the kind and the subject for messages. An id needs no kind.
func (e *Exception) Name() string {
	if e.Kind() == exceptID {
		return e.ID
	}
	return e.Kind() + " " + e.Subject()
}

// Scope says what the exception is limited to, "" for nothing but its subject.
func (e *Exception) Scope() string {
	var parts []string
	for _, p := range []struct{ name, text string }{
		{"package", e.Package}, {"images", strings.Join(e.Images, " ")}, {"workload", e.Workload}, {"paths", strings.Join(e.Paths, " ")}, {"file", e.Path}, {"cause", e.Cause},
	} {
		if p.text != "" {
			parts = append(parts, p.name+" "+p.text)
		}
	}
	return strings.Join(parts, ", ")
}

// ExceptionStatus says what became of an exception.
type ExceptionStatus string

// The statuses of exceptions.
const (
	ExceptionUsed       ExceptionStatus = "used"
	ExceptionUnused     ExceptionStatus = "unused"       // nothing has this id
	ExceptionExpired    ExceptionStatus = "expired"      // the day is over
	ExceptionOutOfScope ExceptionStatus = "out-of-scope" // the id is there, but package, image or path differ
	ExceptionRefused    ExceptionStatus = "refused"      // it matches, but exception-limits or vulnerabilities.deny forbid it
)

// ExceptionUse is an exception and what became of it.
type ExceptionUse struct {
	Exception *Exception
	Status    ExceptionStatus
	Matches   int // findings it excepted, or would have
	// Why says more about refused and out-of-scope ones, "" for the others.
	Why string
	// DaysLeft counts whole days until it ends, 0 on its last day, negative
	// after.
	DaysLeft int
	// EndsSoon is true when a used exception ends within 14 days.
	EndsSoon bool
}
