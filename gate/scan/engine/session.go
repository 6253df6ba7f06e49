//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/scan/utils"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// session is one image.
type session struct {
	engine *engine
	groups *groups
	begin  wire.Begin
	main   []ftypes.BlobInfo
	sbom   []ftypes.BlobInfo
	counts map[string][]string // package database -> name@version, of the topmost layer that has it
	own    []ownLayer
	detail *ftypes.ArtifactDetail
	// leftOut is how many files were not looked into for secrets.
	leftOut int
	// noText is how many of them are no text, where those are counted.
	noText int
	// secretArchives is how many archives of the application were not opened for it.
	secretArchives int
	links          map[string]string // further name of a file -> its first name
	gaps           []wire.Gap
	// contents are the hashes of the files that hold secrets, by layer and path.
	contents map[string]string
	gone     []ftypes.Secret // in files that a later entry of their layer replaces
	// skipped are files that have the name of a package's metadata and describe none.
	skipped []string
	// bills are the packages in the bills of materials, by path.
	bills map[string][]string
	jars  int
	logs  []wire.Log
}

// read takes the analyses of the image's layers from the parent and returns the
// report.
func (s *session) read(ctx context.Context) (*wire.Report, error) {
	s.counts = map[string][]string{}
	for {
		t, payload, err := s.engine.in.Next()
		if err != nil {
			return nil, fmt.Errorf("the parent went away: %w", err)
		}
		switch t {
		case wire.TypeLayer:
			var head wire.Layer
			if err := strictjson.Unmarshal(payload, &head); err != nil {
				return nil, err
			}
			if err := s.layer(head); err != nil {
				return nil, err
			}
		case wire.TypeMatch:
			return s.match(ctx)
		default:
			return nil, fmt.Errorf("frame %q between layers", t)
		}
	}
}

// layer adds the analysis of one layer.
func (s *session) layer(head wire.Layer) error {
	b := make([]byte, head.Size)
	if _, err := io.ReadFull(s.engine.in.Body(head.Size), b); err != nil {
		return err
	}
	var a analysis
	if err := json.Unmarshal(b, &a); err != nil {
		return fmt.Errorf("analysis of layer %s: %w", head.DiffID, err)
	}
	for _, blob := range []*ftypes.BlobInfo{&a.Main, &a.SBOM} {
		blob.Digest, blob.DiffID, blob.CreatedBy = head.Digest, head.DiffID, head.CreatedBy
	}
	for _, info := range a.Main.PackageInfos {
		s.counts[info.FilePath] = identities(info.Packages)
	}
	for _, l := range a.Logs {
		l.Layer = head.DiffID
		s.logs = append(s.logs, l)
	}
	s.jars += a.Jars
	for _, secret := range a.Gone {
		for i := range secret.Findings {
			secret.Findings[i].Layer = ftypes.Layer{DiffID: head.DiffID}
		}
		s.gone = append(s.gone, secret)
	}
	s.leftOut, s.noText, s.secretArchives = s.leftOut+a.SecretsLeftOut, s.noText+a.NoText, s.secretArchives+a.SecretArchives
	for path, hash := range a.Contents {
		if s.contents == nil {
			s.contents = map[string]string{}
		}
		s.contents[head.DiffID+" "+path] = hash
	}
	for _, l := range a.Links {
		put(&s.links, l.Name, l.Target)
	}
	for path, packages := range a.SBOMPackages {
		put(&s.bills, path, packages)
	}
	s.gaps, s.skipped = append(s.gaps, a.Gaps...), append(s.skipped, a.Skipped...)
	for _, g := range a.Unversioned {
		if s.engine.advisories.knowsNPM(g.Subject) {
			s.gaps = append(s.gaps, g)
		}
	}
	s.own = append(s.own, ownLayer{a.Own, a.Main.OpaqueDirs, a.Main.WhiteoutFiles})
	s.main, s.sbom = append(s.main, a.Main), append(s.sbom, a.SBOM)
	return nil
}

// identities lists packages as name@version, for the parent to compare with its
// own reading of the database.
func identities(pkgs ftypes.Packages) []string {
	ids := make([]string, len(pkgs))
	for i := range pkgs {
		ids[i] = pkgs[i].Name + "@" + utils.FormatVersion(pkgs[i])
	}
	slices.Sort(ids)
	return ids
}

// match merges and detects while the parent merges what it has seen, and makes
// the report when the parent is done as well.
func (s *session) match(ctx context.Context) (*wire.Report, error) {
	report := &wire.Report{Jars: s.jars, Gaps: s.gaps}
	if s.leftOut > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("secrets were not looked for in %s of the distribution (/usr/share, /usr/lib and the like), of installed dependencies (node_modules, site-packages, vendor, gems) and of media", words.Plural(s.leftOut, "file")))
	}
	if s.secretArchives > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("secrets were not looked for inside of %s of the application (zip, jar, gzip, xz, bzip2, zstd)", words.Plural(s.secretArchives, "archive")))
	}
	if s.noText > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("secrets were not looked for in %s no text, such as media and programs", words.Plural(s.noText, "file")+" "+words.Choose(s.noText, "that is", "that are")))
	}
	if n := len(s.skipped); n > 0 {
		slices.Sort(s.skipped)
		s.skipped = slices.Compact(s.skipped)
		n = len(s.skipped)
		report.Notes = append(report.Notes, fmt.Sprintf("%s with the name of a package or of its metadata %s no package and %s left aside, the first is %s", words.Plural(n, "file"), words.Choose(n, "is or describes", "are or describe"), words.Choose(n, "was", "were"), s.skipped[0]))
	}
	d, err := s.detect(ctx, report)
	if err != nil {
		return nil, err
	}
	s.detail = &d.detail
	addResults(report, d.results)
	d.owners.attribute(report)
	for path, ids := range s.counts {
		report.Databases = append(report.Databases, wire.Count{Path: path, Packages: len(ids), IDs: ids})
	}
	if s.begin.Need.Has(evidence.NeedSecrets) {
		secrets, err := s.secrets(ctx, d.detail.Secrets)
		if err != nil {
			return nil, err
		}
		addSecrets(report, append(secrets, s.buried(secrets)...), s.contentOf)
		addSecrets(report, s.gone, func(string, string) string { return "" })
	}
	if s.begin.Need.Has(evidence.NeedLicenses) {
		addLicenses(report, &d.detail)
	}
	if report.Documents, err = s.documents(ctx, d); err != nil {
		return nil, err
	}
	var f wire.Finish
	if err := s.engine.document(wire.TypeFinish, &f); err != nil {
		return nil, err
	}
	report.Unattributed = unattributed(f.Executables, &d.detail)
	return report, nil
}

// secrets adds those in the image config: environment, labels and history.
func (s *session) secrets(ctx context.Context, found []ftypes.Secret) ([]ftypes.Secret, error) {
	if len(s.begin.Config) == 0 {
		return found, nil
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(s.begin.Config, &config); err != nil {
		return nil, fmt.Errorf("image config: %w", err)
	}
	if r := s.groups.config.AnalyzeImageConfig(ctx, ftypes.OS{}, &config); r.Secret != nil {
		found = append(found, *r.Secret)
	}
	return found, nil
}
