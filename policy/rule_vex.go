package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/vex"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	ruleVEX      = "vex.files"
	ruleVEXAge   = "vex.max-age"
	ruleVEXNever = "vex.never"
)

// ClassNotAffected is the class of findings that a VEX document calls not affected.
const ClassNotAffected Class = "not-affected"

// maxVEXFiles bounds how many documents a policy names.
const maxVEXFiles = 50

// vexFile is a VEX document that a policy names.
type vexFile struct {
	path   string // as the policy spells it
	sha256 string
	pos    Position
	// doc is nil where the policy was parsed without reading other files. Then nothing
	// is known of what it says.
	doc *vex.Document
}

var (
	// A list in a policy above a pinned base would let pass what the base refuses, also
	// where the base names none.
	vexFilesKey = &setting[vexFiles]{
		path: ruleVEX, doc: "VEX documents, each with its hash.", schema: vexFilesSchema(), brief: true,
		order: keepsVEXFiles, unset: &vexFiles{},
	}
	vexAgeKey = &setting[time.Duration]{
		path: ruleVEXAge, doc: "How old a statement may be.",
		schema: durationSchema(), read: someTime, order: smaller[time.Duration], unset: new(90 * words.Day),
	}
	vexNeverKey = neverFrom(ruleVEXNever+".severity", "The severity from which on no statement counts.")
)

// vexFilesKeyed reads the key. Its reader refers to the language, which has the key: as
// a part of vexFilesKey that would be a cycle of initialisation.
type vexFilesKeyed struct{ *setting[vexFiles] }

func (k vexFilesKeyed) field() field[*settings] {
	s := *k.setting
	s.read = readVEXFiles
	return s.field()
}

// vexFiles are the documents of a policy.
type vexFiles []*vexFile

func (l vexFiles) String() string {
	var out []string
	for _, f := range l {
		out = append(out, "{path: "+f.path+", sha256: "+f.sha256+"}")
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// keepsVEXFiles reports whether base has all documents of child.
func keepsVEXFiles(child, base vexFiles) bool {
	return shorter(func(child, base *vexFile) bool { return child.sha256 == base.sha256 })(child, base)
}

func vexSection() section {
	const example = "vex:\n  files:\n  - {path: vex/app.openvex.json, sha256: 5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b}\n"
	return section{name: "vex", doc: "Documents that say which findings do not affect the image.", rules: []*Rule{
		{
			ID: ruleVEX, Title: "Which VEX documents say that a finding does not affect the image.",
			Why: "Whoever knows the code can tell that a vulnerability cannot be reached. The hash keeps anyone from changing the document unseen.",
			How: "correct the document, review it, and write its new hash",
			Settings: "a list of documents of OpenVEX 0.2, the VEX profile of CSAF 2.0 or CycloneDX 1.4 to 1.7: path, relative to the policy file, and sha256 in hex, as sha256sum prints it. A statement with the status not_affected keeps the finding from blocking. It must name " +
				"the vulnerability (any alias), and the package: as a product, or as a subcomponent of this image. Of two documents the stricter one holds, and of two statements in one document the newer one. " +
				"It covers no denied and no exploited finding, no gap and no secret. A document with a date in the future makes the rule undecided.",
			Default: "none", Example: example, NoLevel: "leave the document out of vex.files",
			keys: []key{vexFilesKeyed{vexFilesKey}}, modifies: true, check: checkVEX,
		},
		{
			ID: ruleVEXAge, Title: "How old a statement may be.", Setting: true,
			Why: "The code changes, and what could not be reached last year may be reached now.", How: "review the statement and give it a new date",
			Settings: "a time such as 90d. The age counts from timestamp or last_updated of the statement, or from the timestamp of its document.", Default: "90d",
			Example: example + "  max-age: 30d\n", keys: []key{vexAgeKey}, modifies: true,
		},
		{
			ID: ruleVEXNever, Title: "The severity from which on no statement counts.", Setting: true,
			Why: "Some findings are too bad to rest on a statement.", How: "fix the findings",
			Settings: "severity: critical, high, medium or low. Findings without a severity count as high.", Default: "none",
			Example: example + "  never: {severity: critical}\n", keys: []key{vexNeverKey}, modifies: true,
		},
	}}
}

func vexFilesSchema() object {
	return object{"type": "array", "minItems": 1, "maxItems": maxVEXFiles, "items": object{
		"type": "object", "additionalProperties": false, "required": []string{"path", "sha256"},
		"properties": object{"path": textSchema(), "sha256": pattern(hexForm.String())},
	}}
}

func readVEXFiles(d *decoder, n *yaml.Node, name string) (vexFiles, bool) {
	mistakes := len(d.diags)
	if len(n.Content) > maxVEXFiles {
		d.fail(n, "join documents", "%s has more than %d entries", name, maxVEXFiles)
		return nil, false
	}
	var hashes []string
	out, ok := list(d, n, name, false, func(c *yaml.Node, item string) (*vexFile, bool) {
		f := d.vexFile(c, item)
		if f != nil && slices.Contains(hashes, f.sha256) {
			d.fail(c, "keep one", "%s names a document that is in the list already", item)
		}
		if f != nil {
			hashes = append(hashes, f.sha256)
		}
		return f, f != nil
	})
	return out, ok && len(d.diags) == mistakes
}

// vexFile reads an entry of the list and its document, nil after a mistake.
func (d *decoder) vexFile(n *yaml.Node, name string) *vexFile {
	const cure = "write - {path: vex/app.openvex.json, sha256: HASH}, with the hash that sha256sum prints"
	f := &vexFile{pos: d.pos(n)}
	mistakes := len(d.diags)
	mapping(d, n, name, []field[*vexFile]{
		{key: "path", required: true, cure: cure, decode: func(d *decoder, n *yaml.Node, name string, f *vexFile) { f.path, _ = d.text(n, name) }},
		{key: "sha256", required: true, cure: cure, decode: func(d *decoder, n *yaml.Node, name string, f *vexFile) { f.sha256, _ = d.text(n, name) }},
	}, f)
	switch {
	case len(d.diags) > mistakes:
		return nil
	case !hexForm.MatchString(f.sha256):
		d.fail(n, cure, "%s has no sha256 of 64 hexadecimal digits", name)
		return nil
	case d.bases == nil:
		return f
	case strings.HasPrefix(d.file, "oci://"):
		d.fail(n, "name the document in the policy above it", "%s: a policy in a registry has no files beside it", name)
		return nil
	}
	place, src, err := d.bases(d.file, Base{File: f.path, VEX: true})
	if err != nil {
		d.fail(n, "check the path, which is relative to the policy file", "the VEX document %s cannot be read: %v", clip(f.path), err)
		return nil
	}
	sum := sha256.Sum256(src)
	if have := hex.EncodeToString(sum[:]); have != f.sha256 {
		d.fail(n, "review what changed in the document, then write its new hash", "the VEX document %s has sha256 %s, and not %s", clip(place), have, f.sha256)
		return nil
	}
	if f.doc, err = vex.Parse(src); err != nil {
		d.fail(n, "correct the document, review it, and write its new hash", "the VEX document %s is refused: %v", clip(place), err)
		return nil
	}
	return f
}

// vexState is what the documents say while findings are classified.
type vexState struct {
	problem string                       // why no statement counts, "" when they do
	met     map[*vex.Statement]vex.Match // the best that each statement has met
	covered int
}

// vex returns the state; it is made when it is first asked for.
func (j *judge) vex() *vexState {
	if j.vexes == nil {
		j.vexes = &vexState{problem: j.vexProblem(), met: map[*vex.Statement]vex.Match{}}
	}
	return j.vexes
}

// vexProblem says what keeps every statement from counting. A statement of 2099 would be
// the newest for ever.
func (j *judge) vexProblem() string {
	for _, f := range vexFilesKey.value(j.s) {
		switch {
		case f.doc == nil:
			return fmt.Sprintf("the VEX document %s was not read", f.path)
		case f.doc.Newest.After(j.now.Add(clockSkew)):
			return fmt.Sprintf("the VEX document %s has a date in the future: %s is %s", f.path, f.doc.NewestAt, f.doc.Newest.UTC().Format(time.RFC3339))
		}
	}
	return ""
}

// isNotAffected reports a finding that the documents call not affected.
func (j *judge) isNotAffected(f *Judged) bool {
	st, file, why := j.notAffectedBy(f)
	if why != "" {
		return false
	}
	j.vex().covered++
	f.Reason = fmt.Sprintf("not affected: %s (%s of %s, %s)", st.Why, st.Place, file.path, st.At.UTC().Format(time.DateOnly))
	return true
}

// notNotAffected says why no statement covers a finding, "" when one does.
func (j *judge) notNotAffected(f *Judged) string {
	_, _, why := j.notAffectedBy(f)
	return why
}

// notAffectedBy returns the statement that covers a finding, or why none does. Every
// document is asked, also after one that covers: the stricter one holds.
func (j *judge) notAffectedBy(f *Judged) (st *vex.Statement, by *vexFile, why string) {
	files := vexFilesKey.value(j.s)
	if len(files) == 0 {
		return nil, nil, "the policy names no VEX document"
	}
	v := j.vex()
	if v.problem != "" {
		return nil, nil, v.problem
	}
	nearest := vex.OtherVulnerability
	pkg := sync.OnceValue(func() *vex.Package { return vex.PackageOf(&f.Finding.Package) })
	for _, file := range files {
		said, near := j.saidBy(file, f.Finding, pkg)
		nearest = max(nearest, near)
		switch {
		case said == nil:
		case said.Status != vex.NotAffected:
			why = cmp.Or(why, fmt.Sprintf("%s of %s says %s", said.Place, file.path, said.Status))
		case said.At.Add(vexAgeKey.value(j.s)).Before(j.now):
			if st == nil && by == nil {
				by = file // nothing yet but what is too old
			}
		default:
			if st == nil {
				st, by = said, file
			}
		}
	}
	switch {
	case why != "":
	case st == nil && by != nil:
		why = fmt.Sprintf("the statement of %s is older than %s", by.path, words.Duration(vexAgeKey.value(j.s)))
	case st == nil:
		why = map[vex.Match]string{
			vex.OtherVulnerability: "no VEX document names it", vex.OtherProduct: "the VEX documents name it for other products",
			vex.OtherVersion: "the VEX documents name it for another version",
		}[nearest]
	default:
		why = j.tooBad(f, "VEX document", ruleVEXNever, vexNeverKey)
	}
	return st, by, why
}

// saidBy returns what a document says of a finding, nil for nothing, and how near its
// statements come. The newer statement holds, and of equally old ones the stricter.
func (j *judge) saidBy(file *vexFile, f *evidence.Finding, pkg func() *vex.Package) (said *vex.Statement, nearest vex.Match) {
	for _, i := range file.doc.About(f) {
		st := &file.doc.Statements[i]
		m := st.Match(j.img, pkg())
		nearest = max(nearest, m)
		j.vexes.met[st] = max(j.vexes.met[st], m)
		switch {
		case m != vex.Matches:
		case said == nil, st.At.After(said.At), st.At.Equal(said.At) && said.Status == vex.NotAffected:
			said = st
		}
	}
	return said, nearest
}

// checkVEX reports what the documents cover, and which statements met no finding.
func checkVEX(j *judge) answer {
	v := j.vex()
	if v.problem != "" {
		return answer{message: v.problem, missing: true, cure: "correct the document, review it, and write its new hash"}
	}
	a := passing("%s not affected", words.Plural(v.covered, "finding"))
	idle := 0
	for _, file := range vexFilesKey.value(j.s) {
		for i := range file.doc.Statements {
			st := &file.doc.Statements[i]
			note := map[vex.Match]string{
				vex.OtherVulnerability: "no finding is of this vulnerability", vex.OtherProduct: "another product", vex.OtherVersion: "another version",
			}[v.met[st]]
			if note != "" {
				idle++
				a.details = append(a.details, fmt.Sprintf("%s, %s, %s: unused: %s", file.path, st.Place, st.IDs[0], note))
			}
		}
	}
	if v.covered > 0 {
		a.result, a.cure = ResultWarn, "fix the findings all the same, where a fixed version is there"
	}
	if idle > 0 {
		a.result, a.cure = ResultWarn, "remove the statements that are about no finding, or correct their product and version"
		a.message += fmt.Sprintf("; %s unused", words.Plural(idle, "statement"))
	}
	a.allowed = "what the documents call not affected"
	return a
}

// checkVEXKeys reports keys of the section that have no effect.
func (d *decoder) checkVEXKeys(p *Policy) {
	for _, s := range p.everySettings() {
		if _, named := s.set(vexFilesKey); named {
			return
		}
	}
	for _, s := range p.everySettings() {
		if at, any := s.set(vexAgeKey, vexNeverKey); any {
			d.failPos(at, "add files: [{path: vex/app.openvex.json, sha256: HASH}]", "vex names no files, so the key has no effect")
			return
		}
	}
}
