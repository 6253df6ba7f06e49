package policy

import (
	"time"

	"github.com/imagegate/imagegate/policy/words"
)

const ruleMaxAge = "config.max-age"

var maxAgeKey = ageKey(ruleMaxAge, "How long ago the image may have been built.")

func maxAgeRule() *Rule {
	return &Rule{
		ID: ruleMaxAge, Title: "The image was built recently.",
		Why: "An image that is not rebuilt gets no fixes from its base image.",
		How: "rebuild the image on its current base", Default: "not asked", Levels: true,
		Settings: "a time such as 36h, 30d or 8w. An image that does not say when it was built is undecided; a date of 1970 or 1980, as reproducible builds have it, is none.",
		Example:  "config: {max-age: 90d}\n",
		keys:     []key{maxAgeKey}, check: checkMaxAge,
	}
}

func checkMaxAge(j *judge) answer {
	c := j.img.Config
	if c == nil {
		return missing(noConfig)
	}
	limit := maxAgeKey.value(j.s)
	allowed := "built at most " + words.Duration(limit) + " ago"
	if c.Created == nil || withoutDate(*c.Created) {
		return answer{message: "the image does not say when it was built", allowed: allowed, cure: "build it with a date: reproducible builds set SOURCE_DATE_EPOCH to the time of the commit"}
	}
	age := j.now.Sub(*c.Created)
	day := c.Created.UTC().Format(time.DateOnly)
	switch {
	case age < -futureToleranceHours*time.Hour:
		return answer{message: "the image says it was built on " + day + ", which is in the future", allowed: allowed, cure: "build it with a right clock"}
	case age > limit:
		return answer{result: ResultFail, message: "built on " + day + ", " + words.Duration(age) + " ago", allowed: allowed}
	}
	return answer{result: ResultPass, message: "built on " + day, allowed: allowed}
}

// withoutDate reports a date that no clock gave: zero, and the first days of Unix
// and of the ZIP format, which reproducible builds write instead of a date.
func withoutDate(t time.Time) bool {
	y := t.UTC().Year()
	return t.IsZero() || y == 1970 || y == 1980 || y == 1979 && t.UTC().YearDay() == 365
}
