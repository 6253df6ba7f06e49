package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// subject is a manifest or an index that was judged.
type subject struct {
	ref    evidence.Reference
	digest string
	result string
	images []*evidence.Image // those that it is about
	// named is true when nothing but the reference is wrong: a tag that is not
	// allowed, for one. Under another name the same bytes may pass.
	named bool
}

// failsByName reports whether a denied image fails by rules about its reference alone.
func failsByName(r *gate.Result) bool {
	fails := 0
	for _, rule := range r.Verdict.Rules {
		if rule.Result == policy.ResultFail {
			fails++
			if !strings.HasPrefix(rule.Rule, "reference.") {
				return false
			}
		}
	}
	return fails > 0
}

// subjectsOf returns what a decision can be signed about: each judged image, and the
// index when all its platforms were judged. The index passes only if all of them do.
func subjectsOf(results []gate.Result) (list []*subject, err error) {
	indexes := map[string]*subject{}
	undecided := map[string]bool{}
	for i := range results {
		r := &results[i]
		e := r.Evidence
		if e == nil {
			continue
		}
		result := map[policy.Decision]string{policy.Passed: prove.ResultPassed, policy.Denied: prove.ResultFailed}[r.Own()]
		key := e.Reference.Name + "@" + e.IndexDigest
		if result == "" {
			undecided[key] = true
			continue
		}
		if e.Digest == "" {
			return nil, fmt.Errorf("%s has no digest of a manifest: a decision about it could not be found again; push it to a registry first", r.Ref)
		}
		named := result == prove.ResultFailed && failsByName(r)
		list = append(list, &subject{ref: e.Reference, digest: e.Digest, result: result, images: []*evidence.Image{e}, named: named})
		if e.IndexDigest == "" {
			continue
		}
		index := indexes[key]
		if index == nil {
			index = &subject{ref: e.Reference, digest: e.IndexDigest, result: prove.ResultPassed}
			indexes[key] = index
			list = append(list, index)
		}
		index.images = append(index.images, e)
		if result == prove.ResultFailed {
			index.named = named && (index.named || index.result == prove.ResultPassed)
			index.result = prove.ResultFailed
		}
	}
	list = slices.DeleteFunc(list, func(s *subject) bool {
		key := s.ref.Name + "@" + s.digest
		return indexes[key] == s && s.result == prove.ResultPassed && (undecided[key] || !wholeIndex(s.images))
	})
	return unique(list), nil
}

// wholeIndex reports whether images are all platforms of the index that they are from.
func wholeIndex(images []*evidence.Image) bool {
	for _, want := range images[0].Platforms {
		if !slices.ContainsFunc(images, func(e *evidence.Image) bool { return e.Platform == want }) {
			return false
		}
	}
	return true
}

// unique drops subjects that two references name.
func unique(list []*subject) []*subject {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(s *subject) bool {
		key := s.ref.Name + "@" + s.digest
		defer func() { seen[key] = true }()
		return seen[key]
	})
}

// statement is the decision about a subject.
func statement(run *gate.Run, s *subject, repository, verifier string, inputs []prove.Resource) (*prove.Statement, error) {
	levels := []string{"IMAGEGATE_POLICY_PASSED"}
	if s.result == prove.ResultFailed {
		levels = []string{"FAILED"} // as SLSA asks
	}
	inputs = slices.Clone(inputs)
	for _, e := range s.images {
		for _, r := range slices.Concat(databases(e), feeds(e), vexDocuments(e), comparedWith(e)) {
			if !slices.ContainsFunc(inputs, func(have prove.Resource) bool {
				return have.Name == r.Name && have.Digest["sha256"] == r.Digest["sha256"]
			}) {
				inputs = append(inputs, r)
			}
		}
	}
	algorithm, hash, _ := strings.Cut(s.digest, ":")
	return prove.NewStatement(prove.Resource{Name: repository, Digest: map[string]string{algorithm: hash}}, prove.Summary{
		Party:        prove.VerifierID{ID: verifier, Version: map[string]string{"imagegate": strings.TrimPrefix(run.Tool, "imagegate "), "engine": run.Engine}},
		TimeVerified: s.decidedAt(run.Started), ResourceURI: prove.RepositoryURI(repository),
		Policy:            prove.Resource{URI: run.Policy.Path, Digest: map[string]string{"sha256": strings.TrimPrefix(run.Policy.Digest, "sha256:")}},
		InputAttestations: inputs, Result: s.result, Levels: levels,
	})
}

// decidedAt is when the images were judged. A decision that rests on another one is
// as old as that: otherwise copying an image would renew it.
func (s *subject) decidedAt(now time.Time) time.Time {
	for _, e := range s.images {
		if e.Proof != nil && e.Proof.Decision != nil && e.Proof.Decision.Time.Before(now) {
			now = e.Proof.Decision.Time
		}
	}
	return now
}

// databases are the advisory databases that an image was scanned with.
func databases(e *evidence.Image) []prove.Resource {
	if e.Scan == nil {
		return nil
	}
	var out []prove.Resource
	for name, d := range map[string]*evidence.Database{"advisory database": e.Scan.Database, "Java database": e.Scan.JavaDatabase} {
		if d == nil {
			continue
		}
		digest := cmp.Or(d.Digest, d.FileSHA256)
		if hash, ok := strings.CutPrefix(digest, "sha256:"); ok {
			out = append(out, prove.Resource{Name: name, URI: d.Source, Digest: map[string]string{"sha256": hash}})
		}
	}
	slices.SortFunc(out, func(a, b prove.Resource) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// vexDocuments are the VEX documents that an image was judged with.
func vexDocuments(e *evidence.Image) []prove.Resource {
	var out []prove.Resource
	for i := range e.VEX {
		out = append(out, prove.Resource{Name: "VEX document", URI: e.VEX[i].Path, Digest: map[string]string{"sha256": e.VEX[i].SHA256}})
	}
	return out
}

// comparedWith is what an image was compared with: its baseline, and evidence of earlier runs.
func comparedWith(e *evidence.Image) []prove.Resource {
	var out []prove.Resource
	if b := e.Baseline; b != nil {
		hash := cmp.Or(b.SHA256, strings.TrimPrefix(b.Image.Digest, "sha256:"))
		out = append(out, prove.Resource{Name: "baseline", URI: b.Source, Digest: map[string]string{"sha256": hash}})
	}
	for i := range e.Earlier {
		out = append(out, prove.Resource{Name: "earlier evidence", URI: e.Earlier[i].Source, Digest: map[string]string{"sha256": e.Earlier[i].SHA256}})
	}
	return out
}

// feeds are the feeds of exploited vulnerabilities that an image was judged with.
func feeds(e *evidence.Image) []prove.Resource {
	if e.Scan == nil || e.Scan.Exploited == nil {
		return nil
	}
	var out []prove.Resource
	add := func(name string, f *evidence.Feed) {
		if f != nil {
			out = append(out, prove.Resource{Name: name, URI: f.Source, Digest: map[string]string{"sha256": f.SHA256}})
		}
	}
	add("KEV catalogue", e.Scan.Exploited.KEV)
	add("EPSS scores", e.Scan.Exploited.EPSS)
	return out
}
