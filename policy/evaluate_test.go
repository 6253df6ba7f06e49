package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// ruleCase breaks the good image in one place and tells what a rule says.
type ruleCase struct {
	policy string
	change func(*evidence.Image)
	rule   string
	want   Result
	say    string // part of the message or the details
}

func runRuleCases(t *testing.T, cases map[string]ruleCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			img := goodImage()
			if c.change != nil {
				c.change(img)
			}
			p := mustParse(t, "version: 1\n"+c.policy+"\n")
			v := p.Evaluate(img, noon())
			r := result(t, v, c.rule)
			record(c.rule, r.Result, p)
			if r.Result != c.want {
				t.Errorf("%s is %s, want %s: %+v", c.rule, r.Result, c.want, r)
			}
			if text := r.Message + "\n" + strings.Join(r.Details, "\n"); !strings.Contains(text, c.say) {
				t.Errorf("%s says %q, want %q in it", c.rule, text, c.say)
			}
			if (r.Result == ResultFail || r.Result == ResultUndecided) && r.Cure == "" {
				t.Errorf("%s offers no cure", c.rule)
			}
			checkDecision(t, v)
			tryToWeaken(t, c.policy, img)
			followAdvice(t, c.policy, img, v)
		})
	}
}

// checkDecision recomputes the decision from the rules: a fail denies, and
// without one anything undecided leaves no verdict.
func checkDecision(t *testing.T, v Verdict) {
	t.Helper()
	has := map[Result]bool{}
	for _, r := range v.Rules {
		has[r.Result] = true
	}
	want := Passed
	if has[ResultUndecided] {
		want = Undecided
	}
	if has[ResultFail] {
		want = Denied
	}
	if v.Decision != want {
		t.Errorf("decision %s, want %s", v.Decision, want)
	}
}

func tagged(tag string) func(*evidence.Image) {
	return func(i *evidence.Image) { i.Reference.Tag, i.Reference.Digest = tag, "" }
}

func from(source evidence.Source, name string) func(*evidence.Image) {
	return func(i *evidence.Image) {
		i.Reference = evidence.Reference{Asked: name, Source: source, Name: name}
	}
}

func both(fs ...func(*evidence.Image)) func(*evidence.Image) {
	return func(i *evidence.Image) {
		for _, f := range fs {
			f(i)
		}
	}
}

func noConfigAt(i *evidence.Image) { i.Config = nil }
func noScanAt(i *evidence.Image)   { i.Scan = nil }

func TestReferenceRules(t *testing.T) {
	runRuleCases(t, map[string]ruleCase{
		"digest":            {"reference: {pin: digest}", nil, rulePin, ResultPass, "named by digest"},
		"digest wanted":     {"reference: {pin: digest}", tagged("1.4.2"), rulePin, ResultFail, `tag "1.4.2"`},
		"full version":      {"reference: {pin: version}", tagged("1.4.2"), rulePin, ResultPass, "1.4.2"},
		"floating":          {"reference: {pin: version}", tagged("1.4"), rulePin, ResultFail, "1.4 is no full version"},
		"no tag":            {"reference: {pin: version}", tagged(""), rulePin, ResultFail, "no tag"},
		"local":             {"reference: {pin: digest}", from(evidence.SourceOCI, "oci:build"), rulePin, ResultPass, "read from a local oci source"},
		"no source":         {"reference: {pin: version}", from("", "x"), rulePin, ResultUndecided, "not known"},
		"no name":           {"reference: {pin: version}", from(evidence.SourceRegistry, ""), rulePin, ResultUndecided, "not known"},
		"any":               {"reference: {pin: any}\nplatforms: [linux/amd64]", tagged("latest"), rulePin, ResultOff, ""},
		"level warn":        {"reference: {pin: digest}\nlevels: {reference.pin: warn}", tagged("1"), rulePin, ResultWarn, "moved"},
		"tag denied":        {"reference: {deny-tags: [edge]}", tagged("edge"), ruleDenyTags, ResultFail, "denied"},
		"tag denied folded": {"reference: {deny-tags: [latest]}", tagged("LATEST"), ruleDenyTags, ResultFail, "denied"},
		"tag glob":          {"reference: {deny-tags: [\"*-snapshot\"]}", tagged("1.2-SNAPSHOT"), ruleDenyTags, ResultFail, "denied"},
		"tag implied":       {"reference: {deny-tags: [latest]}", tagged(""), ruleDenyTags, ResultFail, "means latest"},
		"tag beside digest": {"reference: {deny-tags: [latest]}", func(i *evidence.Image) { i.Reference.Tag = "latest" }, ruleDenyTags, ResultFail, "denied"},
		"digest alone":      {"reference: {deny-tags: [\"*\"]}", func(i *evidence.Image) { i.Reference.Tag = "" }, ruleDenyTags, ResultPass, "digest alone"},
		"tag fine":          {"reference: {deny-tags: [latest]}", tagged("latest2"), ruleDenyTags, ResultPass, "not denied"},
		"no tag of tar":     {"reference: {deny-tags: [latest]}", from(evidence.SourceTar, "tar:a.tar"), ruleDenyTags, ResultPass, "no registry tag"},
		"no tag of nothing": {"reference: {deny-tags: [latest]}", from("", ""), ruleDenyTags, ResultUndecided, ""},
		"allowed":           {"reference: {allow: [\"registry.example.no/**\"]}", nil, ruleAllow, ResultPass, ""},
		"one segment":       {"reference: {allow: [\"registry.example.no/*\"]}", nil, ruleAllow, ResultFail, "shop/app is not allowed"},
		"other registry":    {"reference: {allow: [\"registry.example.no/**\"]}", from(evidence.SourceRegistry, "registry.example.no.evil.org/shop/app"), ruleAllow, ResultFail, ""},
		"suffix registry":   {"reference: {allow: [\"registry.example.no/**\"]}", from(evidence.SourceRegistry, "xregistry.example.no/shop"), ruleAllow, ResultFail, ""},
		"local not allowed": {"reference: {allow: [\"registry.example.no/**\"]}", from(evidence.SourceOCI, "oci:registry.example.no/x"), ruleAllow, ResultFail, ""},
		"local allowed":     {"reference: {allow: [\"oci:build/**\"]}", from(evidence.SourceOCI, "oci:build/x"), ruleAllow, ResultPass, ""},
		"allow unknown":     {"reference: {allow: [\"r.no/**\"]}", from(evidence.SourceRegistry, ""), ruleAllow, ResultUndecided, ""},
		"platform there":    {"platforms: [linux/amd64]", nil, rulePlatforms, ResultPass, ""},
		"platform missing":  {"platforms: [linux/s390x, linux/amd64]", nil, rulePlatforms, ResultFail, "not offered for linux/s390x, only for linux/amd64 and linux/arm64"},
		"platforms unknown": {"platforms: [linux/amd64]", func(i *evidence.Image) { i.Platforms = nil }, rulePlatforms, ResultUndecided, ""},
		"any variant":       {"platforms: [linux/arm]", func(i *evidence.Image) { i.Platforms = []string{"linux/arm/v7"} }, rulePlatforms, ResultPass, ""},
		"arm64 variant":     {"platforms: [linux/arm64/v8]", nil, rulePlatforms, ResultPass, ""},
		"other variant":     {"platforms: [linux/arm/v6]", func(i *evidence.Image) { i.Platforms = []string{"linux/arm/v7"} }, rulePlatforms, ResultFail, ""},
	})
}

func config(change func(*evidence.Config)) func(*evidence.Image) {
	return func(i *evidence.Image) { change(i.Config) }
}

func ports(p ...string) func(*evidence.Image) {
	return config(func(c *evidence.Config) { c.ExposedPorts = p })
}

func created(t time.Time) func(*evidence.Image) {
	return config(func(c *evidence.Config) { c.Created = &t })
}

func TestConfigRules(t *testing.T) {
	const deny = "config: {deny-ports: [22, \"53/udp\", \"8000-8100/tcp\"]}"
	const labels = "config: {require-labels: [a, b]}"
	const age, size = "config: {max-age: 30d}", "config: {max-size: 100MB}"
	const health, env = "config: {require-healthcheck: true}", "config: {deny-env: [\"*PASSWORD*\"]}"
	runRuleCases(t, map[string]ruleCase{
		"port fine":        {deny, ports("2222/tcp", "80/tcp"), ruleDenyPorts, ResultPass, "2 ports"},
		"port denied":      {deny, ports("22/tcp"), ruleDenyPorts, ResultFail, "22/tcp"},
		"port any proto":   {deny, ports("22/sctp"), ruleDenyPorts, ResultFail, ""},
		"port bare":        {deny, ports("22"), ruleDenyPorts, ResultFail, ""},
		"port zeros":       {deny, ports("0022/tcp"), ruleDenyPorts, ResultFail, ""},
		"port upper":       {deny, ports("53/UDP"), ruleDenyPorts, ResultFail, ""},
		"port other proto": {deny, ports("53/tcp"), ruleDenyPorts, ResultPass, ""},
		"port in range":    {deny, ports("8100/tcp"), ruleDenyPorts, ResultFail, ""},
		"range over port":  {deny, ports("20-25/tcp"), ruleDenyPorts, ResultFail, ""},
		"port above range": {deny, ports("8101/tcp"), ruleDenyPorts, ResultPass, ""},
		"port nonsense":    {deny, ports("ssh"), ruleDenyPorts, ResultUndecided, `"ssh" is no port`},
		"port no config":   {deny, noConfigAt, ruleDenyPorts, ResultUndecided, ""},
		"labels missing":   {labels, nil, ruleLabels, ResultFail, "a and b"},
		"label empty":      {labels, config(func(c *evidence.Config) { c.Labels = map[string]string{"a": "1", "b": " "} }), ruleLabels, ResultFail, "b (empty)"},
		"labels set":       {labels, config(func(c *evidence.Config) { c.Labels = map[string]string{"a": "1", "b": "2"} }), ruleLabels, ResultPass, ""},
		"labels no config": {labels, noConfigAt, ruleLabels, ResultUndecided, ""},
		"age fine":         {age, created(noon().AddDate(0, 0, -30)), ruleMaxAge, ResultPass, ""},
		"age over":         {age, created(noon().AddDate(0, 0, -30).Add(-time.Second)), ruleMaxAge, ResultFail, "30 days ago"},
		"age future":       {age, created(noon().AddDate(0, 0, 2)), ruleMaxAge, ResultUndecided, "in the future"},
		"age unknown":      {age, config(func(c *evidence.Config) { c.Created = nil }), ruleMaxAge, ResultUndecided, "does not say"},
		"age zero":         {age, created(time.Time{}), ruleMaxAge, ResultUndecided, "does not say"},
		"age epoch":        {age, created(time.Unix(0, 0)), ruleMaxAge, ResultUndecided, "does not say"},
		"age no config":    {age, noConfigAt, ruleMaxAge, ResultUndecided, ""},
		"size fine":        {size, config(func(c *evidence.Config) { c.Size = 100e6 }), ruleMaxSize, ResultPass, "100 MB"},
		"size over":        {size, config(func(c *evidence.Config) { c.Size = 100e6 + 1 }), ruleMaxSize, ResultFail, ""},
		"size of layers":   {size, config(func(c *evidence.Config) { c.Size = 1; c.Layers[0].Size = 200e6 }), ruleMaxSize, ResultFail, "200 MB"},
		"size unknown":     {size, config(func(c *evidence.Config) { c.Layers = nil }), ruleMaxSize, ResultUndecided, ""},
		"size negative":    {size, config(func(c *evidence.Config) { c.Size = -1 }), ruleMaxSize, ResultUndecided, ""},
		"size no config":   {size, noConfigAt, ruleMaxSize, ResultUndecided, ""},
		"health":           {health, nil, ruleHealthcheck, ResultPass, ""},
		"no health":        {health, config(func(c *evidence.Config) { c.Healthcheck = false }), ruleHealthcheck, ResultFail, ""},
		"health off":       {"config: {require-healthcheck: false, user: non-root}", config(func(c *evidence.Config) { c.Healthcheck = false }), ruleHealthcheck, ResultOff, ""},
		"health no config": {health, noConfigAt, ruleHealthcheck, ResultUndecided, ""},
		"env fine":         {env, nil, ruleDenyEnv, ResultPass, ""},
		"env denied":       {env, config(func(c *evidence.Config) { c.EnvNames = []string{"db_password_file"} }), ruleDenyEnv, ResultFail, "db_password_file"},
		"env slash":        {env, config(func(c *evidence.Config) { c.EnvNames = []string{"a/PASSWORD"} }), ruleDenyEnv, ResultFail, ""},
		"env no config":    {env, noConfigAt, ruleDenyEnv, ResultUndecided, ""},
		"warn missing":     {health + "\nlevels: {config.require-healthcheck: warn}", noConfigAt, ruleHealthcheck, ResultUndecided, ""},
		"warn undecided":   {deny + "\nlevels: {config.deny-ports: warn}", ports("ssh"), ruleDenyPorts, ResultWarn, "ssh"},
		"off":              {deny + "\nlevels: {config.deny-ports: off}\nplatforms: [linux/amd64]", ports("22"), ruleDenyPorts, ResultOff, "levels"},
	})
}

func gap(kind evidence.GapKind) func(*evidence.Image) {
	return func(i *evidence.Image) {
		i.Scan.Coverage.Gaps = append(i.Scan.Coverage.Gaps, evidence.Gap{Kind: kind, Subject: "a/b", Detail: "cut off"})
	}
}

func scan(change func(*evidence.Scan)) func(*evidence.Image) {
	return func(i *evidence.Image) { change(i.Scan) }
}

func TestCoverageRules(t *testing.T) {
	const vulns = "vulnerabilities: {max: {high: 0}}"
	noOS := scan(func(s *evidence.Scan) { s.OS = nil })
	db := func(age time.Duration) func(*evidence.Image) {
		return scan(func(s *evidence.Scan) { s.Database.UpdatedAt = noon().Add(-age) })
	}
	eol := func(day string) func(*evidence.Image) {
		return scan(func(s *evidence.Scan) { d, _ := time.Parse(time.DateOnly, day); s.OS.EndOfLife = &d })
	}
	static := "\noverrides: [{images: [registry.example.no/shop/app], coverage: {unknown-os: warn, package-database: warn}}]"
	cases := map[string]ruleCase{
		"unknown kind":       {vulns, gap("brand-new"), ruleCoverage + "scanner-errors", ResultUndecided, "brand-new: a/b: cut off"},
		"warn":               {vulns + "\ncoverage: {no-advisories: warn}", gap(evidence.GapNoAdvisories), ruleCoverage + "no-advisories", ResultWarn, "a/b: cut off"},
		"not asked":          {"config: {user: non-root}", gap(evidence.GapUnknownOS), ruleCoverage + "unknown-os", ResultOff, ""},
		"asked for secrets":  {"secrets: {max: 0}", gap(evidence.GapScannerErrors), ruleCoverage + "scanner-errors", ResultUndecided, "cut off"},
		"asked for user":     {"config: {user: non-root}", gap(evidence.GapHiddenFiles), ruleCoverage + "hidden-files", ResultUndecided, "cut off"},
		"kind for user":      {"config: {user: non-root}", gap("brand-new"), ruleCoverage + "scanner-errors", ResultUndecided, "brand-new"},
		"java only if asked": {"vulnerabilities: {max: {high: 0}, types: [os]}", gap(evidence.GapJavaDatabase), ruleCoverage + "java-database", ResultOff, ""},
		"gaps nil":           {vulns, scan(func(s *evidence.Scan) { s.Coverage.Gaps = nil }), ruleCoverage + "package-database", ResultUndecided, "does not say"},
		"scan nil":           {vulns, noScanAt, ruleCoverage + "package-database", ResultUndecided, "not scanned"},
		"need lacking":       {vulns, scan(func(s *evidence.Scan) { s.Need = evidence.NeedSecrets }), ruleCoverage + "unknown-os", ResultUndecided, "did not look for packages"},
		"java need lacking":  {vulns, scan(func(s *evidence.Scan) { s.Need &^= evidence.NeedJava }), ruleCoverage + "java-database", ResultUndecided, "did not look for jars"},
		"no os":              {vulns, noOS, ruleCoverage + "unknown-os", ResultUndecided, "no operating system"},
		"no os family":       {vulns, scan(func(s *evidence.Scan) { s.OS.Family = "" }), ruleCoverage + "unknown-os", ResultUndecided, "no operating system"},
		"no os by name":      {vulns + static, noOS, ruleCoverage + "unknown-os", ResultWarn, "no operating system"},
		"no end without os":  {vulns + static, noOS, ruleEndOfLife, ResultPass, "no operating system"},
		"end without os":     {vulns, noOS, ruleEndOfLife, ResultOff, "coverage.unknown-os"},
		"self-contained": {vulns, scan(func(s *evidence.Scan) { s.OS, s.Coverage.SelfContained = nil, true }),
			ruleCoverage + "unknown-os", ResultPass, "accounted for"},
		"self-contained has no end": {vulns, scan(func(s *evidence.Scan) { s.OS, s.Coverage.SelfContained = nil, true }),
			ruleEndOfLife, ResultPass, "no operating system"},
		"self-contained and a gap": {vulns, func(i *evidence.Image) {
			i.Scan.OS, i.Scan.Coverage.SelfContained = nil, true
			gap(evidence.GapUnknownOS)(i)
		},
			ruleCoverage + "unknown-os", ResultUndecided, "a/b: cut off"},
		"counts differ": {vulns, scan(func(s *evidence.Scan) {
			s.Coverage.Counts = []evidence.Count{{Type: "dpkg", Path: "var/lib/dpkg/status", Expected: 3, Got: 2}}
		}), ruleCoverage + "package-database", ResultUndecided, "holds 3 dpkg packages, but the scanner returned 2"},
		"counts agree":       {vulns, scan(func(s *evidence.Scan) { s.Coverage.Counts = []evidence.Count{{Type: "dpkg", Expected: 3, Got: 3}} }), ruleCoverage + "package-database", ResultPass, ""},
		"java future":        {vulns, scan(func(s *evidence.Scan) { s.JavaDatabase = &evidence.Database{UpdatedAt: noon().Add(time.Hour)} }), ruleCoverage + "java-database", ResultUndecided, "future"},
		"java undated":       {vulns, scan(func(s *evidence.Scan) { s.JavaDatabase = &evidence.Database{} }), ruleCoverage + "java-database", ResultUndecided, "no date"},
		"java fine":          {vulns, scan(func(s *evidence.Scan) { s.JavaDatabase = &evidence.Database{UpdatedAt: noon()} }), ruleCoverage + "java-database", ResultPass, ""},
		"end last day":       {vulns, eol("2026-06-15"), ruleEndOfLife, ResultPass, "supported until 2026-06-15"},
		"end day after":      {vulns, eol("2026-06-14"), ruleEndOfLife, ResultFail, "out of support since 2026-06-14"},
		"end day before":     {vulns, eol("2026-06-16"), ruleEndOfLife, ResultPass, ""},
		"end warn":           {vulns + "\ncoverage: {end-of-life: warn}", eol("2020-01-01"), ruleEndOfLife, ResultWarn, "2020-01-01"},
		"ended":              {vulns, scan(func(s *evidence.Scan) { s.OS.Ended, s.OS.EndOfLife = true, nil }), ruleEndOfLife, ResultFail, "out of support"},
		"no end known":       {vulns, scan(func(s *evidence.Scan) { s.OS.EndOfLife = nil }), ruleEndOfLife, ResultPass, "no end of support is published"},
		"end no scan":        {vulns, noScanAt, ruleEndOfLife, ResultUndecided, ""},
		"database at limit":  {vulns, db(5 * 24 * time.Hour), ruleDatabaseAge, ResultPass, ""},
		"database old":       {vulns, db(5*24*time.Hour + time.Second), ruleDatabaseAge, ResultUndecided, "5 days ago"},
		"database own limit": {vulns + "\ncoverage: {database-max-age: 12h}", db(13 * time.Hour), ruleDatabaseAge, ResultUndecided, "13 hours ago"},
		"database skew":      {vulns, db(-9 * time.Minute), ruleDatabaseAge, ResultPass, ""},
		"database future":    {vulns, db(-11 * time.Minute), ruleDatabaseAge, ResultUndecided, "in the future"},
		"database undated":   {vulns, scan(func(s *evidence.Scan) { s.Database.UpdatedAt = time.Time{} }), ruleDatabaseAge, ResultUndecided, "does not say"},
		"database none":      {vulns, scan(func(s *evidence.Scan) { s.Database = nil }), ruleDatabaseAge, ResultUndecided, "no advisory database"},
		"database no scan":   {vulns, noScanAt, ruleDatabaseAge, ResultUndecided, ""},
		"no limit":           {vulns, scan(func(s *evidence.Scan) { s.Coverage.UnattributedCount = 7 }), ruleUnattributed, ResultOff, "7 of 40 executables"},
		"at limit":           {vulns + "\ncoverage: {unattributed: {max: 2}}", scan(func(s *evidence.Scan) { s.Coverage.UnattributedCount = 2 }), ruleUnattributed, ResultPass, ""},
		"over limit":         {vulns + "\ncoverage: {unattributed: {max: 2}}", scan(func(s *evidence.Scan) { s.Coverage.UnattributedCount = 3; s.Coverage.Unattributed = []string{"opt/x"} }), ruleUnattributed, ResultFail, "opt/x"},
		"listed over limit":  {vulns + "\ncoverage: {unattributed: {max: 0}}", scan(func(s *evidence.Scan) { s.Coverage.Unattributed = []string{"opt/x"} }), ruleUnattributed, ResultFail, ""},
		"limit warn":         {vulns + "\ncoverage: {unattributed: {max: 0}}\nlevels: {coverage.unattributed: warn}", scan(func(s *evidence.Scan) { s.Coverage.UnattributedCount = 3 }), ruleUnattributed, ResultWarn, ""},
		"count negative":     {vulns + "\ncoverage: {unattributed: {max: 0}}", scan(func(s *evidence.Scan) { s.Coverage.UnattributedCount = -1 }), ruleUnattributed, ResultUndecided, ""},
		"limit gaps nil":     {vulns + "\ncoverage: {unattributed: {max: 0}}", scan(func(s *evidence.Scan) { s.Coverage.Gaps = nil }), ruleUnattributed, ResultUndecided, ""},
		"limit no scan":      {vulns + "\ncoverage: {unattributed: {max: 0}}", noScanAt, ruleUnattributed, ResultUndecided, ""},
		"sbom warn":          {vulns, scan(func(s *evidence.Scan) { s.Coverage.SBOMs = []string{"opt/x.spdx"} }), ruleBundledSBOMs, ResultWarn, "opt/x.spdx"},
		"sbom fail":          {vulns + "\ncoverage: {bundled-sboms: fail}", scan(func(s *evidence.Scan) { s.Coverage.SBOMs = []string{"opt/x.spdx"} }), ruleBundledSBOMs, ResultFail, ""},
		"sbom repeats": {vulns, scan(func(s *evidence.Scan) {
			s.Coverage.SBOMs, s.Coverage.SBOMsRepeating = []string{"opt/x.spdx"}, []string{"opt/x.spdx"}
		}), ruleBundledSBOMs, ResultPass, "known from elsewhere"},
		"one of two repeats": {vulns, scan(func(s *evidence.Scan) {
			s.Coverage.SBOMs, s.Coverage.SBOMsRepeating = []string{"opt/x.spdx", "y.spdx"}, []string{"opt/x.spdx"}
		}), ruleBundledSBOMs, ResultWarn, "1 bill"},
		"strict, and repeats": {vulns + "\ncoverage: {bundled-sboms: fail}", scan(func(s *evidence.Scan) {
			s.Coverage.SBOMs, s.Coverage.SBOMsRepeating = []string{"opt/x.spdx"}, []string{"opt/x.spdx"}
		}), ruleBundledSBOMs, ResultFail, ""},
		"sbom ignore":   {vulns + "\ncoverage: {bundled-sboms: ignore}", scan(func(s *evidence.Scan) { s.Coverage.SBOMs = []string{"opt/x.spdx"} }), ruleBundledSBOMs, ResultOff, ""},
		"sbom none":     {vulns, nil, ruleBundledSBOMs, ResultPass, ""},
		"sbom no scan":  {vulns, noScanAt, ruleBundledSBOMs, ResultUndecided, ""},
		"sbom gaps nil": {vulns, scan(func(s *evidence.Scan) { s.Coverage.Gaps = nil }), ruleBundledSBOMs, ResultUndecided, ""},
	}
	for _, k := range allGapKinds() {
		id := ruleCoverage + string(k)
		want := ResultUndecided
		if k == evidence.GapNoAdvisories || k == evidence.GapUnidentifiedJars {
			want = ResultWarn // they are ordinary
			cases["strict "+string(k)] = ruleCase{vulns + "\ncoverage: {" + string(k) + ": fail}", gap(k), id, ResultUndecided, "a/b: cut off"}
		}
		cases["gap "+string(k)] = ruleCase{vulns, gap(k), id, want, "a/b: cut off"}
		cases["whole "+string(k)] = ruleCase{vulns, nil, id, ResultPass, ""}
	}
	runRuleCases(t, cases)
}

func secret(sev evidence.Severity) func(*evidence.Image) {
	return scan(func(s *evidence.Scan) {
		s.Secrets = append(s.Secrets, evidence.Secret{RuleID: "aws-key", Severity: sev, Path: "app/.env", StartLine: 3})
	})
}

// secretBelow adds a secret in a file that is looked into only with paths: all.
func secretBelow(path string) func(*evidence.Image) {
	return scan(func(s *evidence.Scan) {
		s.Secrets = append(s.Secrets, evidence.Secret{RuleID: "aws-key", Severity: evidence.SeverityLow, Path: path, StartLine: 1, LeftOut: true})
	})
}

// searchedNarrowly makes evidence of a search in the files of the application.
var searchedNarrowly = scan(func(s *evidence.Scan) { s.Need &^= evidence.NeedSecretsAnywhere })

// Secrets in files of dependencies count with paths: all only, and evidence that was
// searched without those files never passes then.
func TestSecretPaths(t *testing.T) {
	const narrow, all, override = "secrets: {max: 0}", "secrets: {max: 0, paths: all}",
		"secrets: {max: 0}\noverrides: [{images: [\"registry.example.no/shop/*\"], secrets: {paths: all}}]"
	const x = customPrefix + "x"
	size := own("secrets.size() > 0", "")
	below := secretBelow("app/node_modules/a/.env")
	runRuleCases(t, map[string]ruleCase{
		"application":                {narrow, below, ruleSecrets, ResultPass, "0 secrets found; 1 in files that paths: application leaves out"},
		"application by name":        {"secrets: {max: 0, paths: application}", below, ruleSecrets, ResultPass, ""},
		"application and another":    {narrow, both(below, secret("low")), ruleSecrets, ResultFail, "1 secret found; 1 in files"},
		"application, narrow":        {narrow, searchedNarrowly, ruleSecrets, ResultPass, "0 secrets"},
		"all":                        {all, below, ruleSecrets, ResultFail, "app/node_modules/a/.env:1: aws-key (low)"},
		"all, none":                  {all, nil, ruleSecrets, ResultPass, "0 secrets"},
		"all, within the limit":      {"secrets: {max: 1, paths: all}", below, ruleSecrets, ResultPass, "1 secret found"},
		"all, narrow":                {all, searchedNarrowly, ruleSecrets, ResultUndecided, "did not look for secrets in every file (secrets: {paths: all})"},
		"all, narrow, warn":          {all + "\nlevels: {secrets: warn}", searchedNarrowly, ruleEvidence, ResultUndecided, "in every file"},
		"all, narrow, one anyway":    {all, both(searchedNarrowly, secret("low")), ruleSecrets, ResultFail, ""},
		"all, only files anywhere":   {all, scan(func(s *evidence.Scan) { s.Need = evidence.NeedSecretsAnywhere }), ruleSecrets, ResultUndecided, ""},
		"override":                   {override, below, ruleSecrets, ResultFail, ""},
		"override, narrow":           {override, searchedNarrowly, ruleSecrets, ResultUndecided, ""},
		"expression":                 {size, below, x, ResultPass, ""},
		"expression, all":            {size + "\nsecrets: {paths: all}", below, x, ResultFail, ""},
		"expression, all, narrow":    {size + "\nsecrets: {paths: all}", searchedNarrowly, x, ResultUndecided, "no evidence for secrets"},
		"expression, of the default": {size, both(below, secret("low")), x, ResultFail, ""},
	})
	for src, want := range map[string]evidence.Need{
		narrow: evidence.NeedSecrets, all: evidence.NeedSecrets | evidence.NeedSecretsAnywhere, override: evidence.NeedSecrets | evidence.NeedSecretsAnywhere,
		size + "\nsecrets: {paths: all}": evidence.NeedSecrets | evidence.NeedSecretsAnywhere, "config: {user: non-root}\nsecrets: {paths: all}": evidence.NeedUser,
		"secrets: {max: 0, paths: {value: all, from: 2026-09-01}}\nconfig: {user: non-root}": evidence.NeedSecrets | evidence.NeedSecretsAnywhere | evidence.NeedUser,
	} {
		if got := mustParse(t, "version: 1\n"+src+"\n").NeedsFor(goodImage().Reference); got != want {
			t.Errorf("%s needs %b, want %b", src, got, want)
		}
	}
}

func license(names ...string) func(*evidence.Image) {
	return scan(func(s *evidence.Scan) {
		for _, n := range names {
			s.Licenses = append(s.Licenses, evidence.License{Name: n, Package: "p"})
		}
	})
}

func TestContentRules(t *testing.T) {
	const zero, per = "secrets: {max: 0}", "secrets: {max: {high: 0, low: 1}}"
	const deny, allow = "licenses: {deny: [AGPL-3.0, \"SSPL-*\"]}", "licenses: {allow: [Zlib, MIT, Apache-2.0]}"
	const only = "licenses: {deny: [AGPL-3.0-only]}"
	noNeed := scan(func(s *evidence.Scan) { s.Need = evidence.NeedUser })
	runRuleCases(t, map[string]ruleCase{
		"no secret":          {zero, nil, ruleSecrets, ResultPass, "0 secrets"},
		"secret":             {zero, secret("LOW"), ruleSecrets, ResultFail, "app/.env:3: aws-key (low)"},
		"secret warn":        {zero + "\nlevels: {secrets: warn}", secret("LOW"), ruleSecrets, ResultWarn, ""},
		"secret not looked":  {zero, noNeed, ruleSecrets, ResultUndecided, "did not look for secrets"},
		"secret seen anyway": {zero, both(noNeed, secret("LOW")), ruleSecrets, ResultFail, ""},
		"secret no scan":     {zero, noScanAt, ruleSecrets, ResultUndecided, ""},
		"secret high":        {per, secret("HIGH"), ruleSecrets, ResultFail, ""},
		"secret unrated":     {per, secret("terrible"), ruleSecrets, ResultFail, ""},
		"secret medium":      {per, secret("medium"), ruleSecrets, ResultPass, ""},
		"secret one low":     {per, secret("low"), ruleSecrets, ResultPass, ""},
		"secret two low":     {per, both(secret("low"), secret("low")), ruleSecrets, ResultFail, ""},
		"licence fine":       {deny, license("MIT"), ruleLicenses, ResultPass, ""},
		"licence denied":     {deny, license("AGPL-3.0"), ruleLicenses, ResultFail, "AGPL-3.0 in p"},
		"licence only":       {deny, license("AGPL-3.0-only"), ruleLicenses, ResultFail, ""},
		"licence later":      {deny, license("agpl-3.0-or-later"), ruleLicenses, ResultFail, ""},
		"licence plus":       {deny, license("AGPL-3.0+"), ruleLicenses, ResultFail, ""},
		"only, bare":         {only, license("AGPL-3.0"), ruleLicenses, ResultFail, ""},
		"only, only":         {only, license("AGPL-3.0-only"), ruleLicenses, ResultFail, ""},
		"only, later":        {only, license("AGPL-3.0-or-later"), ruleLicenses, ResultPass, ""},
		"only, other":        {only, license("MIT"), ruleLicenses, ResultPass, ""},
		"later, plus":        {"licenses: {deny: [AGPL-3.0+]}", license("AGPL-3.0-or-later"), ruleLicenses, ResultFail, ""},
		"later, only":        {"licenses: {deny: [AGPL-3.0+]}", license("AGPL-3.0-only"), ruleLicenses, ResultPass, ""},
		"licence glob":       {deny, license("SSPL-1.0"), ruleLicenses, ResultFail, ""},
		"licence or":         {deny, license("MIT OR AGPL-3.0"), ruleLicenses, ResultPass, ""},
		"licence and":        {deny, license("MIT AND AGPL-3.0"), ruleLicenses, ResultFail, ""},
		"licence nested":     {deny, license("(MIT OR AGPL-3.0) AND (AGPL-3.0-only OR SSPL-1.0)"), ruleLicenses, ResultFail, ""},
		"licence with":       {deny, license("AGPL-3.0 WITH Classpath-exception-2.0"), ruleLicenses, ResultFail, ""},
		"licence broken":     {deny, license("MIT OR (AGPL-3.0"), ruleLicenses, ResultFail, ""},
		"licence warn":       {"licenses: {deny: [MIT], level: warn}", license("MIT"), ruleLicenses, ResultWarn, ""},
		"licence not looked": {deny, noNeed, ruleLicenses, ResultUndecided, ""},
		"licence seen":       {deny, both(noNeed, license("AGPL-3.0")), ruleLicenses, ResultFail, ""},
		"licence no scan":    {deny, noScanAt, ruleLicenses, ResultUndecided, ""},
		"allowed":            {allow, license("MIT"), ruleLicenses, ResultPass, ""},
		"allowed or":         {allow, license("GPL-2.0-only OR MIT"), ruleLicenses, ResultPass, ""},
		"allowed and":        {allow, license("GPL-2.0-only AND MIT"), ruleLicenses, ResultFail, ""},
		"not allowed":        {allow, license("GPL-2.0-only"), ruleLicenses, ResultFail, "GPL-2.0-only in p"},
		"no name":            {allow, license(""), ruleLicenses, ResultFail, "unknown in p"},
		"unknown allowed":    {"licenses: {allow: [Zlib, unknown]}", license(""), ruleLicenses, ResultPass, ""},
		"package without":    {allow, scan(func(s *evidence.Scan) { s.Licenses = nil }), ruleLicenses, ResultFail, "unknown in zlib1g"},
	})
}

func TestEvidenceRule(t *testing.T) {
	const p = "vulnerabilities: {max: {high: 0}}"
	runRuleCases(t, map[string]ruleCase{
		"complete":                              {p, nil, ruleEvidence, ResultPass, digestA},
		"schema":                                {p, func(i *evidence.Image) { i.SchemaVersion = 2 }, ruleEvidence, ResultUndecided, "schema version 2"},
		"no name":                               {p, func(i *evidence.Image) { i.Reference.Name = "" }, ruleEvidence, ResultUndecided, "no name"},
		"no source":                             {p, func(i *evidence.Image) { i.Reference.Source = "daemon" }, ruleEvidence, ResultUndecided, "daemon"},
		"no digest":                             {p, func(i *evidence.Image) { i.Digest = "" }, ruleEvidence, ResultUndecided, "no digest"},
		"an image ID where there is a digest":   {p, func(i *evidence.Image) { i.ImageID = i.Digest }, ruleEvidence, ResultUndecided, "image ID"},
		"an image ID of an image in a registry": {p, func(i *evidence.Image) { i.ImageID, i.Digest = i.Digest, "" }, ruleEvidence, ResultUndecided, "image ID"},
		"short digest":                          {p, func(i *evidence.Image) { i.Digest = "sha256:aa" }, ruleEvidence, ResultUndecided, "no digest"},
		"other digest":                          {p, func(i *evidence.Image) { i.IndexDigest = "" }, ruleEvidence, ResultUndecided, "was asked for"},
		"no platform":                           {p, func(i *evidence.Image) { i.Platform = "" }, ruleEvidence, ResultUndecided, "platform"},
		"no platforms":                          {p, func(i *evidence.Image) { i.Platforms = nil }, ruleEvidence, ResultUndecided, "platform"},
		"no config":                             {p, noConfigAt, ruleEvidence, ResultUndecided, "config"},
		"no scan":                               {p, noScanAt, ruleEvidence, ResultUndecided, "not scanned"},
		"no scan needed":                        {"reference: {pin: digest}", noScanAt, ruleEvidence, ResultPass, ""},
		"scan for others":                       {p, scan(func(s *evidence.Scan) { s.Need = evidence.NeedUser }), ruleEvidence, ResultUndecided, "packages and jars"},
		"no word of gaps":                       {p, scan(func(s *evidence.Scan) { s.Coverage.Gaps = nil }), ruleEvidence, ResultUndecided, "could not see"},
		"config and no os":                      {"config: {user: non-root}", scan(func(s *evidence.Scan) { s.OS = nil }), ruleEvidence, ResultPass, ""},
	})
	if v := mustParse(t, "version: 1\n"+p+"\n").Evaluate(goodImage(), time.Time{}); v.Decision == Passed {
		t.Error("passes without a time")
	}
}

// A fail outranks what is undecided, and both stay visible.
func TestDeniedOutranksUndecided(t *testing.T) {
	img := goodImage()
	img.Config.User = ""
	img.Scan.OS = nil
	v := Default().Evaluate(img, noon())
	if v.Decision != Denied || result(t, v, ruleUser).Result != ResultFail || result(t, v, ruleCoverage+"unknown-os").Result != ResultUndecided {
		t.Errorf("got %+v", v)
	}
}

// Positions lead to the line that decides, or nowhere when none does.
func TestPositions(t *testing.T) {
	p := mustParse(t, "version: 1\nvulnerabilities:\n  max:\n    high: 0\noverrides:\n- images: [registry.example.no/shop/*]\n  vulnerabilities:\n    max: {high: 3}\n")
	v := p.Evaluate(goodImage(), noon())
	if got := result(t, v, ruleMax).Position.String(); got != "policy.yaml:8:17" {
		t.Errorf("vulnerabilities.max is at %s", got)
	}
	if got := v.Overrides[0].Position.String(); got != "policy.yaml:6:3" {
		t.Errorf("override is at %s", got)
	}
	if got := result(t, v, ruleCoverage+"unknown-os").Position; !got.IsZero() {
		t.Errorf("a rule that no key sets has the position %s", got)
	}
	if got := result(t, Default().Evaluate(goodImage(), noon()), rulePin).Position; !got.IsZero() {
		t.Errorf("a rule of the built-in policy is in a file: %s", got)
	}
}

// An override replaces key by key and severity by severity.
func TestOverridesMerge(t *testing.T) {
	p := mustParse(t, `version: 1
config: {user: numeric, deny-ports: [22]}
vulnerabilities: {max: {critical: 0, high: 0}, unfixed: warn}
coverage: {end-of-life: warn, database-max-age: 1d}
secrets: {max: {high: 0, low: 0}}
overrides:
- images: [registry.example.no/shop/app]
  final: true
  config: {user: non-root}
  vulnerabilities: {max: {high: 5}}
  coverage: {unknown-os: warn}
  secrets: {max: {low: unlimited}}
- images: ["registry.example.no/**"]
  vulnerabilities: {max: {critical: unlimited}}
`)
	s := p.settingsFor("registry.example.no/shop/app", noon()).settings
	if userKey.value(s) != userNonRoot || len(denyPortsKey.value(s)) != 1 || unfixedKey.value(s).all != levelWarn {
		t.Errorf("keys that the override does not name changed: %+v", s)
	}
	if maxKey.at(s, evidence.SeverityCritical).value != 0 || !maxKey.at(s, evidence.SeverityCritical).set || maxKey.at(s, evidence.SeverityHigh).value != 5 {
		t.Errorf("max = %+v, want critical 0 and high 5", maxKey.of(s))
	}
	if endOfLifeKey.value(s).level != levelWarn || gapKeys[evidence.GapUnknownOS].value(s) != levelWarn || databaseAgeKey.value(s) != 24*time.Hour {
		t.Errorf("coverage = %+v", s.values)
	}
	if per := secretMaxKey.value(s).per; !per[evidence.SeverityHigh].set || per[evidence.SeverityLow].value != unlimitedMax {
		t.Errorf("secrets = %+v", secretMaxKey.value(s))
	}
	if s := p.settingsFor("registry.example.no/other", noon()).settings; maxKey.at(s, evidence.SeverityHigh).value != 0 || maxKey.at(s, evidence.SeverityCritical).value != unlimitedMax {
		t.Errorf("the second override: max = %+v", maxKey.of(s))
	}
	if a := p.settingsFor("other.no/x", noon()); len(a.overrides) > 0 || maxKey.at(a.settings, evidence.SeverityHigh).value != 0 {
		t.Errorf("the base changed: %+v", maxKey.of(a.settings))
	}
}

// allGapKinds lists the kinds of gaps in the order of the rules.
func allGapKinds() []evidence.GapKind {
	var kinds []evidence.GapKind
	for _, t := range gapTexts() {
		kinds = append(kinds, t.kind)
	}
	return kinds
}
