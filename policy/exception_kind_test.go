package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	contentA = "sha256:" + "1111111111111111111111111111111111111111111111111111111111111111"
	contentB = "sha256:" + "2222222222222222222222222222222222222222222222222222222222222222"
)

// everyRule asks for everything that an exception can be for.
const everyRule = `version: 1
reference: {pin: digest}
config: {user: non-root, require-labels: [a]}
platforms: [linux/amd64]
vulnerabilities: {max: {high: 0}}
secrets: {max: 0}
licenses: {deny: [AGPL-3.0]}
coverage: {no-advisories: fail}
`

// withExceptions returns a policy with the exceptions, each of which gets what
// every exception must have.
func withExceptions(keys ...string) string {
	src := everyRule + "exceptions:\n"
	for _, k := range keys {
		src += "- {" + k + ", reason: because, expires: 2026-07-31}\n"
	}
	return src
}

// An exception says what it is for, with all keys that keep it narrow and no
// others.
func TestExceptionKindsAreNarrow(t *testing.T) {
	const images, cause = `images: ["registry.example.no/shop/*"]`, `cause: "invalid character"`
	for keys, want := range map[string]string{
		`secret: aws-access-key-id, path: app/key.pem, content: "` + contentA + `"`:            "",
		`secret: aws-access-key-id, path: app/key.pem, content: "` + contentA + `", ` + images: "",
		`secret: aws-access-key-id, path: app/key.pem`:                                         `has no "content"`,
		`secret: aws-access-key-id, content: "` + contentA + `"`:                               `has no "path"`,
		`secret: "*", path: app/key.pem, content: "` + contentA + `"`:                          "patterns are refused",
		`secret: x, path: "app/*.pem", content: "` + contentA + `"`:                            "patterns are refused",
		`secret: x, path: app/key.pem, content: "sha256:*"`:                                    "no sha256",
		`secret: x, path: app/key.pem, content: "` + contentA + `", paths: ["**"]`:             "paths has no meaning",
		`license: AGPL-3.0, package: ghostscript`:                                              "",
		`license: AGPL-3.0, package: "pkg:deb/debian/ghostscript"`:                             "",
		`license: AGPL-3.0`:                       `has no "package"`,
		`license: "AGPL-*", package: ghostscript`: "patterns are refused",
		`gap: scanner-errors, ` + images + `, ` + cause + `, paths: ["app/vendor/**"]`:                  "",
		`gap: hidden-files, ` + images + `, ` + cause + `, paths: ["srv/data/link"]`:                    "",
		`gap: no-advisories, ` + images + `, ` + cause + `, package: "pkg:deb/debian/nginx@1.26.2-1"`:   "",
		`gap: scanner-errors, ` + images + `, paths: ["app/vendor/**"]`:                                 `has no "cause"`,
		`gap: scanner-errors, ` + images + `, cause: error, paths: ["app/vendor/**"]`:                   "shorter than",
		`gap: scanner-errors, ` + cause + `, paths: ["app/vendor/**"]`:                                  `has no "images"`,
		`gap: scanner-errors, ` + images + `, ` + cause:                                                 "anywhere in the image",
		`gap: scanner-errors, images: ["**"], ` + cause + `, paths: ["app/vendor/**"]`:                  "whatever their name",
		`gap: scanner-errors, ` + images + `, ` + cause + `, paths: ["**"]`:                             "too much",
		`gap: scanner-errors, ` + images + `, ` + cause + `, paths: ["app/**"]`:                         "too much",
		`gap: scanner-errors, ` + images + `, ` + cause + `, paths: ["app/v*/x"]`:                       "too much",
		`gap: scanner-errors, ` + images + `, ` + cause + `, paths: ["/app//vendor/x"]`:                 "too much",
		`gap: scanner-errors, ` + images + `, ` + cause + `, paths: ["app/../etc/*"]`:                   "too much",
		`gap: scanner-errors, ` + images + `, ` + cause + `, paths: ["etc/passwd"]`:                     "etc/passwd",
		`gap: scanner-errors, ` + images + `, ` + cause + `, paths: ["app/vendor/**", "var/lib/**"]`:    "var/lib/dpkg",
		`gap: scanner-errors, ` + images + `, ` + cause + `, paths: ["usr/lib/*"]`:                      "usr/lib/os-release",
		`gap: scanner-errors, ` + images + `, ` + cause + `, paths: ["VAR/LIB/dpkg/status.d/*"]`:        "var/lib/dpkg",
		`gap: no-advisories, ` + images + `, ` + cause + `, package: nginx`:                             "not one version",
		`gap: no-advisories, ` + images + `, ` + cause + `, package: "pkg:deb/debian/nginx"`:            "not one version",
		`gap: no-advisories, ` + images + `, ` + cause + `, package: "pkg:deb/debian/nginx@>=1.0"`:      "not one version",
		`gap: no-advisories, ` + images + `, ` + cause + `, package: "pkg:deb/debian/nginx@1.0 || 2.0"`: "not one version",
		`gap: unknown-os, ` + images + `, ` + cause + `, paths: ["app/vendor/**"]`:                      "unknown-os",
		`gap: package-database, ` + images + `, ` + cause + `, paths: ["app/vendor/**"]`:                "package-database",
		`gap: os-mismatch, ` + images + `, ` + cause + `, paths: ["app/vendor/**"]`:                     "os-mismatch",
		`gap: unsupported-os, ` + images + `, ` + cause + `, paths: ["app/vendor/**"]`:                  "unsupported-os",
		`gap: java-database, ` + images + `, ` + cause + `, paths: ["app/vendor/**"]`:                   "java-database",
		`rule: config.user, ` + images: "",
		`rule: platforms, ` + images + `, owner: team, ticket: SEC-1, approved-by: Kari`: "",
		`rule: config.user`:                                                  `has no "images"`,
		`rule: config.user, images: ["*/**"]`:                                "whatever their name",
		`rule: evidence, ` + images:                                          "evidence",
		`rule: vulnerabilities.deny, ` + images:                              "vulnerabilities.deny",
		`rule: coverage.end-of-life, ` + images:                              "coverage.end-of-life",
		`rule: secrets, ` + images:                                           "secrets",
		`id: CVE-2026-0001, justification: vulnerable_code_not_present`:      "",
		`id: CVE-2026-0001, justification: not-reachable`:                    "not-reachable",
		`id: CVE-2026-0001, secret: x`:                                       "is for id and for secret",
		`id: CVE-2026-0001, cause: "invalid character"`:                      "cause has no meaning",
		`rule: config.user, justification: component_not_present, ` + images: "justification has no meaning",
	} {
		_, err := Parse("p", alone(withExceptions(keys)))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", keys, err)
		case want != "" && err == nil:
			t.Errorf("%s is taken, want %q", keys, want)
		case want != "" && !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want %q", keys, err, want)
		}
	}
}

// exceptionCase judges an image and returns the rule's result and what became of the
// one exception.
func exceptionCase(t *testing.T, keys, rule string, change func(*evidence.Image)) (Verdict, RuleResult, ExceptionUse) {
	t.Helper()
	img := goodImage()
	img.Config.Labels["a"] = "b"
	change(img)
	v := mustParse(t, withExceptions(keys)).Evaluate(img, noon())
	if len(v.Exceptions) != 1 {
		t.Fatalf("%s: %d exceptions, want 1", keys, len(v.Exceptions))
	}
	return v, result(t, v, rule), v.Exceptions[0]
}

func TestSecretExceptions(t *testing.T) {
	keys := `secret: private-key, path: etc/ssl/private/snakeoil.key, content: "` + contentA + `"`
	secret := func(change func(*evidence.Secret)) func(*evidence.Image) {
		return func(i *evidence.Image) {
			s := evidence.Secret{RuleID: "private-key", Severity: "high", Path: "etc/ssl/private/snakeoil.key", StartLine: 1, Content: contentA}
			change(&s)
			i.Scan.Secrets = append(i.Scan.Secrets, s)
		}
	}
	for name, tt := range map[string]struct {
		change func(*evidence.Image)
		want   ExceptionStatus
		passed bool
	}{
		"covered":           {secret(func(*evidence.Secret) {}), ExceptionUsed, true},
		"a slash before it": {secret(func(s *evidence.Secret) { s.Path = "/etc/ssl/private/snakeoil.key" }), ExceptionUsed, true},
		"none":              {func(*evidence.Image) {}, ExceptionUnused, true},
		"other content":     {secret(func(s *evidence.Secret) { s.Content = contentB }), ExceptionOutOfScope, false},
		"unknown content":   {secret(func(s *evidence.Secret) { s.Content = "" }), ExceptionOutOfScope, false},
		"other file":        {secret(func(s *evidence.Secret) { s.Path = "app/snakeoil.key" }), ExceptionOutOfScope, false},
		"other rule":        {secret(func(s *evidence.Secret) { s.RuleID = "aws-access-key-id" }), ExceptionUnused, false},
	} {
		v, r, u := exceptionCase(t, keys, ruleSecrets, tt.change)
		if u.Status != tt.want || (v.Decision == Passed) != tt.passed || (r.Result == ResultPass) != tt.passed {
			t.Errorf("%s: %s, exception %s, secrets %s", name, v.Decision, u.Status, r.Result)
		}
	}
	// An exception for one secret covers no other secret.
	two := func(i *evidence.Image) {
		secret(func(*evidence.Secret) {})(i)
		secret(func(s *evidence.Secret) { s.Path = "app/key.pem" })(i)
	}
	if v, r, _ := exceptionCase(t, keys, ruleSecrets, two); v.Decision != Denied || len(r.Details) != 2 || !strings.Contains(r.Details[1], "until 2026-07-31") {
		t.Errorf("%s: %q", v.Decision, r.Details)
	}
}

func TestLicenseExceptions(t *testing.T) {
	license := func(pkg, typ string) func(*evidence.Image) {
		return func(i *evidence.Image) {
			i.Scan.Packages = append(i.Scan.Packages,
				evidence.Package{Name: "ghostscript", Version: "10.0", Type: "debian", Class: evidence.ClassOS, PURL: "pkg:deb/debian/ghostscript@10.0"},
				evidence.Package{Name: "ghostscript", Version: "9.0", Type: "node-pkg", Class: evidence.ClassLanguage, PURL: "pkg:npm/ghostscript@9.0"})
			i.Scan.Licenses = append(i.Scan.Licenses, evidence.License{Name: "AGPL-3.0", Package: pkg, Type: typ})
		}
	}
	for _, tt := range []struct {
		pkg    string
		change func(*evidence.Image)
		want   ExceptionStatus
	}{
		{"ghostscript", license("ghostscript", "debian"), ExceptionUsed},
		{`"pkg:deb/debian/ghostscript"`, license("ghostscript", "debian"), ExceptionUsed},
		{`"pkg:deb/debian/ghostscript@10.0"`, license("ghostscript", "debian"), ExceptionUsed},
		{`"pkg:deb/debian/ghostscript@9.0"`, license("ghostscript", "debian"), ExceptionOutOfScope},
		{`"pkg:deb/debian/ghostscript"`, license("ghostscript", ""), ExceptionOutOfScope}, // it may be that of the other one
		{`"pkg:npm/ghostscript"`, license("ghostscript", "debian"), ExceptionOutOfScope},
		{"ghostscript", license("ghost", ""), ExceptionOutOfScope},
		{"ghostscript", license("", ""), ExceptionOutOfScope},
		{"ghostscript", func(*evidence.Image) {}, ExceptionUnused},
	} {
		v, r, u := exceptionCase(t, "license: AGPL-3.0, package: "+tt.pkg, ruleLicenses, tt.change)
		covered := tt.want == ExceptionUsed || tt.want == ExceptionUnused
		if u.Status != tt.want || (v.Decision == Passed) != covered || (r.Result == ResultPass) != covered {
			t.Errorf("%s: %s, exception %s, licenses %s %q", tt.pkg, v.Decision, u.Status, r.Result, r.Details)
		}
	}
}

func TestGapExceptions(t *testing.T) {
	const byPath = `gap: scanner-errors, images: ["registry.example.no/shop/*"], cause: "invalid character", paths: ["app/vendor/**"]`
	const byPackage = `gap: no-advisories, images: ["registry.example.no/shop/*"], cause: "no advisories", package: "pkg:deb/debian/nginx@1.26.2-1"`
	const hidden = `gap: hidden-files, images: ["registry.example.no/shop/*"], cause: "is a device", paths: ["srv/data/**", "srv/etc/**"]`
	bad := evidence.Gap{Kind: evidence.GapScannerErrors, Path: "app/vendor/x/package.json", Detail: "unable to parse: invalid character 'x'"}
	nginx := evidence.Gap{Kind: evidence.GapNoAdvisories, Package: "nginx 1.26.2-1", Detail: "no advisories of its own"}
	device := evidence.Gap{Kind: evidence.GapHiddenFiles, Subject: "srv/data/null", Detail: "is a device"}
	gap := func(g evidence.Gap, change func(*evidence.Gap)) func(*evidence.Image) {
		return func(i *evidence.Image) {
			i.Scan.Packages = append(i.Scan.Packages,
				evidence.Package{Name: "nginx", Version: "1.26.2-1", Type: "debian", Class: evidence.ClassOS, PURL: "pkg:deb/debian/nginx@1.26.2-1"},
				evidence.Package{Name: "nginx", Version: "1.27.0-1", Type: "debian", Class: evidence.ClassOS, PURL: "pkg:deb/debian/nginx@1.27.0-1"})
			change(&g)
			i.Scan.Coverage.Gaps = append(i.Scan.Coverage.Gaps, g)
		}
	}
	same := func(*evidence.Gap) {}
	for name, tt := range map[string]struct {
		keys   string
		change func(*evidence.Image)
		want   ExceptionStatus
	}{
		"path":                {byPath, gap(bad, same), ExceptionUsed},
		"package":             {byPackage, gap(nginx, same), ExceptionUsed},
		"device":              {hidden, gap(device, same), ExceptionUsed},
		"other path":          {byPath, gap(bad, func(g *evidence.Gap) { g.Path = "app/main/package.json" }), ExceptionOutOfScope},
		"path that climbs":    {byPath, gap(bad, func(g *evidence.Gap) { g.Path = "app/vendor/../main/package.json" }), ExceptionOutOfScope},
		"no path":             {byPath, gap(bad, func(g *evidence.Gap) { g.Path = "" }), ExceptionOutOfScope},
		"path in the subject": {byPath, gap(bad, func(g *evidence.Gap) { g.Path, g.Subject = "", "app/vendor/x/package.json" }), ExceptionOutOfScope},
		"other cause":         {byPath, gap(bad, func(g *evidence.Gap) { g.Detail = "unexpected end of file" }), ExceptionOutOfScope},
		"other kind":          {byPath, gap(bad, func(g *evidence.Gap) { g.Kind = evidence.GapNoAdvisories }), ExceptionUnused},
		"kind not known":      {byPath, gap(bad, func(g *evidence.Gap) { g.Kind = "brand-new" }), ExceptionUnused},
		"other version":       {byPackage, gap(nginx, func(g *evidence.Gap) { g.Package = "nginx 1.27.0-1" }), ExceptionOutOfScope},
		"package not there":   {byPackage, gap(nginx, func(g *evidence.Gap) { g.Package = "nginx 1.25.0-1" }), ExceptionOutOfScope},
		"no package":          {byPackage, gap(nginx, func(g *evidence.Gap) { g.Package = "" }), ExceptionOutOfScope},
		"decides, climbing":   {hidden, gap(device, func(g *evidence.Gap) { g.Subject = "srv/data/../../etc/passwd" }), ExceptionUnused},
	} {
		v, _, u := exceptionCase(t, tt.keys, ruleExceptions, tt.change)
		if u.Status != tt.want || (tt.want == ExceptionOutOfScope) != strings.Contains(u.Why, "gap") {
			t.Errorf("%s: exception %s (%s), want %s", name, u.Status, u.Why, tt.want)
		}
		if want := map[bool]Decision{true: Passed, false: Undecided}[tt.want == ExceptionUsed]; v.Decision != want {
			t.Errorf("%s: %s, want %s", name, v.Decision, want)
		}
	}
	// A gap that is not covered stays one beside a gap that is.
	v, r, _ := exceptionCase(t, byPath, ruleCoverage+"scanner-errors", func(i *evidence.Image) {
		gap(bad, same)(i)
		gap(bad, func(g *evidence.Gap) { g.Detail = "permission denied" })(i)
	})
	if v.Decision != Undecided || r.Result != ResultUndecided || !strings.Contains(r.Message, "permission denied") {
		t.Errorf("%s: %+v", v.Decision, r)
	}
}

// No exception covers a gap at a path that decides, even where a policy was
// made without the checks of the parser.
func TestNoExceptionForPathsThatDecide(t *testing.T) {
	e := &exception{Exception: Exception{Gap: string(evidence.GapHiddenFiles), Paths: []string{"**"}, Expires: noon().AddDate(0, 0, 9)}}
	p := mustParse(t, everyRule)
	p.exceptions = []*exception{e}
	p.indexExceptions()
	for _, at := range append(decidingPaths(), "ETC/passwd", "var/lib/dpkg/status", "var/lib/dpkg/status.d/x", "var/lib", "etc", "/etc/group", "") {
		img := goodImage()
		img.Scan.Coverage.Gaps = []evidence.Gap{{Kind: evidence.GapHiddenFiles, Subject: at, Detail: "is a link"}}
		if r := result(t, p.Evaluate(img, noon()), ruleCoverage+"hidden-files"); r.Result != ResultUndecided {
			t.Errorf("a gap at %q is %s", at, r.Result)
		}
	}
}

func TestRuleExceptions(t *testing.T) {
	const user = `rule: config.user, images: ["registry.example.no/shop/*"]`
	root := func(i *evidence.Image) {
		i.Config.User, i.Scan.User = "", &evidence.User{UID: ptr(int64(0)), GID: ptr(int64(0)), Via: "no USER"}
	}
	elsewhere := func(i *evidence.Image) { root(i); i.Reference.Name = "registry.example.no/other" }
	for name, tt := range map[string]struct {
		keys   string
		change func(*evidence.Image)
		rule   string
		result Result
		status ExceptionStatus
	}{
		"covered":            {user, root, ruleUser, ResultWarn, ExceptionUsed},
		"met":                {user, func(*evidence.Image) {}, ruleUser, ResultPass, ExceptionUnused},
		"another image":      {user, elsewhere, ruleUser, ResultFail, ExceptionOutOfScope},
		"another rule":       {user, func(i *evidence.Image) { delete(i.Config.Labels, "a") }, ruleLabels, ResultFail, ExceptionUnused},
		"nothing collected":  {user, func(i *evidence.Image) { i.Config.User = "app" }, ruleUser, ResultUndecided, ExceptionUnused},
		"evidence not whole": {user, func(i *evidence.Image) { i.Config = nil }, ruleEvidence, ResultUndecided, ExceptionUnused},
	} {
		v, r, u := exceptionCase(t, tt.keys, tt.rule, tt.change)
		if r.Result != tt.result || u.Status != tt.status {
			t.Errorf("%s: %s is %s, exception %s", name, tt.rule, r.Result, u.Status)
		}
		if (v.Decision == Passed) != (tt.result == ResultWarn || tt.result == ResultPass) {
			t.Errorf("%s: %s", name, v.Decision)
		}
	}
}

// Every rule that an exception may be for is one about the reference, the
// config, the platforms, the modes of files or the workloads, and all of those are but the one without
// which there is no verdict.
func TestExceptableRules(t *testing.T) {
	for _, r := range Rules() {
		section, _, _ := strings.Cut(r.ID, ".")
		want := !r.Setting && r.ID != ruleDocuments && slices.Contains([]string{"reference", "config", "platforms", "files", "workload"}, section)
		if got := slices.Contains(exceptableRules(), r.ID); got != want {
			t.Errorf("an exception for %s: %v, want %v", r.ID, got, want)
		}
	}
}

// The limits bind exceptions of every kind, and each ends when it says.
func TestEveryKindOfExceptionHasLimitsAndAnEnd(t *testing.T) {
	kinds := map[string]func(*evidence.Image){
		`secret: private-key, path: app/key.pem, content: "` + contentA + `"`: func(i *evidence.Image) {
			i.Scan.Secrets = []evidence.Secret{{RuleID: "private-key", Severity: "critical", Path: "app/key.pem", Content: contentA}}
		},
		`license: AGPL-3.0, package: zlib1g`: func(i *evidence.Image) { i.Scan.Licenses[0].Name = "AGPL-3.0" },
		`gap: scanner-errors, images: ["registry.example.no/**"], cause: cut off here, paths: [app/vendor/x]`: func(i *evidence.Image) {
			i.Scan.Coverage.Gaps = []evidence.Gap{{Kind: evidence.GapScannerErrors, Path: "app/vendor/x", Detail: "cut off here"}}
		},
		`rule: config.require-labels, images: ["registry.example.no/**"]`: func(i *evidence.Image) { i.Config.Labels = nil },
	}
	for keys, change := range kinds {
		for limits, want := range map[string]ExceptionStatus{"max-days: 46": ExceptionUsed, "max-days: 45": ExceptionRefused} {
			img := goodImage()
			img.Config.Labels["a"] = "b"
			change(img)
			v := mustParse(t, withExceptions(keys)+fmt.Sprintf("exception-limits: {%s}\n", limits)).Evaluate(img, noon())
			if u := v.Exceptions[0]; u.Status != want || (v.Decision == Passed) != (want == ExceptionUsed) {
				t.Errorf("%s, %s: exception %s, %s", keys, limits, u.Status, v.Decision)
			}
			after := noon().AddDate(0, 0, 47)
			img.Scan.Database.UpdatedAt = after
			v = mustParse(t, withExceptions(keys)).Evaluate(img, after)
			if u := v.Exceptions[0]; u.Status != ExceptionExpired || v.Decision == Passed {
				t.Errorf("%s, after its end: exception %s, %s", keys, u.Status, v.Decision)
			}
		}
		if _, err := Parse("p", alone(withExceptions(keys)+"exception-limits: {require: [owner]}\n")); err == nil || !strings.Contains(err.Error(), `no "owner"`) {
			t.Errorf("%s without an owner: %v", keys, err)
		}
	}
	never := "exception-limits: {never: {severity: critical}}\n"
	for keys, change := range kinds {
		img := goodImage()
		img.Config.Labels["a"] = "b"
		change(img)
		v := mustParse(t, withExceptions(keys)+never).Evaluate(img, noon())
		if refused := v.Exceptions[0].Status == ExceptionRefused; refused != strings.HasPrefix(keys, "secret") {
			t.Errorf("%s with never: exception %s", keys, v.Exceptions[0].Status)
		}
	}
}
