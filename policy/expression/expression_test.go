package expression

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

func moon() time.Time { return time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC) }

// sample is an image with something of everything.
func sample() *evidence.Image {
	uid := int64(10001)
	created, published := moon().AddDate(0, 0, -3), moon().AddDate(0, 0, -20)
	lodash := evidence.Package{Name: "lodash", Version: "4.17.15", Type: "node-pkg", Class: evidence.ClassLanguage, PURL: "pkg:npm/lodash@4.17.15", Path: "app/node_modules/lodash/package.json"}
	return &evidence.Image{
		Reference: evidence.Reference{Asked: "registry.example.no/shop/app:1.4.2", Source: evidence.SourceRegistry, Name: "registry.example.no/shop/app", Registry: "registry.example.no", Repository: "shop/app", Tag: "1.4.2"},
		Platform:  "linux/amd64", Platforms: []string{"linux/amd64", "linux/arm64"},
		Config: &evidence.Config{
			User: "10001", Labels: map[string]string{"team": "shop"}, ExposedPorts: []string{"8080/tcp"}, Created: &created, Size: 50e6,
			Layers: []evidence.Layer{{Size: 50e6, CreatedBy: "COPY app /app # buildkit"}},
		},
		Scan: &evidence.Scan{
			Need:     evidence.NeedUser | evidence.NeedPackages | evidence.NeedSecrets | evidence.NeedLicenses | evidence.NeedJava | evidence.NeedFiles,
			OS:       &evidence.OS{Family: "debian", Release: "12.5"},
			User:     &evidence.User{UID: &uid, Numeric: true},
			Packages: []evidence.Package{{Name: "zlib1g", Version: "1:1.2.13", Type: "debian", Class: evidence.ClassOS}, lodash},
			Findings: []evidence.Finding{{Advisory: &evidence.Advisory{ID: "CVE-2026-1", Severity: evidence.SeverityHigh, Published: &published, CVSS: map[string]evidence.CVSS{"nvd": {V3Score: 7.5}}}, Package: &lodash, FixedVersion: "4.17.21"}},
			Files:    &evidence.Files{SetID: evidence.FileList{Count: 1, Files: []evidence.File{{Path: "usr/bin/su", Setuid: true}}}},
			Exploited: &evidence.Exploited{
				KEV: &evidence.Feed{Date: moon()}, EPSS: &evidence.Feed{Date: moon()},
				Known: []evidence.Exploitation{{ID: "CVE-2026-1", KEV: &evidence.KEVEntry{Due: moon().AddDate(0, 0, -1)}, EPSS: &evidence.EPSSScore{Probability: 0.5}}},
			},
			Database: &evidence.Database{Source: "x", UpdatedAt: moon().Add(-time.Hour)},
			Coverage: evidence.Coverage{Gaps: []evidence.Gap{}},
		},
	}
}

// outcome is the value of an expression in one word, or its error.
func outcome(t *testing.T, source string, img *evidence.Image) string {
	t.Helper()
	x, err := Compile(source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	found, texts, err := x.Evaluate(NewFacts(img, moon()))
	if err != nil {
		return "error: " + err.Error()
	}
	return strings.TrimSpace(fmt.Sprint(found) + " " + strings.Join(texts, ","))
}

func TestEvaluate(t *testing.T) {
	for source, want := range map[string]string{
		`packages.exists(p, p.name == "lodash")`:                                                  "true",
		`packages.exists(p, p.name == "bash")`:                                                    "false",
		`packages.filter(p, p.class == "lang-pkgs").map(p, p.name + " " + p.version)`:             "true lodash 4.17.15",
		`packages.filter(p, p.type == "gemspec").map(p, p.name)`:                                  "false",
		`findings.exists(f, f.severity == "high" && now - f.published > duration("240h"))`:        "true",
		`findings.exists(f, f.package.path.startsWith("app/"))`:                                   "true",
		`findings.exists(f, f.package in packages)`:                                               "true",
		`findings.exists(f, "nvd" in f.cvss && f.cvss["nvd"] >= 7.0)`:                             "true",
		`findings.exists(f, has(f.modified))`:                                                     "false",
		`findings.exists(f, f.modified < now)`:                                                    "error: Finding.modified is not known",
		`config.labels["team"] == "shop"`:                                                         "true",
		`!("team" in config.labels)`:                                                              "false",
		`config.labels["owner"] == "shop"`:                                                        "error: no such key: owner",
		`config.layers.exists(l, l.created_by.matches("curl .*[|] *sh"))`:                         "false",
		`config.size > 100000000`:                                                                 "false",
		`now - config.created > duration("720h")`:                                                 "false",
		`has(config.created)`:                                                                     "true",
		`image.tag.matches("^v?[0-9]+[.]")`:                                                       "true",
		`user.uid < 1000`:                                                                         "false",
		`user.gid == 0`:                                                                           "error: User.gid is not known",
		`has(os.family) && os.family == "alpine"`:                                                 "false",
		`os.end_of_life < now`:                                                                    "error: OS.end_of_life is not known",
		`files.set_id.map(f, f.path)`:                                                             "true usr/bin/su",
		`files.set_id_count > 3`:                                                                  "false",
		`gaps.exists(g, g.kind == "hidden-files")`:                                                "false",
		`database.updated_at < now - duration("1h30m")`:                                           "false",
		`secrets.size() + licenses.size() > 0`:                                                    "false",
		`config.labels.map(k, k + "=" + config.labels[k])`:                                        "true team=shop",
		`config.labels.exists(k, k.startsWith("te"))`:                                             "true",
		`config.labels.all(k, config.labels[k] != "")`:                                            "true",
		`findings.exists(f, f.cvss.exists(source, f.cvss[source] > 9.0))`:                         "false",
		`findings.exists(f, f.in_kev && f.kev_due < now && f.epss > 0.4)`:                         "true",
		`image.platforms == ["linux/amd64", "linux/arm64"]`:                                       "true",
		`1 / (config.size - 50000000) > 0`:                                                        "error: division by zero",
		`false && user.gid == 0`:                                                                  "false",
		`true || user.gid == 0`:                                                                   "true",
		`dyn(packages).exists(p, p.name == "lodash")`:                                             "true",
		`dyn(packages).exists(p, p.nam == "lodash")`:                                              `error: Package has no field "nam"`,
		`dyn(findings).exists(f, f.modified < now)`:                                               "error: Finding.modified is not known",
		`packages.all(a, packages.all(b, packages.all(c, a.name != b.name || b.name != c.name)))`: "false",
	} {
		if got := outcome(t, source, sample()); got != want {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
}

// TestMissing: what was not collected has no value, even where an expression would
// be true or false without it.
func TestMissing(t *testing.T) {
	none := sample()
	none.Scan.Need = 0
	bare := sample()
	bare.Scan.OS, bare.Scan.Database, bare.Scan.Files, bare.Scan.Exploited = nil, nil, nil, nil
	bare.Scan.User = nil
	cut := sample()
	cut.Scan.Files.SetID.Count = 20_000
	unscanned := &evidence.Image{Config: &evidence.Config{}}
	for _, c := range []struct {
		img          *evidence.Image
		source, want string
	}{
		{none, `packages.exists(p, p.name == "x")`, "error: there is no evidence for packages"},
		{none, `findings.size() == 0`, "error: there is no evidence for findings"},
		{none, `true || secrets.size() > 0`, "error: there is no evidence for secrets"},
		{none, `has(os.family)`, "error: there is no evidence for os"},
		{unscanned, `licenses.size() == 0`, "error: there is no evidence for licenses"},
		{unscanned, `config.created < now`, "error: Config.created is not known"},
		{&evidence.Image{}, `config.user == ""`, "error: there is no evidence for config"},
		{bare, `os.family == "debian"`, "error: OS.family is not known"},
		{bare, `has(os.family)`, "false"},
		{bare, `findings.exists(f, f.in_kev)`, "error: Finding.in_kev is not known"},
		{bare, `findings.exists(f, has(f.epss) && f.epss > 0.1)`, "false"},
		{bare, `has(database.source)`, "false"},
		{bare, `files.set_id_count > 0`, "error: there is no evidence for files"},
		{bare, `user.numeric`, "error: there is no evidence for user"},
		{cut, `files.set_id.exists(f, f.path == "x")`, "error: Files.set_id is not known"},
		{cut, `files.set_id_count > 10`, "true"},
	} {
		if got := outcome(t, c.source, c.img); got != c.want {
			t.Errorf("%s: %s, want %s", c.source, got, c.want)
		}
	}
	x, err := Compile(`now > now`)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.Evaluate(NewFacts(sample(), time.Time{})); err == nil {
		t.Error("a value without a moment")
	}
}

func TestCompileMistakes(t *testing.T) {
	for source, want := range map[string]string{
		``:                                 "1:1: ",
		`packages.exist(p, p.name == "x")`: "1:15: undeclared reference to 'exist'",
		`packages.exists(p, p.nam == "x")`: "1:21: undefined field 'nam'",
		`config.size > "a"`:                "1:13: found no matching overload",
		"config.healthcheck &&\n  config.siz > 3": "2:9: undefined field 'siz'",
		`config.size`:                   "1:1: its value is a int",
		`packages`:                      "1:1: its value is a list(Package)",
		`"a" +`:                         "1:6: ",
		`image.name.matches("(")`:       "1:20: ",
		`image.name.matches(image.tag)`: "1:19: the pattern of matches must be written as a text",
		`packages.exists(p, image.name.matches("^" + p.name))`:              "1:38: the pattern",
		`matches(image.name, image.tag)`:                                    "1:8: the pattern",
		`now > timestamp("yesterday")`:                                      "1:17: ",
		`now - now > duration("7d")`:                                        "1:22: ",
		`Package{name: "x"}.name == "x"`:                                    "",
		`[1].all(a, [1].all(b, [1].all(c, [1].all(d, a + b + c + d > 0))))`: "1:41: comprehension exceeds nesting limit",
		strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100):        "1:1: ",
		`"` + strings.Repeat("a", MaxSource) + `" == ""`:                    "1:1: it is longer than 4096 bytes",
		`(packages + packages).size() > 3`:                                  "1:11: lists cannot be joined",
		`(dyn(packages) + dyn(packages)).size() > 3`:                        "1:16: lists cannot be joined",
		`[` + strings.Repeat("1,", 101) + `].all(x, x > 0)`:                 "1:209: a loop goes through a written list of 101 items",
		`getenv("HOME") == ""`:                                              "1:7: undeclared reference to 'getenv'",
		`findings.exists(f, f.severity == "CRITICAL")`:                      `1:31: Finding.severity is never "CRITICAL"; write "critical"`,
		`findings.exists(f, "High" != f.severity)`:                          `1:27: Finding.severity is never "High"; write "high"`,
		`findings.exists(f, f.severity in ["critical", "HIGH"])`:            `1:31: Finding.severity is never "HIGH"`,
		`findings.exists(f, f.severity >= "high")`:                          `1:31: Finding.severity has no order`,
		`findings.exists(f, f.vendor_severity["nvd"] == "Critical")`:        `1:45: Finding.vendor_severity is never "Critical"`,
		`findings.exists(f, f.status == "wontfix")`:                         `1:29: Finding.status is never "wontfix"`,
		`findings.exists(f, f.package.type == "deb")`:                       `1:35: Package.type is never "deb"`,
		`packages.exists(p, p.class == "os")`:                               `1:28: Package.class is never "os"; it is os-pkgs or lang-pkgs`,
		`packages.exists(p, p.name == "x" && p.version < "1.10")`:           `1:47: Package.version has no order`,
		`os.release >= "12"`:                                                `1:12: OS.release has no order`,
		`image.source == "Registry"`:                                        `1:14: Image.source is never "Registry"`,
		`gaps.exists(g, g.kind == "scanner-error")`:                         `1:23: Gap.kind is never "scanner-error"`,
		`files.capabilities.exists(f, "CAP_NET_RAW" in f.capabilities)`:     `1:44: File.capabilities has names such as "cap_net_raw"`,
	} {
		_, err := Compile(source)
		var e *Error
		if want == "" {
			continue
		}
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", source, err, want)
		}
	}
}

func TestNeeds(t *testing.T) {
	for source, want := range map[string]evidence.Need{
		`image.tag == ""`: 0, `config.user == "" && now > now`: 0, `user.numeric`: evidence.NeedUser, `has(os.family)`: evidence.NeedPackages,
		`findings.exists(f, f.package in packages)`:                                         evidence.NeedPackages | evidence.NeedJava,
		`secrets.size() > 0 || files.set_id_count > 0 || licenses.exists(l, l.name == "x")`: evidence.NeedSecrets | evidence.NeedFiles | evidence.NeedLicenses,
	} {
		x, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		if x.Needs() != want {
			t.Errorf("%s needs %b, want %b", source, x.Needs(), want)
		}
	}
}

// bombs are expressions that would take very long, or very much memory.
func bombs() []string {
	return []string{
		`packages.all(a, packages.all(b, packages.all(c, a.name != b.name + c.name)))`,
		`packages.map(a, packages.map(b, packages.map(c, a.name + b.name + c.name))).size() > 0`,
		`["a"]` + strings.Repeat(`.map(x, x + x)`, 60) + `.size() > 0`,
		`packages.exists(p, p.name.matches("^(a|a|a|a)*(b|b|b)*(((c*)*)*)*$"))`,
		`packages.map(p, packages + packages + packages + packages).map(l, l + l + l + l).exists(l, l.exists(p, p.name == "x"))`,
		`findings.all(f, packages.filter(p, p.name == f.package.name).size() < 0)`,
		`findings.exists(f, f.package in packages && f.id == "x")`,
		`packages.map(a, packages.filter(b, false)).size() > 0`,
		`packages.exists(p, config.labels["big"].contains(p.name + "b"))`,
		`[` + strings.Repeat("1,", 100) + `].all(a, [` + strings.Repeat("1,", 100) + `].all(b, [` + strings.Repeat("1,", 100) + `].all(c, a + b + c > 0)))`,
		`packages.map(p, ` + strings.Repeat("p.name + ", 400) + `"").exists(s, s == "")`,
	}
}

// TestBombs: they end soon, with a value or an error.
func TestBombs(t *testing.T) {
	img := sample()
	img.Config.Labels["big"] = strings.Repeat("a", 4<<20)
	for i := range 20_000 {
		img.Scan.Packages = append(img.Scan.Packages, evidence.Package{Name: strings.Repeat("a", 100) + fmt.Sprint(i)})
	}
	for i := range 20_000 {
		img.Scan.Findings = append(img.Scan.Findings, evidence.Finding{Advisory: &evidence.Advisory{ID: fmt.Sprint(i)}, Package: &img.Scan.Packages[i]})
	}
	for _, source := range bombs() {
		x, err := Compile(source)
		if err != nil {
			t.Logf("%.80s: %v", source, err)
			continue
		}
		begin := time.Now()
		_, _, err = x.Evaluate(NewFacts(img, moon()))
		took := time.Since(begin)
		t.Logf("%.80s: %v after %v", source, err, took)
		if took > 20*time.Second {
			t.Errorf("%.80s takes %v", source, took)
		}
	}
}

// TestDetailsAreBounded: a list is cut, and says so.
func TestDetailsAreBounded(t *testing.T) {
	img := sample()
	for i := range 5000 {
		img.Scan.Packages = append(img.Scan.Packages, evidence.Package{Name: fmt.Sprint(i)})
	}
	x, err := Compile(`packages.map(p, p.name)`)
	if err != nil {
		t.Fatal(err)
	}
	found, texts, err := x.Evaluate(NewFacts(img, moon()))
	if !found || err != nil || len(texts) != maxDetails+1 || texts[maxDetails] != "... and 4,002 more" {
		t.Errorf("%v %d %v", found, len(texts), err)
	}
}

func TestDocumentation(t *testing.T) {
	for _, rows := range [][]Row{Variables(), Fields()} {
		for i, r := range rows {
			if r.Name == "" || r.Type == "" || r.Doc == "" || slices.IndexFunc(rows, func(o Row) bool { return o.Name == r.Name }) != i {
				t.Errorf("%+v", r)
			}
		}
	}
}

// FuzzCompile compiles any text and evaluates what compiles: it ends with a value
// or an error, and the same again with the same.
func FuzzCompile(f *testing.F) {
	for _, s := range append(bombs(), `packages.exists(p, p.name == "x")`, `has(os.family)`, `findings.map(f, f.id)`, `now > timestamp("2026-01-01T00:00:00Z")`, `config.labels["a"].matches("[a-z]+")`, `"`, `a.b.c`, `dyn(packages)[0].name == ""`, `[1,2,3].all(x, x > 0)`, `{"a": 1}["a"] == 1`) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		x, err := Compile(source)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Message == "" {
				t.Fatalf("%q: %#v", source, err)
			}
			return
		}
		found, texts, err := x.Evaluate(NewFacts(sample(), moon()))
		again, textsAgain, errAgain := x.Evaluate(NewFacts(sample(), moon()))
		if found != again || !slices.Equal(texts, textsAgain) || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("%q: %v %v %v, then %v %v %v", source, found, texts, err, again, textsAgain, errAgain)
		}
	})
}
