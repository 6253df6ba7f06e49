package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

const prodApp = "registry.example.no/prod/app"

// promoted is a promotion of the image to tags of prodApp.
func promoted(tags ...evidence.Tag) func(*evidence.Image) {
	return func(i *evidence.Image) { i.Promotions = []evidence.Promotion{{Target: prodApp, Tags: tags}} }
}

// rolledBack is the same with --rollback.
func rolledBack(tags ...evidence.Tag) func(*evidence.Image) {
	return func(i *evidence.Image) {
		promoted(tags...)(i)
		i.Promotions[0].Rollback = "1.4.2 loses orders"
	}
}

// versioned gives the image a version, and then changes it.
func versioned(version string, change func(*evidence.Image)) func(*evidence.Image) {
	return func(i *evidence.Image) {
		i.Config.Labels[versionLabel] = version
		change(i)
	}
}

// stable is the tag stable that names something else, which has these platforms.
func stable(releases ...evidence.TagPlatform) evidence.Tag {
	return evidence.Tag{Name: "stable", Before: digestA, Platforms: releases}
}

func aged(version string, days int) evidence.TagPlatform {
	return evidence.TagPlatform{Platform: "linux/amd64", Version: version, Created: ptr(noon().AddDate(0, 0, days))}
}

func TestPromotionTables(t *testing.T) {
	const to = "config: {max-layers: 99}\n" + `promote: {to: ["registry.example.no/prod/**"]}`
	const fixed = "config: {max-layers: 99}\n" + `promote: {fixed-tags: ["*.*.*"]}`
	const moving = "config: {max-layers: 99}\n" + `promote: {moving-tags: [stable, "1.*"]}`
	taken, same := evidence.Tag{Name: "1.4.2", Before: digestA}, evidence.Tag{Name: "1.4.2", Before: digestB}
	had := stable(aged("1.5.0", 0))
	had.Had = true
	unread := stable()
	unread.Problem = "the registry answered 500"
	noDate := evidence.TagPlatform{Platform: "linux/amd64"}
	epoch := evidence.TagPlatform{Platform: "linux/amd64", Created: ptr(time.Unix(0, 0))}
	runRuleCases(t, map[string]ruleCase{
		"to: nothing is promoted": {to, nil, rulePromoteTo, ResultOff, ""},
		"to: allowed":             {to, promoted(), rulePromoteTo, ResultPass, prodApp},
		"to: another":             {"config: {max-layers: 99}\n" + `promote: {to: ["registry.example.no/test/**"]}`, promoted(), rulePromoteTo, ResultFail, prodApp},
		"to: one of two": {to, func(i *evidence.Image) {
			promoted()(i)
			i.Promotions = append(i.Promotions, evidence.Promotion{Target: "other.example.no/prod/app"})
		}, rulePromoteTo, ResultFail, "other.example.no"},

		"fixed: nothing is promoted":    {fixed, nil, ruleFixedTags, ResultOff, ""},
		"fixed: new":                    {fixed, promoted(evidence.Tag{Name: "1.4.2"}), ruleFixedTags, ResultPass, ""},
		"fixed: the digest already":     {fixed, promoted(same), ruleFixedTags, ResultPass, ""},
		"fixed: another digest":         {fixed, promoted(taken), ruleFixedTags, ResultFail, digestA},
		"fixed: another, beside a new":  {fixed, promoted(evidence.Tag{Name: "1.4.3"}, taken), ruleFixedTags, ResultFail, digestA},
		"fixed: no rollback":            {fixed, rolledBack(evidence.Tag{Name: "1.4.2", Before: digestA, Had: true}), ruleFixedTags, ResultFail, digestA},
		"fixed: a tag that is not":      {fixed, promoted(stable()), ruleFixedTags, ResultPass, "no fixed tag"},
		"fixed: in capitals":            {"config: {max-layers: 99}\n" + `promote: {fixed-tags: ["V*"]}`, promoted(evidence.Tag{Name: "v1", Before: digestA}), ruleFixedTags, ResultFail, ""},
		"moving: nothing is promoted":   {moving, nil, ruleMovingTags, ResultOff, ""},
		"moving: new":                   {moving, promoted(evidence.Tag{Name: "stable"}), ruleMovingTags, ResultPass, "new"},
		"moving: the digest already":    {moving, promoted(evidence.Tag{Name: "stable", Before: digestB}), ruleMovingTags, ResultPass, "already"},
		"moving: a tag that is not":     {moving, promoted(evidence.Tag{Name: "edge", Before: digestA}), ruleMovingTags, ResultPass, "no moving tag"},
		"moving: a higher version":      {moving, versioned("1.10.0", promoted(stable(aged("1.9.0", 0)))), ruleMovingTags, ResultPass, "1.10.0 after 1.9.0"},
		"moving: a lower version":       {moving, versioned("1.9.0", promoted(stable(aged("1.10.0", -9)))), ruleMovingTags, ResultFail, "backwards"},
		"moving: a later date":          {moving, promoted(stable(aged("", -9))), ruleMovingTags, ResultPass, "created"},
		"moving: an earlier date":       {moving, promoted(stable(aged("", -1))), ruleMovingTags, ResultFail, "backwards"},
		"moving: the same version":      {moving, versioned("24.4.0", promoted(stable(aged("24.4.0", -1)))), ruleMovingTags, ResultFail, "created"},
		"moving: no semantic version":   {moving, versioned("24.04", promoted(stable(aged("22.04", -1)))), ruleMovingTags, ResultFail, "created"},
		"moving: the same date":         {moving, promoted(stable(aged("", -3))), ruleMovingTags, ResultUndecided, "both were created on"},
		"moving: no date there":         {moving, promoted(stable(noDate)), ruleMovingTags, ResultUndecided, "no date"},
		"moving: the date of 1970":      {moving, promoted(stable(epoch)), ruleMovingTags, ResultUndecided, "no date"},
		"moving: a date to come":        {moving, promoted(stable(aged("", 900))), ruleMovingTags, ResultUndecided, "future"},
		"moving: no date here":          {moving, versionless(promoted(stable(aged("", -9)))), ruleMovingTags, ResultUndecided, "no date"},
		"moving: our date is to come":   {moving, dated(900, promoted(stable(aged("", -9)))), ruleMovingTags, ResultUndecided, "future"},
		"moving: not looked at":         {moving, promoted(stable()), ruleMovingTags, ResultUndecided, "not looked at"},
		"moving: could not be read":     {moving, promoted(unread), ruleMovingTags, ResultUndecided, "500"},
		"moving: no config":             {moving, configless(promoted(stable(aged("", -9)))), ruleMovingTags, ResultUndecided, ""},
		"moving: our platform counts":   {moving, versioned("2.0.0", promoted(stable(evidence.TagPlatform{Platform: "linux/arm64", Version: "3.0.0"}, aged("1.0.0", 0)))), ruleMovingTags, ResultPass, ""},
		"moving: without our platform":  {moving, versioned("2.0.0", promoted(stable(evidence.TagPlatform{Platform: "linux/arm64", Version: "1.0.0"}, evidence.TagPlatform{Platform: "linux/arm", Version: "3.0.0"}))), ruleMovingTags, ResultFail, "3.0.0"},
		"moving: back, with a reason":   {moving, versioned("1.4.1", rolledBack(had)), ruleMovingTags, ResultPass, "loses orders"},
		"moving: back, had it never":    {moving, versioned("1.4.1", rolledBack(stable(aged("1.5.0", 0)))), ruleMovingTags, ResultFail, "no record"},
		"moving: back without a reason": {moving, versioned("1.4.1", promoted(had)), ruleMovingTags, ResultFail, "backwards"},
		"moving: forwards, with reason": {moving, versioned("1.6.0", rolledBack(stable(aged("1.5.0", 0)))), ruleMovingTags, ResultPass, "forwards"},
		"moving: two, one goes back":    {moving, versioned("1.4.1", promoted(evidence.Tag{Name: "1.4"}, unread, stable(aged("1.5.0", 0)))), ruleMovingTags, ResultFail, "backwards"},
		"moving: two, one is not known": {moving, versioned("1.6.0", promoted(unread, stable(aged("1.5.0", 0)))), ruleMovingTags, ResultUndecided, "500"},
		"emergency has no result":       {"config: {max-layers: 99}\n" + `promote: {to: ["registry.example.no/prod/**"], emergency: {by: [anna], max-days: 3}}`, nil, rulePromoteTo, ResultOff, ""},
	})
}

func versionless(change func(*evidence.Image)) func(*evidence.Image) {
	return func(i *evidence.Image) {
		i.Config.Created = nil
		change(i)
	}
}

func dated(days int, change func(*evidence.Image)) func(*evidence.Image) {
	return func(i *evidence.Image) {
		i.Config.Created = ptr(noon().AddDate(0, 0, days))
		change(i)
	}
}

func configless(change func(*evidence.Image)) func(*evidence.Image) {
	return func(i *evidence.Image) {
		i.Config = nil
		change(i)
	}
}

// What the tag names cannot be read: to promote a later release is no cure then.
func TestCureOfATagThatCannotBeRead(t *testing.T) {
	img := goodImage()
	promoted(evidence.Tag{Name: "stable", Before: digestA, Problem: "the registry answered 500"})(img)
	v := mustParse(t, "version: 1\nextends: none\nconfig: {max-layers: 99}\npromote: {moving-tags: [stable]}\n").Evaluate(img, noon())
	if cure := result(t, v, ruleMovingTags).Cure; !strings.Contains(cure, digestA) || strings.Contains(cure, "later release") {
		t.Error(cure)
	}
}

// Rules about the target judge no image: with them alone nothing passes.
func TestPromotionRulesAloneAreNoVerdict(t *testing.T) {
	p := mustParse(t, "version: 1\npromote: {to: [\"registry.example.no/prod/**\"], fixed-tags: [\"*.*.*\"], moving-tags: [stable]}\noverrides: [{images: [r.no/other], config: {max-layers: 9}}]\n")
	img := goodImage()
	promoted(evidence.Tag{Name: "stable"}, evidence.Tag{Name: "1.0.0"})(img)
	if v := p.Evaluate(img, noon()); v.Decision != Undecided {
		t.Errorf("the decision is %s: %+v", v.Decision, v.Rules)
	}
}

// A policy with rules about targets alone is refused: it asks nothing of images.
func TestPromotionRulesAskNothingOfImages(t *testing.T) {
	_, err := Parse("p", []byte("version: 1\nextends: none\npromote: {to: [\"registry.example.no/prod/**\"]}\n"))
	if err == nil || !strings.Contains(err.Error(), "asks nothing") {
		t.Errorf("error %v", err)
	}
}

// A level, an exception or an override cannot soften what a target asks.
func TestPromotionRulesAreNotSoftened(t *testing.T) {
	for name, src := range map[string]string{
		"level":     "promote: {fixed-tags: [\"*\"]}\nlevels: {promote.fixed-tags: warn}\n",
		"exception": "promote: {fixed-tags: [\"*\"]}\nexceptions: [{rule: promote.fixed-tags, images: [r.no/a], reason: x, expires: 2026-07-01}]\n",
		"override":  "overrides: [{images: [r.no/a], promote: {emergency: {by: [eve], max-days: 9}}}]\n",
		"no end":    "promote: {emergency: {by: [anna]}}\n",
		"no name":   "promote: {emergency: {max-days: 3}}\n",
		"no names":  "promote: {emergency: {by: [], max-days: 3}}\n",
		"empty":     "promote: {emergency: {by: [\" \"], max-days: 3}}\n",
		"for ever":  "promote: {emergency: {by: [anna], max-days: 0}}\n",
		"true":      "promote: {emergency: true}\n",
		"anywhere":  "promote: {to: [\"**\"]}\n",
	} {
		if _, err := Parse("p", []byte("version: 1\n"+src)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A policy above a pinned base cannot let anyone promote in an emergency where the
// base does not, in whatever way it says so.
func TestEmergencyIsTheBasesToAllow(t *testing.T) {
	const allow = "promote: {emergency: {by: [anna], max-days: 3}}\n"
	for name, c := range map[string]struct {
		base, child string
		ok          bool
	}{
		"the base allows":              {allow, "", true},
		"the base allows, child too":   {allow, allow, true},
		"child adds":                   {"", allow, false},
		"child adds beside to":         {"promote: {to: [r.no/a]}\n", "promote: {to: [r.no/a], emergency: {by: [anna], max-days: 3}}\n", false},
		"child adds from a day":        {"", "promote: {emergency: {value: {by: [anna], max-days: 3}, from: 2026-01-01}}\n", false},
		"child adds in an override":    {"", "overrides: [{images: [r.no/a], " + strings.TrimSpace(allow) + "}]\n", false},
		"open overrides, in one":       {"open: [overrides, exceptions]\n", "overrides: [{images: [r.no/a], " + strings.TrimSpace(allow) + "}]\n", false},
		"open overrides, child adds":   {"open: [overrides, exceptions]\n", allow, false},
		"child adds a name":            {allow, "promote: {emergency: {by: [anna, eve], max-days: 3}}\n", false},
		"child takes days away":        {allow, "promote: {emergency: {by: [anna], max-days: 1}}\n", true},
		"base from a day, child early": {"promote: {emergency: {value: {by: [anna], max-days: 3}, from: 2027-01-01}}\n", allow, false},
	} {
		p, err := parseOn(c.base, c.child)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if p != nil && p.EmergencyTerms(goodImage().Reference, noon()) == nil {
			t.Errorf("%s: there are no emergencies", name)
		}
	}
	if terms := Default().EmergencyTerms(goodImage().Reference, noon()); terms != nil {
		t.Errorf("the built-in policy allows emergencies: %+v", terms)
	}
	later := mustParse(t, "version: 1\nconfig: {max-layers: 99}\npromote: {emergency: {value: {by: [anna], max-days: 3}, from: 2027-01-01}}\n")
	if terms := later.EmergencyTerms(goodImage().Reference, noon()); terms != nil {
		t.Errorf("emergencies are allowed before their day: %+v", terms)
	}
}

func TestEmergencyTerms(t *testing.T) {
	terms := &Emergency{By: []string{"anna", "bo"}, MaxDays: 3}
	day := func(n int) time.Time { return dayOf(noon()).AddDate(0, 0, n) }
	for name, c := range map[string]struct {
		by    string
		until time.Time
		ok    bool
	}{
		"the last day": {"anna", day(3), true}, "today": {"bo", day(0), true}, "a day too long": {"anna", day(4), false},
		"ended": {"anna", day(-1), false}, "a stranger": {"eve", day(1), false}, "part of a name": {"ann", day(1), false},
		"nobody": {"", day(1), false}, "no end": {"anna", time.Time{}, false},
	} {
		if why := terms.Refuses(c.by, c.until, noon()); (why == "") != c.ok {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// An emergency covers what is known to be wrong with the image, and nothing else.
func TestWhatAnEmergencyCovers(t *testing.T) {
	fail, pass := RuleResult{Rule: ruleMax, Result: ResultFail}, RuleResult{Rule: ruleUser, Result: ResultPass}
	for name, c := range map[string]struct {
		v  Verdict
		ok bool
	}{
		"findings":           {Verdict{Decision: Denied, Rules: []RuleResult{fail, pass}}, true},
		"a pass":             {Verdict{Decision: Passed, Rules: []RuleResult{pass}}, true},
		"no verdict":         {Verdict{Rules: []RuleResult{fail}}, false},
		"nothing":            {Verdict{}, false},
		"a rule not known":   {Verdict{Decision: Denied, Rules: []RuleResult{fail, {Rule: ruleUser}}}, false},
		"a fixed tag":        {Verdict{Decision: Denied, Rules: []RuleResult{fail, {Rule: ruleFixedTags, Result: ResultFail}}}, false},
		"a target":           {Verdict{Decision: Denied, Rules: []RuleResult{{Rule: rulePromoteTo, Result: ResultFail}}}, false},
		"a tag that is back": {Verdict{Decision: Denied, Rules: []RuleResult{fail, {Rule: ruleMovingTags, Result: ResultFail}}}, false},
	} {
		if why := c.v.NotCovered(); (why == "") != c.ok {
			t.Errorf("%s: %q", name, why)
		}
	}
}

var _ = addValues(promoteValues())

// promoteValues are the rows of the keys about promotions, see keyValues.
func promoteValues() map[string]values {
	return map[string]values{
		rulePromoteTo:      {base: "['r.example.no/prod/**']", loose: []string{"['r.example.no/**']", "['r.example.no/prod/**', 'q.example.no/x']"}, strict: []string{"['r.example.no/prod/app']"}},
		rulePromoteRequire: {base: "[signature]", loose: []string{"[provenance]"}, strict: []string{"[provenance, signature]"}},
		ruleFixedTags:      {base: "['*.*.*', 'v*']", loose: []string{"['*.*.*']", "['*.*.*', 'v1*']"}, strict: []string{"['V*', '*.*.*', x]"}},
		ruleMovingTags:     {base: "[stable, '1.*']", loose: []string{"[stable]", "[stable, '1.1*']"}, strict: []string{"['1.*', Stable, x]"}},
		ruleEmergency:      {base: "{by: [anna, bo], max-days: 3}", loose: []string{"{by: [anna, cleo], max-days: 3}", "{by: [anna], max-days: 4}", "{by: [Anna], max-days: 3}"}, strict: []string{"{by: [bo], max-days: 3}", "{by: [bo, anna], max-days: 1}"}},
	}
}

// What a promotion needs is asked whatever the levels of the rules are, and a policy
// that says nothing of signers is no answer.
func TestPromotionNeedsProofs(t *testing.T) {
	const signed = trusting + "signatures: {require: [a]}\n"
	const need = "promote: {require: [signature]}\n"
	proven := func(change func(*evidence.Proof)) func(*evidence.Image) {
		return func(i *evidence.Image) {
			promoted()(i)
			if i.Proof = goodProof(); change != nil {
				change(i.Proof)
			}
		}
	}
	unsigned := func(p *evidence.Proof) { p.Signatures = nil }
	runRuleCases(t, map[string]ruleCase{
		"nothing is promoted":         {signed + need, nil, rulePromoteRequire, ResultOff, ""},
		"signed":                      {signed + need, proven(nil), rulePromoteRequire, ResultPass, "signature"},
		"not signed":                  {signed + need, proven(unsigned), rulePromoteRequire, ResultFail, "not signed by a"},
		"not signed, a warning":       {signed + "levels: {signatures.require: warn}\n" + need, proven(unsigned), rulePromoteRequire, ResultFail, "not signed by a"},
		"not signed, off":             {signed + "config: {max-layers: 99}\nlevels: {signatures.require: off}\n" + need, proven(unsigned), rulePromoteRequire, ResultFail, ""},
		"not looked at":               {signed + need, func(i *evidence.Image) { promoted()(i); i.Proof = nil }, rulePromoteRequire, ResultUndecided, ""},
		"nobody says by whom":         {"config: {max-layers: 99}\n" + need, proven(nil), rulePromoteRequire, ResultUndecided, "does not ask rule signatures"},
		"signed, provenance not said": {signed + "promote: {require: [signature, provenance]}\n", proven(nil), rulePromoteRequire, ResultUndecided, "rule provenance"},
		"both": {trusting + "signatures: {require: [a]}\nprovenance: {signed-by: [c]}\npromote: {require: [signature, provenance]}\n",
			proven(nil), rulePromoteRequire, ResultPass, "provenance"},
	})
}
