package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// deadline is until when a finding has to be fixed.
type deadline struct {
	due time.Time
	row *deadlineRow // nil when no row matches
	// set is false for a finding without a deadline: it blocks at once.
	set bool
	// seen is when earlier evidence first had the finding; zero where the time does
	// not begin then.
	seen time.Time
}

// overAt reports whether a row about exploited findings asked for a fix by now. Such a
// row counts whatever the severity of the finding.
func (d *deadline) overAt(now time.Time) bool {
	return d.row != nil && d.row.exploited() && (!d.set || !now.Before(d.due))
}

// deadlineOf returns the deadline of a finding, and the one by a row about exploited
// findings that is over, whose row is nil for none. That a finding is exploited can only shorten its
// time: it has no more than the rows would give it otherwise.
func (j *judge) deadlineOf(f *Judged) (shortest, over deadline) {
	own := j.deadlineBy(f)
	shortest = own
	if own.overAt(j.now) {
		over = own
	}
	if f.KEV == nil && f.EPSS == nil {
		return shortest, over
	}
	quiet := *f
	for _, without := range []func(){
		func() { quiet.KEV = nil }, func() { quiet.EPSS = nil }, func() { quiet.KEV = f.KEV },
	} {
		without()
		other := j.deadlineBy(&quiet)
		if shortest.set && (!other.set || other.due.Before(shortest.due)) {
			shortest = other
		}
		if over.row == nil && other.overAt(j.now) {
			over = other
		}
	}
	// A finding that no limit counts has no deadline but that of its own row.
	if _, _, limited := j.s.limited(f.Severity); !limited && !shortest.set && own.row != nil && own.row.exploited() {
		if shortest = own; over.row != nil {
			shortest = over
		}
	}
	return shortest, over
}

// deadlineBy returns the deadline by the first row that matches.
func (j *judge) deadlineBy(f *Judged) deadline {
	rows := deadlinesKey.value(j.s)
	i := slices.IndexFunc(rows, func(r deadlineRow) bool {
		return (!r.kev || f.KEV != nil) && (r.severity == "" || r.severity == f.Severity) &&
			(r.exposure == "" || r.exposure == exposureKey.value(j.s)) && (r.probability == 0 || f.EPSS != nil && f.EPSS.Probability >= r.probability)
	})
	if i < 0 {
		return deadline{}
	}
	d := deadline{row: &rows[i]}
	var start time.Time
	switch {
	case d.row.kev:
		start = f.KEV.Added
	case f.Published != nil:
		start, d.seen = j.clockStart(*f.Published)
	}
	if start.IsZero() || start.After(j.now.Add(futureToleranceHours*time.Hour)) {
		return d
	}
	d.due, d.set = start.Add(d.row.within), true
	if d.row.dueDate {
		d.due = f.KEV.Due.AddDate(0, 0, 1) // through its end
	}
	if ceiling := deadlinesCeilingKey.of(j.s); ceiling.set {
		if f.Published != nil && f.Published.Before(start) {
			start = *f.Published
		}
		if last := start.Add(ceiling.value); last.Before(d.due) {
			d.due = last
		}
	}
	return d
}

// isBeforeDeadline gives a finding grace until its deadline.
func (j *judge) isBeforeDeadline(f *Judged) bool {
	d := &j.until
	if !d.set || !j.now.Before(d.due) {
		return false
	}
	f.GraceUntil = d.due
	f.Reason = fmt.Sprintf("to be fixed until %s%s (%s)", d.due.UTC().Format(minuteForm), d.seenText(), d.row.pos)
	return true
}

func (d *deadline) seenText() string {
	if d.seen.IsZero() {
		return ""
	}
	return ", first seen " + d.seen.UTC().Format(time.DateOnly)
}

func (j *judge) notBeforeDeadline() string {
	d := &j.until
	switch {
	case d.row == nil:
		return "no row of deadlines matches it"
	case !d.set:
		return "it has no date of publication, or one in the future, so it has no deadline"
	}
	return d.passedText()
}

// passedText says of a deadline that is over when it was.
func (d *deadline) passedText() string {
	if !d.set {
		return "it has no date of publication, or one in the future, so it has no time left (" + d.row.pos.String() + ")"
	}
	return fmt.Sprintf("it had to be fixed until %s%s (%s)", d.due.UTC().Format(minuteForm), d.seenText(), d.row.pos)
}

// markDeadline notes the deadline of a finding, also of one that blocks.
func (j *judge) markDeadline(f *Judged) {
	if len(deadlinesKey.value(j.s)) == 0 {
		return
	}
	var over deadline
	if j.until, over = j.deadlineOf(f); over.row != nil {
		if j.overdue == nil {
			j.overdue = map[*evidence.Finding]string{}
		}
		j.overdue[f.Finding] = over.passedText()
	}
	if !j.until.set {
		return
	}
	f.Due, f.FirstSeen = j.until.due, j.until.seen
	text := "deadline " + f.Due.UTC().Format(time.DateOnly) + j.until.seenText()
	if !j.now.Before(f.Due) {
		text += ", which has passed"
	}
	if f.Mark != "" {
		text = f.Mark + "; " + text
	}
	f.Mark = text
}
