package page

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// between returns what is between two texts.
func between(t *testing.T, doc, start, end string) string {
	t.Helper()
	_, rest, ok := strings.Cut(doc, start)
	inside, _, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("there is no %q ... %q", start, end)
	}
	return inside
}

func render(t *testing.T, d *Document) string {
	t.Helper()
	doc, err := Render(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// The content security policy allows exactly the style and the script that are in
// the document.
func TestPolicyAllowsWhatIsInside(t *testing.T) {
	doc := render(t, &Document{Verdict: "pass"})
	policy := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(between(t, doc, `http-equiv="Content-Security-Policy" content="`, `"`))
	for directive, content := range map[string]string{
		"style-src": between(t, doc, "<style>", "</style>"), "script-src": between(t, doc, "<script>", "</script>"),
	} {
		sum := sha256.Sum256([]byte(content))
		if want := directive + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if m := regexp.MustCompile(`(?i)<[^>]* (style|on[a-z]+|src)=`).FindString(doc); m != "" {
		t.Errorf("an attribute that the policy forbids: %s", m)
	}
}

const evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{.}}\u202e\x1b[31m\u2028<!--"

// Text of an image is text wherever it is shown.
func TestHostileText(t *testing.T) {
	s := evil
	d := &Document{
		Verdict: s, Word: s, Title: s, Advice: s, Tool: s, When: s, Warnings: []string{s}, Only: &Subject{s, s, s},
		Fleet: []Row{{s, s, s, s, s, s, 1}}, Tallies: []Tally{{s, s, 1}}, Common: []Common{{s, s, 1, 1}},
		Images: []Image{{
			s, s, s, s, s, s, s, &Failure{s, s}, []Rule{{s, s, s, s, s, s, s, []string{s}}}, &Plan{s, s, []Step{{s, s, s, s}}, []string{s}},
			[]Fact{{s, s}}, []Layer{{s, s, s, s, s, s, 1, []Bar{{s, 1, 1}}}}, []string{s}, []Rule{{Rule: s}}, []string{s},
		}},
		Exceptions: []Exception{{s, s, s, s, s, s, s, 1}}, Timeline: s, Basis: []Fact{{s, s}}, Notes: []string{s},
		Data: Data{[]string{s}, []Class{{s, s}}, []string{s}, [][10]any{{0, s, s, s, 0, s, s, s, s, s}}, [][5]any{{s, s, s, s, -1}}, [][2]string{{s, s}}},
	}
	doc := render(t, d)
	if n := strings.Count(doc, "<script"); n != 2 {
		t.Errorf("%d scripts", n)
	}
	for _, bad := range []string{"<img", "\x1b", "\u202e", "\u2028", "<!--"} {
		if strings.Contains(doc, bad) {
			t.Errorf("the document contains %q", bad)
		}
	}
	var data Data
	if err := json.Unmarshal([]byte(between(t, doc, `<script type="application/json" id="data">`, "</script>")), &data); err != nil {
		t.Fatal(err)
	}
	if got, _ := data.Findings[0][7].(string); !strings.Contains(got, "<img src=x onerror=alert(1)>") {
		t.Errorf("the text is not kept: %q", got)
	}
	if d.Title != evil {
		t.Error("the document was changed")
	}
}
