package evidencetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest"
	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Sizes of what Evidence makes, as seen in Trivy's reports about images of
// Debian and of Node: per finding 450 to 950 bytes of description, 9 to 16
// references, one or two scores and four ratings.
const (
	poolSize         = 3000
	findingsPerImage = 250
	leastPackages    = 120
	mostPackages     = 400
)

// Evidence returns the evidence of n images as a scan of n deployed images
// would leave it: 250 findings each, drawn from one pool of 3,000
// vulnerabilities with the texts of real advisories. Equal n give equal images.
func Evidence(n int) []evidence.Image {
	m := &evidenceMaker{rand: rand.New(rand.NewPCG(1, 2))}
	m.fill()
	images := make([]evidence.Image, n)
	for i := range images {
		images[i] = m.image(i)
	}
	return images
}

// evidenceMaker draws images from a pool of findings without package.
type evidenceMaker struct {
	rand *rand.Rand
	pool []evidence.Finding
}

// fill makes the pool. The texts in the advisories of the tests are shortened,
// so several of them are joined into one.
func (m *evidenceMaker) fill() {
	details := map[string]struct{ Title, Description string }{}
	for id, text := range dbtest.Vulnerabilities() {
		var d struct{ Title, Description string }
		gatetest.Must(0, json.Unmarshal(text, &d))
		details[id] = d
	}
	ids := slices.Sorted(maps.Keys(details))
	for i := range poolSize {
		var text strings.Builder
		for range 3 + m.rand.IntN(4) {
			text.WriteString(details[ids[m.rand.IntN(len(ids))]].Description + " ")
		}
		m.pool = append(m.pool, m.finding(i, details[ids[i%len(ids)]].Title, text.String()))
	}
}

func (m *evidenceMaker) finding(i int, title, description string) evidence.Finding {
	id := fmt.Sprintf("CVE-%d-%d", 2015+i%12, 1000+i)
	published := time.Date(2015+i%12, time.Month(1+i%12), 1+i%28, 10, 15, 0, 5e6*(i%7), time.UTC)
	modified := published.Add(400 * 24 * time.Hour)
	f := evidence.Finding{
		Advisory: &evidence.Advisory{
			ID:             id,
			Title:          title,
			Description:    description,
			URL:            "https://avd.aquasec.com/nvd/" + strings.ToLower(id),
			Severity:       evidence.Severities()[i%5],
			SeveritySource: "debian",
			DataSource:     "debian",
			VendorSeverity: map[string]evidence.Severity{"nvd": "high", "debian": "low", "redhat": "medium", "ubuntu": "low"},
			CVSS:           map[string]evidence.CVSS{"nvd": {V2Score: 5, V2Vector: "AV:N/AC:L/Au:N/C:N/I:N/A:P", V3Score: 7.5, V3Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}},
			CWEs:           []string{fmt.Sprintf("CWE-%d", 20+i%700)},
			Published:      &published,
			Modified:       &modified,
		},
	}
	if i%2 == 0 {
		f.CVSS["redhat"] = evidence.CVSS{V3Score: 5.3, V3Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L"}
	}
	for k := range 9 + m.rand.IntN(8) {
		f.References = append(f.References, fmt.Sprintf("https://lists.example.org/archives/list/security-announce/message/%s?part=%d&of=%d", id, k, i))
	}
	return f
}

func (m *evidenceMaker) image(i int) evidence.Image {
	uid := int64(65532)
	created := time.Date(2026, 11, 1, 8, 0, i%60, 0, time.UTC)
	digest := func(kind string) string { return imagetest.HashOf([]byte(fmt.Sprint(kind, i))).String() }
	name := fmt.Sprintf("registry.example.no/team-%02d/service-%04d", i%40, i)
	layers := make([]evidence.Layer, 6)
	for k := range layers {
		layers[k] = evidence.Layer{
			Digest: digest(fmt.Sprint("blob", k)), DiffID: digest(fmt.Sprint("diff", k)), Size: int64(m.rand.IntN(50 << 20)), Base: k < 2,
			MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", CreatedBy: "RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends ca-certificates # buildkit",
		}
	}
	return evidence.Image{
		SchemaVersion: evidence.SchemaVersion,
		Reference: evidence.Reference{
			Asked: name + ":1.4.2", Source: evidence.SourceRegistry, Name: name,
			Registry: "registry.example.no", Repository: strings.TrimPrefix(name, "registry.example.no/"), Tag: "1.4.2",
		},
		Digest: digest("manifest"), Platform: "linux/amd64", Platforms: []string{"linux/amd64"},
		Config: &evidence.Config{
			User: "65532", Entrypoint: []string{"/app/run"}, EnvNames: []string{"PATH", "LANG"}, Created: &created, Layers: layers,
			Labels: map[string]string{"org.opencontainers.image.source": "https://git.example.org/app", "org.opencontainers.image.revision": digest("rev")},
		},
		Scan: m.scan(layers, &uid),
	}
}

func (m *evidenceMaker) scan(layers []evidence.Layer, uid *int64) *evidence.Scan {
	s := &evidence.Scan{
		Engine: "trivy 0.74.0", Need: evidence.NeedPackages | evidence.NeedUser,
		OS:   &evidence.OS{Family: "debian", Release: "12.15"},
		User: &evidence.User{Spec: "65532", UID: uid, Numeric: true, Via: "a number"},
		Database: &evidence.Database{
			Source: "ghcr.io/aquasecurity/trivy-db:2", Digest: imagetest.HashOf([]byte("database")).String(), Version: 2,
			UpdatedAt: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC),
		},
		Coverage: evidence.Coverage{Gaps: []evidence.Gap{}, Counts: []evidence.Count{{Type: "dpkg", Path: "var/lib/dpkg/status"}}, Executables: 900},
	}
	for k := range leastPackages + m.rand.IntN(mostPackages-leastPackages) {
		name, version := fmt.Sprintf("libpackage%d-%d", k%90, k), fmt.Sprintf("1:%d.%d-%d+deb12u1", k%9, k, k%4)
		s.Packages = append(s.Packages, evidence.Package{
			Name: name, Version: version, Type: "debian", Class: evidence.ClassOS, SourceName: fmt.Sprintf("package%d", k%90),
			PURL:  "pkg:deb/debian/" + name + "@" + version + "?arch=amd64&distro=debian-12.15&epoch=1",
			Layer: layers[k%len(layers)].DiffID,
		})
	}
	s.Coverage.Counts[0].Expected, s.Coverage.Counts[0].Got = len(s.Packages), len(s.Packages)
	for range findingsPerImage {
		f := m.pool[m.rand.IntN(len(m.pool))]
		f.Package = &s.Packages[m.rand.IntN(len(s.Packages))]
		if f.Status = "affected"; m.rand.IntN(3) > 0 {
			f.Status, f.FixedVersion = "fixed", f.Package.Version+"~fixed"
		}
		s.Findings = append(s.Findings, f)
	}
	return s
}
