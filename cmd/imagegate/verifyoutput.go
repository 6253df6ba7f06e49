package main

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// maxBundles bounds a file of bundles.
const maxBundles = 64 << 20

// readBundles reads files of bundles: one JSON document after the other.
func readBundles(c *cli.Context, paths []string) ([]prove.Attachment, error) {
	var all []prove.Attachment
	for _, path := range paths {
		raw, err := input.ReadFile(c.Context, path, maxBundles)
		if err != nil {
			return nil, fileError("read the bundles", err)
		}
		dec := jsontext.NewDecoder(bytes.NewReader(raw))
		for n := 1; ; n++ {
			value, err := dec.ReadValue()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, usagef("%s is no file of bundles: %w", path, err)
			}
			all = append(all, prove.Attachment{Form: prove.FormBundle, Place: fmt.Sprintf("%s, bundle %d", path, n), Raw: value.Clone()})
		}
	}
	return all, nil
}

// verifyReport is the answer for programs.
type verifyReport struct {
	SchemaVersion int            `json:"schemaVersion"`
	Tool          string         `json:"tool"`
	At            time.Time      `json:"at"`
	Verdict       string         `json:"verdict"` // pass, fail or no-verdict
	Results       []verifyResult `json:"results"`
	// TrustedRoot is the file of --trusted-root, null without one.
	TrustedRoot *evidence.TrustedRoot `json:"trustedRoot"`
}

type verifyResult struct {
	Reference string         `json:"reference"`
	Digest    string         `json:"digest"` // "" when it is not known
	Verdict   string         `json:"verdict"`
	Reason    string         `json:"reason"`   // why there is no verdict, "" when there is one
	Decision  *decisionInfo  `json:"decision"` // the newest that counts, null for none
	Refused   []refusedInfo  `json:"refused"`  // what is attached and does not count
	Skipped   []skippedPlace `json:"skipped"`  // what is attached and was not read
}

// decisionInfo is a signed decision.
type decisionInfo struct {
	Result       string           `json:"result"` // PASSED or FAILED
	TimeVerified time.Time        `json:"timeVerified"`
	Signers      []string         `json:"signers"` // names of trusted signers that it is from
	SignedBy     string           `json:"signedBy"`
	Issuer       string           `json:"issuer"`   // "" for a key
	SignedAt     *time.Time       `json:"signedAt"` // null when no trusted party confirms a time
	Verifier     prove.VerifierID `json:"verifier"`
	ResourceURI  string           `json:"resourceUri"`
	Policy       prove.Resource   `json:"policy"`
	Inputs       []prove.Resource `json:"inputs"`
	Levels       []string         `json:"levels"`
	Place        string           `json:"place"`
}

type refusedInfo struct {
	Place   string `json:"place"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

type skippedPlace struct {
	Place  string `json:"place"`
	Reason string `json:"reason"`
}

func decisionInfoOf(d *prove.Decision) *decisionInfo {
	if d == nil || d.Summary.Result == "" {
		return nil
	}
	s := d.Summary
	info := &decisionInfo{
		Result: s.Result, TimeVerified: s.TimeVerified.UTC(), Signers: d.Signers, SignedBy: d.By, Issuer: d.Issuer,
		Verifier: s.Party, ResourceURI: s.ResourceURI, Policy: s.Policy, Inputs: orEmpty(s.InputAttestations), Levels: orEmpty(s.Levels), Place: d.Attachment.Place,
	}
	if !d.Signed.IsZero() {
		info.SignedAt = &d.Signed
	}
	return info
}

// orEmpty is the list, and never null in JSON.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// printVerified prints the answers.
func (p *program) printVerified(c *cli.Context, root *evidence.TrustedRoot, results []verified) error {
	if c.String("format") == "json" {
		doc := verifyReport{SchemaVersion: 1, Tool: toolVersion(), At: p.now().UTC().Truncate(time.Second), Verdict: summarize(results).String(), Results: []verifyResult{}, TrustedRoot: root}
		for i := range results {
			doc.Results = append(doc.Results, results[i].info())
		}
		return p.printJSON(doc)
	}
	var b strings.Builder
	for i := range results {
		results[i].text(&b)
	}
	if root != nil {
		fmt.Fprintf(&b, "trusted root  %s\n", terminal(rootText(root, p.now())))
	}
	return p.print("%s", b.String())
}

func (v *verified) info() verifyResult {
	out := verifyResult{
		Reference: v.ref, Digest: v.digest, Verdict: v.outcome().String(), Decision: decisionInfoOf(v.decision),
		Refused: []refusedInfo{}, Skipped: []skippedPlace{},
	}
	if v.err != nil {
		out.Reason = v.err.Error()
	}
	for _, r := range v.refused {
		out.Refused = append(out.Refused, refusedInfo{r.Place, string(r.Reason), r.Err.Error()})
	}
	for _, s := range v.skipped {
		out.Skipped = append(out.Skipped, skippedPlace(s))
	}
	return out
}

// maxListed is how many of the refused are shown to people.
const maxListed = 10

func (v *verified) text(b *strings.Builder) {
	head := map[policy.Decision]string{policy.Passed: "PASS", policy.Denied: "FAIL", policy.Undecided: "NO VERDICT"}[v.outcome()]
	fmt.Fprintf(b, "%s  %s\n", head, terminal(v.ref))
	line := func(name, format string, args ...any) {
		fmt.Fprintf(b, "  %-9s %s\n", name, terminal(fmt.Sprintf(format, args...)))
	}
	if v.digest != "" {
		line("digest", "%s", v.digest)
	}
	if v.err != nil {
		line("reason", "%v", v.err)
		if hint := gate.HintOf(v.err); hint != "" {
			line("hint", "%s", hint)
		}
	}
	if d := v.decision; d != nil && d.Summary.Result != "" {
		line("decided", "%s: %s, by %s", d.Summary.Result, d.Summary.TimeVerified.UTC().Format(time.RFC3339), d.Summary.Party.ID)
		line("policy", "%s (sha256:%s)", d.Summary.Policy.URI, d.Summary.Policy.Digest["sha256"])
		line("signed", "%s; %s", trustText(&d.Verified), signedText(d.Signed))
	}
	if v.outcome() == policy.Undecided {
		v.refusals(line)
	} else if len(v.skipped) > 0 {
		line("note", "not everything that is attached was read; a newer decision may have been there")
	}
	for _, s := range v.skipped[:min(len(v.skipped), maxListed)] {
		line("skipped", "%s: %s", s.Place, s.Reason)
	}
	if more := len(v.skipped) - maxListed; more > 0 {
		line("skipped", "and %s more; --format json lists all", words.Plural(more, "attachment"))
	}
}

// refusals lists what is attached and does not count. A decision makes it uninteresting;
// without one it is the reason.
func (v *verified) refusals(line func(name, format string, args ...any)) {
	for _, r := range v.refused[:min(len(v.refused), maxListed)] {
		line("refused", "%s: %s: %v", r.Reason, r.Place, r.Err)
	}
	if more := len(v.refused) - maxListed; more > 0 {
		line("refused", "and %s more; --format json lists all", words.Plural(more, "attachment"))
	}
}

func signedText(at time.Time) string {
	if at.IsZero() {
		return "the time is the signer's word: no log and no timestamp authority confirms it"
	}
	return "seen by a trusted party at " + at.UTC().Format(time.RFC3339)
}

// rootText says how old a trusted root is, and whether it is of use.
func rootText(root *evidence.TrustedRoot, now time.Time) string {
	text := root.Source
	if root.Newest != nil {
		text += fmt.Sprintf(": its newest part is of %s, %s", root.Newest.UTC().Format(time.DateOnly), words.Age(now.Sub(*root.Newest)))
	}
	if root.Ended != nil && root.Ended.Before(now) {
		text += fmt.Sprintf("; it confirms no signature made after %s: fetch a new one", root.Ended.UTC().Format(time.DateOnly))
	}
	return text
}
