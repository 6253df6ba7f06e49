package ci

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy"
)

// judged is one entry of the output "digests".
type judged struct {
	Reference string `json:"reference"`
	Platform  string `json:"platform"`
	Digest    string `json:"digest"`
	Verdict   string `json:"verdict"`
}

// Outputs writes the step outputs of a run in the syntax of GITHUB_OUTPUT:
//
//	verdict     pass, fail or no-verdict
//	exit-code   the exit code that goes with it
//	digest      what the reference resolved to; empty for several references
//	digests     every image and platform that was judged, as JSON
//	target      after imagegate promote: the first target by its digest; empty
//	            unless everything is there
//	json, ...   the path of each report file, under the name of its format
//
// Each value is between random delimiters, so that a value cannot hold its own
// delimiter and add an output.
func Outputs(w io.Writer, run *gate.Run, o Options) error {
	digests, err := digestsJSON(run)
	if err != nil {
		return err
	}
	pairs := [][2]string{
		{"verdict", run.Outcome().String()},
		{"exit-code", strconv.Itoa(o.ExitCode)},
		{"digest", Digest(run)},
		{"digests", digests},
	}
	if run.Promotion != nil {
		pairs = append(pairs, [2]string{"target", Target(run)})
	}
	seen := map[string]bool{}
	for _, out := range o.Outputs {
		if out.Path != "" && !seen[out.Format.Name] {
			seen[out.Format.Name] = true
			pairs = append(pairs, [2]string{out.Format.Name, out.Path})
		}
	}
	var b bytes.Buffer
	for _, p := range pairs {
		delimiter := "imagegate-" + rand.Text()
		if strings.Contains(p[1], delimiter) {
			return errors.New("a value holds its own delimiter")
		}
		fmt.Fprintf(&b, "%s<<%s\n%s\n%s\n", p[0], delimiter, p[1], delimiter)
	}
	_, err = w.Write(b.Bytes())
	return err
}

func digestsJSON(run *gate.Run) (string, error) {
	list := []judged{}
	for i := range run.Results {
		r := &run.Results[i]
		j := judged{Reference: r.Ref, Verdict: r.Decision().String()}
		if e := r.Evidence; e != nil {
			j.Platform = e.Platform
			if isDigest(e.Digest) {
				j.Digest = e.Digest
			}
		}
		list = append(list, j)
	}
	doc, err := strictjson.Marshal(list)
	return string(safe.JSON(doc)), err
}

// Digest returns the one digest that the run judged and that can be deployed:
// of the index, where the reference named one. It is "" when the run had several
// references, none that could be resolved, or an image that is not yet where its name
// says.
func Digest(run *gate.Run) string {
	digest := ""
	for i := range run.Results {
		r := &run.Results[i]
		if r.Evidence == nil || r.Ref != run.Results[0].Ref || r.Evidence.Reference.JudgedFrom != "" {
			return ""
		}
		d := r.Evidence.RootDigest()
		if digest != "" && d != digest || !isDigest(d) {
			return ""
		}
		digest = d
	}
	return digest
}

// Target returns what was promoted, by its digest and at the first target:
// REPOSITORY@DIGEST. It is "" unless the image is at every target.
func Target(run *gate.Run) string {
	p := run.Promotion
	if !p.Done() || run.Outcome() != policy.Passed && !run.Excused() || !isDigest(p.Digest) {
		return ""
	}
	return p.Targets[0].Target + "@" + p.Digest
}

// Dotenv writes variables for later jobs, as GitLab reads them from
// artifacts:reports:dotenv: one on each line, without quotes and comments. A value is
// a word of ours, a digest, or the name of a repository, which has no white space.
func Dotenv(w io.Writer, run *gate.Run) error {
	_, err := fmt.Fprintf(w, "IMAGEGATE_VERDICT=%s\nIMAGEGATE_DIGEST=%s\nIMAGEGATE_TARGET=%s\n", run.Outcome(), Digest(run), Target(run))
	return err
}

// Section begins a part of the log that readers can fold, and returns what ends
// it. Without a CI system that folds, both write nothing. The name must be the
// same in no other section of the job.
func (e Environment) Section(w io.Writer, name, title string, now func() time.Time) (end func() error, err error) {
	nothing := func() error { return nil }
	title = safe.Terminal(title)
	switch e.System {
	case GitHub:
		if _, err := fmt.Fprintf(w, "::group::%s\n", safe.Annotation(title)); err != nil {
			return nothing, err
		}
		return func() error { _, err := io.WriteString(w, "::endgroup::\n"); return err }, nil
	case GitLab:
		name = sectionName(name)
		if _, err := fmt.Fprintf(w, "\x1b[0Ksection_start:%d:%s\r\x1b[0K%s\n", now().Unix(), name, title); err != nil {
			return nothing, err
		}
		return func() error {
			_, err := fmt.Fprintf(w, "\x1b[0Ksection_end:%d:%s\r\x1b[0K\n", now().Unix(), name)
			return err
		}, nil
	}
	return nothing, nil
}

// sectionName keeps what GitLab allows in the name of a section.
func sectionName(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, strings.ToLower(s))
}
