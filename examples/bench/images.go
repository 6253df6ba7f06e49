package main

import (
	"cmp"
	"fmt"
	"log"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// generation is part of the directory that images are kept in: count it up when
// the generator writes other bytes than before.
const generation = 1

const mib = 1 << 20

// image is how to make an image, or an index when there are several platforms.
type image struct {
	name      string
	platforms []platform
}

// platform is one image.
type platform struct {
	arch, variant string
	layers        []recipe
}

// single is an image for one platform.
func single(name string, layers ...recipe) image {
	return image{name, []platform{{arch: "amd64", layers: layers}}}
}

// gz is a layer that is compressed as docker does it.
func gz(key string, c content) recipe { return recipe{key: key, content: c} }

// benchImages are the images of the main table.
func benchImages() []image {
	slim := debian(debianPackages(slimPackages), "amd64", 28*mib)
	images := []image{
		single("debian-slim", gz("slim", slim)),
		single("debian-slim-zstd", recipe{key: "slim-zstd", pack: zstandard, content: slim}),
		fatImage(),
		manyLayers("layers-60", 60),
		single("files-100k", gz("few-packages", debian(debianPackages(20), "amd64", 2*mib)), gz("files-100k", smallFiles("srv/data", 100_000, 500))),
		single("files-300k", gz("few-packages", debian(debianPackages(20), "amd64", 2*mib)), gz("files-300k", smallFiles("srv/data", 300_000, 100))),
		single("zeros", gz("few-packages", debian(debianPackages(20), "amd64", 2*mib)), gz("zeros", zeros("srv/zeros", 2048))),
		{"index-own", ownPlatforms()},
		{"index-shared", sharedPlatforms()},
	}
	images = append(images, sharedBase("shared", sharedImages)...)
	return append(images, fleet(fleetImages)...)
}

// How many images the rows about many images have.
const (
	sharedImages = 8
	fleetImages  = 40
)

// fatImage is what an organisation's largest image looks like: about 290 MB
// packed, 880 MB unpacked, 50,000 files in eight layers of five ecosystems.
func fatImage() image {
	return single("fat",
		gz("fat-debian", debian(debianPackages(400), "amd64", 85*mib)),
		gz("fat-python", python(libraries("pip"), 45*mib)),
		gz("fat-node", node("srv/web/node_modules", libraries("npm"), 50, 50, 30_000)),
		gz("fat-go", programs(libraries("go"), 3, 50*mib)),
		gz("fat-jars", jars(libraries("maven"), 22*mib)),
		gz("fat-assets", blobs("srv/assets", 50_000, 45*mib)),
		gz("fat-app", smallFiles("app/static", 1500, 4000)),
		gz("fat-config", smallFiles("etc/app", 20, 400)),
	)
}

// manyLayers is a small base and n-1 layers with a library each.
func manyLayers(name string, n int) image {
	npm := libraries("npm")
	layers := []recipe{gz("small-base", debian(debianPackages(slimPackages), "amd64", 10*mib))}
	for i := 1; i < n; i++ {
		p := npm[i%len(npm)]
		layers = append(layers, gz(fmt.Sprintf("thin-%d", i), node(fmt.Sprintf("srv/l%d/node_modules", i), []library{p}, 0, 40, 40)))
	}
	return single(name, layers...)
}

// ownPlatforms share no layer.
func ownPlatforms() []platform {
	platforms := []platform{{arch: "amd64"}, {arch: "arm64"}, {arch: "arm", variant: "v7"}}
	for i, p := range platforms {
		dpkg := cmp.Or(map[string]string{"arm": "armhf"}[p.arch], p.arch)
		platforms[i].layers = []recipe{
			gz("platform-base-"+p.arch, debian(debianPackages(slimPackages), dpkg, 28*mib)),
			gz("platform-app-"+p.arch, programs(libraries("go"), 1, 12*mib)),
		}
	}
	return platforms
}

// sharedPlatforms differ in a small program alone, as images do whose base holds
// nothing that is compiled.
func sharedPlatforms() []platform {
	platforms := ownPlatforms()
	base := []recipe{
		gz("slim", debian(debianPackages(slimPackages), "amd64", 28*mib)),
		gz("shared-platform-node", node("srv/web/node_modules", libraries("npm"), 50, 40, 8000)),
	}
	for i := range platforms {
		platforms[i].layers = append(base[:2:2], platforms[i].layers[1])
	}
	return platforms
}

// sharedBase are n images with a layer of their own on a base of three layers,
// 120 MB packed.
func sharedBase(prefix string, n int) []image {
	base := []recipe{
		gz("shared-debian", debian(debianPackages(250), "amd64", 60*mib)),
		gz("shared-python", python(libraries("pip"), 35*mib)),
		gz("shared-assets", blobs("opt/runtime", 40_000, 25*mib)),
	}
	var images []image
	for i := 1; i <= n; i++ {
		own := gz(fmt.Sprintf("shared-own-%d", i), node("srv/app/node_modules", libraries("npm")[i:i+12], 0, 60, 720))
		images = append(images, single(fmt.Sprintf("%s-%d", prefix, i), append(base[:3:3], own)...))
	}
	return images
}

// fleet are n small services for two platforms each, on a base per platform.
func fleet(n int) []image {
	var images []image
	for i := 1; i <= n; i++ {
		im := image{name: fmt.Sprintf("fleet-%02d", i)}
		for _, arch := range []string{"amd64", "arm64"} {
			im.platforms = append(im.platforms, platform{arch: arch, layers: []recipe{
				gz("fleet-base-"+arch, debian(debianPackages(slimPackages), arch, 20*mib)),
				gz("fleet-runtime-"+arch, python(libraries("pip")[:20], 10*mib)),
				gz(fmt.Sprintf("fleet-own-%d-%s", i, arch), node("srv/app/node_modules", libraries("npm")[i:i+4], 0, 30, 120)),
			}})
		}
		images = append(images, im)
	}
	return images
}

// make makes all images that are not there, two at a time.
func (s *store) make(images []image) error {
	errs := make(chan error, len(images))
	slots := make(chan struct{}, 2)
	var wg sync.WaitGroup
	var layers sync.Map // layers that two images share are made once
	for _, im := range images {
		if _, ok := s.images[im.name]; ok {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs <- s.makeImage(im, &layers)
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *store) makeImage(im image, layers *sync.Map) error {
	var manifests []v1.Descriptor
	var size int64
	for _, p := range im.platforms {
		d, packed, err := s.platform(p, layers)
		if err != nil {
			return fmt.Errorf("image %s: %w", im.name, err)
		}
		manifests, size = append(manifests, d), size+packed
	}
	log.Printf("made %s, %d MB packed", im.name, size/1_000_000)
	if len(manifests) == 1 {
		return s.name(im.name, manifests[0])
	}
	d, err := s.document(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: manifests})
	if err != nil {
		return err
	}
	return s.name(im.name, d)
}

func (s *store) platform(p platform, layers *sync.Map) (v1.Descriptor, int64, error) {
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	config := v1.ConfigFile{
		Architecture: p.arch, Variant: p.variant, OS: "linux", Created: v1.Time{Time: epoch()},
		RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{User: "65532:65532", Cmd: []string{"/app/bin/service-0"}, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"}},
	}
	var size int64
	for _, r := range p.layers {
		once, _ := layers.LoadOrStore(r.key, sync.OnceValues(func() (made, error) { return s.layer(r) }))
		m, err := once.(func() (made, error))()
		if err != nil {
			return v1.Descriptor{}, 0, err
		}
		manifest.Layers = append(manifest.Layers, m.Descriptor)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, m.DiffID)
		config.History = append(config.History, v1.History{Created: v1.Time{Time: epoch()}, CreatedBy: "COPY " + r.key + " /"})
		size += m.Size
	}
	var err error
	if manifest.Config, err = s.document(types.OCIConfigJSON, config); err != nil {
		return v1.Descriptor{}, 0, err
	}
	d, err := s.document(types.OCIManifestSchema1, manifest)
	d.Platform = &v1.Platform{OS: "linux", Architecture: p.arch, Variant: p.variant}
	return d, size, err
}
