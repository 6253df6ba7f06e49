//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/report/cyclonedx"
	"github.com/aquasecurity/trivy/pkg/report/spdx"
	"github.com/aquasecurity/trivy/pkg/types"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/scan/wire"
)

// documents makes the bills of materials with Trivy's own writers, so that they
// are the ones that `trivy image` would write.
func (s *session) documents(ctx context.Context, d *detection) (map[string]string, error) {
	if len(s.begin.Documents) == 0 {
		return nil, nil
	}
	r, err := s.trivyReport(d)
	if err != nil {
		return nil, err
	}
	version := strings.TrimPrefix(Version(), "trivy ")
	docs := map[string]string{}
	for _, name := range s.begin.Documents {
		var b bytes.Buffer
		switch name {
		case wire.DocumentCycloneDX:
			err = cyclonedx.NewWriter(&b, version).Write(ctx, r)
		case wire.DocumentSPDX:
			err = spdx.NewWriter(&b, version, types.FormatSPDXJSON).Write(ctx, r)
		default:
			err = fmt.Errorf("unknown document")
		}
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		docs[name] = b.String()
	}
	return docs, nil
}

// trivyReport is the report that Trivy's writers take.
func (s *session) trivyReport(d *detection) (types.Report, error) {
	r := types.Report{
		SchemaVersion: 2, CreatedAt: s.begin.Now, ArtifactName: s.begin.Name,
		ArtifactType: ftypes.TypeContainerImage, Results: d.results,
	}
	if d.detail.OS.Detected() {
		r.Metadata.OS = &d.detail.OS
	}
	if s.begin.Digest != "" {
		name, _, _ := strings.Cut(s.begin.Name, "@")
		r.Metadata.RepoDigests = []string{name + "@" + s.begin.Digest}
	}
	for i := range s.main {
		r.Metadata.DiffIDs = append(r.Metadata.DiffIDs, s.main[i].DiffID)
	}
	if len(s.begin.Config) > 0 {
		if err := json.Unmarshal(s.begin.Config, &r.Metadata.ImageConfig); err != nil {
			return r, fmt.Errorf("image config: %w", err)
		}
		hash, _, err := v1.SHA256(bytes.NewReader(s.begin.Config))
		if err != nil {
			return r, err
		}
		r.Metadata.ImageID = hash.String()
	}
	return r, nil
}
