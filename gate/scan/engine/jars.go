//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/javadb"

	"github.com/imagegate/imagegate/gate/scan/manifest"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// jarFile is a file for the Java analyzer, which sees it only when there is a Java
// database. Without one it fails for the whole layer, and later in the same
// process finds nothing without saying so (sync.Once in trivy pkg/javadb).
type jarFile struct{ name, copied string }

func (l *layer) addJar(s *layerScan, types []analyzer.Type, name string, c content) error {
	tmp, err := s.post.CopyFileToTemp(c.open, nil)
	if err != nil {
		return err
	}
	l.jars = append(l.jars, jarFile{name, tmp})
	types = slices.DeleteFunc(slices.Clone(types), func(t analyzer.Type) bool { return t == analyzer.TypeJar })
	return s.post.CreateLink(types, "", name, tmp)
}

// readJars reads the jars ourselves, and hands to Trivy those that can be read in
// bounded time. Trivy opens archives in archives without limit.
func (l *layer) readJars(ctx context.Context) error {
	if len(l.jars) == 0 {
		return nil
	}
	client, err := javadb.NewClient()
	if err != nil {
		return fmt.Errorf("java database: %w", err)
	}
	defer func() { _ = client.Close() }()
	for _, j := range l.jars {
		w := &jarWalk{ctx: ctx, client: client, layer: l, file: j.name}
		err := w.open(j.copied)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var machine syscall.Errno
		switch {
		case errors.As(err, &machine):
			return err // it says nothing about the jar
		case err != nil:
			if err := l.unreadJar(j, err); err != nil {
				return err
			}
			continue
		}
		l.archives = append(l.archives, w.archives...)
		if err := l.main.post.CreateLink([]analyzer.Type{analyzer.TypeJar}, "", j.name, j.copied); err != nil {
			return err
		}
	}
	return nil
}

// identifyJars adds to what Trivy has found what we know of the jars, and a gap for
// every archive that is still unknown. Trivy omits such archives and does not
// report that.
func (l *layer) identifyJars(r *analyzer.AnalysisResult) {
	known := map[string]ftypes.Packages{}
	for i := range r.Applications {
		app := &r.Applications[i]
		for _, p := range app.Packages {
			at := cmp.Or(p.FilePath, app.FilePath)
			known[at] = append(known[at], p)
		}
	}
	for i := range l.archives {
		a := &l.archives[i]
		for _, p := range a.packages {
			same := func(q ftypes.Package) bool { return q.Name == p.Name && q.Version == p.Version }
			if !slices.ContainsFunc(known[p.FilePath], same) {
				known[p.FilePath] = append(known[p.FilePath], p)
				addToJar(r, a.file, p)
			}
		}
	}
	for i := range l.archives {
		if a := &l.archives[i]; a.java && !a.unread && len(known[a.name]) == 0 {
			l.unknownJar(a)
		}
	}
}

// addToJar adds a package to a file. Trivy's applier keeps one application for each
// file.
func addToJar(r *analyzer.AnalysisResult, file string, p ftypes.Package) {
	at := slices.IndexFunc(r.Applications, func(app ftypes.Application) bool { return app.Type == ftypes.Jar && app.FilePath == file })
	if at < 0 {
		at = len(r.Applications)
		r.Applications = append(r.Applications, ftypes.Application{Type: ftypes.Jar, FilePath: file})
	}
	r.Applications[at].Packages = append(r.Applications[at].Packages, p)
}

func (l *layer) unknownJar(a *archive) {
	why := "it has no metadata of Maven, and the Java database does not know it"
	if a.claim != "" {
		why = fmt.Sprintf("the Java database knows neither the file nor the name in its manifest, %.100q", a.claim)
	}
	l.gap(a.file, evidence.Gap{
		Kind: evidence.GapUnidentifiedJars, Subject: a.name, Path: a.name,
		Detail: "the jar was compared with no advisory: " + why,
		Cure:   "build the jar with the metadata of Maven, or replace it by the released one",
	})
}

// gap adds a gap about the file of the layer, and about nothing else.
func (l *layer) gap(file string, g evidence.Gap) {
	g.Layer = l.diffID
	l.gaps = append(l.gaps, wire.Gap{Gap: g, File: file})
}

// unreadJar adds a gap for a jar that cannot be read. Tests have such jars on purpose,
// and .par is the ending of tables of parameters, too. There it is none if Java cannot
// open the file either. An empty file is none anywhere.
func (l *layer) unreadJar(j jarFile, err error) error {
	isArchive, isEmpty, machine := hasArchiveEnd(j.copied)
	switch mayBeNone := manifest.InTestsOfJava(j.name) || strings.EqualFold(path.Ext(j.name), ".par"); {
	case machine != nil:
		return machine
	case isEmpty || mayBeNone && !isArchive:
		l.skipped = append(l.skipped, j.name)
		return nil
	}
	l.jarError(j.name, j.name, err)
	return nil
}

// hasArchiveEnd reports whether a file has the mark with which every zip archive ends.
// Java looks for it anywhere in the last 64 KiB.
func hasArchiveEnd(name string) (ok, isEmpty bool, err error) {
	f, err := os.Open(name)
	if err != nil {
		return false, false, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return false, false, err
	}
	const longest = 64<<10 + 22
	from := max(0, info.Size()-longest)
	data, err := io.ReadAll(io.NewSectionReader(f, from, longest))
	return bytes.Contains(data, []byte("PK\x05\x06")), info.Size() == 0, err
}

// jarError adds a gap for an archive, or for a file in one, that cannot be read. file is
// the file of the layer, and name the place of what cannot be read.
func (l *layer) jarError(file, name string, err error) {
	l.gap(file, evidence.Gap{
		Kind: evidence.GapScannerErrors, Subject: name, Path: name, Package: manifest.PackageAt(name),
		Detail: "it cannot be read: " + strings.TrimPrefix(sameWords(err.Error()), "zip: "),
		Cure:   "replace the file by one that can be read, or delete it",
	})
}
