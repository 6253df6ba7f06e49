package policy

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
)

// check reports mistakes that no single line shows: settings without effect,
// and settings that would blind the gate.
func (d *decoder) check(p *Policy, root *yaml.Node, seen map[string]*yaml.Node) {
	d.checkParts(p)
	if len(d.diags) > 0 {
		return
	}
	d.checkEffect(p, root)
	d.checkExceptedRules(p)
	d.checkVulnerabilities(p, seen["vulnerabilities"])
	d.checkExploited(p)
	d.checkBaselineKeys(p)
	d.checkVEXKeys(p)
	d.checkDeadlineKeys(p)
	d.checkLevels(p)
	d.checkProof(p)
}

// checkParts holds the checks that are also made in a policy with other
// mistakes: a line that was not understood can cause none of their reports.
func (d *decoder) checkParts(p *Policy) {
	d.checkBlinding(p)
	d.checkShadowed(p)
	d.checkWorkloadLevels(p)
	d.checkExceptions(p)
	d.checkOverrideLimits(p)
}

// checkBlinding keeps the rules that tell an empty image from an unreadable one
// at level fail, except for images that the policy names.
func (d *decoder) checkBlinding(p *Policy) {
	refuse := func(s *settings, cure, why string) {
		for _, t := range gapTexts() {
			l := gapKeys[t.kind].of(s)
			if id := ruleCoverage + string(t.kind); blinding(id) && l.set && l.value != levelFail {
				d.failPos(l.pos, cure, "%s is %s %s", id, l.value, why)
			}
		}
	}
	refuse(&p.base, "set it in an override that names the images: overrides: [{images: [\"registry.example.no/static/*\"], coverage: {...}}]",
		"for every image, so an image whose packages cannot be read would pass")
	for _, o := range p.overrides {
		if i := slices.IndexFunc(o.images, namesNothing); i >= 0 {
			refuse(&o.changes, "name the registry and repository of the images that are meant",
				fmt.Sprintf("in an override for %q, which matches images whatever their name", clip(o.images[i])))
		}
	}
}

// checkShadowed reports overrides that never apply because an earlier one is
// final and matches all their images.
func (d *decoder) checkShadowed(p *Policy) {
	for i, o := range p.overrides {
		for _, earlier := range p.overrides[:i] {
			if o.inherited {
				break
			}
			hidden := len(o.images) > 0 && earlier.final.value
			for _, g := range o.images {
				hidden = hidden && slices.ContainsFunc(earlier.images, func(e string) bool { return covered(g, e) })
			}
			if hidden {
				place := ""
				if earlier.inherited {
					place = " of " + earlier.pos.File
				}
				d.failPos(o.pos, "move this one before it, or remove it",
					"override %d is never reached: the one on line %d%s is final and matches all its images", o.number, earlier.pos.Line, place)
				break
			}
		}
	}
}

// checkWorkloadLevels refuses the level of a rule about workloads in an override,
// which is for images.
func (d *decoder) checkWorkloadLevels(p *Policy) {
	for _, o := range p.overrides {
		for _, r := range p.lang.rules {
			if l := o.changes.levelOption(r.ID); l.set && r.ofRelease() && !o.inherited {
				d.failPos(l.pos, "write an exception that names the workload: rule: "+r.ID,
					"override %d sets the level of %s, which is not about images", o.number, r.ID)
			}
		}
	}
}

func (d *decoder) checkExceptions(p *Policy) {
	denied := map[string]int{}
	for _, s := range p.everySettings() {
		for _, id := range denyKey.value(s) {
			denied[strings.ToUpper(id)] = denyKey.of(s).pos.Line
		}
	}
	for i, e := range p.exceptions {
		if line := denied[strings.ToUpper(e.ID)]; line > 0 && e.ID != "" {
			d.failPos(e.Position, "remove one of the two", "exception %d is for %s, which line %d denies always", i+1, e.ID, line)
		}
		for _, key := range p.limits.require.value {
			if e.keys[key] == nil && key != "reason" && e.mayHave(key) { // the absence of a reason is reported anyway
				d.failPos(e.Position, "add it: exception-limits.require at "+p.limits.require.pos.String()+" asks for it",
					"exception %d has no %q", i+1, key)
			}
		}
	}
}

// checkExceptedRules reports exceptions for rules that the policy does not have.
func (d *decoder) checkExceptedRules(p *Policy) {
	for i, e := range p.exceptions {
		if IsCustom(e.Rule) && p.lang.lookup(e.Rule) == nil {
			d.failPos(e.Position, "name a rule that the policy has under rules, or remove the exception", "exception %d is for %s, and the policy has no such rule", i+1, clip(e.Rule))
		}
	}
}

// checkEffect refuses a policy that asks nothing: everything would pass.
func (d *decoder) checkEffect(p *Policy, root *yaml.Node) {
	for _, s := range p.everySettings() {
		if p.asks(s) {
			return
		}
	}
	d.at(root.Line, root.Column, "add a section such as vulnerabilities, or print the default with imagegate policy init",
		"the policy asks nothing of any image")
}

// asks reports whether any rule is set and not off.
func (p *Policy) asks(s *settings) bool {
	return s.asksCoverage() || slices.ContainsFunc(p.lang.rules, func(r *Rule) bool {
		return !r.Setting && !r.modifies && !r.always && !IsPromotionRule(r.ID) && r.active(s)
	})
}

// everySettings returns the base and what it becomes under each override.
func (p *Policy) everySettings() []*settings {
	all := []*settings{&p.base}
	for _, o := range p.overrides {
		all = append(all, &o.settings)
	}
	return all
}

// checkVulnerabilities reports keys of the section that have no effect because
// no limit is set.
func (d *decoder) checkVulnerabilities(p *Policy, key *yaml.Node) {
	judged, limited := false, map[evidence.Severity]bool{}
	for _, s := range p.everySettings() {
		_, max := s.set(maxKey, denyKey)
		judged = judged || max
		for sev := range graceKey.of(s) {
			if _, _, ok := s.limited(sev); ok {
				limited[sev] = true
			}
		}
	}
	if key != nil && !judged {
		d.at(key.Line, key.Column, "add max: {critical: 0, high: 0}", "vulnerabilities has neither max nor deny, so no finding can block")
		return
	}
	for _, s := range p.everySettings() {
		grace := graceKey.of(s)
		for _, sev := range inOrder(grace) {
			if !limited[sev] {
				d.failPos(grace[sev].pos, fmt.Sprintf("add %s to vulnerabilities.max, or remove it here", sev),
					"vulnerabilities.grace.%s has no effect: max does not limit %s", sev, sev)
			}
		}
	}
}

// checkLevels reports levels of rules that are set nowhere.
func (d *decoder) checkLevels(p *Policy) {
	asked := map[string]bool{ruleExceptionLimits: p.limits.maxDays.set || p.limits.never.set}
	for _, r := range p.lang.rules {
		for _, s := range p.everySettings() {
			_, ok := r.asked(s)
			asked[r.ID] = asked[r.ID] || ok
		}
	}
	for _, s := range p.everySettings() {
		if l := licenseLevelKey.of(s); l.set && !asked[ruleLicenses] {
			d.failPos(l.pos, "add licenses.deny or licenses.allow, or remove it", "licenses.level has no effect without deny or allow")
		}
		if t := licenseTypesKey.of(s); t.set && !asked[ruleLicenses] {
			d.failPos(t.pos, "add licenses.deny or licenses.allow, or remove it", "licenses.types has no effect without deny or allow")
		}
		for _, r := range p.lang.rules {
			if l := s.levelOption(r.ID); l.set && !asked[r.ID] {
				d.failPos(l.pos, "set the rule, or remove its level", "levels.%s has no effect: the policy does not set %s", r.ID, r.ID)
			}
		}
	}
}
