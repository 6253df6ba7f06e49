package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"

	"github.com/imagegate/imagegate/policy/vex"
)

// Unclaimed is an exception that VEX cannot express, and why.
type Unclaimed struct {
	Exception *Exception
	Reason    string
}

// Claims returns what the exceptions of the policy say in VEX, and the exceptions that
// say something which VEX has no words for. A claim never covers more than its
// exception.
func (p *Policy) Claims(now time.Time) (claims []vex.Claim, left []Unclaimed) {
	for _, e := range p.exceptions {
		c, reason := e.claim(now)
		if reason != "" {
			left = append(left, Unclaimed{&e.Exception, reason})
			continue
		}
		claims = append(claims, *c)
	}
	return claims, left
}

// claim returns what the exception says in VEX, or why that cannot be said.
func (e *exception) claim(now time.Time) (c *vex.Claim, reason string) {
	switch {
	case e.Kind() != exceptID:
		return nil, "it is for no vulnerability"
	case e.expired(now):
		return nil, "it ended on " + e.Expires.Format(time.DateOnly)
	case e.Justification == "":
		return nil, "it has no justification: it accepts a risk, and does not say that the image is not affected"
	case len(e.Paths) > 0:
		return nil, "it is limited to paths, and VEX knows none"
	case e.Package == "":
		return nil, "it names no package"
	}
	for _, glob := range e.Images {
		if strings.ContainsAny(glob, `*?[{\`) || isLocal(glob) {
			return nil, fmt.Sprintf("images has %q, and VEX names images of registries one by one", clip(glob))
		}
	}
	purl, reason := e.pkg.exactPURL()
	if reason != "" {
		return nil, reason
	}
	notes := "exception until " + e.Expires.Format(time.DateOnly)
	for _, n := range []struct{ name, text string }{{"owner", e.Owner}, {"approved by", e.ApprovedBy}, {"ticket", e.Ticket}} {
		if n.text != "" {
			notes += "; " + n.name + " " + n.text
		}
	}
	return &vex.Claim{Vulnerability: e.ID, Package: purl, Images: e.Images, Justification: e.Justification, Impact: e.Reason, Notes: notes}, ""
}

// exactPURL returns the purl that readers of VEX compare, or why there is none: they
// compare one version, and no ranges.
func (m *packageMatcher) exactPURL() (purl, reason string) {
	switch {
	case m.purl == nil:
		return "", "its package is a name and no purl"
	case len(m.purl.Qualifiers) > 0:
		return "", "its package has qualifiers, and readers of VEX do not compare all of them"
	}
	out := *m.purl
	if m.versions == nil {
		return out.ToString(), ""
	}
	if out.Version = m.versions.Only(); out.Version == "" {
		return "", "its package has a range of versions, and VEX names versions one by one"
	}
	// In the purl of an RPM package the epoch is a qualifier.
	if epoch, rest, ok := strings.Cut(out.Version, ":"); ok && out.Type == packageurl.TypeRPM {
		out.Version = rest
		if epoch != "0" {
			out.Qualifiers = packageurl.Qualifiers{{Key: "epoch", Value: epoch}}
		}
	}
	return out.ToString(), ""
}
