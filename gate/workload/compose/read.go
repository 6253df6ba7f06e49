// Package compose reads Compose files into evidence. It sees the files below the
// directory of a Compose file and nothing else: no environment of the process, no
// address, no program is used.
package compose

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Result is what a Compose file says.
type Result struct {
	Release *evidence.Release
	// Notes are remarks about files that were seen and not followed.
	Notes []string
}

// Read reads the Compose file that is called name, with the files that it includes
// and extends. scratch returns a directory for copies of them, which are deleted
// before Read returns. The error is that the file cannot be read at all; what is
// wrong in it becomes problems of its document.
func Read(ctx context.Context, name string, scratch func() (string, error)) (*Result, error) {
	p, err := open(ctx, name)
	if err != nil {
		return nil, err
	}
	r := &Result{Release: &evidence.Release{SchemaVersion: evidence.SchemaVersion}, Notes: p.notes()}
	if len(p.problems) == 0 {
		dir, err := scratch()
		if err != nil {
			return nil, err
		}
		p.evaluate(dir, r.Release)
	}
	r.Release.Documents = p.documents()
	return r, nil
}

// evaluate gives the files to compose-go and fills release. A panic becomes a
// problem: a library that meets a file which it does not expect must not end the
// run of all images.
func (p *project) evaluate(scratch string, release *evidence.Release) {
	defer func() {
		if cause := recover(); cause != nil {
			*release = evidence.Release{SchemaVersion: evidence.SchemaVersion}
			p.problems = append(p.problems, p.order[0].problem(nil, "", "report it as a defect of imagegate, with the file", "reading the file ended in a panic: %v", cause))
		}
	}()
	loaded, problems := p.load(scratch)
	p.problems = append(p.problems, problems...)
	if loaded != nil {
		p.convert(loaded, release)
	}
}

// documents returns the files with their problems.
func (p *project) documents() []evidence.Document {
	var all []evidence.Document
	for _, f := range p.order {
		sum := sha256.Sum256(f.data)
		d := evidence.Document{File: f.shown, Kind: evidence.DocumentCompose, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(f.data))}
		for _, section := range []string{"service", "job"} {
			for _, root := range f.docs {
				_, entries := child(root, section+"s")
				if entries = target(entries); entries != nil && entries.Kind == yaml.MappingNode && len(entries.Content) > 0 {
					if d.Objects == nil {
						d.Objects = map[string]int{}
					}
					d.Objects[section] += len(entries.Content) / 2
				}
			}
		}
		for _, problem := range p.problems {
			if problem.At.File == f.shown {
				d.Problems = append(d.Problems, problem)
			}
		}
		slices.SortStableFunc(d.Problems, func(a, b evidence.DocumentProblem) int {
			if a.At.Line != b.At.Line {
				return a.At.Line - b.At.Line
			}
			return a.At.Column - b.At.Column
		})
		all = append(all, d)
	}
	return all
}

// notes tells of a file that Docker Compose would merge into this one.
func (p *project) notes() []string {
	base := filepath.Base(p.main)
	defaults := []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"}
	if !slices.Contains(defaults, base) {
		return nil
	}
	var notes []string
	for _, name := range overrideFiles() {
		if p.files[name] == nil && p.beside[name] {
			notes = append(notes, fmt.Sprintf("%s is beside %s and was not read: docker compose up without -f would merge it; to judge both, check the output of docker compose config",
				filepath.Join(p.dir, name), p.main))
		}
	}
	return notes
}

// overrideFiles lists the files that Docker Compose merges into a file with a
// default name.
func overrideFiles() []string {
	return []string{"compose.override.yaml", "compose.override.yml", "docker-compose.override.yaml", "docker-compose.override.yml"}
}
