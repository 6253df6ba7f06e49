package policy

import (
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// user sets USER and the uid that it was resolved to; uid -2 means that it
// cannot be resolved.
func user(spec string, uid int64, numeric bool) func(*evidence.Image) {
	return func(i *evidence.Image) {
		i.Config.User = spec
		i.Scan.User = &evidence.User{Spec: spec, UID: &uid, Numeric: numeric, Via: "/etc/passwd line 3"}
		if uid == -2 {
			i.Scan.User = &evidence.User{Spec: spec, Problem: "there is no /etc/passwd"}
		}
	}
}

func spec(s string) func(*evidence.Image) {
	return both(config(func(c *evidence.Config) { c.User = s }), noScanAt)
}

func TestUserRule(t *testing.T) {
	const p, num = "config: {user: non-root}", "config: {user: numeric}"
	cases := map[string]ruleCase{
		"number":            {p, user("10001", 10001, true), ruleUser, ResultPass, "uid 10001"},
		"name":              {p, user("app", 1000, false), ruleUser, ResultPass, `USER "app"`},
		"name is root":      {p, user("app", 0, false), ruleUser, ResultFail, "/etc/passwd line 3"},
		"root is not root":  {p, user("root", 1000, false), ruleUser, ResultPass, "uid 1000"},
		"unresolved":        {p, user("app", -2, false), ruleUser, ResultUndecided, "there is no /etc/passwd"},
		"variable":          {p, user("${USER}", -2, false), ruleUser, ResultUndecided, "${USER}"},
		"negative":          {p, user("-1", -1, true), ruleUser, ResultUndecided, "no user"},
		"wraps to root":     {p, user("4294967296", 4294967296, true), ruleUser, ResultUndecided, "no user"},
		"minus one":         {p, user("4294967295", 4294967295, true), ruleUser, ResultUndecided, "no user"},
		"largest":           {p, user("4294967294", 4294967294, true), ruleUser, ResultPass, ""},
		"evidence disagree": {p, user("1000", 1001, true), ruleUser, ResultUndecided, "no user"},
		"other spec":        {p, func(i *evidence.Image) { i.Config.User = "app" }, ruleUser, ResultUndecided, "evidence is about"},
		"problem with uid":  {p, func(i *evidence.Image) { i.Scan.User.Problem = "two lines" }, ruleUser, ResultUndecided, "two lines"},
		"numeric name":      {num, user("app", 1000, false), ruleUser, ResultFail, "Kubernetes cannot verify"},
		"numeric claim":     {num, user("app", 1000, true), ruleUser, ResultFail, ""},
		"numeric number":    {num, user("1000:app", 1000, true), ruleUser, ResultPass, ""},
		"numeric sign":      {num, user("+1000", 1000, true), ruleUser, ResultFail, ""},
		"numeric root":      {num, user("0", 0, true), ruleUser, ResultFail, "uid 0"},
		"group root":        {p, func(i *evidence.Image) { i.Scan.User.GID = ptr(int64(0)) }, ruleUser, ResultPass, "group is root"},
		"no config":         {p, noConfigAt, ruleUser, ResultUndecided, ""},
		"any":               {"config: {user: any, deny-ports: [22]}", user("root", 0, false), ruleUser, ResultOff, ""},
		"warn":              {p + "\nlevels: {config.user: warn}", user("root", 0, false), ruleUser, ResultWarn, ""},
		"not looked":        {p, both(user("app", 1000, false), scan(func(s *evidence.Scan) { s.Need = evidence.NeedPackages })), ruleUser, ResultUndecided, "not resolved"},
		"no section":        {p, both(user("app", 1000, false), scan(func(s *evidence.Scan) { s.User = nil })), ruleUser, ResultUndecided, "not resolved"},
	}
	// A USER that is root by the specification is root with every scan and
	// without a scan.
	for _, s := range []string{"", ":", ":0", ":1000", "0", "00", "000000", "+0", "-0", "0:0", "0:1000", "00:app", "-0:app"} {
		cases["root "+s] = ruleCase{p, user(s, 1000, true), ruleUser, ResultFail, "runs as root"}
		cases["root unscanned "+s] = ruleCase{p, spec(s), ruleUser, ResultFail, "runs as root"}
	}
	for _, s := range []string{"root", "root:root", "root:1000"} {
		cases["root by name "+s] = ruleCase{p, user(s, 0, false), ruleUser, ResultFail, "runs as root"}
		cases["root by name unscanned "+s] = ruleCase{p, spec(s), ruleUser, ResultFail, "runs as root"}
	}
	for _, s := range []string{"1", "1000", "01000", "65532", "1000:0", "4294967294"} {
		cases["plain "+s] = ruleCase{p, spec(s), ruleUser, ResultPass, "runs as uid"}
	}
	for _, s := range []string{
		"app", "Root", " root", "root ", " 0", "0 ", "\t0", "0x0", "0.0", "1e3", "1_000", "-1", "+1000", "1000:app", "1000:", "1000 ",
		"4294967295", "4294967296", "99999999999999999999", "${UID}", "ContainerAdministrator", "1000:0:0", "٠",
	} {
		cases["unscanned "+s] = ruleCase{p, spec(s), ruleUser, ResultUndecided, "was not resolved"}
	}
	runRuleCases(t, cases)
}
