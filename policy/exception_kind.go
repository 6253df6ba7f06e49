package policy

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// The keys that say what an exception is for.
const (
	exceptID      = "id"
	exceptSecret  = "secret"
	exceptLicense = "license"
	exceptGap     = "gap"
	exceptRule    = "rule"
)

// minCause is the length that a cause must have: a shorter one could be part
// of any text.
const minCause = 8

var contentForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// exceptionKind is what an exception of one kind must have and may have,
// besides the keys of [accountFields].
type exceptionKind struct {
	key   string
	must  []string
	may   []string
	check func(d *decoder, n *yaml.Node, e *exception, title string)
}

func exceptionKinds() []exceptionKind {
	return []exceptionKind{
		{key: exceptID, may: []string{"package", "images", "paths", "justification"}},
		{key: exceptSecret, must: []string{"path", "content"}, may: []string{"images"}},
		{key: exceptLicense, must: []string{"package"}, may: []string{"images"}},
		{key: exceptGap, must: []string{"images", "cause"}, may: []string{"paths", "package"}, check: (*decoder).checkGapException},
		{key: exceptRule, may: []string{"images", "workload"}, check: (*decoder).checkRuleException},
	}
}

// accountFields are the keys that an exception of every kind may have.
func accountFields() []string {
	return []string{"reason", "owner", "added", "expires", "ticket", "approved-by"}
}

// justifications are the words of OpenVEX for a vulnerability that does no harm.
func justifications() []string {
	return []string{
		"component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
		"vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist",
	}
}

// exceptableGaps are the kinds of gaps that an exception may cover. A gap of
// another kind says that the scan does not know what the image is made of, and
// then there is nothing that an exception could be about.
func exceptableGaps() []string {
	return []string{string(evidence.GapScannerErrors), string(evidence.GapNoAdvisories), string(evidence.GapHiddenFiles)}
}

// exceptableRules are the rules that an exception may be for: those about the
// reference, the config, the platforms and the modes of files, and those about
// workloads.
func exceptableRules() []string {
	return append(workloadRules(),
		rulePin, ruleDenyTags, ruleAllow,
		ruleUser, ruleDenyPorts, ruleLabels, ruleMaxAge, ruleMaxSize, ruleMaxLayers, ruleDenyHistory, ruleHealthcheck, ruleDenyEnv,
		rulePlatforms, ruleSetuid, ruleCapabilities, ruleWorldWritable,
	)
}

// ExceptableGaps lists the kinds of gaps that an exception may cover.
func ExceptableGaps() []string { return exceptableGaps() }

// ExceptableRule reports whether an exception may be for a rule.
func ExceptableRule(id string) bool { return slices.Contains(exceptableRules(), id) || IsCustom(id) }

// Refuses says why exception-limits or vulnerabilities.deny of the policy keep an
// exception from covering something of a severity, or "". The severity "" is one that
// is not known.
func (p *Policy) Refuses(e *Exception, severity evidence.Severity, now time.Time) string {
	j := &judge{policy: p, s: &p.base, now: now}
	if e.Kind() == exceptID && slices.ContainsFunc(denyKey.value(j.s), func(id string) bool { return strings.EqualFold(id, e.ID) }) {
		return e.ID + " is denied by vulnerabilities.deny"
	}
	return j.beyondLimits(&exception{Exception: *e}, e.Name(), severity)
}

// exceptionSchema is the schema of one exception: exactly one key says what it
// is for.
func exceptionSchema() object {
	s := schemaOf(exceptionFields())
	var kinds []any
	for _, k := range exceptionKinds() {
		kinds = append(kinds, object{"required": append([]string{k.key}, k.must...)})
	}
	s["oneOf"] = kinds
	return s
}

// mayHave reports whether exceptions of this kind have a key.
func (e *exception) mayHave(key string) bool {
	for _, k := range exceptionKinds() {
		if k.key == e.Kind() {
			return slices.Contains(slices.Concat(k.must, k.may, accountFields()), key)
		}
	}
	return false
}

// checkKind reports an exception that is for nothing or for several things, and
// keys that do not belong to its kind.
func (d *decoder) checkKind(e *exception, n *yaml.Node, title string) {
	var kinds []exceptionKind
	for _, k := range exceptionKinds() {
		if e.keys[k.key] != nil {
			kinds = append(kinds, k)
		}
	}
	switch len(kinds) {
	case 0:
		d.at(n.Line, n.Column, "name the vulnerability, id: CVE-2026-12345, or write secret, license, gap or rule", "%s does not say what it is for", title)
		return
	case 1:
	default:
		d.at(n.Line, n.Column, "write one exception for each", "%s is for %s and for %s", title, kinds[0].key, kinds[1].key)
		return
	}
	k := kinds[0]
	known := slices.Concat([]string{k.key}, k.must, k.may, accountFields())
	for _, key := range slices.Sorted(maps.Keys(e.keys)) {
		if !slices.Contains(known, key) {
			d.fail(e.keys[key], fmt.Sprintf("remove it; an exception for %s has %s", k.key, words.And(known[1:])), "%s.%s has no meaning beside %s", title, key, k.key)
		}
	}
	for _, key := range k.must {
		if e.keys[key] == nil {
			d.at(n.Line, n.Column, "add "+key+": "+requiredHint(key), "%s has no %q", title, key)
		}
	}
	if k.check != nil {
		k.check(d, n, e, title)
	}
}

func requiredHint(key string) string {
	switch key {
	case "images":
		return "[\"registry.example.no/shop/*\"]"
	case "cause":
		return "a part of what the report says of the gap"
	case "package":
		return "the name or purl of the package"
	}
	return "as the report prints it"
}

// checkImagesAreNamed refuses an exception whose globs match images of every
// name: it would turn the rule off.
func (d *decoder) checkImagesAreNamed(_ *yaml.Node, e *exception, title string) {
	if i := slices.IndexFunc(e.Images, namesNothing); i >= 0 {
		d.fail(e.keys["images"], "name the registry and repository of the images that are meant",
			"%s.images has %q, which matches images whatever their name", title, clip(e.Images[i]))
	}
}

// checkGapException keeps an exception for a gap narrow: it must name its images,
// and paths or a version of a package.
func (d *decoder) checkGapException(n *yaml.Node, e *exception, title string) {
	d.checkImagesAreNamed(n, e, title)
	if e.keys["paths"] == nil && e.keys["package"] == nil {
		d.at(n.Line, n.Column, "add paths: [\"app/node_modules/resolve/test/**\"], or package: a purl with its version",
			"%s is for a gap anywhere in the image", title)
	}
	for _, g := range e.Paths {
		if len(literalSegments(g)) < 2 {
			d.fail(e.keys["paths"], "begin the path with two names or more, such as app/vendor/**", "%s.paths has %q, which covers too much of the image", title, clip(g))
			continue
		}
		if p := decidingMatch(g); p != "" {
			d.fail(e.keys["paths"], "write a path beside it", "%s.paths has %q, which matches %s: such paths decide about the operating system, the packages or the users, and no exception covers them", title, clip(g), p)
		}
	}
	if e.keys["package"] != nil && e.pkg != nil && !e.pkg.oneVersion() {
		d.fail(e.keys["package"], "write a purl with one version: pkg:deb/debian/nginx@1.26.2-1", "%s.package is %q, which is not one version of a package", title, clip(e.Package))
	}
}

// literalSegments returns the leading segments of a glob that match themselves
// alone.
func literalSegments(glob string) []string {
	segments := strings.Split(strings.Trim(glob, "/"), "/")
	i := slices.IndexFunc(segments, func(s string) bool {
		return s == "" || s == "." || s == ".." || strings.ContainsAny(s, `*?[{\`)
	})
	if i < 0 {
		return segments
	}
	return segments[:i]
}

// decidingPaths are files and directories that decide what the operating
// system is, which packages are installed and who the users are.
func decidingPaths() []string {
	return []string{
		"etc/os-release", "usr/lib/os-release", "etc/alpine-release", "etc/debian_version", "etc/lsb-release", "etc/redhat-release",
		"etc/centos-release", "etc/rocky-release", "etc/almalinux-release", "etc/oracle-release", "etc/fedora-release",
		"usr/lib/fedora-release", "etc/system-release", "usr/lib/system-release", "usr/lib/os.release.d",
		"aarch64-bottlerocket-linux-gnu/sys-root/usr/lib/os-release", "x86_64-bottlerocket-linux-gnu/sys-root/usr/lib/os-release",
		"etc/passwd", "etc/group", "etc/apk", "lib/apk", "usr/lib/apk", "var/lib/dpkg", "var/lib/rpm", "var/lib/rpmmanifest", "usr/share/rpm",
		"usr/lib/sysimage/rpm", "var/lib/pacman", "var/lib/apt", "etc/apt", "etc/yum.repos.d", "opt/bitnami",
	}
}

// decides reports whether a path is one of the deciding ones, is below one or
// is a directory above one. Case is folded: on some systems it is the same file.
func decides(file string) bool {
	clean := cleanPath(file)
	return clean == "" || slices.ContainsFunc(decidingPaths(), func(p string) bool {
		return within(clean, p) || within(p, clean)
	})
}

func cleanPath(file string) string {
	return strings.ToLower(strings.TrimPrefix(path.Clean("/"+file), "/"))
}

// within reports whether a path is a directory, or is below it.
func within(file, dir string) bool { return file == dir || strings.HasPrefix(file, dir+"/") }

// decidingMatch returns a deciding path that a glob matches, or "".
func decidingMatch(glob string) string {
	begin := cleanPath(strings.Join(literalSegments(glob), "/"))
	for _, p := range decidingPaths() {
		if within(begin, p) {
			return begin
		}
		for _, sample := range []string{p, p + "/x", p + "/x/y", path.Dir(p)} {
			if matchPath(strings.ToLower(glob), sample) {
				return sample
			}
		}
	}
	return ""
}

func decodeContent(d *decoder, n *yaml.Node, name string, e *exception) {
	s, ok := d.text(n, name)
	if ok && !contentForm.MatchString(s) {
		d.fail(n, "copy it from the report: content: sha256:...", "%s is %q, which is no sha256", name, clip(s))
		return
	}
	e.Content = s
}

func decodeCause(d *decoder, n *yaml.Node, name string, e *exception) {
	s, ok := d.text(n, name)
	if ok && len(s) < minCause {
		d.fail(n, "copy more of what the report says of the gap", "%s is %q, which is shorter than %d letters", name, clip(s), minCause)
		return
	}
	e.Cause = s
}

// checkRuleException keeps an exception for a rule narrow: one about workloads
// names a workload, and all others name images.
func (d *decoder) checkRuleException(n *yaml.Node, e *exception, title string) {
	must, not, hint := "images", "workload", requiredHint("images")
	if slices.Contains(workloadRules(), e.Rule) {
		must, not, hint = "workload", "images", "shop/Deployment/web, as the report names it"
	}
	if e.keys[must] == nil && e.Rule != "" {
		d.at(n.Line, n.Column, "add "+must+": "+hint, "%s has no %q", title, must)
	}
	if e.keys[not] != nil && e.Rule != "" {
		d.fail(e.keys[not], "remove it; an exception for "+e.Rule+" has "+must, "%s.%s has no meaning beside rule: %s", title, not, e.Rule)
	}
	d.checkImagesAreNamed(n, e, title)
}

// workloadForm is the name of a workload or of one of its containers: with a
// namespace in front, or without for objects that have none. A kind begins with a
// capital letter and a namespace does not; the services of a Compose file are of
// the kind "service".
var workloadForm = regexp.MustCompile(`^([a-z0-9][a-z0-9-]*/)?([A-Z][A-Za-z0-9]*|service)/[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$`)

func decodeWorkload(d *decoder, n *yaml.Node, name string, e *exception) {
	s, ok := d.text(n, name)
	if ok && !workloadForm.MatchString(s) {
		d.fail(n, "copy it from the report: shop/Deployment/web, or shop/Deployment/web/CONTAINER", "%s is %q, which is no workload", name, clip(s))
		return
	}
	e.Workload = s
}

// coversWorkload reports whether the exception is for a workload, or for one of
// its containers. What is wrong with the pod as a whole needs an exception for the
// whole workload.
func (e *exception) coversWorkload(id, container string) bool {
	return e.Workload == id || container != "" && e.Workload == id+"/"+container
}
