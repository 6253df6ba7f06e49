package layer

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Executable is one program file of the merged image.
type Executable struct {
	Path  string
	Kind  ExecutableKind
	Size  int64
	Layer string // diffID
}

// ThirdParty is an OS package that is not of the distribution.
type ThirdParty struct {
	Name string
	// Why completes the sentence "it is not of the distribution: ...".
	Why string
}

// Facts are the facts of the merged tree. A nil slice means that the image has
// none of these: the tree has examined every entry.
type Facts struct {
	// Passwd and Group are nil when the image has none.
	Passwd, Group *Accounts
	// OSReleases are the files that name the OS, in the merged image.
	OSReleases []OSRelease
	// Databases are the package databases that Trivy reads, by path.
	Databases []PackageDatabase
	// Gaps is everything that keeps the scan from being trusted.
	Gaps []evidence.Gap
	// Notes are remarks for people.
	Notes []string
	// ThirdParty are installed packages that the image itself says are not of the
	// distribution.
	ThirdParty []ThirdParty
	// SBOMs and Jars are paths, sorted.
	SBOMs, Jars []string
	// Executables are all program files, sorted by path.
	Executables []Executable
	// Files are those whose mode or attributes give rights.
	Files evidence.Files
	// Bare is true when no layer, not even one whose files are gone, had a file that
	// names an OS or belongs to a package manager.
	Bare bool
	// Whiteouts and Devices count such entries over all layers.
	Whiteouts, Devices int
}

// Finish compares the file system of the container with the files that the
// scanner read. The tree must not be used afterwards.
func (t *Tree) Finish() *Facts {
	v := &view{t: t, facts: &Facts{Whiteouts: t.whiteouts, Devices: t.devices, Notes: t.notes, Bare: !t.system}}
	v.collect()
	v.accounts()
	v.compare()
	v.journals()
	v.databases()
	v.managers()
	v.missingPackages()
	v.identities()
	v.listDir(t.merged.root, ".")
	v.list(t.merged.root, "")
	sortFiles(&v.facts.Files)
	v.facts.Gaps = t.gaps.evidence(t.layers)
	return v.facts
}

// sight is a deciding path, as a runtime resolves it.
type sight struct {
	path string
	node *node
	real string // where links led
}

// view is the comparison of the two trees.
type view struct {
	t     *Tree
	facts *Facts

	runs    map[class][]sight        // what a runtime finds, by path
	scans   map[class][]*file        // the databases that Trivy has seen, by literal path
	totals  map[DatabaseType]int     // packages the scanner sees and a runtime too
	present map[DatabaseType][]*file // the databases of these
	pkgs    map[DatabaseType]map[string]bool
	kids    []*node // of the directories that list is in
}

// collect resolves every deciding path in both trees.
func (v *view) collect() {
	v.runs, v.scans = make(map[class][]sight), make(map[class][]*file)
	v.totals, v.present = make(map[DatabaseType]int), make(map[DatabaseType][]*file)
	for _, path := range slices.Sorted(maps.Keys(v.t.paths.class)) {
		v.resolve(v.t.paths.class[path], path)
	}
	for _, dir := range []string{dpkgStatusDir, dpkgInfoDir} {
		for _, name := range v.names(dir) {
			path := joinName(dir, name)
			if c := v.t.paths.classify(path); c == classDpkg || c == classDpkgList {
				v.resolve(c, path)
			}
		}
	}
	v.t.seen.each(func(f *file) {
		f.scanned = true
		switch f.class {
		case classDpkg, classApk, classRPM:
			v.scans[f.class] = append(v.scans[f.class], f)
		}
	})
	for _, files := range v.scans {
		slices.SortFunc(files, func(a, b *file) int { return strings.Compare(a.path, b.path) })
	}
}

// names lists a directory, links followed.
func (v *view) names(dir string) []string {
	w := walk{t: v.t, layer: noLayer}
	n, _, err := w.dir(dir)
	if err != nil || n == nil {
		return nil
	}
	var names []string
	for kid := range n.all {
		names = append(names, kid.name)
	}
	slices.Sort(names)
	return names
}

// resolve records the file that a runtime finds at path.
func (v *view) resolve(c class, path string) {
	w := walk{t: v.t, layer: noLayer}
	n, real, err := w.find(path, true)
	if err != nil {
		v.t.gaps.add(gapOf(c), path, noLayer, "it cannot be resolved: %v", err)
		return
	}
	if n == nil {
		v.dangling(c, path)
		return
	}
	v.runs[c] = append(v.runs[c], sight{path, n, real})
}

// dangling reports a link at a deciding path whose target does not exist.
func (v *view) dangling(c class, path string) {
	w := walk{t: v.t, layer: noLayer}
	n, _, err := w.find(path, false)
	if err == nil && n != nil && n.kind == Symlink && c <= classOS {
		v.t.gaps.add(gapOf(c), path, n.layer, "it is a symbolic link to %s, which is not there", quote(n.link))
	}
}

// gapOf returns the kind of the gaps that files of the class cause.
func gapOf(c class) evidence.GapKind {
	switch c {
	case classDpkg, classApk, classRPM, classJournal:
		return gapPackageDatabase
	case classOS, classRepositories:
		return gapOSMismatch
	}
	return gapHiddenFiles
}

// compare reports package databases that one side sees and the other does
// not. Links are harmless as long as both end at the same file: /var/lib/rpm is a
// link in many images, and Trivy reads its target.
func (v *view) compare() {
	for _, c := range []class{classDpkg, classApk, classRPM} {
		running := make(map[*file]bool)
		for _, s := range v.runs[c] {
			if s.node.file == nil {
				continue // a directory or device; the loop below reports the database that it replaced
			}
			if running[s.node.file] = true; !s.node.file.scanned {
				v.t.gaps.add(gapPackageDatabase, s.path, s.node.layer,
					"the container reads it through a link (from %s), where no scanner looks", quote(s.real))
			}
		}
		for _, f := range v.scans[c] {
			if running[f] {
				d := f.facts.(*databaseFacts)
				v.totals[d.kind] += d.count
				v.present[d.kind] = append(v.present[d.kind], f)
				continue
			}
			v.t.gaps.add(gapPackageDatabase, f.path, f.layer,
				"the scanner reads it, but in the container this path is something else")
		}
	}
}

// journals reports journals of SQLite databases. SQLite applies a journal before
// it reads the database, and Trivy does not. A crash may have left the journal,
// or an attacker may have added it. The same is true of the files in which dpkg keeps
// changes until it writes its database.
func (v *view) journals() {
	for _, s := range v.runs[classJournal] {
		if f := s.node.file; f != nil && f.size > 0 || s.node.kind != File {
			v.t.gaps.add(gapPackageDatabase, s.path, s.node.layer,
				"the database has changes that are not yet part of it, and no scanner reads them; run \"rpm -q rpm\" as root while building")
		}
	}
	for _, name := range v.names(dpkgUpdates) {
		if strings.Trim(name, "0123456789") != "" {
			continue // dpkg reads no others
		}
		w, path := walk{t: v.t, layer: noLayer}, joinName(dpkgUpdates, name)
		if n, _, err := w.find(path, true); err == nil && n != nil && (n.file == nil || n.file.size > 0) {
			v.t.gaps.add(gapPackageDatabase, path, n.layer,
				"dpkg has changes that are not yet part of its database, and no scanner reads them; run \"dpkg --configure -a\" while building")
		}
	}
}

// databases lists the databases that Trivy reads, and reports their problems.
func (v *view) databases() {
	for _, c := range []class{classDpkg, classApk, classRPM} {
		for _, f := range v.scans[c] {
			d := f.facts.(*databaseFacts)
			v.facts.Databases = append(v.facts.Databases, PackageDatabase{
				Type: d.kind, Path: f.path, Layer: v.t.layers[f.layer], Count: d.count,
				IDs: slices.Clone(d.ids), Problem: d.problem,
			})
			if d.problem != "" {
				v.t.gaps.add(gapPackageDatabase, f.path, f.layer, "the package database %s", d.problem)
			}
		}
	}
}

// accounts takes passwd and group, which must not be reached through links.
func (v *view) accounts() {
	for _, s := range v.runs[classAccounts] {
		a := &Accounts{Path: s.path, Layer: v.t.layers[s.node.layer]}
		facts, _ := fileFacts[*textFacts](s.node)
		switch {
		case s.real != s.path || s.node.hard:
			a.Problem = "is a link, which runtimes resolve in different ways"
		case s.node.kind != File:
			a.Problem = "is no regular file"
		case facts == nil:
			a.Problem = "was not read"
		default:
			a.Data, a.Problem = bytes.Clone(facts.text), facts.problem // other images share the facts
		}
		if s.path == passwdPath {
			v.facts.Passwd = a
		} else {
			v.facts.Group = a
		}
	}
	v.unresolvedAccounts()
}

// unresolvedAccounts records a problem for a dangling link at passwd or group. It
// is not the same as a missing file: some runtimes follow the link to the file
// system of the host.
func (v *view) unresolvedAccounts() {
	for path, to := range map[string]**Accounts{passwdPath: &v.facts.Passwd, groupPath: &v.facts.Group} {
		if *to != nil {
			continue
		}
		w := walk{t: v.t, layer: noLayer}
		if n, _, err := w.find(path, false); err != nil || n != nil {
			*to = &Accounts{Path: path, Problem: "is a link to nothing"}
		}
	}
}

// fileFacts returns the facts of a regular file.
func fileFacts[T any](n *node) (T, bool) {
	var zero T
	if n == nil || n.file == nil {
		return zero, false
	}
	facts, ok := n.file.facts.(T)
	return facts, ok
}
