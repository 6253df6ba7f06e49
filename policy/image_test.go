package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	allNeed = evidence.NeedUser | evidence.NeedPackages | evidence.NeedSecrets | evidence.NeedLicenses | evidence.NeedJava | evidence.NeedFiles | evidence.NeedSecretsAnywhere
)

func ptr[T any](v T) *T { return &v }

// noon is when every test takes place.
func noon() time.Time { return time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC) }

// goodImage is an image that every policy of the examples lets pass; tests
// break it in one place.
func goodImage() *evidence.Image {
	return &evidence.Image{
		SchemaVersion: evidence.SchemaVersion,
		Reference: evidence.Reference{
			Asked: "registry.example.no/shop/app:1.4.2", Source: evidence.SourceRegistry,
			Name: "registry.example.no/shop/app", Registry: "registry.example.no", Repository: "shop/app",
			Tag: "1.4.2", Digest: digestB,
		},
		Digest: digestA, IndexDigest: digestB, Platform: "linux/amd64", Platforms: []string{"linux/amd64", "linux/arm64"},
		Config: &evidence.Config{
			User: "10001", ExposedPorts: []string{"8080/tcp"}, EnvNames: []string{"PATH"},
			Labels: map[string]string{
				"org.opencontainers.image.source":   "https://git.example.no/shop/app",
				"org.opencontainers.image.revision": "3f2a9bc",
				"team":                              "shop",
			},
			Healthcheck: true, Created: ptr(noon().AddDate(0, 0, -3)), Size: 50e6,
			Layers: []evidence.Layer{{Digest: digestA, DiffID: digestB, Size: 50e6, CreatedBy: "COPY app /app # buildkit"}},
		},
		Scan: &evidence.Scan{
			Engine: "trivy 0.74.0", Need: allNeed,
			OS:        &evidence.OS{Family: "debian", Release: "12.5", EndOfLife: ptr(time.Date(2028, 6, 30, 0, 0, 0, 0, time.UTC))},
			User:      &evidence.User{Spec: "10001", UID: ptr(int64(10001)), GID: ptr(int64(10001)), Numeric: true, Via: "the number itself"},
			Packages:  []evidence.Package{{Name: "zlib1g", Version: "1:1.2.13.dfsg-1", Type: "debian", Class: evidence.ClassOS}},
			Licenses:  []evidence.License{{Name: "Zlib", Package: "zlib1g", Type: "debian"}},
			Files:     &evidence.Files{},
			Database:  &evidence.Database{Source: "ghcr.io/aquasecurity/trivy-db:2", UpdatedAt: noon().Add(-6 * time.Hour)},
			Coverage:  evidence.Coverage{Gaps: []evidence.Gap{}, Executables: 40},
			Exploited: exploitedFeeds(),
		},
		Proof: goodProof(),
	}
}

// finding is a fixed high finding in a library.
func finding(id string, sev evidence.Severity) evidence.Finding {
	return evidence.Finding{
		Advisory: &evidence.Advisory{
			ID:        id,
			Severity:  sev,
			Published: ptr(noon().AddDate(0, -2, 0)),
		},
		FixedVersion: "4.17.21",
		Package: &evidence.Package{
			Name: "lodash", Version: "4.17.15", Type: "node-pkg", Class: evidence.ClassLanguage,
			PURL: "pkg:npm/lodash@4.17.15", Path: "app/node_modules/lodash/package.json",
		},
	}
}

// alone lets a policy build on none, so that a test sees what its keys do.
func alone(src string) []byte {
	if strings.Contains(src, "extends:") || !strings.Contains(src, "version:") {
		return []byte(src)
	}
	return []byte(strings.TrimSuffix(src, "\n") + "\nextends: none\n")
}

func mustParse(t testing.TB, src string) *Policy {
	t.Helper()
	p, err := Parse("policy.yaml", alone(src))
	if err != nil {
		t.Fatalf("Parse:\n%v\nof\n%s", err, src)
	}
	return p
}

// result returns the result of one rule.
func result(t testing.TB, v Verdict, rule string) RuleResult {
	t.Helper()
	for _, r := range v.Rules {
		if r.Rule == rule {
			return r
		}
	}
	t.Fatalf("no result for %s", rule)
	return RuleResult{}
}
