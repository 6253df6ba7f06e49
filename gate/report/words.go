package report

import (
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/words"
)

// more counts what was left out: "2,940 more findings".
func more(n int, noun string) string {
	return words.Count(n) + " more " + words.Noun(n, noun)
}

// short is a digest's first twelve digits, enough to recognise a layer.
func short(digest string) string {
	_, hex, ok := strings.Cut(digest, ":")
	if !ok {
		hex = digest
	}
	return hex[:min(len(hex), 12)]
}

// age says how long ago then was.
func age(then, now time.Time) string { return words.Age(now.Sub(then)) }

// savedNote is what every report says about a verdict that evidence from files
// led to.
func savedNote(run *gate.Run) string {
	trust := "it is not sealed by a signer that this run trusts, so anyone who can write the file can change the verdict"
	if run.SealedBy != "" {
		trust = "it is sealed by " + run.SealedBy
	}
	return "judged by saved evidence: " + trust + "; advisories that came out since it was collected are not known"
}

// remarksOf returns the remarks at the beginning of every report. They say what was
// promoted, and what the verdict is not based on.
func remarksOf(run *gate.Run) []string {
	out := promotionRemarks(run)
	if run.Hypothetical {
		out = append(out, hypotheticalNote(run))
	}
	if unasked := run.Policy.Unasked; len(unasked) > 0 {
		out = append(out, "the policy does not ask about "+words.Or(unasked))
	}
	if run.Saved {
		out = append(out, savedNote(run))
	}
	return out
}

// notesOf returns the remarks about a run.
func notesOf(run *gate.Run) []string { return append(list(run.Notes), remarksOf(run)...) }

// hypotheticalNote is what every report says about a verdict for another day.
func hypotheticalNote(run *gate.Run) string {
	return "hypothetical: judged as if it were " + run.Started.UTC().Format("2006-01-02 15:04 UTC") +
		", by the advisories that are known today; it says nothing about what may ship"
}
