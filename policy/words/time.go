package words

import "time"

// Day is a day without a change of clocks.
const Day = 24 * time.Hour

// Duration returns a length of time in its largest unit of which there are two
// or exactly one: "90 seconds", "30 hours", "1 day", "5 days"; "250ms".
func Duration(d time.Duration) string {
	for _, u := range []struct {
		size time.Duration
		name string
	}{{Day, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= 2*u.size || d == u.size {
			return Plural(int(d/u.size), u.name)
		}
	}
	if d >= 2*time.Second || d%time.Second == 0 {
		return Plural(int(d/time.Second), "second")
	}
	return d.Round(time.Millisecond).String()
}

// Age returns how old something is: "5 days old", "in the future".
func Age(d time.Duration) string {
	if d < 0 {
		return "in the future"
	}
	return Duration(d) + " old"
}
