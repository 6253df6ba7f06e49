package main

import (
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/policy/words"
)

// farthest is how far --at may be from today. Beyond it, times do not fit into the
// durations that ages are counted in.
const farthest = 100 * 365 * words.Day

// momentFlags ask about another day than today.
func momentFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "at", Usage: "judge as if it were `DATE` (2027-01-31, or 2027-01-31T12:00:00Z); the verdict is hypothetical"},
		&cli.BoolFlag{Name: "allow-past", Usage: "let --at be in the past, where exceptions still apply that have ended"},
	}
}

// momentOf returns the moment that images are judged at, and whether it is
// hypothetical. A past moment is refused unless the user asks for it: exceptions that
// have ended would apply again, and a database that is too old would do.
func momentOf(c *cli.Context, now time.Time) (time.Time, bool, error) {
	text := c.String("at")
	if text == "" {
		if c.Bool("allow-past") {
			return now, false, usagef("flag --allow-past: there is no --at").WithHint("remove it, or add --at DATE")
		}
		return now, false, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	day := err != nil
	if day {
		at, err = time.Parse(time.DateOnly, text)
	}
	if err != nil {
		return now, false, usagef("flag --at: %q is no date", text).WithHint("write 2027-01-31, or 2027-01-31T12:00:00Z")
	}
	if day && at.Equal(now.Truncate(words.Day)) {
		at = now // the day that has begun
	}
	at = at.UTC().Truncate(time.Second)
	switch {
	case at.Before(now) && !c.Bool("allow-past"):
		return now, false, usagef("flag --at: %s is in the past, when exceptions still applied that have ended", text).
			WithHint("choose a later day, or add --allow-past")
	case at.Sub(now).Abs() > farthest:
		return now, false, usagef("flag --at: %s is more than 100 years from now", text).WithHint("choose a nearer day")
	}
	return at, true, nil
}
