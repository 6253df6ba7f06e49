package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Bounds on a glob: matching backtracks, and no useful glob is longer.
const (
	maxGlob      = 256
	maxGlobStars = 12
	maxGlobAlts  = 3
)

// globKind checks what a glob is for and returns what is wrong with it and the
// cure, or two empty strings.
type globKind func(glob string) (wrong, cure string)

// globs reads a list of globs of one kind.
func globs(kind globKind, fold bool) func(*decoder, *yaml.Node, string) ([]string, bool) {
	return func(d *decoder, n *yaml.Node, name string) ([]string, bool) {
		return list(d, n, name, fold, func(c *yaml.Node, item string) (string, bool) {
			s, ok := d.text(c, item)
			if !ok {
				return "", false
			}
			wrong, cure := soundGlob(s)
			if wrong == "" {
				wrong, cure = kind(s)
			}
			if wrong != "" {
				d.fail(c, cure, "%s is %q, which %s", item, clip(s), wrong)
				return "", false
			}
			return s, true
		})
	}
}

func soundGlob(s string) (wrong, cure string) {
	switch {
	case !doublestar.ValidatePattern(s):
		return "is no valid glob", "close every [ and {, and end with no backslash"
	case len(s) > maxGlob:
		return fmt.Sprintf("is longer than %d bytes", maxGlob), "write a shorter one"
	case strings.Count(s, "*") > maxGlobStars || strings.Count(s, "{") > maxGlobAlts:
		return "has too many wildcards", "split it into several"
	case strings.TrimSpace(s) != s:
		return "begins or ends with a space", "remove the space"
	}
	return "", ""
}

func nameGlob(string) (wrong, cure string) { return "", "" }

func tagGlob(s string) (wrong, cure string) {
	if strings.ContainsAny(s, "/:@") {
		return "is no tag", "write the tag alone, without repository: latest, \"*-snapshot\""
	}
	return "", ""
}

// imageGlob checks a glob on registry/repository. A glob that can never match
// is refused: a list of allowed registries would then refuse everything, and
// an exception would never apply.
func imageGlob(s string) (wrong, cure string) {
	if isLocal(s) {
		return "", ""
	}
	last := s[strings.LastIndex(s, "/")+1:]
	switch {
	case strings.Contains(s, "://"):
		return "is a URL", "write registry/repository without a scheme"
	case strings.Contains(s, "@") || strings.Contains(s, "/") && strings.Contains(last, ":"):
		return "has a tag or digest", "write registry/repository alone: a policy matches images by name"
	case strings.HasPrefix(s, "index.docker.io/"), strings.HasPrefix(s, "registry-1.docker.io/"):
		return "names Docker Hub by another name", "write docker.io/" + s[strings.Index(s, "/")+1:]
	case !strings.Contains(s, "/") && !strings.Contains(s, "**"):
		if strings.Contains(s, ".") && !strings.Contains(s, ":") {
			return "names a registry and no repository, so it matches no image", "write " + s + "/** for all repositories of the registry"
		}
		return "has no registry, so it matches no image", "write it whole: docker.io/library/" + s + " or registry.example.no/" + s
	case strings.HasPrefix(s, "docker.io/") && strings.Count(s, "/") == 1 && !strings.ContainsAny(s, "*?[{"):
		return "lacks library/, so it matches no image", "write docker.io/library/" + last
	case noRegistry(s):
		return "has no registry, so it matches no image", "write it whole: docker.io/" + s + " or registry.example.no/" + s
	case strings.ToLower(s) != s:
		return "has upper-case letters, which no repository has", "write " + strings.ToLower(s)
	case strings.HasSuffix(s, "/"):
		return "ends with a slash, so it matches no image", "write " + s + "**"
	}
	return "", ""
}

// noRegistry reports a name whose first part is no registry: as in references,
// that is one with a dot, a port, or localhost.
func noRegistry(glob string) bool {
	first, _, _ := strings.Cut(glob, "/")
	return !strings.ContainsAny(first, ".:*?[{") && first != "localhost"
}

// allowGlob is an image glob that does not allow everything.
func allowGlob(s string) (wrong, cure string) {
	if wrong, cure = imageGlob(s); wrong == "" && !isLocal(s) && namesNothing(s) {
		return "allows every registry", "name the registry, or leave reference.allow out"
	}
	return wrong, cure
}

// isLocal reports whether a glob is about images that come from no registry.
func isLocal(glob string) bool {
	source, _ := evidence.SourceOf(glob)
	return source.Local()
}

// matchImage matches a glob with the name of an image: * stays within one
// segment, ** goes across.
func matchImage(glob, name string) bool {
	ok, err := doublestar.Match(glob, name)
	return err == nil && ok
}

// matchFold matches a name regardless of case. Slashes mean nothing.
func matchFold(glob, name string) bool {
	clean := strings.NewReplacer("/", "\x00")
	ok, err := doublestar.Match(clean.Replace(strings.ToLower(glob)), clean.Replace(strings.ToLower(name)))
	return err == nil && ok
}

// matchPath matches a glob with a path in the image.
func matchPath(glob, file string) bool {
	if file == "" {
		return false
	}
	clean := strings.TrimPrefix(path.Clean("/"+file), "/")
	ok, err := doublestar.Match(strings.TrimPrefix(glob, "/"), clean)
	return err == nil && ok
}

func matchesAny(globs []string, name string, match func(glob, name string) bool) bool {
	return slices.ContainsFunc(globs, func(g string) bool { return match(g, name) })
}

// namesNothing reports whether a glob matches images whatever their name, as
// ** and */* do, and [a-z]**. Such a glob is no name. It is found by trying it
// on registries that cannot exist.
func namesNothing(glob string) bool {
	for _, first := range "abcdefghijklmnopqrstuvwxyz0123456789" {
		host := string(first) + "9k-q7z.invalid"
		for _, probe := range []string{host + "/j5x", host + "/j5x/v2w", host + "/j5x/v2w/k8"} {
			if matchImage(glob, probe) {
				return true
			}
		}
	}
	return slices.ContainsFunc(evidence.Sources(), func(s evidence.Source) bool {
		return s.Local() && (matchImage(glob, s.Prefix()+"j5x") || matchImage(glob, s.Prefix()+"j5x/v2w"))
	})
}

// covered reports whether an earlier glob matches whatever a later one
// matches. It answers only where it is sure: with classes and alternatives it
// says no. It compares the globs and tries no samples: a policy could be written
// to fit the samples. Globs with an empty part, with ** as a piece of a part or
// twice in a row are left out too: doublestar reads them in ways of its own.
func covered(later, earlier string) bool {
	if later == earlier {
		return true
	}
	if strings.ContainsAny(later+earlier, `[{?\`) || strings.Contains("/"+later+"/"+earlier+"/", "//") || strings.Contains(later+earlier, "**/**") {
		return false
	}
	parts := [2][]string{strings.Split(earlier, "/"), strings.Split(later, "/")}
	odd := func(part string) bool { return part != "**" && strings.Contains(part, "**") }
	if slices.ContainsFunc(parts[0], odd) || slices.ContainsFunc(parts[1], odd) {
		return false
	}
	return covers(parts[0], parts[1], "**", coversSegment)
}

// coversSegment is covered for globs without a slash.
func coversSegment(earlier, later string) bool {
	return covers(strings.Split(earlier, ""), strings.Split(later, ""), "*", func(e, l string) bool { return e == l })
}

// covers reports whether the parts of an earlier glob match all that those of a
// later one match. The wildcard of the earlier one takes any number of parts,
// wildcards too; the wildcard of the later one is taken by nothing but that.
func covers(earlier, later []string, wildcard string, one func(earlier, later string) bool) bool {
	after := make([]bool, len(later)+1) // for the parts of earlier after this one
	after[len(later)] = true
	for i := len(earlier) - 1; i >= 0; i-- {
		now := make([]bool, len(later)+1)
		for j := len(later); j >= 0; j-- {
			switch {
			case earlier[i] == wildcard:
				now[j] = after[j] || j < len(later) && now[j+1]
			case j < len(later) && later[j] != wildcard:
				now[j] = after[j+1] && one(earlier[i], later[j])
			}
		}
		after = now
	}
	return after[0]
}
