//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/manifest"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// analysisVersion is raised when the analysis of a layer, or its encoding, changes.
// Analyses of other versions are not used.
const analysisVersion = 17

// analysis is the result for one layer. It does not depend on the image. The parent
// keeps it as JSON, the form in which Trivy's own caches keep a BlobInfo. Every
// image decodes a copy of its own, because Trivy's applier modifies the layers that
// it merges (fanal/applier/docker.go).
type analysis struct {
	Main ftypes.BlobInfo `json:"main"`
	// SBOM is what bills of materials inside the layer claim.
	SBOM ftypes.BlobInfo `json:"sbom"`
	// SBOMPackages are the packages in each of them, as in packageKey.
	SBOMPackages map[string][]string `json:"sbomPackages,omitempty"`
	// Jars is how many files only the Java analyzer could read.
	Jars int `json:"jars,omitempty"`
	// Logs are part of the result: they may be the only trace of a file that
	// could not be read, in this run and in every later one.
	Logs []wire.Log `json:"logs,omitempty"`
	// Own is what we read ourselves.
	Own ownFacts `json:"own"`
	// Contents are the hashes of the files that hold secrets, by path.
	Contents map[string]string `json:"contents,omitempty"`
	// Gone are the secrets in files that a later entry of the layer replaces.
	Gone []ftypes.Secret `json:"gone,omitempty"`
	// Links are further names of files of the layer in which something was found.
	Links []link `json:"links,omitempty"`
	// SecretsLeftOut is how many files were not looked into for secrets.
	SecretsLeftOut int `json:"secretsLeftOut,omitempty"`
	// NoText is how many files were not, because they are no text. They are counted
	// only when secrets are looked for in every file.
	NoText int `json:"noText,omitempty"`
	// SecretArchives is how many archives of the application were not opened to look for
	// secrets. Those are no text either, and counted as such when all files are searched.
	SecretArchives int `json:"secretArchives,omitempty"`
	// Gaps are files that should name a package and cannot be read.
	Gaps []wire.Gap `json:"gaps,omitempty"`
	// Unversioned are gaps for packages without a version, which count only if the
	// advisories know the package.
	Unversioned []wire.Gap `json:"unversioned,omitempty"`
	// Skipped are files that have the name of a package's metadata and describe no
	// package.
	Skipped []string `json:"skipped,omitempty"`
	// sent has the names of all files that were analysed.
	sent map[string]bool
}

// analyse answers one Analyse: it reads a layer to its end and sends back what
// is in it.
func (e *engine) analyse(ctx context.Context, payload []byte) error {
	var head wire.Analyse
	if err := strictjson.Unmarshal(payload, &head); err != nil {
		return err
	}
	g, err := e.groupsFor(head.Need)
	if err != nil {
		return err
	}
	e.logs.reset()
	a, err := e.layer(ctx, head, g)
	if err != nil {
		return err
	}
	a.addLogs(e.logs.take(func(file string) bool { return a.sent[file] }))
	b, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("analysis of layer %s: %w", head.DiffID, err)
	}
	mark := byte(wire.AnalysisClean)
	if slices.ContainsFunc(a.Logs, transient) {
		mark = wire.AnalysisDoubtful
	}
	return e.out.Sized(wire.TypeAnalysed, append([]byte{mark}, b...))
}

// addLogs adds what Trivy has logged of the layer. That a file cannot be read in which
// no package has to be is no more than a note.
func (a *analysis) addLogs(logs []wire.Log) {
	for _, l := range logs {
		if isNoBill(l) {
			continue
		}
		if manifest.NeedsNoPackage(l.Of) && !transient(l) {
			a.Skipped = append(a.Skipped, l.Of)
			continue
		}
		a.Logs = append(a.Logs, l)
	}
}

// noBill is the error for a file that is called like a bill of materials and has no form
// that Trivy knows. Databases and drawings have such names (.cdx). A bill adds packages
// and never hides one, and the rule bundled-sboms counts the file. Bitnami's bills are
// an exception: nothing else says what Bitnami has installed.
const noBill = "SBOM decode error: unknown scanning is not yet supported"

func isNoBill(l wire.Log) bool {
	return l.Message == analysisError && l.Cause == noBill && l.Of != "" && !strings.HasPrefix(l.Of, "opt/bitnami/")
}

// transient reports whether a message may be the fault of the machine and not of
// the layer: an analyzer that could not write its temporary file.
func transient(l wire.Log) bool {
	return slices.ContainsFunc(machineTroubles, func(e syscall.Errno) bool { return strings.Contains(l.Attrs, e.Error()) })
}

var machineTroubles = []syscall.Errno{
	syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EIO, syscall.EROFS,
	syscall.EACCES, syscall.EPERM, syscall.EFBIG, syscall.EAGAIN, syscall.EINTR, syscall.ENOENT,
}

// layer reads one layer from the parent.
func (e *engine) layer(ctx context.Context, head wire.Analyse, g *groups) (*analysis, error) {
	l, err := newLayer(ctx, head.DiffID, g, e.logs, e.parallel)
	if err != nil {
		return nil, err
	}
	defer l.close()
	if head.Need.Has(evidence.NeedSecrets) {
		l.hashes = fileHashes{}
		l.noText, l.onlyArchives = map[string]bool{}, !head.Need.Has(evidence.NeedSecretsAnywhere)
	}
	for {
		t, payload, err := e.in.Next()
		if err != nil {
			return nil, fmt.Errorf("the parent went away: %w", err)
		}
		switch t {
		case wire.TypeEntry:
			entry, err := wire.ParseEntry(payload)
			if err != nil {
				return nil, err
			}
			if err := e.entry(l, &entry); err != nil {
				return nil, err
			}
		case wire.TypeLayerEnd:
			var end wire.LayerEnd
			if err := strictjson.Unmarshal(payload, &end); err != nil {
				return nil, err
			}
			a, err := l.finish(ctx, g, end.JavaDatabase)
			if a != nil && l.hashes != nil {
				a.SecretsLeftOut = end.SecretsLeftOut
				if a.NoText = len(l.noText); l.onlyArchives {
					a.NoText, a.SecretArchives = 0, a.NoText
				}
			}
			return a, err
		default:
			return nil, fmt.Errorf("frame %q inside a layer", t)
		}
	}
}

// entry takes one entry of the layer and, if it is a file, its bytes.
func (e *engine) entry(l *layer, entry *wire.Entry) error {
	switch entry.Type {
	case wire.EntryWhiteout:
		l.white = append(l.white, entry.Name)
		return nil
	case wire.EntryOpaque:
		l.opaque = append(l.opaque, entry.Name)
		return nil
	case wire.EntryReplaced:
		l.forget(entry.Name)
		return nil
	case wire.EntryLink:
		l.links = append(l.links, link{entry.Name, entry.Target})
		return nil
	}
	body := e.in.Body(entry.Size)
	c, err := l.content(entry, body)
	if err != nil {
		return err
	}
	if err := l.file(entry, c); err != nil {
		return err
	}
	if err := l.hashes.add(entry.Name, c); err != nil {
		return fmt.Errorf("read %s: %w", entry.Name, err)
	}
	if l.noText != nil {
		no, err := l.unsearched(entry, c)
		if err != nil {
			return fmt.Errorf("read %s: %w", entry.Name, err)
		}
		if no {
			l.noText[entry.Name] = true
		}
	}
	if err := l.own.note(entry, c); err != nil {
		return fmt.Errorf("read %s: %w", entry.Name, err)
	}
	_, err = io.Copy(io.Discard, body)
	return err
}

// content is one file's bytes, where every analyzer can read them.
type content struct {
	open  analyzer.Opener
	bytes []byte // nil when they are in a temporary file
}

// content reads a file's bytes, into memory when they are few.
func (l *layer) content(e *wire.Entry, r io.Reader) (content, error) {
	if e.Size > inMemory {
		open, err := l.spill(r)
		return content{open: open}, err
	}
	b := make([]byte, e.Size)
	if _, err := io.ReadFull(r, b); err != nil {
		return content{}, err
	}
	return content{open: fromMemory(b), bytes: b}, nil
}
