package disguise

import (
	"bytes"
	"math/rand/v2"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// blobTransforms serve other bytes than the digests promise, or promise in the
// config what the manifest does not have.
func blobTransforms() []Transform {
	return []Transform{
		stored("blob-one-bit", func(b []byte, dice *rand.Rand) []byte { b[dice.IntN(len(b))] ^= 1 << dice.IntN(8); return b }),
		stored("blob-last-byte", func(b []byte, _ *rand.Rand) []byte { b[len(b)-1] ^= 0xff; return b }),
		stored("blob-gzip-checksum", func(b []byte, _ *rand.Rand) []byte { b[max(0, len(b)-6)] ^= 0xff; return b }),
		stored("blob-truncated", func(b []byte, dice *rand.Rand) []byte { return b[:dice.IntN(len(b))] }),
		stored("blob-appended", func(b []byte, _ *rand.Rand) []byte { return append(b, 0) }),
		stored("blob-zeros", func(b []byte, _ *rand.Rand) []byte { clear(b); return b }),
		stored("blob-empty-layer", func([]byte, *rand.Rand) []byte { return emptyLayer().Content }),
		onLayer("blob-of-other-layer", otherLayer),
		onLayer("layer-honest-digest-forged-diffid", forgedDiffID).inGroup(onceLayers),
		onLayer("layer-dropped-from-manifest", dropLayer).inGroup(onceLayers),
		{Name: "layer-added-to-manifest", apply: addUnlisted, once: onceLayers},
		diffIDs("diffids-swapped", func(ids []v1.Hash, _ *rand.Rand) []v1.Hash {
			if len(ids) > 1 {
				ids[0], ids[len(ids)-1] = ids[len(ids)-1], ids[0]
			}
			return ids
		}),
		diffIDs("diffids-all-the-same", func(ids []v1.Hash, _ *rand.Rand) []v1.Hash {
			return slices.Repeat([]v1.Hash{ids[len(ids)-1]}, len(ids))
		}),
		diffIDs("diffids-one-missing", func(ids []v1.Hash, _ *rand.Rand) []v1.Hash { return ids[:len(ids)-1] }),
		diffIDs("diffids-one-more", func(ids []v1.Hash, _ *rand.Rand) []v1.Hash { return append(ids, ids[0]) }),
		diffIDs("diffids-none", func([]v1.Hash, *rand.Rand) []v1.Hash { return nil }),
		diffIDs("diffids-wrong", func(ids []v1.Hash, dice *rand.Rand) []v1.Hash {
			ids[dice.IntN(len(ids))] = imagetest.HashOf([]byte("something else"))
			return ids
		}),
		layerType("type-tar-for-gzip", types.OCIUncompressedLayer),
		layerType("type-zstd-for-gzip", types.OCILayerZStd),
		layerType("type-in-toto", "application/vnd.in-toto+json"),
		layerType("type-unknown", "application/octet-stream"),
		layerType("type-empty", ""),
		layerType("type-foreign", types.DockerForeignLayer),
		layerType("type-nondistributable", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
	}
}

// emptyLayer is a valid layer without entries.
func emptyLayer() *imagetest.Blob {
	return imagetest.NewBlob(make([]byte, 1024), imagetest.MediaTypeOCIGzip)
}

// decisiveLayer is the layer that findings come from, or a random one.
func decisiveLayer(p *imagetest.Parts, dice *rand.Rand) (int, error) {
	if f, err := p.Find(isDecisive); err == nil {
		return f.Layer, nil
	}
	if len(p.Blobs) == 0 {
		return 0, imagetest.ErrNoFile
	}
	return dice.IntN(len(p.Blobs)), nil
}

// onLayer changes the decisive layer.
func onLayer(name string, change func(p *imagetest.Parts, i int, dice *rand.Rand) error) Transform {
	return Transform{Name: name, apply: func(p *imagetest.Parts, dice *rand.Rand) error {
		i, err := decisiveLayer(p, dice)
		if err != nil {
			return err
		}
		return change(p, i, dice)
	}}
}

// inGroup is the transform as one of a group that exclude each other.
func (t Transform) inGroup(once string) Transform {
	t.once = once
	return t
}

// stored changes a layer's bytes under an unchanged digest. The unpacked form
// is kept, so that a later transform cannot give the changed layer a true
// digest.
func stored(name string, change func([]byte, *rand.Rand) []byte) Transform {
	return onLayer(name, func(p *imagetest.Parts, i int, dice *rand.Rand) error {
		if len(p.Blobs[i].Content) == 0 {
			return imagetest.ErrNoFile
		}
		p.Blobs[i].Content = change(bytes.Clone(p.Blobs[i].Content), dice)
		return p.Seal()
	})
}

func otherLayer(p *imagetest.Parts, i int, _ *rand.Rand) error {
	for j, b := range p.Blobs {
		if j != i {
			p.Blobs[i].Content = b.Content
			return p.Seal()
		}
	}
	return imagetest.ErrNoFile
}

// forgedDiffID puts a harmless layer into the manifest and leaves the diffID of
// the real layer in the config. A cache with diffIDs as keys takes the harmless
// layer for the real one.
func forgedDiffID(p *imagetest.Parts, i int, _ *rand.Rand) error {
	harmless := emptyLayer()
	p.Blobs[i].Content, p.Blobs[i].ClaimHash, p.Blobs[i].ClaimType = harmless.Content, harmless.ClaimHash, harmless.ClaimType
	return p.Seal()
}

func dropLayer(p *imagetest.Parts, i int, _ *rand.Rand) error {
	p.Blobs = slices.Delete(p.Blobs, i, i+1)
	return p.Seal()
}

// addUnlisted puts a layer into the manifest that the config does not know.
func addUnlisted(p *imagetest.Parts, _ *rand.Rand) error {
	p.Blobs = append(p.Blobs, imagetest.NewBlob(imagetest.Files(imagetest.Opaque(".")).Tar(), imagetest.MediaTypeOCIGzip))
	return p.Seal()
}

func diffIDs(name string, change func([]v1.Hash, *rand.Rand) []v1.Hash) Transform {
	return Transform{Name: name, apply: func(p *imagetest.Parts, dice *rand.Rand) error {
		ids := p.Config.RootFS.DiffIDs
		if len(ids) == 0 {
			return imagetest.ErrNoFile
		}
		p.Config.RootFS.DiffIDs = change(slices.Clone(ids), dice)
		return p.Seal()
	}, once: onceLayers}
}

func layerType(name string, mediaType types.MediaType) Transform {
	return onLayer(name, func(p *imagetest.Parts, i int, _ *rand.Rand) error {
		p.Blobs[i].ClaimType = mediaType
		if mediaType == types.DockerForeignLayer {
			p.Blobs[i].URLs = []string{"http://127.0.0.1:1/layer"}
		}
		return p.Seal()
	})
}
