package policy

import (
	"fmt"
	"slices"
	"time"
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

// deadlineOf returns the deadline of a finding. That it is exploited can only shorten
// its time: it has no more than the rows would give it otherwise.
func (j *judge) deadlineOf(f *Judged) deadline {
	shortest := j.deadlineBy(f)
	if f.KEV == nil && f.EPSS == nil {
		return shortest
	}
	quiet := *f
	for _, without := range []func(){
		func() { quiet.KEV = nil }, func() { quiet.EPSS = nil }, func() { quiet.KEV = f.KEV },
	} {
		without()
		if other := j.deadlineBy(&quiet); shortest.set && (!other.set || other.due.Before(shortest.due)) {
			shortest = other
		}
	}
	return shortest
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
	return fmt.Sprintf("it had to be fixed until %s%s (%s)", d.due.UTC().Format(minuteForm), d.seenText(), d.row.pos)
}

// markDeadline notes the deadline of a finding, also of one that blocks.
func (j *judge) markDeadline(f *Judged) {
	if len(deadlinesKey.value(j.s)) == 0 {
		return
	}
	j.until = j.deadlineOf(f)
	if !j.until.set {
		return
	}
	f.Due = j.until.due
	text := "deadline " + f.Due.UTC().Format(time.DateOnly) + j.until.seenText()
	if !j.now.Before(f.Due) {
		text += ", which has passed"
	}
	if f.Mark != "" {
		text = f.Mark + "; " + text
	}
	f.Mark = text
}
