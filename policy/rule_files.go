package policy

import (
	"fmt"
	"path"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	ruleSetuid        = "files.setuid"
	ruleCapabilities  = "files.capabilities"
	ruleWorldWritable = "files.world-writable"
)

// fileKind is a kind of files that a policy limits.
type fileKind struct {
	rule string
	what string // several of them, for messages: "files with ..."
	list func(f *evidence.Files) *evidence.FileList
	max  *setting[int]
	// allow lists the paths that do not count.
	allow *setting[[]string]
}

var (
	setuidFiles        = newFileKind(ruleSetuid, "the setuid or setgid bit", func(f *evidence.Files) *evidence.FileList { return &f.SetID })
	capabilityFiles    = newFileKind(ruleCapabilities, "capabilities", func(f *evidence.Files) *evidence.FileList { return &f.Capabilities })
	worldWritableFiles = newFileKind(ruleWorldWritable, "write permission for every user", func(f *evidence.Files) *evidence.FileList { return &f.WorldWritable })
)

func newFileKind(rule, what string, list func(*evidence.Files) *evidence.FileList) *fileKind {
	k := &fileKind{rule: rule, what: what, list: list}
	k.max = &setting[int]{
		path: rule + ".max", doc: "How many files may have " + what + ", beside those of allow. 0 unless it is set.",
		schema: numberSchema(), read: (*decoder).count, unset: new(int),
		compare: func(child, base *settings) bool { return !k.asked(base) || k.max.value(child) <= k.max.value(base) },
	}
	k.allow = &setting[[]string]{
		path: rule + ".allow", doc: "Files that may have " + what + ". Globs on paths in the image.",
		schema: listOf(textSchema()), read: globs(fileGlob, false),
		compare: func(child, base *settings) bool {
			return !k.asked(base) || shorter(coveredPath)(k.allow.value(child), k.allow.value(base))
		},
	}
	return k
}

func (k *fileKind) asked(s *settings) bool {
	_, asked := s.set(k.max, k.allow)
	return asked
}

// fileGlob checks a glob on paths that lists exceptions from a rule.
func fileGlob(s string) (wrong, cure string) {
	trimmed := strings.TrimPrefix(s, "/")
	switch {
	case path.Clean("/"+trimmed) != "/"+trimmed:
		return "matches no path in an image", "write the path without . and .. and without a slash at its end, such as usr/bin/sudo"
	case matchPath(s, "9k-q7z") || matchPath(s, "9k-q7z/j5x") || matchPath(s, "9k-q7z/j5x/v2w"):
		return "allows files whatever their name", "name the directory, or leave the rule out"
	}
	return "", ""
}

// coveredPath is [covered] for globs on paths, which may begin with a slash.
func coveredPath(later, earlier string) bool {
	return covered(strings.TrimPrefix(later, "/"), strings.TrimPrefix(earlier, "/"))
}

func filesSection() section {
	rule := func(k *fileKind, title, why, how, example string) *Rule {
		return &Rule{
			ID: k.rule, Title: title, Why: why, How: how, Default: "not asked", Levels: true,
			Settings: "max: how many are allowed, 0 unless it is set; allow: a list of globs on paths, for files that do not count. * stays within one part of the path, ** goes across.",
			Example:  example, keys: []key{k.max, k.allow},
			needs: func(*settings) evidence.Need { return evidence.NeedFiles },
			check: func(j *judge) answer { return k.check(j) },
		}
	}
	return section{name: "files", doc: "Files of the merged image whose mode or attributes give rights.", rules: []*Rule{
		rule(setuidFiles, "Only these files have the setuid or the setgid bit.",
			"A program with the setuid bit runs with the rights of its owner, mostly root, whoever starts it. A fault in it makes every user root.",
			"take the bit away while building (RUN chmod u-s,g-s FILE), remove the package, or add the path of a file that needs it to files.setuid.allow",
			"files: {setuid: {max: 0, allow: [usr/bin/sudo]}}\n"),
		rule(capabilityFiles, "Only these files have capabilities.",
			"The attribute security.capability gives rights of root to every user who starts the file, like the setuid bit, and ls does not show it.",
			"take the attribute away while building (RUN setcap -r FILE), or add the path of a file that needs it to files.capabilities.allow",
			"files: {capabilities: {allow: [usr/bin/ping]}}\n"),
		rule(worldWritableFiles, "Only these files and directories may be written by every user.",
			"Every process in the container can replace what is in them, and so change what others run. Directories with the sticky bit, such as /tmp, do not count: there each user can replace only what is their own.",
			"take the permission away while building (RUN chmod o-w FILE), or add the path to files.world-writable.allow",
			"files: {world-writable: {allow: [\"var/lib/app/**\"]}}\n"),
	}}
}

func (k *fileKind) check(j *judge) answer {
	sc, lack := j.scanned(evidence.NeedFiles)
	if lack != nil {
		return *lack
	}
	if sc.Files == nil {
		return missing("the modes of files were not collected")
	}
	list := k.list(sc.Files)
	limit, allow := k.max.value(j.s), k.allow.value(j.s)
	var counted []string
	for i := range list.Files {
		if f := &list.Files[i]; !matchesAny(allow, f.Path, matchPath) {
			counted = append(counted, fileLine(f))
		}
	}
	count, unseen := len(counted), max(0, list.Count-len(list.Files))
	a := passing("%s with %s", words.Plural(len(list.Files)+unseen, "file"), k.what)
	if n := len(list.Files) - count; n > 0 {
		a.message += fmt.Sprintf(", %d of them allowed by path", n)
	}
	switch {
	case count > limit:
		a.result = ResultFail
	case count+unseen > limit:
		a = undecided("%s with %s, and the evidence lists only the first %d", words.Plural(len(list.Files)+unseen, "file"), k.what, len(list.Files))
		a.cure = fmt.Sprintf("reduce the number of such files in the image to %d or fewer, or set %s to %d or more", evidence.MaxFiles, k.max.path, count+unseen)
	}
	a.allowed = "at most " + words.Count(limit)
	if len(allow) > 0 {
		a.allowed += " beside " + words.And(allow)
	}
	a.details = counted
	return a
}

// fileLine names a file and what it gives.
func fileLine(f *evidence.File) string {
	var has []string
	if f.Setuid {
		has = append(has, "setuid")
	}
	if f.Setgid {
		has = append(has, "setgid")
	}
	has = append(has, f.Capabilities...)
	line := f.Path
	if f.Dir {
		line += "/"
	}
	if len(has) > 0 {
		line += " (" + strings.Join(has, ", ") + ")"
	}
	return line
}
