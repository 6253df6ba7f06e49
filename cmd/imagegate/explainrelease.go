package main

import (
	"fmt"
	"strings"
	"time"
)

// explainedRelease is the answer about the documents of the evidence.
type explainedRelease struct {
	Verdict   string              `json:"verdict"`
	Rules     []explainedRule     `json:"rules"` // about the documents as a whole
	Workloads []explainedWorkload `json:"workloads"`
}

type explainedWorkload struct {
	Workload string          `json:"workload"`
	Verdict  string          `json:"verdict"`
	Rules    []explainedRule `json:"rules"`
}

// documents judges the documents with their images.
func (e *explained) documents(l *later, now time.Time) *explainedRelease {
	docs := &l.release.Documents
	v := l.policy.EvaluateRelease(docs, l.pointers(), now)
	out := &explainedRelease{Verdict: v.Decision.String(), Rules: e.rules(v.Rules), Workloads: []explainedWorkload{}}
	for i := range v.Workloads {
		w := &v.Workloads[i]
		if rules := e.rules(w.Rules); len(rules) > 0 {
			out.Workloads = append(out.Workloads, explainedWorkload{docs.Workloads[i].ID(), w.Decision.String(), rules})
		}
	}
	return out
}

func (e *explained) releaseAsText(b *strings.Builder) {
	r := e.Release
	if e.about != nil && len(r.Rules) == 0 && len(r.Workloads) == 0 {
		return // the rule is about images
	}
	fmt.Fprintf(b, "%s  documents\n", shout(r.Verdict))
	e.rulesAsText(b, r.Rules)
	for _, w := range r.Workloads {
		fmt.Fprintf(b, "%s  %s\n", shout(w.Verdict), terminal(w.Workload))
		e.rulesAsText(b, w.Rules)
	}
	b.WriteString("\n")
}
