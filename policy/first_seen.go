package policy

import (
	"slices"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// seenState is what earlier evidence says of the findings of an image.
type seenState struct {
	runs   int       // that looked at this image
	newest time.Time // of the runs
	groups []int     // of the findings of the image, by their place
	first  map[int]time.Time
}

// clockStart returns when the time of the finding that is being classified begins, and
// when it was first seen, zero where it begins with the publication.
//
// A finding that earlier evidence has was first seen by the oldest of it. One that no
// earlier evidence has was not seen until the newest of it: to give old evidence alone,
// or none, never gives more time than all of it. What was left out can only be the run
// that saw it first, which is why a ceiling is required: it counts from the publication.
func (j *judge) clockStart(published time.Time) (start, seen time.Time) {
	if !j.countsFromFirstSeen() {
		return published, seen
	}
	s := j.earlier()
	if s.runs == 0 {
		return published, seen
	}
	seen, had := s.first[s.groups[len(j.findings)]]
	if !had {
		seen = s.newest
	}
	if !seen.After(published) {
		return published, time.Time{}
	}
	return seen, seen
}

// countsFromFirstSeen reports whether the time begins when a finding was first seen. A
// ceiling that is not in force yet is none.
func (j *judge) countsFromFirstSeen() bool {
	return clockKey.value(j.s) == clockFirstSeen && deadlinesCeilingKey.of(j.s).set
}

// earlier returns what earlier evidence says; it is made when it is first asked for.
func (j *judge) earlier() *seenState {
	if j.seen == nil {
		j.seen = &seenState{first: map[int]time.Time{}}
		j.countEarlier()
	}
	return j.seen
}

func (j *judge) countEarlier() {
	s := j.seen
	lists := [][]evidence.Finding{j.img.Scan.Findings}
	var times []time.Time
	for i := range j.img.Earlier {
		e := &j.img.Earlier[i]
		if !j.isOfThisImage(e) {
			continue
		}
		s.runs++
		lists, times = append(lists, e.Image.Scan.Findings), append(times, e.Time)
		if e.Time.After(s.newest) {
			s.newest = e.Time
		}
	}
	groups := GroupFindings(lists...)
	s.groups = groups[0]
	for i, list := range groups[1:] {
		for _, group := range list {
			if first, had := s.first[group]; !had || times[i].Before(first) {
				s.first[group] = times[i]
			}
		}
	}
}

// isOfThisImage reports whether evidence can say when findings of the image were seen:
// a signer whom the policy names has sealed it, before now, and it is of the same
// repository and platform. Evidence of another repository would only say that the
// finding was not seen there.
func (j *judge) isOfThisImage(e *evidence.Earlier) bool {
	if e.Image == nil || e.Image.Scanned(evidence.NeedPackages) == nil || e.Time.IsZero() || e.Time.After(j.now) {
		return false
	}
	r := &e.Image.Reference
	if r.Name == "" || r.Name != j.img.Reference.Name || e.Image.Platform != j.img.Platform {
		return false
	}
	if r.JudgedFrom != "" {
		return false // with --as, the name is only what somebody said: any image could be one that did not have the finding
	}
	return j.s.sealedBy(historyByKey, e.SignedBy)
}

// sealedBy reports whether one of the signers of a seal is one that the key names and
// whose decisions the policy trusts.
func (s *settings) sealedBy(key *setting[[]string], signers []string) bool {
	return slices.ContainsFunc(s.signersOf(key.value(s), ForDecision), func(t Signer) bool { return slices.Contains(signers, t.Name) })
}

// earlierText says what became of the earlier evidence.
func (j *judge) earlierText() string {
	if !j.countsFromFirstSeen() || j.img.Scan == nil {
		return ""
	}
	switch s := j.earlier(); {
	case len(j.img.Earlier) == 0:
		return "; no earlier evidence of this repository and platform was given (--history), so the time begins with the publication"
	case s.runs == 0:
		return "; no earlier evidence of this repository and platform is sealed by a signer of " + ruleHistoryBy + ", so the time begins with the publication"
	default:
		return "; the time begins when " + words.Plural(s.runs, "earlier run") + " first saw a finding"
	}
}

// TakesHistory reports whether the policy or an override counts from when a finding was
// first seen.
func (p *Policy) TakesHistory() bool {
	return slices.ContainsFunc(p.everySettings(), func(s *settings) bool {
		return clockKey.value(s) == clockFirstSeen
	})
}
