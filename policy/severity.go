package policy

import (
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// normalSeverity brings a foreign spelling into ours. What is no severity is
// unknown, never harmless.
func normalSeverity(s evidence.Severity) evidence.Severity {
	if rank(s) > 0 {
		return s
	}
	s = evidence.Severity(strings.ToLower(strings.TrimSpace(string(s))))
	if rank(s) == 0 {
		return evidence.SeverityUnknown
	}
	return s
}

// rank orders severities: 4 is critical, 1 low, 0 unknown.
func rank(s evidence.Severity) int {
	switch s {
	case evidence.SeverityCritical:
		return 4
	case evidence.SeverityHigh:
		return 3
	case evidence.SeverityMedium:
		return 2
	case evidence.SeverityLow:
		return 1
	}
	return 0
}
