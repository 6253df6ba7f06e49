package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

const vexTrust = `trust: [{name: vendor, identity: vendor@example.no, issuer: "https://login.example.no", for: [vex]}, ` +
	`{name: team, identity: team@example.no, issuer: "https://login.example.no", for: [vex]}, ` +
	`{name: release, identity: release@example.no, issuer: "https://login.example.no", for: [signature]}]` + "\n"

// signedVEX loads one document for every path, signed by some of those who are asked for.
func signedVEX(doc string, by ...string) Loader {
	return func(_ string, b Base) (string, []byte, error) {
		if b.VEX == nil {
			return "", nil, errors.New("no base")
		}
		b.VEX.Problem = "another signature"
		for _, mail := range by {
			signer := person(mail)
			for i := range b.VEX.Signers {
				if b.VEX.Signers[i].Is(&signer) {
					b.VEX.Signed = append(b.VEX.Signed, signer)
				}
			}
		}
		return b.File, []byte(doc), nil
	}
}

func covering() string {
	return documentOf(statementOf("CVE-2026-0001", "not_affected", vexDay, lodashProduct))
}

// A document without a hash counts only if one has signed it whom the policy names.
func TestSignedVEX(t *testing.T) {
	doc := covering()
	for name, c := range map[string]struct {
		section string
		by      []string
		class   Class
		say     string // in the message of the rule; with no class, in the mistake
	}{
		"signed":                       {"{files: [{path: a.json}], signed-by: [vendor]}", []string{"vendor@example.no"}, ClassNotAffected, "1 finding not affected"},
		"signed by one of two":         {"{files: [{path: a.json}], signed-by: [team, vendor]}", []string{"vendor@example.no"}, ClassNotAffected, ""},
		"signed, with its hash":        {"{files: [{path: a.json, sha256: " + hashOf(doc) + "}], signed-by: [vendor]}", []string{"vendor@example.no"}, ClassNotAffected, ""},
		"not signed":                   {"{files: [{path: a.json}], signed-by: [vendor]}", nil, ClassBlocking, "the VEX document a.json is not signed by vendor: another signature"},
		"not signed, with its hash":    {"{files: [{path: a.json, sha256: " + hashOf(doc) + "}], signed-by: [vendor]}", nil, ClassBlocking, "is not signed by vendor"},
		"signed by a signer not named": {"{files: [{path: a.json}], signed-by: [vendor]}", []string{"team@example.no"}, ClassBlocking, "is not signed by vendor"},
		"signed by one for images":     {"{files: [{path: a.json}], signed-by: [vendor]}", []string{"release@example.no"}, ClassBlocking, "is not signed by vendor"},
		"another hash":                 {"{files: [{path: a.json, sha256: " + strings.Repeat("a", 64) + "}], signed-by: [vendor]}", []string{"vendor@example.no"}, "", "has sha256 " + hashOf(doc)},
		"neither hash nor signer":      {"{files: [{path: a.json}]}", []string{"vendor@example.no"}, "", "has no sha256, and need not be signed"},
		"a signer for images":          {"{files: [{path: a.json}], signed-by: [release]}", nil, "", "trusted for signature only"},
		"an unknown signer":            {"{files: [{path: a.json}], signed-by: [nobody]}", nil, "", "which trust does not list"},
		"signers of nothing":           {"{signed-by: [vendor]}", nil, "", "no effect"},
		"the path twice":               {"{files: [{path: a.json}, {path: a.json}], signed-by: [vendor]}", nil, "", "in the list already"},
	} {
		p, err := ParseOn("policy.yaml", []byte("version: 1\nextends: none\nvulnerabilities: {max: {high: 0}}\n"+vexTrust+"vex: "+c.section+"\n"), signedVEX(doc, c.by...))
		if c.class == "" {
			if err == nil || !strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), "policy.yaml:") {
				t.Errorf("%s: %v, want %q", name, err, c.say)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		img := goodImage()
		with(finding("CVE-2026-0001", evidence.SeverityHigh))(img)
		v := p.Evaluate(img, noon())
		r := result(t, v, ruleVEX)
		record(ruleVEX, r.Result, p)
		if v.Findings[0].Class != c.class || (r.Result == ResultUndecided) != (c.class == ClassBlocking) || !strings.Contains(r.Message, c.say) {
			t.Errorf("%s: %s, %s %q", name, v.Findings[0].Class, r.Result, r.Message)
		}
	}
}

// Documents that are not beside the policy are taken from the evidence, if they are what
// the policy names.
func TestSavedVEX(t *testing.T) {
	doc := covering()
	other := strings.Replace(doc, "shop", "evil", 1)
	vendor, team := person("vendor@example.no"), person("team@example.no")
	const byHash, bySigner = "HASH", "{files: [{path: a.json}], signed-by: [vendor]}"
	for name, c := range map[string]struct {
		section string
		saved   []evidence.VEXDocument
		class   Class
		say     string
	}{
		"by its hash":               {byHash, []evidence.VEXDocument{{Path: "a.json", SHA256: hashOf(doc), Content: doc}}, ClassNotAffected, ""},
		"from another path":         {byHash, []evidence.VEXDocument{{Path: "b.json", SHA256: hashOf(other), Content: other}, {Path: "b.json", SHA256: hashOf(doc), Content: doc}}, ClassNotAffected, ""},
		"another one":               {byHash, []evidence.VEXDocument{{Path: "a.json", SHA256: hashOf(other), Content: other}}, ClassBlocking, "a.json was not read: no such file"},
		"another one with its hash": {byHash, []evidence.VEXDocument{{Path: "a.json", SHA256: hashOf(doc), Content: other}}, ClassBlocking, "was changed"},
		"none":                      {byHash, nil, ClassBlocking, "a.json was not read"},
		"signed":                    {bySigner, []evidence.VEXDocument{{Path: "a.json", SHA256: hashOf(doc), Content: doc, Signers: []evidence.Signer{team, vendor}}}, ClassNotAffected, ""},
		"signed by another":         {bySigner, []evidence.VEXDocument{{Path: "a.json", SHA256: hashOf(doc), Content: doc, Signers: []evidence.Signer{team}}}, ClassBlocking, "is not signed by vendor"},
		"signed by nobody":          {bySigner, []evidence.VEXDocument{{Path: "a.json", SHA256: hashOf(doc), Content: doc}}, ClassBlocking, "is not signed by vendor"},
		"signed, another path":      {bySigner, []evidence.VEXDocument{{Path: "b.json", SHA256: hashOf(doc), Content: doc, Signers: []evidence.Signer{vendor}}}, ClassBlocking, "was not read"},
		"signed, and changed":       {bySigner, []evidence.VEXDocument{{Path: "a.json", SHA256: hashOf(doc), Content: other, Signers: []evidence.Signer{vendor}}}, ClassBlocking, "was changed"},
		"no document":               {bySigner, []evidence.VEXDocument{{Path: "a.json", SHA256: hashOf("{}"), Content: "{}", Signers: []evidence.Signer{vendor}}}, ClassBlocking, "is refused"},
	} {
		section := c.section
		if section == byHash {
			section = "{files: [{path: a.json, sha256: " + hashOf(doc) + "}]}"
		}
		missing := func(string, Base) (string, []byte, error) { return "", nil, &UnreadError{errors.New("no such file")} }
		p, err := ParseOn("policy.yaml", []byte("version: 1\nextends: none\nvulnerabilities: {max: {high: 0}}\n"+vexTrust+"vex: "+section+"\n"), missing)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for range 2 { // what was parsed is kept
			img := goodImage()
			with(finding("CVE-2026-0001", evidence.SeverityHigh))(img)
			img.VEX = c.saved
			v := p.Evaluate(img, noon())
			r := result(t, v, ruleVEX)
			if v.Findings[0].Class != c.class || (r.Result == ResultUndecided) != (c.class == ClassBlocking) || !strings.Contains(r.Message, c.say) {
				t.Errorf("%s: %s, %s %q", name, v.Findings[0].Class, r.Result, r.Message)
			}
		}
	}
	read := mustParseVEX(t, "}", doc).VEXDocuments()
	if len(read) != 1 || read[0].SHA256 != hashOf(doc) || read[0].Content != doc || read[0].Path != "vex/0.json" {
		t.Errorf("%+v", read)
	}
}

// A base that opens its documents may ask that they are signed. A policy above it cannot
// take that back.
func TestSignedVEXAboveABase(t *testing.T) {
	base := "version: 1\nextends: none\nopen: [vex]\nvulnerabilities: {max: {high: 0}}\n" + vexTrust + "vex: {files: [{path: base.json}], signed-by: [vendor]}\n"
	closed := strings.Replace(base, "open: [vex]\n", "", 1)
	for name, c := range map[string]struct {
		base, child string
		by          string
		want        string // in the mistake, "" for none
		class       Class
	}{
		"another document, signed":         {base, "vex: {files: [{path: a.json}]}", "vendor@example.no", "", ClassNotAffected},
		"another document, not signed":     {base, "vex: {files: [{path: a.json}]}", "", "", ClassBlocking},
		"another document with its hash":   {base, "vex: {files: [{path: a.json, sha256: " + hashOf(covering()) + "}]}", "", "", ClassBlocking},
		"another signer":                   {base, "vex: {files: [{path: a.json}], signed-by: [team]}", "team@example.no", "vex.signed-by", ""},
		"one signer more":                  {base, "vex: {signed-by: [vendor, team]}", "team@example.no", "vex.signed-by", ""},
		"a signer of its own by that name": {base, `trust: [{name: vendor, identity: evil@example.no, issuer: "https://login.example.no", for: [vex]}]`, "evil@example.no", "trust", ""},
		"what the base says":               {closed, "config: {user: numeric}", "vendor@example.no", "", ClassNotAffected},
		"a document that is not open":      {closed, "vex: {files: [{path: base.json}]}", "vendor@example.no", "vex.files", ""},
		"signers for the base's documents": {
			strings.Replace(closed, "vex: {files: [{path: base.json}], signed-by: [vendor]}", "vex: {files: [{path: base.json, sha256: "+hashOf(covering())+"}]}", 1),
			"vex: {signed-by: [team]}", "team@example.no", "", ClassNotAffected,
		},
		"signers for the base's documents, unsigned": {
			strings.Replace(closed, "vex: {files: [{path: base.json}], signed-by: [vendor]}", "vex: {files: [{path: base.json, sha256: "+hashOf(covering())+"}]}", 1),
			"vex: {signed-by: [team]}", "vendor@example.no", "", ClassBlocking,
		},
	} {
		load := func(from string, b Base) (string, []byte, error) {
			if b.VEX == nil {
				return b.File, []byte(c.base), nil
			}
			return signedVEX(covering(), c.by)(from, b)
		}
		p, err := ParseOn("child.yaml", []byte("version: 1\nextends: {file: base.yaml, sha256: "+hashOf(c.base)+"}\n"+c.child+"\n"), load)
		if c.want != "" || err != nil {
			if err == nil || c.want == "" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
			continue
		}
		img := goodImage()
		with(finding("CVE-2026-0001", evidence.SeverityHigh))(img)
		if got := p.Evaluate(img, noon()).Findings[0].Class; got != c.class {
			t.Errorf("%s: %s, want %s", name, got, c.class)
		}
	}
}
