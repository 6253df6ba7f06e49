package policy

import (
	"cmp"
	"fmt"
	"sync"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/vex"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	ruleVEX      = "vex.files"
	ruleVEXAge   = "vex.max-age"
	ruleVEXNever = "vex.never"

	ruleVEXSignedBy = "vex.signed-by"
)

// ClassNotAffected is the class of findings that a VEX document calls not affected.
const ClassNotAffected Class = "not-affected"

// maxVEXFiles bounds how many documents a policy names.
const maxVEXFiles = 50

var (
	// A list in a policy above a pinned base would let pass what the base refuses, also
	// where the base names none.
	vexFilesKey = &setting[vexFiles]{
		path: ruleVEX, doc: "VEX documents, each with its hash or to be signed.", schema: vexFilesSchema(), brief: true,
		order: keepsVEXFiles, unset: &vexFiles{},
	}
	vexAgeKey      = ageKey(ruleVEXAge, "How old a statement may be.").orElse(90 * words.Day)
	vexSignedByKey = signersKey(ruleVEXSignedBy, "Signers of whom one must have signed each document.", shorter(same))
	vexNeverKey    = neverFrom(ruleVEXNever+".severity", "The severity from which on no statement counts.")
)

// vexFilesKeyed reads the key. Its reader refers to the language, which has the key: as
// a part of vexFilesKey that would be a cycle of initialisation.
type vexFilesKeyed struct{ *setting[vexFiles] }

func (k vexFilesKeyed) field() field[*settings] {
	s := *k.setting
	s.read = readVEXFiles
	return s.field()
}

func vexSection() section {
	const example = "vex:\n  files:\n  - {path: vex/app.openvex.json, sha256: 5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b5f1c9b8e0d7a4c3b}\n"
	return section{name: "vex", doc: "Documents that say which findings do not affect the image.", rules: []*Rule{
		{
			ID: ruleVEX, Title: "Which VEX documents say that a finding does not affect the image.",
			Why: "Whoever knows the code can tell that a vulnerability cannot be reached. The hash keeps anyone from changing the document unseen.",
			How: "correct the document, review it, and write its new hash",
			Settings: "a list of documents of OpenVEX 0.2, the VEX profile of CSAF 2.0 or CycloneDX 1.4 to 1.7: path, relative to the policy file, and sha256 in hex, as sha256sum prints it; sha256 may be left out where vex.signed-by asks for a signature. A statement with the status not_affected keeps the finding from blocking. It must name " +
				"the vulnerability (any alias), and the package: as a product, or as a subcomponent of this image. Of two documents the stricter one holds, and of two statements in one document the newer one. " +
				"It covers no denied and no exploited finding, no gap and no secret. A document with a date in the future makes the rule undecided.",
			Default: "none", Example: example, NoLevel: "leave the document out of vex.files",
			keys: []key{vexFilesKeyed{vexFilesKey}}, modifies: true, check: checkVEX,
		},
		{
			ID: ruleVEXSignedBy, Title: "Who must have signed each document.", Setting: true,
			Why: "A document of somebody else changes with every release. Its signature says that it is theirs, without a new hash in the policy each time.",
			How: "let one of the signers sign the file, for example with cosign sign-blob --bundle FILE.sigstore.json FILE",
			Settings: "names of signers from trust, with for: [vex]. One of them must have signed each document: the Sigstore bundle with the signature over the file is beside it, in PATH.sigstore.json. " +
				"Otherwise the rule vex.files is undecided. A sha256 has to hold as well. An older document that the signer has signed counts until its statements are older than vex.max-age.",
			Default: "no signature is asked for; then each document needs its sha256",
			Example: "trust:\n  - {name: vendor, identity: \"https://github.com/acme/vex/.github/workflows/publish.yml@refs/heads/main\", issuer: \"https://token.actions.githubusercontent.com\", for: [vex]}\nvex: {files: [{path: vex/vendor.json}], signed-by: [vendor]}\n",
			keys:    []key{vexSignedByKey}, modifies: true,
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

// vexState is what the documents say while findings are classified.
type vexState struct {
	problem string // why no statement counts, "" when they do
	files   vexFiles
	docs    []*vex.Document              // of files
	met     map[*vex.Statement]vex.Match // the best that each statement has met
	covered int
}

// vex returns the state; it is made when it is first asked for.
func (j *judge) vex() *vexState {
	if j.vexes == nil {
		j.vexes = &vexState{files: vexFilesKey.value(j.s), met: map[*vex.Statement]vex.Match{}}
		j.vexes.problem = j.vexes.read(j)
	}
	return j.vexes
}

// read takes the documents, and says what keeps every statement from counting. A
// statement of 2099 would be the newest for ever.
func (v *vexState) read(j *judge) string {
	for _, f := range v.files {
		doc, problem := j.document(f)
		switch {
		case problem != "":
			return problem
		case doc.Newest.After(j.now.Add(clockSkew)):
			return fmt.Sprintf("the VEX document %s has a date in the future: %s is %s", f.path, doc.NewestAt, doc.Newest.UTC().Format(time.RFC3339))
		}
		v.docs = append(v.docs, doc)
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
	v := j.vex()
	if len(v.files) == 0 {
		return nil, nil, "the policy names no VEX document"
	}
	if v.problem != "" {
		return nil, nil, v.problem
	}
	nearest := vex.OtherVulnerability
	pkg := sync.OnceValue(func() *vex.Package { return vex.PackageOf(f.Finding.Package) })
	for i, file := range v.files {
		said, near := j.saidBy(v.docs[i], f.Finding, pkg)
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
func (j *judge) saidBy(doc *vex.Document, f *evidence.Finding, pkg func() *vex.Package) (said *vex.Statement, nearest vex.Match) {
	for _, i := range doc.About(f) {
		st := &doc.Statements[i]
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
		return answer{message: v.problem, missing: true, cure: "put the document that the policy names beside it, correct, reviewed and, where vex.signed-by asks for that, signed"}
	}
	a := passing("%s not affected", words.Plural(v.covered, "finding"))
	idle := 0
	for k, file := range v.files {
		for i := range v.docs[k].Statements {
			st := &v.docs[k].Statements[i]
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
