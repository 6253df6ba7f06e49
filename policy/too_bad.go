package policy

import (
	"fmt"

	"github.com/imagegate/imagegate/policy/evidence"
)

// neverFrom is a key with the severity from which on something covers no finding.
func neverFrom(path, doc string) *setting[string] {
	severities := []string{"critical", "high", "medium", "low"}
	return &setting[string]{
		path: path, doc: doc, schema: enum(severities...), read: oneOf(severities...),
		order: func(child, base string) bool { return rank(evidence.Severity(child)) <= rank(evidence.Severity(base)) },
	}
}

// tooBad says why neither a baseline nor a VEX document, named by what, covers a
// finding whatever it says: the finding is exploited or denied, or the key never, which
// is reported by name, covers its severity. It returns "" for any other finding.
func (j *judge) tooBad(f *Judged, what, name string, never *setting[string]) string {
	from := never.of(j.s)
	switch {
	case f.KEV != nil || j.likely(f) != "":
		return "it is exploited, and no " + what + " covers that"
	case j.deniedID(f.Finding) != "":
		return "it is denied, and no " + what + " covers that"
	case from.set && worth(f.Severity) >= rank(evidence.Severity(from.value)):
		return fmt.Sprintf("it is %s, and %s covers %s and worse", f.Severity, name, from.value)
	}
	return ""
}
