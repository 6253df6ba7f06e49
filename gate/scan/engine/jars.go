//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/policy/evidence"
)

// maxInnerJar is the largest archive inside a jar that is opened once more.
const maxInnerJar = 64 << 20

// unidentified adds a gap for every jar that neither its metadata nor the Java
// database identifies. Trivy omits such jars and does not report that. Jars that
// cannot be read have a gap already.
func (l *layer) unidentified(apps []ftypes.Application) {
	known := map[string]bool{}
	for i := range apps {
		for j := range apps[i].Packages {
			p := &apps[i].Packages[j]
			if p.FilePath == "" {
				known[apps[i].FilePath] = true
			}
			known[p.FilePath] = true
		}
	}
	for _, j := range l.jars {
		r, err := zip.OpenReader(j.copied)
		if err != nil {
			continue
		}
		l.unknownJar(j.name, &r.Reader, known, true)
		_ = r.Close()
	}
}

// unknownJar looks at one archive, and at those inside.
func (l *layer) unknownJar(name string, r *zip.Reader, known map[string]bool, outer bool) {
	for _, f := range r.File {
		switch ext := strings.ToLower(path.Ext(f.Name)); {
		case outer && (ext == ".jar" || ext == ".war" || ext == ".ear" || ext == ".par"):
			inner := path.Join(name, f.Name)
			if known[inner] {
				continue
			}
			if archive, ok := openInner(f); ok {
				l.unknownJar(inner, archive, known, false)
			} else {
				l.jarGap(inner, "it cannot be opened")
			}
		}
	}
	if !known[name] {
		l.jarGap(name, "neither its metadata nor the Java database says what it is")
	}
}

func openInner(f *zip.File) (*zip.Reader, bool) {
	if f.UncompressedSize64 > maxInnerJar {
		return nil, false
	}
	r, err := f.Open()
	if err != nil {
		return nil, false
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxInnerJar))
	if err != nil {
		return nil, false
	}
	archive, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	return archive, err == nil
}

func (l *layer) jarGap(name, why string) {
	l.gaps = append(l.gaps, evidence.Gap{
		Kind: evidence.GapUnidentifiedJars, Subject: name, Path: name, Layer: l.diffID,
		Detail: fmt.Sprintf("the jar was compared with no advisory: %s", why),
		Cure:   "build the jar with the metadata of Maven, or replace it by the released one",
	})
}
