package layer

import "cmp"

// finding holds the facts of a deciding file. It is immutable, because the trees
// of several images share it.
type finding interface {
	// cost is what it takes of the image's memory for content, see maxKept.
	cost() int64
	// forgotten is the finding without its content, for an image that has no memory
	// left for it.
	forgotten() finding
}

// newFinding makes an empty finding for a file of the class, nil when files of
// this class have none.
func newFinding(c class) finding {
	switch c {
	case classDpkg, classApk, classRPM:
		return &databaseFacts{kind: databaseType(c)}
	case classOS, classOSTarget, classRepositories, classApkWorld, classAccounts:
		return &textFacts{}
	case classDpkgList:
		return &listFacts{}
	case classTOC:
		return &tocFacts{}
	}
	return nil
}

// found reports whether files of the class have a finding.
func (c class) found() bool { return newFinding(c) != nil }

const (
	problemTooMany  = "cannot be kept: the image has too many versions of such files"
	problemPackages = "holds more packages than can be kept in memory"
)

// textFacts is a small file that is kept as it is.
type textFacts struct {
	text    []byte
	problem string
}

func (f *textFacts) cost() int64        { return int64(len(f.text)) }
func (f *textFacts) forgotten() finding { return &textFacts{problem: problemTooMany} }

// listFacts are program files that a package owns.
type listFacts struct {
	paths   []string
	problem string
}

func (f *listFacts) cost() int64        { return costOf(f.paths, 32) }
func (f *listFacts) forgotten() finding { return &listFacts{problem: problemTooMany} }

// tocFacts is how a table of contents compares with the archive before it.
type tocFacts struct{ problem string }

func (f *tocFacts) cost() int64        { return 0 }
func (f *tocFacts) forgotten() finding { return f }

// databaseFacts is what one version of one package database holds. All lists
// are sorted; those of an RPM database are empty.
type databaseFacts struct {
	kind     DatabaseType
	count    int
	problem  string
	ids      []string // name@version
	packages []pkg    // by name
	// absent are names that a dpkg database lists as not installed.
	absent   []string
	provides []string // apk: what packages provide
}

// pkg is one installed package.
type pkg struct {
	name  string
	files []string // some of its program files, apk only
}

func (f *databaseFacts) cost() int64 {
	n := 2*costOf(f.ids, 100) + costOf(f.absent, 64) + costOf(f.provides, 64)
	for i := range f.packages {
		n += costOf(f.packages[i].files, 16)
	}
	return n
}

func (f *databaseFacts) forgotten() finding {
	d := &databaseFacts{kind: f.kind, count: f.count, problem: f.problem}
	d.problem = cmp.Or(d.problem, problemPackages)
	return d
}

func costOf(list []string, each int64) int64 {
	var n int64
	for _, s := range list {
		n += int64(len(s)) + each
	}
	return n
}
