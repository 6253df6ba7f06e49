package disguise

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// Transform hides something from a scanner, or breaks something that a scanner
// relies on. No transform repairs an image: an image with findings must not pass
// after any sequence of transforms.
//
// Changes that no scanner can see are left out on purpose: package databases that
// are edited into other valid ones, and renamed, vendored, packed or stripped
// code.
type Transform struct {
	Name string
	// apply changes an image in place, or returns imagetest.ErrNoFile.
	apply func(*imagetest.Parts, *rand.Rand) error
	// once names a group of transforms of which [Disguise] uses at most one. Two
	// of them together can make a consistent image without findings: a layer left
	// out of the manifest and its diffID left out of the config is a smaller image.
	once string
}

// Groups of transforms that exclude each other.
const (
	onceContent = "content of the package database"
	onceLayers  = "list of layers"
)

// Apply returns a changed copy of the image. ok is false when there is nothing
// to hide in this image.
func (t Transform) Apply(img v1.Image, dice *rand.Rand) (changed *imagetest.Parts, ok bool, err error) {
	p, err := imagetest.TakeApart(img)
	if err != nil {
		return nil, false, err
	}
	before := p.Clone()
	err = t.apply(p, dice)
	if errors.Is(err, imagetest.ErrNoFile) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("transform %s: %w", t.Name, err)
	}
	if slices.Equal(before.ManifestJSON, p.ManifestJSON) && fingerprint(before) == fingerprint(p) {
		return nil, false, nil
	}
	return p, true, nil
}

// fingerprint tells whether any byte differs, also where digests do not.
func fingerprint(p *imagetest.Parts) string {
	all := slices.Concat(p.ConfigJSON, []byte(p.Type))
	for _, b := range p.Blobs {
		all = slices.Concat(all, []byte(imagetest.HashOf(b.Content).Hex), []byte(b.ClaimType))
	}
	return imagetest.HashOf(all).Hex
}

// Transforms lists every transform.
func Transforms() []Transform {
	return slices.Concat(databaseTransforms(), identityTransforms(), archiveTransforms(), blobTransforms(), documentTransforms(), harmlessTransforms(), Claims())
}

// Disguise applies up to depth transforms in random order, the same for the
// same seed, and returns the names of those that did something. The image is
// never returned unchanged.
func Disguise(img v1.Image, seed uint64, depth int) (*imagetest.Parts, []string, error) {
	dice := rand.New(rand.NewPCG(seed, 0x1a4e5eed))
	p, err := imagetest.TakeApart(img)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	used := map[string]bool{"": false}
	all := Transforms()
	want := 1 + dice.IntN(depth)
	for range 100 {
		t := all[dice.IntN(len(all))]
		if used[t.once] {
			continue
		}
		changed, ok, err := t.Apply(p, dice)
		if err != nil {
			return nil, names, fmt.Errorf("seed %d, after %q: %w", seed, names, err)
		}
		if !ok {
			continue
		}
		p, names = changed, append(names, t.Name)
		used[t.once] = t.once != ""
		if len(names) == want {
			break
		}
	}
	return p, names, nil
}

// upper adds a layer of files on top: the shape of most disguises.
func upper(name string, files ...imagetest.File) Transform {
	return Transform{Name: name, apply: func(p *imagetest.Parts, _ *rand.Rand) error { return p.AddLayer(imagetest.Files(files...)) }}
}

// pick returns one of several values.
func pick[T any](dice *rand.Rand, of ...T) T { return of[dice.IntN(len(of))] }
