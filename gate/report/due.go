package report

import (
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy"
)

// dueOf is when a finding begins to block, zero without a deadline.
func dueOf(f *policy.Judged) time.Time {
	if f.Due.IsZero() {
		return f.GraceUntil
	}
	return f.Due
}

// dueLines tell until when each finding has to be fixed, one line for each day.
func dueLines(findings []*policy.Judged, now time.Time) []string {
	ids, seen := map[string][]string{}, map[string]bool{}
	for _, f := range inReportOrder(slices.Clone(findings)) {
		due := dueOf(f)
		if due.IsZero() {
			continue
		}
		day := due.UTC().Format(time.DateOnly)
		if !now.Before(due) {
			day += ", which has passed"
		}
		if key := day + " " + f.ID; !seen[key] {
			seen[key], ids[day] = true, append(ids[day], f.ID)
		}
	}
	days := make([]string, 0, len(ids))
	for day := range ids {
		days = append(days, day)
	}
	slices.Sort(days)
	for i, day := range days {
		days[i] = day + ": " + strings.Join(ids[day], ", ")
	}
	return days
}
