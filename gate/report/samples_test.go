package report_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// The runs that the formats are tested with. Each call builds a new one, so
// that a writer that changes its input is found out.
func samples() map[string]*gate.Run {
	return map[string]*gate.Run{
		"pass":       passRun(),
		"fail":       failRun(),
		"plan":       plannedRun(),
		"no-verdict": noVerdictRun(),
		"undecided":  undecidedRun(),
		"platforms":  platformsRun(),
		"many":       manyRun(400),
		"hostile":    hostileRun("evil"),
		"empty":      newRun(),
		"promoted":   promotedRun(),
		"release":    releaseRun(),
		"emergency":  emergencyRun(),
	}
}

// promotedRun is a promotion to two targets, of which the second was not finished.
func promotedRun() *gate.Run {
	run := passRun()
	run.Promotion = &gate.Promotion{Source: "registry.example.no/test/app", Digest: digestA, Rollback: "1.4.3 loses orders", Targets: []gate.PromotionTarget{
		target("registry.example.no/prod/app"), target("mirror.example.no/prod/app"),
	}}
	run.Promotion.Targets[1].Done, run.Promotion.Targets[1].Error = false, "set the tags: 503; no tag was changed"
	run.Unpromoted(errors.New("set the tags: 503"))
	return run
}

// emergencyRun is a promotion of an image that fails.
func emergencyRun() *gate.Run {
	run := failRun()
	run.Promotion = &gate.Promotion{
		Source: "registry.example.no/test/app", Digest: digestA, Targets: []gate.PromotionTarget{target("registry.example.no/prod/app")},
		Emergency: &gate.Emergency{Reason: "the shop is down", By: "anna.berg", Until: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)},
	}
	return run
}

func target(name string) gate.PromotionTarget {
	return gate.PromotionTarget{
		Target: name, Done: true, Blobs: 9, Bytes: 48_000_000,
		Nodes: []gate.PromotedManifest{
			{MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: digestB, Size: 600, Why: "referrer", Parent: digestA},
			{MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: digestA, Size: 1200, Why: "image"},
		},
		Tags: []gate.PromotedTag{
			{Name: "sha256-" + strings.Repeat("a", 64) + ".sig", Before: digestI, After: digestB, Merge: true},
			{Name: "1.4.2", After: digestA}, {Name: "stable", Before: digestI, After: digestA}, {Name: "latest", Before: digestA, After: digestA},
		},
	}
}

var started = time.Date(2026, 11, 23, 8, 0, 0, 0, time.FixedZone("", 3600))

const (
	policyPath = "ci/imagegate.yaml"
	digestA    = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB    = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	digestI    = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	diffBase   = "sha256:ba5e0000000000000000000000000000000000000000000000000000000000ff"
	diffOwn    = "sha256:0a7e0000000000000000000000000000000000000000000000000000000000ff"
)

func newRun(results ...gate.Result) *gate.Run {
	return &gate.Run{
		Tool: "imagegate 0.1.0", Engine: "trivy 0.74.0", Started: started,
		Policy: gate.PolicySource{Path: policyPath, SHA256: "5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b"},
		Database: &evidence.Database{
			Source: "ghcr.io/aquasecurity/trivy-db:2", Digest: digestI, Version: 2, UpdatedAt: started.Add(-26 * time.Hour),
		},
		Results: results,
	}
}

func newImage(ref, name, digest, platform string) *evidence.Image {
	uid := int64(65532)
	return &evidence.Image{
		SchemaVersion: 1, Digest: digest, Platform: platform, Platforms: []string{platform},
		Reference: evidence.Reference{Asked: ref, Source: evidence.SourceRegistry, Name: name},
		Config: &evidence.Config{User: "65532", Layers: []evidence.Layer{
			{Digest: digestA, DiffID: diffBase, CreatedBy: "/bin/sh -c #(nop) ADD file:12ab in /", Base: true},
			{Digest: digestB, DiffID: diffOwn, CreatedBy: "RUN /bin/sh -c apt-get update &&   apt-get install -y libxml2 # buildkit"},
		}},
		Scan: &evidence.Scan{
			Engine: "trivy 0.74.0", Need: evidence.NeedPackages | evidence.NeedUser,
			OS:   &evidence.OS{Family: "debian", Release: "12.5"},
			User: &evidence.User{Spec: "65532", UID: &uid, Numeric: true},
			Packages: []evidence.Package{
				{Name: "openssl", Type: "debian"}, {Name: "libxml2", Type: "debian"}, {Name: "lodash", Type: "npm"},
			},
			Coverage: evidence.Coverage{Gaps: []evidence.Gap{}, Counts: []evidence.Count{{Type: "dpkg", Path: "var/lib/dpkg/status", Expected: 2, Got: 2}}, Executables: 40},
		},
	}
}

func rule(id string, result policy.Result, line int, message string) policy.RuleResult {
	return policy.RuleResult{Rule: id, Result: result, Message: message, Position: policy.Position{File: policyPath, Line: line, Column: 3}}
}

func failedRule(id string, line int, message, allowed, cure string, details ...string) policy.RuleResult {
	r := rule(id, policy.ResultFail, line, message)
	r.Allowed, r.Cure, r.Details = allowed, cure, details
	return r
}

func finding(id string, s evidence.Severity, pkg, version, fixed string, c policy.Class) policy.Judged {
	published := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	j := policy.Judged{
		Finding: &evidence.Finding{
			Advisory: &evidence.Advisory{
				ID:             id,
				Severity:       s,
				SeveritySource: "debian",
				Title:          "a flaw in " + pkg,
				Description:    "A flaw in " + pkg + " lets an attacker read memory.",
				URL:            "https://avd.aquasec.com/nvd/" + id,
				CVSS:           map[string]evidence.CVSS{"nvd": {V3Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", V3Score: 9.8}, "ghsa": {V40Vector: "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", V40Score: 9.3}},
				References:     []string{"https://example.org/advisory/" + id, "not a link"},
				Published:      &published,
				VendorSeverity: map[string]evidence.Severity{"nvd": s, "debian": s},
			},
			FixedVersion: fixed,
			Status:       "fixed",
			Package:      &evidence.Package{Name: pkg, Version: version, Type: "debian", Class: evidence.ClassOS, PURL: "pkg:deb/debian/" + pkg + "@" + version, Layer: diffBase},
		},
		Severity: s, Class: c,
	}
	if c == policy.ClassBlocking {
		j.Rule, j.Reason = "vulnerabilities.max", "over the maximum for "+string(s)
	}
	return j
}

// releaseRun is a run with documents: a service that is privileged, one whose image
// was read from elsewhere, and an image that passes in this release only.
func releaseRun() *gate.Run {
	at := func(line, column int) evidence.Place {
		return evidence.Place{File: "deploy/compose.yaml", Line: line, Column: column}
	}
	named := func(ref string, line int) evidence.ImageName {
		return evidence.ImageName{Image: ref, Ref: ref, At: at(line, 12)}
	}
	const web, db = "registry.example.no/shop/web:1.4.2", "registry.example.no/shop/db:16.2.1"
	docs := &evidence.Release{
		SchemaVersion: 1,
		Documents: []evidence.Document{
			{File: "deploy/compose.yaml", Kind: evidence.DocumentCompose, SHA256: digestA[7:], Objects: map[string]int{"service": 2}},
			{File: "Dockerfile", Kind: evidence.DocumentDockerfile, SHA256: digestB[7:], Objects: map[string]int{"stage": 1}},
		},
		Workloads: []evidence.Workload{
			{Object: evidence.Object{Kind: "service", Name: "db", At: at(9, 3)}, Document: evidence.DocumentCompose,
				Containers: []evidence.Container{{Name: "db", Kind: evidence.ContainerService, At: at(9, 3), Image: named(db, 10)}}},
			{Object: evidence.Object{Kind: "service", Name: "web", At: at(2, 3)}, Document: evidence.DocumentCompose,
				Containers: []evidence.Container{{Name: "web", Kind: evidence.ContainerService, At: at(2, 3), Image: named(web, 3)}}},
		},
	}
	docs.Workloads[1].Containers[0].Image.Source = "oci:build"
	privileged := failedRule("workload.deny-privileged", 6, "container web is privileged", "no privileged container", "remove privileged: true")
	privileged.Problems = []policy.Problem{{Result: policy.ResultFail, Workload: "service/web", Container: "web", At: at(4, 5), Message: "is privileged", Cure: "remove privileged: true"}}
	user := failedRule("dockerfile.user", 8, "the built image runs as root: USER 0", "a user that is not root", "end the last stage with USER 10001")
	user.Problems = []policy.Problem{{Result: policy.ResultFail, At: evidence.Place{File: "Dockerfile", Line: 4, Column: 6}, Message: "the built image runs as root: USER 0"}}
	tmp := rule("workload.read-only-root", policy.ResultWarn, 7, "container db has no writable /tmp")
	tmp.Problems = []policy.Problem{{Result: policy.ResultWarn, Workload: "service/db", Container: "db", At: at(9, 3), Message: "has no writable /tmp", Cure: "mount a tmpfs at /tmp"}}
	documents := rule("workload.documents", policy.ResultPass, 0, "2 documents, 2 workloads and 2 images, all read and judged")
	asRoot := failedRule("config.user", 9, "runs as root: USER is not set", "any user but root", "end the Dockerfile with USER 10001")
	one, two := newImage(db, "registry.example.no/shop/db", digestA, "linux/amd64"), newImage(web, "registry.example.no/shop/web", digestB, "linux/amd64")
	two.Reference.JudgedFrom = "oci:build"
	run := newRun(
		gate.Result{Ref: db, Evidence: one, Verdict: policy.Verdict{Decision: policy.Denied, Rules: []policy.RuleResult{asRoot}},
			InRelease: &policy.Verdict{Decision: policy.Passed, Rules: []policy.RuleResult{rule("config.user", policy.ResultPass, 9, "the one container of this release runs it as uid 10001")}}},
		gate.Result{Ref: web, Evidence: two, Verdict: policy.Verdict{Decision: policy.Passed, Rules: []policy.RuleResult{rule("config.user", policy.ResultPass, 9, "runs as uid 65532")}}},
	)
	run.Release = &gate.Release{Evidence: docs, Verdict: policy.ReleaseVerdict{
		Decision: policy.Denied, Rules: []policy.RuleResult{documents, user},
		Workloads: []policy.WorkloadVerdict{
			{Decision: policy.Passed, Rules: []policy.RuleResult{tmp}},
			{Decision: policy.Denied, Rules: []policy.RuleResult{privileged}},
		},
	}}
	return run
}

func passRun() *gate.Run {
	img := newImage("registry.example.no/shop/app:1.4.2", "registry.example.no/shop/app", digestA, "linux/amd64")
	return newRun(gate.Result{Ref: img.Reference.Asked, Evidence: img, Verdict: policy.Verdict{
		Decision: policy.Passed,
		Rules: []policy.RuleResult{
			rule("reference.pin", policy.ResultPass, 4, "the image is named by version"),
			rule("config.user", policy.ResultPass, 9, "runs as uid 65532"),
			rule("vulnerabilities.max", policy.ResultPass, 12, "no finding over a maximum"),
			rule("licenses", policy.ResultOff, 0, ""),
		},
	}})
}

func failRun() *gate.Run {
	img := newImage("registry.example.no:5000/shop/app:latest", "registry.example.no:5000/shop/app", digestA, "linux/amd64")
	used, soon, expired, unused, scope, refused := exceptions()
	npm := finding("GHSA-35jh-r3h4-6jhm", evidence.SeverityHigh, "lodash", "4.17.20", "4.17.21", policy.ClassBlocking)
	npm.Aliases = []string{"CVE-2021-23337"}
	npm.Package.Type, npm.Package.Class, npm.Package.Layer = "npm", evidence.ClassLanguage, diffOwn
	npm.Package.Path, npm.Package.PURL = "usr/src/app/package-lock.json", "pkg:npm/lodash@4.17.20"
	excepted := finding("CVE-2023-45853", evidence.SeverityCritical, "zlib1g", "1:1.2.13.dfsg-1", "", policy.ClassExcepted)
	excepted.Exception, excepted.Reason = used, "excepted until 2027-01-31"
	grace := finding("CVE-2026-4444", evidence.SeverityHigh, "curl", "7.88.1-10", "7.88.1-11", policy.ClassGrace)
	grace.GraceUntil = started.Add(48 * time.Hour)
	return newRun(gate.Result{
		Ref: img.Reference.Asked, Evidence: img,
		Skipped: []evidence.Skipped{{Digest: digestB, Platform: "unknown/unknown", Reason: "attestation manifest"}},
		Verdict: policy.Verdict{
			Decision: policy.Denied,
			Rules: []policy.RuleResult{
				failedRule("reference.deny-tags", 5, `the tag is "latest"`, `no tag like "latest", "edge"`, "name a version, or better a digest"),
				rule("config.user", policy.ResultPass, 9, "runs as uid 65532"),
				failedRule("vulnerabilities.max", 12, "3 critical and 1 high findings", "at most 0 critical, 0 high",
					"upgrade openssl to 3.0.14-1, libxml2 to 2.9.14-2 and lodash to 4.17.21", "critical: 3, at most 0", "high: 1, at most 0"),
				rule("coverage.unattributed", policy.ResultWarn, 30, "2 executables belong to no package"),
				rule("licenses", policy.ResultOff, 0, ""),
			},
			Findings: []policy.Judged{
				finding("CVE-2024-0001", evidence.SeverityCritical, "openssl", "3.0.11-1", "3.0.14-1", policy.ClassBlocking),
				finding("CVE-2024-0002", evidence.SeverityCritical, "openssl", "3.0.11-1", "3.0.14-1", policy.ClassBlocking),
				ownLayer(finding("CVE-2024-0003", evidence.SeverityCritical, "libxml2", "2.9.14-1", "2.9.14-2", policy.ClassBlocking)),
				npm,
				finding("CVE-2025-7777", evidence.SeverityMedium, "tar", "1.34", "", policy.ClassUnfixed),
				finding("CVE-2025-8888", evidence.SeverityLow, "bash", "5.2", "5.3", policy.ClassBelowThreshold),
				grace, excepted,
			},
			Exceptions: []policy.ExceptionUse{
				{Exception: used, Status: policy.ExceptionUsed, Matches: 1, DaysLeft: 69},
				{Exception: soon, Status: policy.ExceptionUsed, Matches: 2, DaysLeft: 5, EndsSoon: true},
				{Exception: expired, Status: policy.ExceptionExpired, Matches: 1, DaysLeft: -22},
				{Exception: unused, Status: policy.ExceptionUnused, DaysLeft: 30},
				{Exception: scope, Status: policy.ExceptionOutOfScope, DaysLeft: 30, Why: "no image matches"},
				{Exception: refused, Status: policy.ExceptionRefused, Matches: 1, DaysLeft: 30, Why: "critical findings are never excepted"},
			},
		},
	})
}

func ownLayer(j policy.Judged) policy.Judged { j.Package.Layer = diffOwn; return j }

func exceptions() (used, soon, expired, unused, scope, refused *policy.Exception) {
	e := func(id string, line int, expires string) *policy.Exception {
		day, err := time.Parse(time.DateOnly, expires)
		if err != nil {
			panic(err)
		}
		return &policy.Exception{ID: id, Reason: "not reachable", Owner: "team-shop", Expires: day, Position: policy.Position{File: policyPath, Line: line, Column: 5}}
	}
	used, soon, expired, unused, scope, refused = e("CVE-2023-45853", 40, "2027-01-31"), e("CVE-2025-1111", 46, "2026-11-28"),
		e("CVE-2024-0003", 52, "2026-11-01"), e("CVE-2020-0000", 58, "2026-12-23"), e("CVE-2024-0001", 64, "2026-12-23"), e("CVE-2024-0002", 70, "2026-12-23")
	used.Package, scope.Images = "pkg:deb/debian/zlib1g", []string{"registry.example.no/other/*"}
	return used, soon, expired, unused, scope, refused
}

func noVerdictRun() *gate.Run {
	err := &gate.Fault{Phase: gate.PhaseResolve,
		Err:  errors.New("resolve registry.example.no/shop/app:1.4.2: 401 Unauthorized (no credentials were found for registry.example.no)"),
		Hint: "log in first: docker login registry.example.no"}
	run := newRun(gate.Result{Ref: "registry.example.no/shop/app:1.4.2", Err: fmt.Errorf("check: %w", err)})
	run.Database = nil
	run.Notes = []string{".trivyignore was seen and not followed"}
	return run
}

func undecidedRun() *gate.Run {
	run := passRun()
	v := &run.Results[0].Verdict
	v.Decision = policy.Undecided
	v.Rules[1] = rule("config.user", policy.ResultUndecided, 9, `the user "app" is not in /etc/passwd`)
	v.Rules[1].Allowed, v.Rules[1].Cure = "a user that is not root", "write USER as a number, as in USER 65532"
	return run
}

func platformsRun() *gate.Run {
	ref := "registry.example.no/shop/app:1.4.2"
	amd := newImage(ref, "registry.example.no/shop/app", digestA, "linux/amd64")
	arm := newImage(ref, "registry.example.no/shop/app", digestB, "linux/arm64/v8")
	amd.IndexDigest, arm.IndexDigest = digestI, digestI
	pass := passRun().Results[0].Verdict
	fail := failRun().Results[0].Verdict
	local := newImage("oci:build/layout:app", "oci:build/layout", digestB, "linux/amd64")
	fetch := &gate.Fault{Phase: gate.PhaseScan, Err: &gate.Fault{Phase: gate.PhaseFetch,
		Err: errors.New("fetch layer 3 of 5:\nread: connection reset by peer"), Hint: "run again; if it stays, ask the registry's operators"}}
	return newRun(
		gate.Result{Ref: ref, Evidence: amd, Verdict: pass, Skipped: []evidence.Skipped{{Digest: digestI, Platform: "windows/amd64", Reason: "not asked for"}}},
		gate.Result{Ref: ref, Evidence: arm, Verdict: fail},
		gate.Result{Ref: "oci:build/layout:app", Evidence: local, Verdict: pass},
		gate.Result{Ref: "ghcr.io/example/tool@" + digestA, Evidence: newImage("ghcr.io/example/tool@"+digestA, "ghcr.io/example/tool", digestA, "linux/amd64"), Err: fetch},
	)
}

func manyRun(n int) *gate.Run {
	run := failRun()
	v := &run.Results[0].Verdict
	v.Findings, v.Exceptions = nil, nil
	severities := []evidence.Severity{evidence.SeverityCritical, evidence.SeverityHigh, evidence.SeverityHigh, evidence.SeverityMedium, evidence.SeverityUnknown}
	for i := range n {
		f := finding(fmt.Sprintf("CVE-2024-%05d", i), severities[i%len(severities)], fmt.Sprintf("package-%03d", i*7%211), "1.0."+fmt.Sprint(i*7%211), fmt.Sprintf("1.1.%d", i%3), policy.ClassBlocking)
		if i%11 == 0 {
			f.FixedVersion = ""
		}
		v.Findings = append(v.Findings, f)
	}
	return run
}

// hostileText has everything that one of the formats could trip over.
const hostileText = "\x1b[2J\x1b]0;x\x07\r\n::error::pwned\n##[group]x ##vso[task.complete result=Succeeded] ##teamcity[x] section_start:1:a\r\x1b[0K" +
	"|`<img src=x onerror=alert(1)>[a](http://evil.example)@octocat #1 \u202e\u200b\u009b \xff\xfe ]]> %0A,:\"'\\ 日本"

// hostileRun puts the text into every string that an image, a registry or a
// database can choose.
func hostileRun(text string) *gate.Run {
	if text == "evil" {
		text = hostileText
	}
	img := newImage(text, text, text, text)
	img.IndexDigest = text
	for i := range img.Config.Layers {
		img.Config.Layers[i].CreatedBy = text
	}
	img.Config.Layers[0].DiffID = text
	s := img.Scan
	s.OS = &evidence.OS{Family: text, Release: text}
	s.User.Spec, s.User.Via = text, text
	s.Packages = []evidence.Package{{Name: text, Type: text}}
	s.Secrets = []evidence.Secret{{RuleID: text, Category: text, Title: text, Path: text, Layer: text, Severity: evidence.Severity(text)}}
	s.Licenses = []evidence.License{{Name: text, Package: text, Type: text, Path: text, Category: text}}
	s.Coverage = evidence.Coverage{Gaps: []evidence.Gap{{Kind: evidence.GapScannerErrors, Subject: text, Detail: text, Layer: text}}, SBOMs: []string{text}, Unattributed: []string{text}, UnattributedCount: 1, Notes: []string{text}}
	r := policy.RuleResult{Rule: text, Result: policy.ResultFail, Message: text, Allowed: text, Cure: text, Details: []string{text, text}, Position: policy.Position{File: text, Line: 3}}
	warn, undecided, pass := r, r, r
	warn.Result, undecided.Result, pass.Result = policy.ResultWarn, policy.ResultUndecided, policy.ResultPass
	e := &policy.Exception{ID: text, Package: text, Images: []string{text}, Paths: []string{text}, Reason: text, Owner: text, Expires: started, Position: r.Position}
	v := policy.Verdict{Decision: policy.Denied, Rules: []policy.RuleResult{r, warn, undecided, pass}}
	for _, c := range []policy.Class{policy.ClassBlocking, policy.ClassExcepted, policy.ClassUnfixed, policy.ClassGrace} {
		j := hostileFinding(text, c)
		if c == policy.ClassExcepted {
			j.Exception = e
		}
		v.Findings = append(v.Findings, j)
	}
	for _, status := range []policy.ExceptionStatus{policy.ExceptionUsed, policy.ExceptionUnused, policy.ExceptionExpired, policy.ExceptionOutOfScope, policy.ExceptionRefused} {
		other := *e
		other.Position.Line += len(v.Exceptions)
		v.Exceptions = append(v.Exceptions, policy.ExceptionUse{Exception: &other, Status: status, Matches: 1, Why: text})
	}
	v.Overrides = []policy.AppliedOverride{{Position: r.Position, Loosens: []string{text}, Reason: text, Owner: text}}
	skipped := []evidence.Skipped{{Digest: text, Platform: text, Reason: text}}
	run := newRun(
		gate.Result{Ref: text, Evidence: img, Verdict: v, Skipped: skipped},
		gate.Result{Ref: text, Err: &gate.Fault{Phase: gate.Phase("scan"), Err: errors.New(text), Hint: text}},
	)
	run.Notes = []string{text}
	run.Database.Source, run.Database.Digest = text, text
	run.Policy = gate.PolicySource{Path: text, SHA256: text}
	return run
}

func hostileFinding(text string, c policy.Class) policy.Judged {
	j := finding(text, evidence.Severity(text), text, text, text, c)
	j.Aliases, j.Status, j.SeveritySource, j.DataSource = []string{text}, text, text, text
	j.Title, j.Description, j.URL, j.References, j.CWEs = text, text, text, []string{text}, []string{text}
	j.VendorSeverity = map[string]evidence.Severity{text: evidence.Severity(text)}
	j.CVSS = map[string]evidence.CVSS{text: {V3Vector: text}}
	j.Package = &evidence.Package{Name: text, Version: text, Type: text, Class: evidence.Class(text), PURL: text, Path: text, Layer: text, SourceName: text}
	j.Rule, j.Reason = text, text
	return j
}
