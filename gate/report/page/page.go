// Package page writes a report as one HTML document. Style and script are inside,
// and the content security policy forbids every request.
//
// The document is made for several readers. The verdict, its reasons and the plan
// are plain HTML, which a mail program and a printer show too. The findings come as
// data, which the script lists, sorts and filters.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
)

// Document is everything that the page shows. Its strings may hold any text of an
// image: [Render] makes them safe.
type Document struct {
	Verdict, Word, Title, Advice string
	Tool, When                   string
	Warnings                     []string // what a limit left out
	Only                         *Subject // the one image, nil for several
	Release                      *Release // the documents, nil for none
	Fleet                        []Row    // a row for each of several images
	Tallies                      []Tally
	Common                       []Common
	Images                       []Image
	Exceptions                   []Exception
	Timeline                     string // what the bars of exceptions show
	Basis                        []Fact
	Notes                        []string
	Data                         Data
}

// Subject names the image that was judged.
type Subject struct{ DigestName, Digest, Platform string }

// Part is an entry of the table of contents.
type Part struct{ ID, Name string }

// Row is one image of several. Anchor is "" when the page has no section for it.
type Row struct {
	Class, Word, Ref, Platform, Reason, Anchor string
	Blocking                                   int
}

// Release is what became of the documents.
type Release struct {
	Class, Word, Summary string
	Error                *Failure
	Documents            []Fact
	Workloads            []Workload
	Reasons              []Rule
}

// Workload is one workload and the verdicts of its images.
type Workload struct {
	Class, Word, Name, At, Reason, NotAsked string
	Images                                  []string
}

// Tally is how many images have a verdict.
type Tally struct {
	Class, Name string
	Count       int
}

// Common is a package that blocks several images.
type Common struct {
	Name, Version    string
	Images, Findings int
}

// Image is the section of one image.
type Image struct {
	Anchor, Class, Word, Ref, Platform, Digest, Summary string
	Error                                               *Failure
	Reasons                                             []Rule
	Plan                                                *Plan
	Accepted                                            []Fact
	Layers                                              []Layer
	Coverage                                            []string
	Passed                                              []Rule
	NotAsked                                            []string
}

// Failure is why there is no verdict.
type Failure struct{ Message, Hint string }

// Rule is the answer of one rule.
type Rule struct {
	Class, Word, Rule, Message, Allowed, Cure, At string
	Details                                       []string
}

// Plan is what would make the image pass.
type Plan struct {
	ID, Promise string
	Steps       []Step
	Rest        []string
}

// Step is one upgrade.
type Step struct{ Advice, Clears, From, Command string }

// Fact is a name and a text.
type Fact struct{ Name, Text string }

// Layer is a layer of the image and the findings in it.
type Layer struct {
	ID, Kind, Size, By, Label, Total string
	Width                            int
	Bars                             []Bar
}

// Bar is a part of a bar, in pixels.
type Bar struct {
	Class string
	X, W  int
}

// Exception is one exception and how long it still applies.
type Exception struct {
	ID, Owner, Ends, Left, Status, Reason, Class string
	Width                                        int
}

// Data is what the script lists.
type Data struct {
	Severities []string `json:"severities"`
	Classes    []Class  `json:"classes"`
	Images     []string `json:"images"`
	// Findings are rows of image, id, severity, class, package, fixed version,
	// reason, title, URL and day of publication.
	Findings [][10]any `json:"findings"`
	// Packages are rows of name, version, type, path and layer, which is -1 when it
	// is not known.
	Packages [][5]any `json:"packages"`
	// Layers are rows of id and build step.
	Layers [][2]string `json:"layers"`
}

// Class is a class of findings and the words for it.
type Class struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

var (
	//go:embed page.css
	style string
	//go:embed page.js
	script string
	//go:embed page.tmpl
	source string

	tmpl = template.Must(template.New("page").Parse(source))
)

// view is the document with what every page has.
type view struct {
	*Document
	Style                 template.CSS
	Script                template.JS
	StyleHash, ScriptHash string
}

// Parts returns the table of contents.
func (v view) Parts() []Part {
	var parts []Part
	if v.Release != nil {
		parts = append(parts, Part{"release", "Release"})
	}
	if len(v.Fleet) > 0 {
		parts = append(parts, Part{"images", "Images"})
	}
	if len(v.Images) == 1 {
		img := v.Images[0]
		if len(img.Reasons) > 0 {
			parts = append(parts, Part{img.Anchor + "-reasons", "Reasons"})
		}
		if img.Plan != nil {
			parts = append(parts, Part{img.Plan.ID, "Plan"})
		}
	}
	parts = append(parts, Part{"findings", "Findings"})
	if len(v.Exceptions) > 0 {
		parts = append(parts, Part{"exceptions", "Exceptions"})
	}
	return append(parts, Part{"basis", "Policy and database"})
}

// Render writes the document. Control characters and characters that hide or
// reorder text are shown by their code points.
func Render(d *Document) ([]byte, error) {
	d = Clean(d)
	var b bytes.Buffer
	err := tmpl.Execute(&b, view{
		Document: d, Style: template.CSS(style), Script: template.JS(script), StyleHash: hash(style), ScriptHash: hash(script),
	})
	if err != nil {
		return nil, fmt.Errorf("the page could not be written: %w", err)
	}
	return b.Bytes(), nil
}

// hash is the source expression of a content security policy for an inline text.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}
