package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"
	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// maxReport is how much is read of a report.
const maxReport = 1 << 30

// exceptable is something that an exception can be for, as images have it.
type exceptable struct {
	kind, name           string
	aliases              []string // other ids of a vulnerability
	pkg                  string   // purl without a version, or a name
	images               []string
	severity             evidence.Severity // the worst; "" for what has none
	path, content, cause string
	blocks               bool // it keeps an image from passing
}

// lastRun is what a report or saved evidence says about the images of a run.
type lastRun struct {
	file     string
	subjects []*exceptable
	// uses tells what became of the exceptions, by line of the policy file; nil when
	// the file does not tell.
	uses map[int]policy.ExceptionUse
	// images are those of saved evidence.
	images []evidence.Image
}

// fromFlag reads the file of --from. Without the flag the run has no file.
func fromFlag(p *program, c *cli.Context, e *editedPolicy) (*lastRun, error) {
	if file := c.String("from"); file != "" {
		return readLastRun(p, c, e, file)
	}
	if c.IsSet("baseline") || c.IsSet("history") {
		return nil, usagef("earlier evidence is compared with saved evidence, and --from names none").WithHint("add --from FILE, a file of imagegate check --evidence")
	}
	return &lastRun{}, nil
}

// readLastRun reads a JSON report, or saved evidence, which it judges by the
// policy as eval does. A report has been judged with earlier evidence already.
func readLastRun(p *program, c *cli.Context, e *editedPolicy, file string) (*lastRun, error) {
	head, err := input.ReadFile(c.Context, file, maxReport)
	if err != nil {
		return nil, fileError("read "+file, err)
	}
	run := &lastRun{file: file, uses: map[int]policy.ExceptionUse{}}
	if !isReport(head) {
		var images []evidence.Image
		if _, err := saved.NewReader().Read(bytes.NewReader(head), func(img *evidence.Image) error {
			images = append(images, *img)
			return nil
		}); err != nil {
			return nil, fmt.Errorf("read evidence %s: %w", file, err)
		}
		given, err := readGiven(p, c, &setup{policy: e.policy}, false)
		if err != nil {
			return nil, err
		}
		for i := range images {
			given.attach(&images[i])
		}
		run.judge(p, e, images)
		return run, nil
	}
	var doc report.Document
	if err := strictjson.Unmarshal(head, &doc); err != nil {
		return nil, usagef("%s is no JSON report of this version of imagegate: %w", file, err).WithHint("name a file of imagegate check -o json=FILE, or of --evidence FILE")
	}
	run.report(&doc)
	if doc.Policy.SHA256 != sourceOf(e.policy).SHA256 {
		run.uses = nil // its lines are those of another text
		return run, nil
	}
	for i := range doc.Exceptions {
		if u := &doc.Exceptions[i]; u.Exception.Position.File == doc.Policy.Path {
			run.uses[u.Exception.Position.Line] = policy.ExceptionUse{Status: u.Status, Matches: u.Matches}
		}
	}
	return run, nil
}

// isReport tells a JSON report from saved evidence by its first keys.
func isReport(src []byte) bool {
	return bytes.Contains(src[:min(len(src), 200)], []byte(`"tool"`))
}

// judge takes what it needs from saved evidence.
func (r *lastRun) judge(p *program, e *editedPolicy, images []evidence.Image) {
	var all [][]policy.ExceptionUse
	r.images = images
	for i := range images {
		img := &images[i]
		v := e.policy.Evaluate(img, p.now())
		all = append(all, v.Exceptions)
		name := img.Reference.Name
		for _, f := range v.Findings {
			r.finding(name, f.ID, f.Aliases, cmp.Or(f.Package.PURL, f.Package.Name), f.Severity, f.Class == policy.ClassBlocking)
		}
		results := map[string]bool{}
		for _, res := range v.Rules {
			results[res.Rule] = res.Result == policy.ResultFail || res.Result == policy.ResultUndecided
		}
		r.rules(name, results)
		if s := img.Scan; s != nil {
			for _, x := range s.Secrets {
				r.secret(name, x.RuleID, x.Path, x.Content, x.Severity, results["secrets"])
			}
			for _, x := range s.Licenses {
				r.license(name, x.Name, x.Package)
			}
			for _, g := range s.Coverage.Gaps {
				r.gap(name, g, purlOf(s.Packages, g.Package), results["coverage."+string(g.Kind)])
			}
		}
	}
	for _, u := range policy.MergeUses(all...) {
		if u.Exception.Position.File == e.path {
			r.uses[u.Exception.Position.Line] = u
		}
	}
}

// report takes what it needs from a JSON report.
func (r *lastRun) report(doc *report.Document) {
	for i := range doc.Results {
		res := &doc.Results[i]
		for j := range res.Findings {
			f := &res.Findings[j]
			var aliases []string
			if f.AdvisoryInfo != nil {
				aliases = f.Aliases
			}
			r.finding(res.Name, f.ID, aliases, cmp.Or(f.Package.PURL, f.Package.Name), evidence.Severity(f.Severity), f.Class == string(policy.ClassBlocking))
		}
		results := map[string]bool{}
		for _, rule := range res.Rules {
			results[rule.Rule] = rule.Result == policy.ResultFail.String() || rule.Result == policy.ResultUndecided.String()
		}
		r.rules(res.Name, results)
		for _, s := range res.Secrets {
			r.secret(res.Name, s.RuleID, s.Path, s.Content, evidence.Severity(s.Severity), results["secrets"])
		}
		for _, l := range res.Licenses {
			r.license(res.Name, l.Name, l.Package)
		}
		if res.Coverage != nil {
			for _, g := range res.Coverage.Gaps {
				r.gap(res.Name, g, "", results["coverage."+string(g.Kind)])
			}
		}
	}
}

// checkNames refuses names of images in the file that would be globs in an exception, and
// a file without names: whoever can change a report must not choose for how many images
// an exception is.
func (r *lastRun) checkNames(all []*exceptable) error {
	if r.file == "" {
		return nil
	}
	const hint = "say which images are meant: --image REGISTRY/REPOSITORY"
	for _, s := range all {
		if len(s.images) == 0 {
			return usagef("%s does not say in which image %s is", r.file, s.name).WithHint(hint)
		}
		for _, image := range s.images {
			if strings.ContainsAny(image, `*?[]{}\`) {
				return usagef("%s names an image %q, which would match others too", r.file, image).WithHint(hint)
			}
		}
	}
	return nil
}

// add joins what several images have.
func (r *lastRun) add(image string, s exceptable) {
	i := slices.IndexFunc(r.subjects, func(o *exceptable) bool {
		return o.kind == s.kind && o.name == s.name && o.pkg == s.pkg && o.path == s.path && o.content == s.content && o.cause == s.cause && o.blocks == s.blocks
	})
	if i < 0 {
		i = len(r.subjects)
		r.subjects = append(r.subjects, &s)
	}
	o := r.subjects[i]
	if image != "" && !slices.Contains(o.images, image) {
		o.images = append(o.images, image)
	}
	order := evidence.Severities()
	if at := slices.Index(order, s.severity); at >= 0 && (o.severity == "" || at < slices.Index(order, o.severity)) {
		o.severity = s.severity
	}
}

func (r *lastRun) finding(image, id string, aliases []string, pkg string, sev evidence.Severity, blocks bool) {
	r.add(image, exceptable{kind: "id", name: id, aliases: aliases, pkg: withoutVersion(pkg), severity: sev, blocks: blocks})
}

func (r *lastRun) secret(image, rule, path, content string, sev evidence.Severity, blocks bool) {
	if content != "" { // without it an exception would be for any content
		r.add(image, exceptable{kind: "secret", name: rule, path: path, content: content, severity: sev, blocks: blocks})
	}
}

func (r *lastRun) license(image, name, pkg string) {
	if pkg != "" {
		r.add(image, exceptable{kind: "license", name: name, pkg: pkg})
	}
}

// gap notes a gap at a path, or about a package whose purl is known: a report does
// not list the packages of an image.
func (r *lastRun) gap(image string, g evidence.Gap, purl string, blocks bool) {
	s := exceptable{kind: "gap", name: string(g.Kind), cause: causeOf(g.Detail), blocks: blocks}
	switch path := cmp.Or(g.Path, g.Subject); {
	case !slices.Contains(policy.ExceptableGaps(), s.name):
		return
	case purl != "":
		s.pkg = purl
	case g.Package == "" && strings.Contains(path, "/"):
		s.path = path
	default:
		return
	}
	r.add(image, s)
}

// purlOf returns the purl, with its version, of a package that a gap names as NAME
// VERSION, "" when it has none.
func purlOf(packages []evidence.Package, name string) string {
	i := slices.IndexFunc(packages, func(p evidence.Package) bool { return name != "" && p.Name+" "+p.Version == name })
	if i < 0 {
		return ""
	}
	purl, err := packageurl.FromString(packages[i].PURL)
	if err != nil {
		return ""
	}
	purl.Qualifiers, purl.Subpath = nil, ""
	return purl.ToString()
}

// causeOf is the part of a gap's text that an exception names: one line of it.
func causeOf(detail string) string {
	line, _, _ := strings.Cut(detail, "\n")
	if runes := []rune(line); len(runes) > 120 {
		line = string(runes[:120])
	}
	return strings.TrimSpace(line)
}

func (r *lastRun) rules(image string, results map[string]bool) {
	for rule, blocks := range results {
		if blocks && policy.ExceptableRule(rule) {
			r.add(image, exceptable{kind: "rule", name: rule, blocks: true})
		}
	}
}

// find returns what an exception for a subject could be about. An alias of a
// vulnerability will do. What blocks comes alone, if any of it does.
func (r *lastRun) find(kind, name string) []*exceptable {
	var all, blocking []*exceptable
	for _, s := range r.subjects {
		alias := slices.ContainsFunc(s.aliases, func(a string) bool { return strings.EqualFold(a, name) })
		if s.kind != kind || !strings.EqualFold(s.name, name) && !alias {
			continue
		}
		all = append(all, s)
		if s.blocks {
			blocking = append(blocking, s)
		}
	}
	if len(blocking) > 0 {
		return blocking
	}
	return all
}

// worst returns the worst severity of what an exception could be about, "" when it
// is not known.
func (r *lastRun) worst(x *policy.Exception) evidence.Severity {
	var out evidence.Severity
	order := evidence.Severities()
	for _, s := range r.find(x.Kind(), x.Subject()) {
		if at := slices.Index(order, s.severity); at >= 0 && (out == "" || at < slices.Index(order, out)) {
			out = s.severity
		}
	}
	return out
}

// becomes says what becomes of the exceptions in the file of a changed policy when
// the images are judged again, by line. It is empty where the images are not known.
func (r *lastRun) becomes(p *program, file string, pol *policy.Policy) map[int]policy.ExceptionUse {
	var all [][]policy.ExceptionUse
	for i := range r.images {
		v := pol.Evaluate(&r.images[i], p.now())
		all = append(all, v.Exceptions)
	}
	out := map[int]policy.ExceptionUse{}
	for _, u := range policy.MergeUses(all...) {
		if u.Exception.Position.File == file {
			out[u.Exception.Position.Line] = u
		}
	}
	return out
}

// blocking returns all that keeps images from passing and that an exception can be
// for, in order.
func (r *lastRun) blocking() []*exceptable {
	var out []*exceptable
	for _, s := range r.subjects {
		if s.blocks {
			out = append(out, s)
		}
	}
	order := evidence.Severities()
	rank := func(s *exceptable) int {
		if at := slices.Index(order, s.severity); at >= 0 {
			return at
		}
		return len(order)
	}
	slices.SortStableFunc(out, func(a, b *exceptable) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), cmp.Compare(rank(a), rank(b)), strings.Compare(a.name, b.name), strings.Compare(a.pkg, b.pkg), strings.Compare(a.path, b.path))
	})
	return out
}

// withoutVersion returns a purl without version and qualifiers, and any other text
// as it is. An exception for one version would end with the next update, whether
// that has the fix or not.
func withoutVersion(pkg string) string {
	purl, err := packageurl.FromString(pkg)
	if err != nil {
		return pkg
	}
	purl.Version, purl.Qualifiers, purl.Subpath = "", nil, ""
	return purl.ToString()
}
