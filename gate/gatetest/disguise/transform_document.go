package disguise

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// documentTransforms write manifests and configs that two readers read
// differently. Every one but those about the config ends when a later transform
// writes the manifest anew, which leaves the image as bad as it was.
func documentTransforms() []Transform {
	return []Transform{
		manifest("manifest-is-index-too", addKey(`"manifests":[]`)),
		manifest("manifest-duplicate-layers", addKey(`"layers":[]`)),
		manifest("manifest-folded-layers", addKey(`"Layers":[]`)),
		manifest("manifest-folded-config", addKey(`"CONFIG":{}`)),
		manifest("manifest-trailing-document", func(b []byte) []byte { return append(b, "{}"...) }),
		manifest("manifest-trailing-garbage", func(b []byte) []byte { return append(b, "]"...) }),
		manifest("manifest-byte-order-mark", func(b []byte) []byte { return append([]byte("\ufeff"), b...) }),
		manifest("manifest-schema-1", replaceText(`"schemaVersion":2`, `"schemaVersion":1`)),
		manifest("manifest-layers-null", editManifest(func(m *v1.Manifest) { m.Layers = nil })),
		manifest("manifest-layer-size", editManifest(func(m *v1.Manifest) { each(m.Layers, func(d *v1.Descriptor) { d.Size++ }) })),
		manifest("manifest-layer-size-negative", editManifest(func(m *v1.Manifest) { each(m.Layers, func(d *v1.Descriptor) { d.Size = -1 }) })),
		manifest("manifest-layer-inline-data", editManifest(func(m *v1.Manifest) {
			each(m.Layers, func(d *v1.Descriptor) { d.Data = emptyLayer().Content })
		})),
		manifest("manifest-config-size", editManifest(func(m *v1.Manifest) { m.Config.Size /= 2 })),
		manifest("manifest-config-digest", editManifest(func(m *v1.Manifest) { m.Config.Digest = imagetest.HashOf([]byte("{}")) })),
		manifest("manifest-config-type", editManifest(func(m *v1.Manifest) { m.Config.MediaType = "application/vnd.cncf.helm.config.v1+json" })),
		{Name: "manifest-served-as-index", apply: func(p *imagetest.Parts, _ *rand.Rand) error { p.Type = types.OCIImageIndex; return nil }},
		{Name: "manifest-served-as-text", apply: func(p *imagetest.Parts, _ *rand.Rand) error { p.Type = "text/plain"; return nil }},
		config("config-duplicate-rootfs", addKey(`"rootfs":{"type":"layers","diff_ids":[]}`)),
		config("config-folded-rootfs", addKey(`"RootFS":{"type":"layers","diff_ids":[]}`)),
		config("config-trailing-document", func(b []byte) []byte { return append(b, "{}"...) }),
		config("config-not-json", func([]byte) []byte { return []byte("<config/>") }),
		config("config-null", func([]byte) []byte { return []byte("null") }),
		config("config-array", func(b []byte) []byte { return joined([]byte("["), b, []byte("]")) }),
		config("config-rootfs-type", replaceText(`"type":"layers"`, `"type":"files"`)),
	}
}

// harmlessTransforms change much and hide nothing: the findings must still be
// there.
func harmlessTransforms() []Transform {
	return []Transform{
		upper("sbom-spdx-empty", imagetest.Text("opt/bitnami/app/.spdx-app.spdx",
			`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"app","packages":[],"relationships":[]}`)),
		upper("sbom-cyclonedx-empty", imagetest.Text("usr/share/sbom/app.cdx.json", `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[]}`)),
		upper("scanner-settings-inside", imagetest.Text(".trivyignore", "CVE-2021-44228\n"), imagetest.Text("trivy.yaml", "severity: [LOW]\n"), imagetest.Text(".grype.yaml", "ignore: []\n")),
		{Name: "layers-fifty-empty", apply: func(p *imagetest.Parts, _ *rand.Rand) error {
			for range 50 {
				p.Append(emptyLayer(), "RUN true")
			}
			return p.Seal()
		}},
		recompress("layer-zstd", imagetest.MediaTypeOCIZstd),
		recompress("layer-uncompressed", imagetest.MediaTypeOCITar),
		onLayer("layer-two-gzip-members", twoMembers),
		{Name: "files-not-executable", apply: notExecutable},
		body("apk-claims-application", isAPK, func(b []byte, _ *rand.Rand) []byte {
			return append(b, "\nP:cover\nV:1-r0\nA:x86_64\no:cover\nF:app/node_modules/lodash\nR:package.json\nF:app/lib\nR:log4j-core-2.14.1.jar\nF:app\nR:run\n\n"...)
		}),
		{Name: "config-other-platform", apply: func(p *imagetest.Parts, dice *rand.Rand) error {
			p.Config.Architecture = pick(dice, "arm64", "s390x", "")
			return p.Seal()
		}},
		{Name: "config-made-tomorrow", apply: func(p *imagetest.Parts, _ *rand.Rand) error {
			p.Config.Created = v1.Time{Time: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)}
			return p.Seal()
		}},
		{Name: "config-history-gone", apply: func(p *imagetest.Parts, _ *rand.Rand) error { p.Config.History = nil; return p.Seal() }},
	}
}

func manifest(name string, change func([]byte) []byte) Transform {
	return Transform{Name: name, apply: func(p *imagetest.Parts, _ *rand.Rand) error {
		p.ManifestJSON = change(bytes.Clone(p.ManifestJSON))
		return nil
	}}
}

// config changes the config document and names it rightly in the manifest.
func config(name string, change func([]byte) []byte) Transform {
	return Transform{Name: name, apply: func(p *imagetest.Parts, _ *rand.Rand) error {
		p.ConfigJSON = change(bytes.Clone(p.ConfigJSON))
		return p.SealManifest()
	}}
}

// addKey adds a key at the end of a JSON object, whether it is there or not.
func addKey(pair string) func([]byte) []byte {
	return func(b []byte) []byte {
		end := bytes.LastIndexByte(b, '}')
		if end < 0 {
			return b
		}
		return slices.Concat(b[:end], []byte(","+pair), b[end:])
	}
}

func replaceText(old, with string) func([]byte) []byte {
	return func(b []byte) []byte { return []byte(strings.Replace(string(b), old, with, 1)) }
}

func editManifest(change func(*v1.Manifest)) func([]byte) []byte {
	return func(b []byte) []byte {
		var m v1.Manifest
		if json.Unmarshal(b, &m) != nil {
			return b // an earlier transform made it unreadable: nothing to change
		}
		change(&m)
		out, err := json.Marshal(m)
		if err != nil {
			return b
		}
		return out
	}
}

func each(ds []v1.Descriptor, f func(*v1.Descriptor)) {
	for i := range ds {
		f(&ds[i])
	}
}

// recompress stores the decisive layer in another way, truthfully.
func recompress(name string, mediaType types.MediaType) Transform {
	return onLayer(name, func(p *imagetest.Parts, i int, _ *rand.Rand) error {
		if i >= len(p.Config.RootFS.DiffIDs) || p.Blobs[i].Unpacked == nil {
			return imagetest.ErrNoFile
		}
		b := imagetest.NewBlob(p.Blobs[i].Unpacked, mediaType)
		b.ClaimDiff = p.Blobs[i].ClaimDiff
		p.Blobs[i] = b
		return p.Seal()
	})
}

// twoMembers cuts the decisive layer into two gzip members, which is one valid
// gzip file.
func twoMembers(p *imagetest.Parts, i int, _ *rand.Rand) error {
	b := p.Blobs[i]
	if b.Unpacked == nil || b.ClaimType != imagetest.MediaTypeOCIGzip {
		return imagetest.ErrNoFile
	}
	half := len(b.Unpacked) / 2
	b.Content = joined(imagetest.Compress(b.Unpacked[:half], imagetest.MediaTypeOCIGzip), imagetest.Compress(b.Unpacked[half:], imagetest.MediaTypeOCIGzip))
	b.ClaimHash = imagetest.HashOf(b.Content)
	return p.Seal()
}

// notExecutable takes every x bit away: a start script can put it back.
func notExecutable(p *imagetest.Parts, _ *rand.Rand) error {
	f, err := p.Find(func(name string) bool { return strings.HasSuffix(name, "app/run") })
	if err != nil {
		return err
	}
	f.Entries[f.Index].Header.Mode = 0o644
	return p.Rewrite(f.Layer, f.Entries)
}
