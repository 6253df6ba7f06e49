package plan

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/version"
)

// group is the blocking findings of packages that are upgraded together.
type group struct {
	packages  []evidence.Package
	ecosystem string // the type of the purl, which decides the order of versions
	findings  []*policy.Judged
}

// groups collects the blocking findings by package, in a stable order. Packages
// of a distribution that were built from one source have one version, and an
// upgrade of one of them brings the others along.
func groups(findings []policy.Judged) []*group {
	type key struct{ kind, name, version string }
	found := map[key]*group{}
	var order []*group
	for i := range findings {
		f := &findings[i]
		if f.Class != policy.ClassBlocking {
			continue
		}
		k := key{f.Package.Type, f.Package.Name, f.Package.Version}
		if f.Package.Class == evidence.ClassOS && f.Package.SourceName != "" {
			k.name = f.Package.SourceName
		}
		g := found[k]
		if g == nil {
			g = &group{ecosystem: ecosystem(f.Package)}
			found[k] = g
			order = append(order, g)
		}
		g.add(f)
	}
	return order
}

func (g *group) add(f *policy.Judged) {
	g.findings = append(g.findings, f)
	at, has := slices.BinarySearchFunc(g.packages, *f.Package, comparePackages)
	if !has {
		g.packages = slices.Insert(g.packages, at, *f.Package)
	}
}

func comparePackages(a, b evidence.Package) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Path, b.Path), strings.Compare(a.PURL, b.PURL))
}

// ecosystem returns the type of the package's purl: "npm" of "pkg:npm/lodash@1".
func ecosystem(p *evidence.Package) string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(p.PURL, "pkg:"), "/")
	return kind
}

// solve returns the upgrade that clears most findings of the group, the smallest
// such version, and the findings that it does not clear.
func (g *group) solve() (*Step, []Unfixed) {
	from := g.packages[0].Version
	best, cleared := "", 0
	for _, v := range g.candidates(from) {
		if n := g.clears(v); n > cleared {
			best, cleared = v, n
		}
	}
	if cleared == 0 {
		return nil, g.unfixed("")
	}
	step := &Step{Packages: g.packages, From: from, To: best, Worst: evidence.SeverityUnknown}
	for _, f := range g.findings {
		if !clearedBy(g.ecosystem, f.FixedVersion, best) {
			continue
		}
		step.Clears = append(step.Clears, f.ID)
		step.Findings++
		if severityRank(f.Severity) < severityRank(step.Worst) {
			step.Worst = f.Severity
		}
	}
	slices.Sort(step.Clears)
	step.Clears = slices.Compact(step.Clears)
	step.Command, step.Advice = words(step)
	return step, g.unfixed(best)
}

// candidates lists the fixed versions of the group that are newer than from, the
// oldest first. A version that cannot be compared is kept: it is a fix all the
// same.
func (g *group) candidates(from string) []string {
	var out []string
	for _, f := range g.findings {
		for v := range fixes(f.FixedVersion) {
			if !slices.Contains(out, v) {
				out = append(out, v)
			}
		}
	}
	// The feed of a distribution has one release branch: its fix is always newer.
	if len(out) == 1 && g.packages[0].Class == evidence.ClassOS {
		return out
	}
	out = slices.DeleteFunc(out, func(v string) bool {
		order, ok := version.Compare(g.ecosystem, v, from)
		return ok && order <= 0
	})
	slices.SortStableFunc(out, func(a, b string) int {
		order, _ := version.Compare(g.ecosystem, a, b)
		return order
	})
	return out
}

// clears counts the findings that an upgrade to v clears.
func (g *group) clears(v string) int {
	n := 0
	for _, f := range g.findings {
		if clearedBy(g.ecosystem, f.FixedVersion, v) {
			n++
		}
	}
	return n
}

// unfixed lists the findings that an upgrade to v does not clear, and why.
func (g *group) unfixed(v string) []Unfixed {
	var out []Unfixed
	for _, f := range g.findings {
		switch {
		case v != "" && clearedBy(g.ecosystem, f.FixedVersion, v):
		case f.FixedVersion == "":
			out = append(out, Unfixed{f.Finding, "there is no fixed version"})
		case v == "":
			out = append(out, Unfixed{f.Finding, "no fixed version is newer than the installed one: " + f.FixedVersion})
		default:
			out = append(out, Unfixed{f.Finding, "it is fixed in " + f.FixedVersion + ", and no version fixes the other findings of the package too"})
		}
	}
	return out
}

// fixes lists the versions in the fixed versions of a finding: "3.1.1, 2.6.7". The
// advisories of npm and RubyGems write some of them as ranges: ">=4.17.11",
// "~> 5.2.4, >= 5.2.4.3". The first version of a range is the fix.
func fixes(fixed string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for part := range strings.FieldsFuncSeq(fixed, func(r rune) bool { return strings.ContainsRune(",;|", r) }) {
			v := strings.TrimLeft(strings.TrimSpace(part), "~>=^ ")
			if v != "" && !strings.HasPrefix(v, "<") && !yield(v) {
				return
			}
		}
	}
}

// clearedBy reports whether version v has the fix of a finding. With several
// fixed versions each is the fix of its own release branch: of "3.1.1, 2.6.7",
// version 3.0.0 has none.
func clearedBy(ecosystem, fixed, v string) bool {
	if fixed == v {
		return v != ""
	}
	all := slices.Collect(fixes(fixed))
	newest, below := "", ""
	for _, f := range all {
		if f == v {
			return true
		}
		if order, ok := version.Compare(ecosystem, f, v); ok && order <= 0 {
			below = newer(ecosystem, below, f)
		} else if !ok {
			return false
		}
		newest = newer(ecosystem, newest, f)
	}
	return below != "" && (below == newest || sameBranch(all, below, v))
}

func newer(ecosystem, a, b string) string {
	if order, _ := version.Compare(ecosystem, a, b); a != "" && order >= 0 {
		return a
	}
	return b
}

// sameBranch reports whether v is of the branch that fix belongs to. The branches
// are told apart by as many leading parts as the fixed versions need to differ.
func sameBranch(all []string, fix, v string) bool {
	depth := 1
	for ; depth < 4; depth++ {
		seen := map[string]bool{}
		for _, f := range all {
			seen[leading(f, depth)] = true
		}
		if len(seen) == len(all) {
			break
		}
	}
	return leading(fix, depth) == leading(v, depth)
}

// leading returns the first n parts of a version: "3.1" of "v3.1.1" for 2.
func leading(v string, n int) string {
	parts := strings.SplitN(strings.TrimPrefix(v, "v"), ".", n+1)
	return strings.Join(parts[:min(n, len(parts))], ".")
}
