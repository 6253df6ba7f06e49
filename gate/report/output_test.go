package report_test

import (
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/report"
)

func TestParseOutput(t *testing.T) {
	for in, want := range map[string][2]string{
		"json":                {"json", ""},
		"json=-":              {"json", ""},
		"sarif=out.sarif":     {"sarif", "out.sarif"},
		"junit=dir/a=b,c.xml": {"junit", "dir/a=b,c.xml"},
		"text=./-":            {"text", "./-"},
	} {
		got, err := report.ParseOutput(in)
		if err != nil {
			t.Errorf("ParseOutput(%q): %v", in, err)
		} else if got.Format.Name != want[0] || got.Path != want[1] {
			t.Errorf("ParseOutput(%q) = %s to %q, want %s to %q", in, got.Format.Name, got.Path, want[0], want[1])
		}
	}
	for in, want := range map[string]string{
		"":            "unknown output format \"\" (use one of text, json,",
		"json=":       "names no file (write json=report.json",
		"jsn":         `did you mean "json"?`,
		"JSON":        `did you mean "json"?`,
		"sariff=x":    `did you mean "sarif"?`,
		"mark":        `did you mean "markdown"?`,
		"=x":          "unknown output format",
		"spreadsheet": "use one of",
	} {
		if _, err := report.ParseOutput(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseOutput(%q) = %v, want an error with %q", in, err, want)
		}
	}
}

// TestFormatsAreComplete keeps the help that is printed from the list readable.
func TestFormatsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range report.Formats() {
		if f.Name == "" || f.Title == "" || f.Where == "" || !strings.HasPrefix(f.Extension, ".") || seen[f.Name] {
			t.Errorf("format %+v is incomplete or a duplicate", f)
		}
		seen[f.Name] = true
		if got, err := report.Lookup(f.Name); err != nil || got.Name != f.Name {
			t.Errorf("Lookup(%q) = %v, %v", f.Name, got, err)
		}
	}
}
