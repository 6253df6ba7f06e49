package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// evalImages is how many images an eval row judges: enough that the start of the
// program does not matter.
const evalImages = 1000

// evalRows judge saved evidence again, in the form that docs/recheck.md advises: one
// file for many images.
func (b *bench) evalRows() ([]row, error) {
	var rows []row
	for _, format := range []string{"text", "json"} {
		rows = append(rows, row{
			id: "eval-" + format, title: "eval of saved evidence, report as " + format, images: evalImages, rate: 1000,
			fill: func(ctx context.Context) error { return b.saveEvidence(ctx, evalImages) },
			ours: b.eval(evalImages, format),
		})
	}
	return rows, nil
}

// evalMemoryRow compares ten times as many images with so many: a report that is written
// as the images are judged takes no more memory for them.
func (b *bench) evalMemoryRow() ([]row, error) {
	const many, few = 5 * evalImages, evalImages / 2
	return []row{{
		id: "eval-memory", title: fmt.Sprintf("eval of %d images, report as json", many), other: fmt.Sprintf("%d images", few), memory: 1.2,
		fill: func(ctx context.Context) error { return b.saveEvidence(ctx, many, few) },
		ours: b.eval(many, "json"), their: b.eval(few, "json"),
	}}, nil
}

// eval judges the saved evidence of so many images. The report goes to standard output,
// where a report in JSON is written as the images are judged.
func (b *bench) eval(images int, format string) func(dir string) side {
	return func(string) side {
		argv := []string{b.gate, "eval", "-p", filepath.Join(b.work, "scan.yaml"), "--quiet", "--ci", "none", "-o", format, b.evidenceOf(images)}
		return side{steps: []step{{argv, []int{0, 1}}}}
	}
}

func (b *bench) evidenceOf(images int) string {
	return filepath.Join(b.work, fmt.Sprintf("evidence-%d.json", images))
}

// saveEvidence writes files of evidence of so many images, which are one image with
// other digests.
func (b *bench) saveEvidence(ctx context.Context, counts ...int) error {
	one := filepath.Join(b.work, "evidence.json")
	err := b.once(ctx, func(dir string) side {
		return side{steps: []step{b.check(filepath.Join(dir, "gate.json"), "scan.yaml", noCache, []string{"--evidence", one}, b.evidenceImage())}}
	})
	if err != nil {
		return err
	}
	text, err := os.ReadFile(one)
	if err != nil {
		return err
	}
	var file struct {
		SchemaVersion int               `json:"schemaVersion"`
		Advisories    json.RawMessage   `json:"advisories"`
		Images        []json.RawMessage `json:"images"`
	}
	var image struct {
		Digest string `json:"digest"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	if err := json.Unmarshal(file.Images[0], &image); err != nil {
		return err
	}
	first := file.Images[0]
	for _, n := range counts {
		file.Images = nil
		for i := range n {
			file.Images = append(file.Images, bytes.ReplaceAll(first, []byte(image.Digest), fmt.Appendf(nil, "sha256:%064x", i+1)))
		}
		all, err := json.Marshal(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(b.evidenceOf(n), all, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// evidenceImage is the image whose evidence is judged again.
func (b *bench) evidenceImage() string { return "debian-slim" }
