package policy

import (
	"fmt"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	ruleDeadlines        = "deadlines.rows"
	ruleDeadlinesCeiling = "deadlines.ceiling"
	ruleDeadlinesClock   = "deadlines.clock"
	ruleHistoryBy        = "deadlines.signed-by"
	ruleExposure         = "exposure"

	clockPublished = "published"
	clockFirstSeen = "first-seen"

	exposurePublic   = "public"
	exposureInternal = "internal"

	wordDueDate      = "due-date"
	maxDeadlineRows  = 50
	deadlinesExample = "deadlines:\n  rows:\n  - {kev: true, exposure: public, within: 3d}\n  - {kev: true, within: due-date}\n  - {severity: critical, within: 15d}\n  - {within: 30d}\n"
)

// deadlineRow says until when findings of a kind have to be fixed.
type deadlineRow struct {
	pos         Position
	kev         bool // the catalogue of exploited vulnerabilities lists it
	severity    evidence.Severity
	exposure    string
	probability float64
	within      time.Duration
	dueDate     bool // the day of the catalogue instead of within
}

var (
	deadlinesKey = &setting[[]deadlineRow]{
		path: ruleDeadlines, doc: "Until when findings have to be fixed: the first row that matches a finding counts. They take the place of vulnerabilities.grace.",
		schema: object{"type": "array", "minItems": 1, "maxItems": maxDeadlineRows, "items": schemaOf(deadlineFields())}, read: deadlineRows,
		order: sameDeadlines, unset: &[]deadlineRow{},
	}
	deadlinesCeilingKey = ageKey(ruleDeadlinesCeiling, "How long after its publication every finding has to be fixed, whatever the rows say.")
	clockKey            = wordKey(ruleDeadlinesClock, "What the time begins with: published, the publication of the advisory, or first-seen, the first run that saw the finding.", clockPublished, clockFirstSeen).orElse(clockPublished)
	// A signer that a policy above a pinned base adds could seal what it likes.
	historyByKey = signersKey(ruleHistoryBy, "Signers whose seals on earlier evidence count.", shorter(same)).orElse([]string{})
	exposureKey  = &setting[string]{
		path: ruleExposure, doc: "Who can reach what the image runs as: public, or internal. Rows of deadlines ask for it.",
		schema: enum(exposurePublic, exposureInternal), read: oneOf(exposurePublic, exposureInternal),
		order: same, unset: new(exposurePublic), // a row can ask for either

	}
)

func deadlineFields() []field[*deadlineRow] {
	return []field[*deadlineRow]{
		{key: "kev", doc: "The row is for findings that CISA's catalogue of exploited vulnerabilities lists.", schema: object{"const": true}, decode: func(d *decoder, n *yaml.Node, name string, r *deadlineRow) {
			if v, ok := d.toggle(n, name); ok && !v {
				d.fail(n, "leave it out, and write the row after those with kev: true", "%s is false", name)
			}
			r.kev = true
		}},
		{key: "severity", doc: "The row is for findings of this severity.", schema: enum(severityWords()...), decode: func(d *decoder, n *yaml.Node, name string, r *deadlineRow) {
			w, _ := d.choice(n, name, severityWords())
			r.severity = evidence.Severity(w)
		}},
		{key: "exposure", doc: "The row is for images with this exposure.", schema: enum(exposurePublic, exposureInternal), decode: func(d *decoder, n *yaml.Node, name string, r *deadlineRow) {
			r.exposure, _ = d.choice(n, name, []string{exposurePublic, exposureInternal})
		}},
		{key: "epss", doc: "The row is for findings with at least this EPSS probability.", schema: shareSchema(), decode: func(d *decoder, n *yaml.Node, name string, r *deadlineRow) {
			r.probability, _ = share(d, n, name)
		}},
		{key: "within", doc: "How long after its publication (with kev: after it was added to the catalogue) a finding has to be fixed, or due-date, the day that the catalogue names.", required: true,
			cure: "write within: 30d", schema: object{"anyOf": []any{durationSchema(), object{"const": wordDueDate}}}, decode: decodeWithin},
	}
}

func decodeWithin(d *decoder, n *yaml.Node, name string, r *deadlineRow) {
	if n.Kind == yaml.ScalarNode && n.Value == wordDueDate && !d.bad[n] {
		r.dueDate = true
		return
	}
	r.within, _ = d.duration(n, name, true)
}

// deadlineRows reads the rows. A row after one that matches everything it matches is
// never reached.
func deadlineRows(d *decoder, n *yaml.Node, name string) ([]deadlineRow, bool) {
	mistakes := len(d.diags)
	rows, ok := list(d, n, name, false, func(c *yaml.Node, item string) (deadlineRow, bool) {
		r := deadlineRow{pos: d.pos(c)}
		listed(d, c, item, deadlineFields(), &r)
		if r.dueDate && !r.kev {
			d.fail(c, "add kev: true", "%s has within: due-date, and only findings of the catalogue have such a day", item)
		}
		return r, true
	})
	if ok && len(rows) > maxDeadlineRows {
		d.fail(n, "join those that say the same", "%s has more than %d rows", name, maxDeadlineRows)
	}
	for i := range rows {
		for k := range i {
			if len(d.diags) == mistakes && rows[k].includes(&rows[i]) {
				d.fail(n.Content[i], "move it before that one, or remove it", "item %d of %s is never reached: item %d matches all its findings", i+1, name, k+1)
			}
		}
	}
	return rows, ok && len(d.diags) == mistakes
}

// exploited reports whether a row is about exploited findings only.
func (r *deadlineRow) exploited() bool { return r.kev || r.probability > 0 }

// includes reports whether a row matches every finding that another one matches.
func (r *deadlineRow) includes(o *deadlineRow) bool {
	return (!r.kev || o.kev) && (r.severity == "" || r.severity == o.severity) && (r.exposure == "" || r.exposure == o.exposure) && r.probability <= o.probability
}

// sameDeadlines is the order of rows above a base that is pinned: they may not change.
func sameDeadlines(child, base []deadlineRow) bool {
	return slices.EqualFunc(child, base, func(a, b deadlineRow) bool {
		a.pos, b.pos = Position{}, Position{}
		return a == b
	})
}

func deadlinesSection() section {
	firstSeenExample := "trust:\n  - name: gate\n    key: |\n      " + indented(exampleKey, "      ") + "    for: [decision]\n" +
		"vulnerabilities: {max: {critical: 0, high: 0}}\n" + deadlinesExample + "  ceiling: 192d\n  clock: first-seen\n  signed-by: [gate]\n"
	return section{name: "deadlines", doc: "Until when findings have to be fixed.", rules: []*Rule{
		{
			ID: ruleDeadlines, Title: "Until when findings have to be fixed.",
			Why: "What is exploited on a public service has days; what is not has weeks.",
			How: "update the package before the deadline",
			Settings: "a list of rows with within (a time, or due-date) and any of kev: true, severity, exposure and epss; the first row whose conditions a finding meets counts. The time begins with the publication of the " +
				"advisory, with kev: true with the day on which it was added to the catalogue. Until the deadline the finding is in the class grace. A finding that no row matches, or without a date, has none. That a finding is exploited never gives it more time than the rows without kev and epss do. " +
				"When the time of a row with kev or epss is over, the finding blocks, also where max does not limit its severity. The rows take the place of vulnerabilities.grace. " +
				"Rows with kev or epss need the feeds of exploited.kev and exploited.epss.",
			Default: "none", Example: "vulnerabilities: {max: {critical: 0, high: 0}}\n" + deadlinesExample,
			keys: []key{deadlinesKey}, modifies: true, needs: needDeadlines, check: checkDeadlines,
		},
		{
			ID: ruleDeadlinesCeiling, Title: "How long after its publication every finding has to be fixed.", Setting: true,
			Why: "No row should give more time than a standard allows.", How: "update the package",
			Settings: "a time such as 192d", Default: "none", Example: "vulnerabilities: {max: {critical: 0, high: 0}}\n" + deadlinesExample + "  ceiling: 192d\n",
			keys: []key{deadlinesCeilingKey}, modifies: true,
		},
		{
			ID: ruleDeadlinesClock, Title: "What the time of a finding begins with.", Setting: true,
			Why: "Where a standard counts from the day on which the team could know, a vulnerability that is published for weeks before a scanner reports it has not used up its time.", How: "update the package",
			Settings: "published (the publication of the advisory), or first-seen: the oldest of the sealed evidence of --history that has the finding, for the same repository and platform; where none has it, the newest of it. " +
				"first-seen needs deadlines.ceiling, which counts from the publication, and deadlines.signed-by. It never begins before the publication, a finding without a date of publication blocks, and without earlier evidence the time begins with the publication. Rows with kev count from the catalogue.",
			Default: clockPublished, Example: firstSeenExample,
			keys: []key{clockKey}, modifies: true,
		},
		{
			ID: ruleHistoryBy, Title: "Whose seals on earlier evidence count.", Setting: true,
			Why: "Whoever can write a file of evidence could say that a finding was never seen before.", How: "seal the evidence of each run: imagegate check --evidence FILE --seal",
			Settings: "names of signers from trust, with for: [decision]", Default: "must be set with clock: first-seen", Example: firstSeenExample,
			keys: []key{historyByKey}, modifies: true,
		},
	}}
}

func exposureSection() section {
	return section{rules: []*Rule{{
		ID: ruleExposure, Title: "Who can reach what the image runs as.", Setting: true,
		Why: "Rows of deadlines can give less time to what everyone can reach.", How: "set it in an override that names the images",
		Settings: "public or internal", Default: exposurePublic, Example: "exposure: internal\nvulnerabilities: {max: {critical: 0}}\ndeadlines: {rows: [{kev: true, exposure: public, within: 3d}, {within: 30d}]}\n",
		keys: []key{exposureKey}, modifies: true,
	}}}
}

// needDeadlines is what has to be collected for rows that make findings block by
// themselves.
func needDeadlines(s *settings) evidence.Need {
	if slices.ContainsFunc(deadlinesKey.value(s), func(r deadlineRow) bool { return r.exploited() }) {
		return needFindings(s)
	}
	return 0
}

// checkDeadlines asks for the feeds that rows need: a finding that is exploited would be
// given the time of one that is not.
func checkDeadlines(j *judge) answer {
	rows := deadlinesKey.value(j.s)
	var over []string
	waiting := 0
	for i := range j.findings {
		switch f := &j.findings[i]; {
		case f.Class == ClassGrace:
			waiting++
		case f.Rule == ruleDeadlines:
			over = append(over, fmt.Sprintf("%s in %s %s: %s", f.ID, f.Package.Name, f.Package.Version, f.Reason))
		}
	}
	if len(over) > 0 {
		a := failing("%s past the deadline for exploited ones", words.Plural(len(over), "finding"))
		a.details, a.allowed = over, "none"
		a.cure = "update or remove the packages; an exception that ends covers what cannot be fixed yet"
		return a
	}
	kev := slices.ContainsFunc(rows, func(r deadlineRow) bool { return r.kev })
	epss := slices.ContainsFunc(rows, func(r deadlineRow) bool { return r.probability > 0 })
	if lack := j.lacksFeeds(kev, epss); lack != nil {
		return *lack
	}
	return passing("%d of %d findings before their deadline%s", waiting, len(j.findings), j.earlierText())
}

// checkDeadlineKeys reports rows and keys that have no effect.
func (d *decoder) checkDeadlineKeys(p *Policy) {
	for _, s := range p.everySettings() {
		rows := deadlinesKey.of(s)
		if pos, set := s.set(deadlinesCeilingKey); set && !rows.set {
			d.failPos(pos, "add rows: [{within: 30d}]", "deadlines.ceiling has no effect without deadlines.rows")
			return
		}
		if pos, set := s.set(clockKey, historyByKey); set && !rows.set {
			d.failPos(pos, "add rows: [{within: 30d}]", "deadlines.clock and deadlines.signed-by have no effect without deadlines.rows")
			return
		}
		if !rows.set {
			continue
		}
		if d.checkClock(p, s) || d.checkRows(p, rows) {
			return
		}
		if pos, set := s.set(graceKey); set && pos.File == rows.pos.File {
			d.failPos(pos, "remove it, or write it as rows of deadlines", "vulnerabilities.grace has no effect: deadlines.rows takes its place")
			return
		}
	}
	d.checkExposure(p)
}

// checkRows reports whether a row has no effect for any image: findings of the row block
// at once. A policy above a base cannot remove the rows of the base, and may be stricter.
func (d *decoder) checkRows(p *Policy, rows option[[]deadlineRow]) bool {
	for _, r := range rows.value {
		var at Position
		idle := !slices.ContainsFunc(p.everySettings(), func(s *settings) bool {
			if deadlinesKey.of(s).pos != rows.pos {
				return false
			}
			kev, epss := kevKey.of(s), epssProbabilityKey.of(s)
			switch {
			case r.kev && kev.value == levelFail:
				at = kev.pos
			case r.probability > 0 && epss.set && epss.value <= r.probability && s.level(ruleEPSS) == levelFail:
				at = epss.pos
			default:
				return true
			}
			return false
		})
		switch {
		case !idle || at.File != r.pos.File:
			continue
		case r.kev:
			d.failPos(r.pos, "write exploited: {kev: warn}, or remove the row", "the row has no effect: exploited.kev is fail, so such a finding blocks at once")
		default:
			d.failPos(r.pos, "write a smaller number than that of exploited.epss, or remove the row", "the row has no effect: exploited.epss makes such a finding block at once")
		}
		return true
	}
	return false
}

// checkExposure reports an exposure that no row asks for.
func (d *decoder) checkExposure(p *Policy) {
	asked := slices.ContainsFunc(p.everySettings(), func(s *settings) bool {
		return slices.ContainsFunc(deadlinesKey.value(s), func(r deadlineRow) bool { return r.exposure != "" })
	})
	for _, s := range p.everySettings() {
		if pos, set := s.set(exposureKey); set && !asked {
			d.failPos(pos, "add a row such as {kev: true, exposure: public, within: 3d} to deadlines.rows, or remove it", "exposure has no effect: no row of deadlines asks for it")
			return
		}
	}
}

// checkClock reports whether the keys about the clock have a mistake. Without a ceiling,
// to leave out evidence would give a finding more time for ever.
func (d *decoder) checkClock(p *Policy, s *settings) bool {
	clock, by, rows := clockKey.of(s), historyByKey.of(s), deadlinesKey.of(s)
	mistakes := len(d.diags)
	switch {
	case by.set && !clock.set && !p.TakesHistory():
		d.failPos(by.pos, "add clock: first-seen and a ceiling, or remove it", "deadlines.signed-by has no effect: deadlines.clock is not first-seen, so the time begins with the publication")
	case clock.value != clockFirstSeen:
	case !deadlinesCeilingKey.of(s).set:
		d.failPos(clock.pos, "add ceiling: 192d", "deadlines.clock is first-seen, and there is no ceiling: who leaves out evidence would have any time")
	case !by.set:
		d.failPos(clock.pos, "add signed-by: [NAME], a signer of trust with for: [decision]", "deadlines.clock is first-seen, and deadlines does not say whose seals on earlier evidence count")
	case clock.pos.File == rows.pos.File && !slices.ContainsFunc(rows.value, func(r deadlineRow) bool { return !r.kev }):
		d.failPos(clock.pos, "add a row without kev, or remove clock and signed-by", "deadlines.clock has no effect: every row has kev, and their time begins with the catalogue")
	default:
		d.checkSigners(p, by.pos, ruleHistoryBy, by.value, ForDecision)
	}
	return len(d.diags) > mistakes
}
