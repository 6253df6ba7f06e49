package scan

import (
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate/scan/wire"
)

// ownDates are ends of life that Trivy does not have or has wrong: for RHEL
// from 7 on it writes the year 3000. Sources: the vendors' life-cycle pages.
// Full support with free security updates counts, paid extensions do not.
var ownDates = map[string]string{
	"redhat 7":        "2024-06-30", // access.redhat.com/support/policy/updates/errata
	"redhat 8":        "2029-05-31",
	"redhat 9":        "2032-05-31",
	"redhat 10":       "2035-05-31",
	"alma 10":         "2035-05-31", // wiki.almalinux.org/release-notes
	"rocky 10":        "2035-05-31", // wiki.rockylinux.org/rocky/version
	"oracle 10":       "2035-06-30", // oracle.com Linux lifetime support policy
	"azurelinux 3.0":  "2027-07-31", // learn.microsoft.com/azure/azure-linux
	"cbl-mariner 2.0": "2025-07-31",
	"cbl-mariner 1.0": "2023-07-31",
}

// endOfLife returns the last day of support: from ownDates if it is there, from
// Trivy if not. Nil means that neither has one, as with rolling releases.
func endOfLife(os *wire.OS) *time.Time {
	major, _, _ := strings.Cut(os.Name, ".")
	for _, release := range []string{os.Name, major} {
		if day, ok := ownDates[os.Family+" "+release]; ok {
			t, err := time.Parse(time.DateOnly, day)
			if err == nil {
				return &t
			}
		}
	}
	return os.EndOfLife
}
