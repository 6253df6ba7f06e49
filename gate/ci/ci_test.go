package ci_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/ci"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	digestI = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
)

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func result(ref, index, digest, platform string, d policy.Decision) gate.Result {
	return gate.Result{Ref: ref, Verdict: policy.Verdict{Decision: d, Rules: []policy.RuleResult{
		{Rule: "config.user", Result: map[policy.Decision]policy.Result{policy.Passed: policy.ResultPass, policy.Denied: policy.ResultFail}[d], Message: "root",
			Position: policy.Position{File: "/repo/imagegate.yaml", Line: 7}},
	}}, Evidence: &evidence.Image{Digest: digest, IndexDigest: index, Platform: platform, Reference: evidence.Reference{Asked: ref, Name: ref}}}
}

func TestDetect(t *testing.T) {
	github := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "/s", "GITHUB_OUTPUT": "/o", "GITHUB_WORKSPACE": "/w"}
	gitlab := map[string]string{"GITLAB_CI": "true", "CI_PROJECT_DIR": "/p", "CS_DEFAULT_BRANCH_IMAGE": "main"}
	isGitHub := ci.Environment{System: ci.GitHub, Summary: "/s", Outputs: "/o", Workspace: "/w"}
	isGitLab := ci.Environment{System: ci.GitLab, Workspace: "/p", DefaultBranchImage: "main"}
	for _, c := range []struct {
		name string
		vars map[string]string
		want ci.Environment
	}{
		{"auto", github, isGitHub}, {"", github, isGitHub}, {"auto", gitlab, isGitLab}, {"auto", nil, ci.Environment{System: ci.None}},
		{"auto", map[string]string{"CI": "true", "GITHUB_ACTIONS": "false", "GITLAB_CI": "1"}, ci.Environment{System: ci.None}},
		{"none", github, ci.Environment{System: ci.None}}, {"gitlab", github, ci.Environment{System: ci.GitLab}}, {"github", nil, ci.Environment{System: ci.GitHub}},
	} {
		got, err := ci.Choose(c.name, env(c.vars))
		if err != nil || got != c.want {
			t.Errorf("Choose(%q, %v) = %+v, %v, want %+v", c.name, c.vars, got, err, c.want)
		}
	}
	if _, err := ci.Choose("jenkins", env(nil)); err == nil || !strings.Contains(err.Error(), "use auto, github, gitlab or none") {
		t.Errorf("an unknown system gives %v", err)
	}
}

// readOutputs reads GITHUB_OUTPUT as the runner does.
func readOutputs(t *testing.T, doc string) map[string]string {
	t.Helper()
	out := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(doc, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		name, delimiter, ok := strings.Cut(lines[i], "<<")
		if !ok {
			t.Fatalf("line %d is no output: %q", i+1, lines[i])
		}
		var value []string
		for i++; i < len(lines) && lines[i] != delimiter; i++ {
			value = append(value, lines[i])
		}
		if _, twice := out[name]; twice || i == len(lines) {
			t.Fatalf("output %s is there twice, or does not end", name)
		}
		out[name] = strings.Join(value, "\n")
	}
	return out
}

func TestOutputs(t *testing.T) {
	output := func(s string) report.Output {
		o, err := report.ParseOutput(s)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	run := &gate.Run{Results: []gate.Result{
		result("app:1", digestI, digestA, "linux/amd64", policy.Passed), result("app:1", digestI, digestB, "linux/arm64", policy.Denied)}}
	var b bytes.Buffer
	o := ci.Options{ExitCode: 1, Outputs: []report.Output{output("text"), output("sarif=a.sarif"), output("sarif=b.sarif"), output("json=x\nverdict<<E\npass\nE")}}
	if err := ci.Outputs(&b, run, o); err != nil {
		t.Fatal(err)
	}
	got := readOutputs(t, b.String())
	want := map[string]string{
		"verdict": "fail", "exit-code": "1", "digest": digestI, "sarif": "a.sarif", "json": "x\nverdict<<E\npass\nE",
		"digests": `[{"reference":"app:1","platform":"linux/amd64","digest":"` + digestA + `","verdict":"pass"},` +
			`{"reference":"app:1","platform":"linux/arm64","digest":"` + digestB + `","verdict":"fail"}]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	delimiters := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^[a-z-]+<<(imagegate-[A-Z2-7]{26})$`).FindAllStringSubmatch(b.String(), -1) {
		delimiters[m[1]] = true
	}
	if len(delimiters) != len(want) {
		t.Errorf("%d delimiters for %d outputs", len(delimiters), len(want))
	}
}

func TestDigestIsOneOrNone(t *testing.T) {
	passed := policy.Passed
	for name, c := range map[string]struct {
		results []gate.Result
		want    string
	}{
		"one image":         {[]gate.Result{result("a", "", digestA, "linux/amd64", passed)}, digestA},
		"an index":          {[]gate.Result{result("a", digestI, digestA, "linux/amd64", passed), result("a", digestI, digestB, "linux/arm64", passed)}, digestI},
		"two references":    {[]gate.Result{result("a", "", digestA, "linux/amd64", passed), result("b", "", digestA, "linux/amd64", passed)}, ""},
		"a moved tag":       {[]gate.Result{result("a", "", digestA, "linux/amd64", passed), result("a", "", digestB, "linux/amd64", passed)}, ""},
		"not resolved":      {[]gate.Result{{Ref: "a", Err: errors.New("x")}}, ""},
		"no result":         {nil, ""},
		"a hostile digest":  {[]gate.Result{result("a", "", "sha256:$(rm -rf /)", "linux/amd64", passed)}, ""},
		"an upper case one": {[]gate.Result{result("a", "", strings.ToUpper(digestA), "linux/amd64", passed)}, ""},
	} {
		run := &gate.Run{Results: c.results}
		if got := ci.Digest(run); got != c.want {
			t.Errorf("%s: digest %q, want %q", name, got, c.want)
		}
	}
}

func TestPublish(t *testing.T) {
	dir := t.TempDir()
	e := ci.Environment{System: ci.GitHub, Summary: filepath.Join(dir, "summary"), Outputs: filepath.Join(dir, "output"), Workspace: "/repo"}
	for path, earlier := range map[string]string{e.Summary: "earlier\n", e.Outputs: "earlier<<X\n1\nX\n"} {
		if err := os.WriteFile(path, []byte(earlier), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := &gate.Run{Results: []gate.Result{result("app:1", "", digestA, "linux/amd64", policy.Denied)}}
	var stdout bytes.Buffer
	if err := e.Publish(run, ci.Options{Stdout: &stdout, ExitCode: 1}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stdout.String(), "::error file=imagegate.yaml,line=7,title=imagegate%3A config.user%3A fail::root%0A") {
		t.Errorf("annotations:\n%s", stdout.String())
	}
	if s := read(t, e.Summary); !strings.HasPrefix(s, "earlier\n## imagegate: FAIL\n") {
		t.Errorf("summary:\n%s", s)
	}
	if out := readOutputs(t, read(t, e.Outputs)); out["earlier"] != "1" || out["verdict"] != "fail" {
		t.Errorf("outputs: %v", out)
	}
	for _, system := range []ci.System{ci.None, ci.GitLab, ""} {
		e.System = system
		stdout.Reset()
		if err := e.Publish(run, ci.Options{Stdout: &stdout}); err != nil || stdout.Len() > 0 {
			t.Errorf("%q published %q, %v", system, stdout.String(), err)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPublishTriesEverything: what cannot be written is named, all of it, and
// what can be written is.
func TestPublishTriesEverything(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := errors.Join(os.WriteFile(victim, nil, 0o644), os.Symlink(victim, filepath.Join(dir, "link"))); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	run := &gate.Run{Results: []gate.Result{result("app:1", "", digestA, "linux/amd64", policy.Denied)}}
	for name, c := range map[string]struct {
		e    ci.Environment
		want []string
	}{
		"not set":  {ci.Environment{System: ci.GitHub}, []string{"GITHUB_OUTPUT is not set", "GITHUB_STEP_SUMMARY is not set"}},
		"missing":  {ci.Environment{System: ci.GitHub, Summary: filepath.Join(dir, "no", "s"), Outputs: dir}, []string{"step outputs were not written: " + dir + " is not a regular file", "the job summary was not written: open "}},
		"a link":   {ci.Environment{System: ci.GitHub, Summary: filepath.Join(dir, "link"), Outputs: filepath.Join(dir, "link")}, []string{"outputs were not written", "summary was not written", "is not a regular file"}},
		"a device": {ci.Environment{System: ci.GitHub, Summary: os.DevNull, Outputs: os.DevNull}, []string{"is not a regular file"}},
	} {
		var stdout bytes.Buffer
		err := c.e.Publish(run, ci.Options{Stdout: &stdout})
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", name, err, want)
			}
		}
		if !strings.HasPrefix(stdout.String(), "::error ") {
			t.Errorf("%s: no annotations: %q", name, stdout.String())
		}
		if run.Outcome() != policy.Denied {
			t.Errorf("%s: the verdict changed", name)
		}
	}
	if read(t, victim) != "" {
		t.Error("a symbolic link was followed")
	}
}

func TestSummaryStaysWithinTheStepsLimit(t *testing.T) {
	run := &gate.Run{}
	for i := range 3000 {
		run.Results = append(run.Results, result(fmt.Sprintf("app%d:1", i), "", digestA, "linux/amd64", policy.Denied))
	}
	for _, earlier := range []int{0, 500_000, 1_040_000, 1_048_000, 2 << 20} {
		path := filepath.Join(t.TempDir(), "summary")
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), earlier), 0o644); err != nil {
			t.Fatal(err)
		}
		err := ci.Environment{System: ci.GitHub, Summary: path, Outputs: path + ".out"}.Publish(run, ci.Options{})
		size := len(read(t, path))
		if full := earlier > 1_046_000; full != (err != nil && strings.Contains(err.Error(), "is full already")) || full && size != earlier {
			t.Errorf("with %d bytes before: %v, %d bytes after", earlier, err, size)
		} else if !full && (size > 1<<20 || size == earlier) {
			t.Errorf("with %d bytes before: %d bytes after", earlier, size)
		}
	}
}

func TestSections(t *testing.T) {
	now := func() time.Time { return time.Unix(1_700_000_000, 0) }
	hostile := "app\n::error::x\x1b[2K section_end:1:x"
	for system, want := range map[ci.System]string{
		ci.GitHub: "::group::app\\x0a:\\x3aerror:\\x3ax\\x1b[2K section_end\\x3a1:x\nbody\n::endgroup::\n",
		ci.GitLab: "\x1b[0Ksection_start:1700000000:my_name_1\r\x1b[0Kapp\\x0a:\\x3aerror:\\x3ax\\x1b[2K section_end\\x3a1:x\nbody\n\x1b[0Ksection_end:1700000000:my_name_1\r\x1b[0K\n",
		ci.None:   "body\n",
	} {
		var b bytes.Buffer
		end, err := ci.Environment{System: system}.Section(&b, "My name:1", hostile, now)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("body\n")
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", system, diff)
		}
	}
}

func TestDigestsAreJSONWithoutCommands(t *testing.T) {
	run := &gate.Run{Results: []gate.Result{result("::error::x\n\u202e", "", "not a digest", "##[group]", policy.Denied)}}
	var b bytes.Buffer
	if err := ci.Outputs(&b, run, ci.Options{}); err != nil {
		t.Fatal(err)
	}
	var list []map[string]string
	if err := json.Unmarshal([]byte(readOutputs(t, b.String())["digests"]), &list); err != nil {
		t.Fatal(err)
	}
	want := []map[string]string{{"reference": "::error::x\n\u202e", "platform": "##[group]", "digest": "", "verdict": "fail"}}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("digests (-want +got):\n%s", diff)
	}
	if strings.Contains(b.String(), "::") || strings.Contains(b.String(), "##[") {
		t.Errorf("a command in\n%s", b.String())
	}
}

// The target is handed on only when everything is there, and never a digest or a
// variable that an image chose.
func TestTargetOfAPromotion(t *testing.T) {
	passed, denied := result("a", "", digestA, "linux/amd64", policy.Passed), result("a", "", digestA, "linux/amd64", policy.Denied)
	done := []gate.PromotionTarget{{Target: "r.no/prod/app", Done: true}, {Target: "q.no/prod/app", Done: true}}
	const want = "r.no/prod/app@" + digestA
	for name, c := range map[string]struct {
		result gate.Result
		p      *gate.Promotion
		want   string
	}{
		"promoted":            {passed, &gate.Promotion{Digest: digestA, Targets: done}, want},
		"a dry run":           {passed, &gate.Promotion{Digest: digestA, Targets: done, DryRun: true}, ""},
		"one of two":          {passed, &gate.Promotion{Digest: digestA, Targets: []gate.PromotionTarget{done[0], {Target: "q.no/prod/app"}}}, ""},
		"denied":              {denied, &gate.Promotion{Digest: digestA, Targets: done}, ""},
		"in an emergency":     {denied, &gate.Promotion{Digest: digestA, Targets: done, Emergency: &gate.Emergency{}}, want},
		"a pass that is gone": {gate.Result{Ref: "a", Err: errors.New("report")}, &gate.Promotion{Digest: digestA, Targets: done}, ""},
		"a hostile digest":    {passed, &gate.Promotion{Digest: "sha256:$(x)", Targets: done}, ""},
		"no promotion":        {passed, nil, ""},
	} {
		run := &gate.Run{Results: []gate.Result{c.result}, Promotion: c.p}
		if got := ci.Target(run); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
		var env, outputs bytes.Buffer
		if err := errors.Join(ci.Dotenv(&env, run), ci.Outputs(&outputs, run, ci.Options{})); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(env.String(), "\nIMAGEGATE_TARGET="+c.want+"\n") || strings.Count(env.String(), "\n") != 3 {
			t.Errorf("%s: dotenv %q", name, env.String())
		}
		if got, there := readOutputs(t, outputs.String())["target"]; there != (c.p != nil) || got != c.want {
			t.Errorf("%s: output %q, %v", name, got, there)
		}
	}
}
