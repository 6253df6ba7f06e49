package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/vex"
)

// VEXRequest is what is asked about a VEX document besides its bytes.
type VEXRequest struct {
	// Signers are those whose signatures over the document are looked for; none for a
	// document that need not be signed.
	Signers []Signer
	// Signed are the signers that were found, and Problem is what was wrong with other
	// signatures. The loader sets them.
	Signed  []evidence.Signer
	Problem string
}

// UnreadError is the error of a [Loader] for a VEX document that is not there now, and
// may be saved with the evidence.
type UnreadError struct{ Err error }

// Error says why the document was not read.
func (e *UnreadError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UnreadError) Unwrap() error { return e.Err }

// vexFile is a VEX document that a policy names.
type vexFile struct {
	path   string // as the policy spells it
	sha256 string // "" for one that has to be signed
	from   string // the policy file that names it
	pos    Position

	unread string // why it was not read
	read   *readVEX
	saved  sync.Map // documents of evidence that were parsed, by their sha256
}

// readVEX is a document that was read from beside the policy.
type readVEX struct {
	evidence.VEXDocument
	document *vex.Document
	asked    []Signer // whose signatures were looked for
	problem  string   // with other signatures
}

// VEXDocuments lists the documents that the policy has read, to be kept with evidence.
func (p *Policy) VEXDocuments() []evidence.VEXDocument {
	var out []evidence.VEXDocument
	for _, f := range p.vexFiles() {
		if f.read != nil {
			out = append(out, f.read.VEXDocument)
		}
	}
	return out
}

// vexFiles lists the documents that the policy names for any image.
func (p *Policy) vexFiles() []*vexFile {
	var out []*vexFile
	for _, s := range p.everySettings() {
		for _, f := range vexFilesKey.value(s) {
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return out
}

// vexFiles are the documents of a policy.
type vexFiles []*vexFile

func (l vexFiles) String() string {
	var out []string
	for _, f := range l {
		text := "{path: " + f.path
		if f.sha256 != "" {
			text += ", sha256: " + f.sha256
		}
		out = append(out, text+"}")
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// keepsVEXFiles reports whether base has all documents of child. A path tells nothing:
// it can lead to another file from there.
func keepsVEXFiles(child, base vexFiles) bool {
	return shorter(func(child, base *vexFile) bool {
		return child == base || child.sha256 != "" && child.sha256 == base.sha256
	})(child, base)
}

func vexFilesSchema() object {
	return object{"type": "array", "minItems": 1, "maxItems": maxVEXFiles, "items": object{
		"type": "object", "additionalProperties": false, "required": []string{"path"},
		"properties": object{"path": textSchema(), "sha256": pattern(hexForm.String())},
	}}
}

func readVEXFiles(d *decoder, n *yaml.Node, name string) (vexFiles, bool) {
	mistakes := len(d.diags)
	if len(n.Content) > maxVEXFiles {
		d.fail(n, "join documents", "%s has more than %d entries", name, maxVEXFiles)
		return nil, false
	}
	var seen []string
	out, ok := list(d, n, name, false, func(c *yaml.Node, item string) (*vexFile, bool) {
		f := d.vexFile(c, item)
		if f == nil {
			return nil, false
		}
		key := cmp.Or(f.sha256, "path "+f.path)
		if slices.Contains(seen, key) {
			d.fail(c, "keep one", "%s names a document that is in the list already", item)
		}
		seen = append(seen, key)
		return f, true
	})
	return out, ok && len(d.diags) == mistakes
}

// vexFile reads an entry of the list, nil after a mistake. Its document is read when it
// is known who may sign it.
func (d *decoder) vexFile(n *yaml.Node, name string) *vexFile {
	const cure = "write - {path: vex/app.openvex.json, sha256: HASH}, with the hash that sha256sum prints"
	f := &vexFile{pos: d.pos(n), from: d.file, unread: "the policy was read without it"}
	mistakes := len(d.diags)
	seen := mapping(d, n, name, []field[*vexFile]{
		{key: "path", required: true, cure: cure, decode: func(d *decoder, n *yaml.Node, name string, f *vexFile) { f.path, _ = d.text(n, name) }},
		{key: "sha256", decode: func(d *decoder, n *yaml.Node, name string, f *vexFile) { f.sha256, _ = d.text(n, name) }},
	}, f)
	switch {
	case len(d.diags) > mistakes:
		return nil
	case seen["sha256"] != nil && !hexForm.MatchString(f.sha256):
		d.fail(n, cure, "%s has no sha256 of 64 hexadecimal digits", name)
		return nil
	case d.bases != nil && strings.HasPrefix(d.file, "oci://"):
		d.fail(n, "name the document in the policy above it", "%s: a policy in a registry has no files beside it", name)
		return nil
	}
	return f
}

// readVEX reads the documents that the policy names. Those of a base are read again
// where this policy asks for other signers.
func (d *decoder) readVEX(p *Policy) {
	if d.bases == nil {
		return
	}
	var signers []Signer
	for _, s := range p.everySettings() {
		if len(vexSignedByKey.value(s)) > 0 {
			signers = p.Signers(ForVEX)
		}
	}
	for _, f := range p.vexFiles() {
		if f.read == nil || !slices.EqualFunc(f.read.asked, signers, func(a, b Signer) bool { return a.String() == b.String() }) {
			d.readVEXFile(f, signers)
		}
	}
}

func (d *decoder) readVEXFile(f *vexFile, signers []Signer) {
	ask := &VEXRequest{Signers: signers}
	place, src, err := d.bases(f.from, Base{File: f.path, VEX: ask})
	if _, unread := errors.AsType[*UnreadError](err); unread {
		f.unread = err.Error()
		return
	}
	if err != nil {
		d.failPos(f.pos, "check the path, which is relative to the policy file", "the VEX document %s cannot be read: %v", clip(f.path), err)
		return
	}
	have := hexHash(src)
	if f.sha256 != "" && have != f.sha256 {
		d.failPos(f.pos, "review what changed in the document, then write its new hash", "the VEX document %s has sha256 %s, and not %s", clip(place), have, f.sha256)
		return
	}
	doc, err := vex.Parse(src)
	if err != nil {
		d.failPos(f.pos, "correct the document, review it, and write its new hash", "the VEX document %s is refused: %v", clip(place), err)
		return
	}
	f.read = &readVEX{
		VEXDocument: evidence.VEXDocument{Path: f.path, SHA256: have, Content: string(src), Signers: ask.Signed},
		document:    doc, asked: signers, problem: ask.Problem,
	}
}

func hexHash(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:])
}

// document returns the document that the policy names: the one beside it, or the one
// that was saved with the evidence. problem says why there is none that counts.
func (j *judge) document(f *vexFile) (doc *vex.Document, problem string) {
	if f.read != nil {
		if problem = j.unsigned(f, f.read.Signers, f.read.problem); problem != "" {
			return nil, problem
		}
		return f.read.document, ""
	}
	problem = fmt.Sprintf("the VEX document %s was not read: %s", f.path, f.unread)
	for i := range j.img.VEX {
		d := &j.img.VEX[i]
		if !f.isSaved(d) {
			continue
		}
		if problem = j.unsigned(f, d.Signers, "the evidence has no signature of theirs"); problem != "" {
			continue
		}
		if doc, problem = f.parseSaved(d); problem == "" {
			return doc, ""
		}
	}
	return nil, problem
}

// VEXInputs returns the documents that an image is judged with: those beside the policy,
// and of those that were not read, the ones that were saved with its evidence.
func (p *Policy) VEXInputs(img *evidence.Image) []evidence.VEXDocument {
	var out []evidence.VEXDocument
	for _, f := range p.vexFiles() {
		if f.read != nil {
			out = append(out, f.read.VEXDocument)
			continue
		}
		for i := range img.VEX {
			if f.isSaved(&img.VEX[i]) {
				out = append(out, img.VEX[i])
			}
		}
	}
	return out
}

// isSaved reports whether a document of the evidence can be the one that the policy names.
func (f *vexFile) isSaved(d *evidence.VEXDocument) bool {
	if f.sha256 != "" {
		return d.SHA256 == f.sha256
	}
	return d.Path == f.path
}

// parseSaved parses a document of the evidence, once for all images that have it.
func (f *vexFile) parseSaved(d *evidence.VEXDocument) (doc *vex.Document, problem string) {
	if hexHash([]byte(d.Content)) != d.SHA256 {
		return nil, fmt.Sprintf("the VEX document %s of the evidence was changed: its sha256 is not %s", f.path, d.SHA256)
	}
	if known, ok := f.saved.Load(d.SHA256); ok {
		return known.(*vex.Document), ""
	}
	doc, err := vex.Parse([]byte(d.Content))
	if err != nil {
		return nil, fmt.Sprintf("the VEX document %s of the evidence is refused: %v", f.path, err)
	}
	f.saved.Store(d.SHA256, doc)
	return doc, ""
}

// unsigned says why a document does not count, where it has to be signed.
func (j *judge) unsigned(f *vexFile, signers []evidence.Signer, found string) string {
	names := vexSignedByKey.value(j.s)
	if len(names) == 0 {
		return ""
	}
	if by, _ := signedBy(j.s.signersOf(names, ForVEX), signers); by != nil {
		return ""
	}
	problem := fmt.Sprintf("the VEX document %s is not signed by %s", f.path, strings.Join(names, " or "))
	if found != "" {
		problem += ": " + found
	}
	return problem
}

// checkVEXKeys reads the documents, and reports keys of the section that have no effect
// and documents that nothing vouches for.
func (d *decoder) checkVEXKeys(p *Policy) {
	d.readVEX(p)
	named := false
	for _, s := range p.everySettings() {
		files := vexFilesKey.of(s)
		named = named || files.set
		for _, f := range files.value {
			if f.sha256 == "" && len(vexSignedByKey.value(s)) == 0 {
				d.failPos(f.pos, "write its sha256, or say who has to sign the documents: vex.signed-by", "the VEX document %s has no sha256, and need not be signed: anyone could change it", clip(f.path))
			}
		}
		if by := vexSignedByKey.of(s); by.set {
			d.checkSigners(p, by.pos, vexSignedByKey.path, by.value, ForVEX)
		}
	}
	if named {
		return
	}
	for _, s := range p.everySettings() {
		if at, any := s.set(vexAgeKey, vexNeverKey, vexSignedByKey); any {
			d.failPos(at, "add files: [{path: vex/app.openvex.json, sha256: HASH}]", "vex names no files, so the key has no effect")
			return
		}
	}
}
