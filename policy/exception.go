package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// exception is an exception ready to be matched.
type exception struct {
	Exception
	pkg  *packageMatcher       // nil: any package
	keys map[string]*yaml.Node // the keys it has in the file
}

// ofRelease reports whether the exception is for a rule about workloads.
func (e *exception) ofRelease() bool { return e.Workload != "" }

// exceptionFields is the grammar of an exception of any kind. Which keys belong
// together is told by [exceptionKinds].
func exceptionFields() []field[*exception] {
	return append(subjectFields(), append(scopeFields(), reasonFields()...)...)
}

// subjectFields are the keys that say what an exception is for.
func subjectFields() []field[*exception] {
	return []field[*exception]{
		{
			key: exceptID, doc: "The vulnerability it is for; any alias matches.", schema: pattern(idForm.String()),
			decode: func(d *decoder, n *yaml.Node, name string, e *exception) { e.ID, _ = d.id(n, name) },
		},
		{
			key: exceptSecret, doc: "The rule that found the secret it is for, as the report names it.", schema: textSchema(),
			decode: exactText(func(e *exception) *string { return &e.Secret }),
		},
		{
			key: exceptLicense, doc: "The licence it is for, as the report names it.", schema: textSchema(),
			decode: exactText(func(e *exception) *string { return &e.License }),
		},
		{
			key: exceptGap, doc: "The kind of gap it is for.", schema: enum(exceptableGaps()...),
			decode: func(d *decoder, n *yaml.Node, name string, e *exception) {
				e.Gap, _ = d.choice(n, name, exceptableGaps())
			},
		},
		{
			key: exceptRule, doc: "The rule it is for.", schema: object{"anyOf": []any{enum(exceptableRules()...), pattern(`^rules\.` + strings.TrimPrefix(customIDForm.String(), "^"))}},
			decode: func(d *decoder, n *yaml.Node, name string, e *exception) {
				if IsCustom(n.Value) && n.Kind == yaml.ScalarNode {
					e.Rule, _ = d.text(n, name) // the policy may have it: checkExceptions
					return
				}
				if n.Kind == yaml.ScalarNode && customIDForm.MatchString(n.Value) && words.Nearest(n.Value, exceptableRules()) == "" {
					d.fail(n, "write "+customPrefix+n.Value+" for a rule of the policy's own, or the id of a rule of imagegate: imagegate policy explain lists them",
						"%s is %q, and imagegate has no rule of this name", name, clip(n.Value))
					return
				}
				e.Rule, _ = d.choice(n, name, exceptableRules())
			},
		},
	}
}

// scopeFields are the keys that narrow an exception.
func scopeFields() []field[*exception] {
	return []field[*exception]{
		{
			key: "package", doc: "Package it holds for: a name, or a purl with an optional version range.", schema: textSchema(),
			decode: decodePackage,
		},
		{
			key: "images", doc: "Images it holds for. Globs on registry/repository.", schema: listOf(textSchema()),
			decode: func(d *decoder, n *yaml.Node, name string, e *exception) {
				e.Images, _ = globs(imageGlob, false)(d, n, name)
			},
		},
		{
			key: "workload", doc: "Workload or container it holds for: NAMESPACE/KIND/NAME or NAMESPACE/KIND/NAME/CONTAINER, as the report names it.",
			schema: pattern(workloadForm.String()), decode: decodeWorkload,
		},
		{
			key: "paths", doc: "Paths in the image it holds for. Globs.", schema: listOf(textSchema()),
			decode: func(d *decoder, n *yaml.Node, name string, e *exception) {
				e.Paths, _ = globs(nameGlob, false)(d, n, name)
			},
		},
		{
			key: "path", doc: "Exact path of the file that holds the secret.", schema: textSchema(),
			decode: exactText(func(e *exception) *string { return &e.Path }),
		},
		{
			key: "content", doc: "Hash of the file that holds the secret, as the report prints it.", schema: pattern(contentForm.String()),
			decode: decodeContent,
		},
		{
			key: "cause", doc: "Part of what the report says of the gap.", schema: object{"type": "string", "minLength": minCause},
			decode: decodeCause,
		},
	}
}

// reasonFields are the keys that account for an exception.
func reasonFields() []field[*exception] {
	return []field[*exception]{
		{
			key: "reason", doc: "Why the finding may ship.", required: true, cure: "say why the finding may ship: reason: ...", schema: textSchema(),
			decode: func(d *decoder, n *yaml.Node, name string, e *exception) { e.Reason, _ = d.text(n, name) },
		},
		{
			key: "owner", doc: "The team or person that is responsible for it.", schema: textSchema(),
			decode: func(d *decoder, n *yaml.Node, name string, e *exception) { e.Owner, _ = d.text(n, name) },
		},
		{
			key: "ticket", doc: "Where the decision is recorded.", schema: textSchema(),
			decode: func(d *decoder, n *yaml.Node, name string, e *exception) { e.Ticket, _ = d.text(n, name) },
		},
		{
			key: "approved-by", doc: "The person who accepted the risk.", schema: textSchema(),
			decode: func(d *decoder, n *yaml.Node, name string, e *exception) { e.ApprovedBy, _ = d.text(n, name) },
		},
		{
			key: "justification", doc: "Why the vulnerability does no harm, in the words of OpenVEX.", schema: enum(justifications()...),
			decode: func(d *decoder, n *yaml.Node, name string, e *exception) {
				e.Justification, _ = d.choice(n, name, justifications())
			},
		},
		{
			key: "added", doc: "The day on which it was decided.", schema: object{"type": "string", "pattern": dayForm.String(), "format": "date"},
			decode: func(d *decoder, n *yaml.Node, name string, e *exception) { e.Added, _ = d.day(n, name) },
		},
		{
			key: "expires", doc: "The last day it applies, through its end in UTC.", required: true, cure: "say when it ends: expires: 2027-01-31",
			schema: object{"type": "string", "pattern": dayForm.String(), "format": "date"},
			decode: func(d *decoder, n *yaml.Node, name string, e *exception) { e.Expires, _ = d.day(n, name) },
		},
	}
}

// exactText reads a text that is matched as it is. Globs are refused: an
// exception is for what its author has seen.
func exactText(at func(*exception) *string) func(*decoder, *yaml.Node, string, *exception) {
	return func(d *decoder, n *yaml.Node, name string, e *exception) {
		s, ok := d.text(n, name)
		if !ok {
			return
		}
		if strings.ContainsAny(s, "*?[{") {
			d.fail(n, "write it as the report prints it", "%s is %q: patterns are refused", name, clip(s))
			return
		}
		*at(e) = s
	}
}

func decodePackage(d *decoder, n *yaml.Node, name string, e *exception) {
	s, ok := d.text(n, name)
	if !ok {
		return
	}
	m, err := parsePackage(s)
	if err != nil {
		d.fail(n, "write a package name, or a purl such as pkg:npm/lodash@>=4.17.0 <4.17.21", "%s is %q: %v", name, clip(s), err)
		return
	}
	e.Package, e.pkg = s, m
}

// decodeExceptions reads the list of exceptions and refuses repetitions.
func decodeExceptions(d *decoder, n *yaml.Node, name string, p *Policy) {
	if d.bad[n] {
		return
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		d.fail(n, "write a list with one \"- id: ...\" for each, or leave it out", "%s is %s", name, emptyOr(n))
		return
	}
	first, fields := map[string]int{}, exceptionFields()
	for i, c := range n.Content {
		e := &exception{Exception: Exception{Position: d.pos(c)}}
		mistakes, title := len(d.diags), fmt.Sprintf("exception %d", i+1)
		e.keys = mapping(d, c, title, fields, e)
		if e.keys != nil {
			d.checkKind(e, c, title)
		}
		p.exceptions = append(p.exceptions, e)
		if len(d.diags) > mistakes {
			continue
		}
		key := e.identity()
		if line := first[key]; line > 0 {
			d.at(c.Line, c.Column, fmt.Sprintf("the first is on line %d: keep one", line),
				"exception %d is for the same %s and scope as another", i+1, e.Kind())
		} else {
			first[key] = c.Line
		}
	}
}

func emptyOr(n *yaml.Node) string {
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		return "an empty list"
	}
	return describe(n)
}

// identity is equal for exceptions that match the same findings.
func (e *exception) identity() string {
	images, paths := slices.Sorted(slices.Values(e.Images)), slices.Sorted(slices.Values(e.Paths))
	return fmt.Sprintf("%q %q %q %q %q %q %q %q %q", e.Kind(), strings.ToUpper(e.Subject()), e.Package, images, paths, e.Path, e.Content, e.Cause, e.Workload)
}

// inScope reports whether the exception holds for a finding that has its id.
func (e *exception) inScope(image string, f *evidence.Finding) bool {
	return (len(e.Images) == 0 || matchesAny(e.Images, image, matchImage)) &&
		(len(e.Paths) == 0 || matchesAny(e.Paths, f.Package.Path, matchPath)) &&
		e.pkg.matches(f.Package)
}

// daysLeft returns the whole days until the exception ends: 0 on its last
// day, which is over at midnight UTC.
func (e *Exception) daysLeft(now time.Time) int {
	return int(e.Expires.Sub(dayOf(now)) / (24 * time.Hour))
}

// expired reports whether the last day is over.
func (e *Exception) expired(now time.Time) bool {
	return !now.Before(e.Expires.Add(24 * time.Hour))
}
