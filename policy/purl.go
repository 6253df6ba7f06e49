package policy

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/package-url/packageurl-go"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/version"
)

// packageMatcher decides whether a package is one that a policy names.
type packageMatcher struct {
	text string // as the policy spells it
	name string // plain name, "" when purl is set
	purl *packageurl.PackageURL
	// versions is nil when any version will do.
	versions version.Range
}

// parsePackage reads a package name or a purl with an optional version range.
// Patterns are refused: an exception is for what its author has seen.
func parsePackage(s string) (*packageMatcher, error) {
	name, _, _ := strings.Cut(s, "?")
	if !strings.HasPrefix(s, "pkg:") {
		name = s
	}
	if strings.ContainsAny(name, "*?[") {
		return nil, errors.New("patterns are refused; name one package, or leave package out")
	}
	return parsePackageGlob(s)
}

// parsePackageGlob reads a package name or a purl that may have globs in its
// name.
func parsePackageGlob(s string) (*packageMatcher, error) {
	if !strings.HasPrefix(s, "pkg:") {
		if i := strings.LastIndex(s, "@"); i > 0 {
			return nil, errors.New("a version needs a purl, because each ecosystem orders versions differently: pkg:TYPE/" + s)
		}
		if strings.ContainsAny(s, " \t") {
			return nil, errors.New("a package name has no spaces")
		}
		return &packageMatcher{text: s, name: s}, soundName(s)
	}
	base, versions, err := splitPURL(s)
	if err != nil {
		return nil, err
	}
	p, err := packageurl.FromString(base)
	if err != nil {
		return nil, err
	}
	if p.Namespace == "" && (p.Type == "deb" || p.Type == "apk" || p.Type == "rpm") {
		return nil, fmt.Errorf("it has no distribution, so it matches no package; write pkg:%s/DISTRIBUTION/%s", p.Type, p.Name)
	}
	m := &packageMatcher{text: s, purl: &p}
	if versions != "" {
		if m.versions, err = version.ParseRange(p.Type, versions); err != nil {
			return nil, err
		}
	}
	return m, soundName(p.Name)
}

// soundName refuses a glob that is none and one that matches every package.
func soundName(name string) error {
	if wrong, cure := soundGlob(name); wrong != "" {
		return fmt.Errorf("it %s: %s", wrong, cure)
	}
	if strings.Trim(name, "*?") == "" {
		return errors.New("it matches every package")
	}
	return nil
}

// oneVersion reports whether it names one version of a package.
func (m *packageMatcher) oneVersion() bool {
	return m.versions.OneVersion()
}

// splitPURL cuts the version range out of a purl. A purl proper has one
// version there, so the library cannot read ours; an @ right after a slash
// begins an npm scope and no version.
func splitPURL(s string) (base, versions string, err error) {
	head, subpath, hasSubpath := strings.Cut(s, "#")
	head, qualifiers, hasQualifiers := strings.Cut(head, "?")
	if hasSubpath || hasQualifiers && strings.ContainsAny(qualifiers, "<> ") {
		return "", "", fmt.Errorf("%q cannot be matched; leave it out", clip(subpath+qualifiers))
	}
	if i := strings.LastIndex(head, "@"); i > 0 && head[i-1] != '/' {
		versions, err = url.PathUnescape(head[i+1:])
		if err != nil || strings.TrimSpace(versions) == "" {
			return "", "", errors.New("no version after the @")
		}
		if strings.HasPrefix(versions, "vers:") {
			return "", "", errors.New("write the range as >=1.0 <2.0")
		}
		head = head[:i]
	}
	if hasQualifiers {
		head += "?" + qualifiers
	}
	return strings.Replace(head, "/@", "/%40", 1), versions, nil
}

// matches reports whether p is the package. A package without a purl is
// matched by no purl: guessing its type could except another one.
func (m *packageMatcher) matches(p *evidence.Package) bool {
	if m == nil {
		return true
	}
	if m.purl == nil {
		return p.Name != "" && p.Name == m.name
	}
	got, err := packageurl.FromString(p.PURL)
	if err != nil || got.Type != m.purl.Type || got.Namespace != m.purl.Namespace || got.Name != m.purl.Name {
		return false
	}
	have := got.Qualifiers.Map()
	for k, v := range m.purl.Qualifiers.Map() {
		if have[k] != v {
			return false
		}
	}
	return m.versions == nil || m.versions.Holds(m.purl.Type, p.Version)
}

// judges reports whether p is a package that a rule names. known is false when
// this cannot be told: the type of a package without a purl is not known, and a
// version may have a form that cannot be compared.
func (m *packageMatcher) judges(p *evidence.Package) (is, known bool) {
	if m.purl == nil {
		return matchName(m.name, p.Name), true
	}
	got, err := packageurl.FromString(p.PURL)
	if err != nil {
		return false, !matchName(m.purl.Name, p.Name)
	}
	if got.Type != m.purl.Type || got.Namespace != m.purl.Namespace || !matchName(m.purl.Name, got.Name) {
		return false, true
	}
	have := got.Qualifiers.Map()
	for k, v := range m.purl.Qualifiers.Map() {
		if have[k] != v {
			return false, true
		}
	}
	if m.versions == nil {
		return true, true
	}
	return m.versions.Contains(m.purl.Type, p.Version)
}

// matchName matches a glob with the name of a package, in which a slash does
// not separate anything.
func matchName(glob, name string) bool {
	clean := strings.NewReplacer("/", "\x00")
	ok, err := doublestar.Match(clean.Replace(glob), clean.Replace(name))
	return err == nil && ok && name != ""
}
