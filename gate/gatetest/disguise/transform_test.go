package disguise

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/gatetest/sampletest"
	"github.com/imagegate/imagegate/gate/gatetest/trivytest"
)

// A transform that never changes anything would make every oracle pass.
func TestEveryTransformChangesSomeSample(t *testing.T) {
	all := samples(t)
	seen := map[string]bool{}
	for _, tr := range Transforms() {
		if seen[tr.Name] {
			t.Errorf("two transforms are called %s", tr.Name)
		}
		seen[tr.Name] = true
		applied := 0
		for _, s := range all {
			before := fingerprint(s.Image) + imagetest.HashOf(s.Image.ManifestJSON).Hex
			changed, ok, err := tr.Apply(s.Image, rand.New(rand.NewPCG(1, 2)))
			if err != nil {
				t.Errorf("%s on %s: %v", tr.Name, s.Name, err)
			}
			if after := fingerprint(s.Image) + imagetest.HashOf(s.Image.ManifestJSON).Hex; after != before {
				t.Errorf("%s changes the image it was given (%s)", tr.Name, s.Name)
			}
			if !ok {
				continue
			}
			applied++
			// One is enough: TestDisguises tries the others.
			if fingerprint(changed)+imagetest.HashOf(changed.ManifestJSON).Hex == before {
				t.Errorf("%s says that it changed %s, and did not", tr.Name, s.Name)
			}
			break
		}
		if applied == 0 {
			t.Errorf("%s applies to no sample", tr.Name)
		}
	}
}

func TestTransformsApplyToRealImages(t *testing.T) {
	img, err := trivytest.TrivyTestImage(t.Context(), "alpine-310")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(3) {
		if _, names, err := Disguise(img, seed, 3); err != nil || len(names) == 0 {
			t.Errorf("seed %d: %v, %v", seed, names, err)
		}
	}
}

func TestDisguisesAreRepeatableAndCanBePushed(t *testing.T) {
	r := registrytest.Registry(t)
	for _, s := range samples(t) {
		for seed := range uint64(6) {
			p, names, err := Disguise(s.Image, seed, 4)
			if err != nil {
				t.Fatalf("%s: %v", s.Name, err)
			}
			if len(names) == 0 {
				t.Errorf("%s, seed %d: no disguise", s.Name, seed)
			}
			again, same, err := Disguise(s.Image, seed, 4)
			if err != nil || !slices.Equal(names, same) || fingerprint(p) != fingerprint(again) {
				t.Errorf("%s, seed %d: %v, then %v (%v)", s.Name, seed, names, same, err)
			}
			r.MustPush(t, p, fmt.Sprintf("%s-%d:1.0.0", s.Name, seed))
		}
	}
}

// A later transform may undo a false digest. The image must then equal the
// image with findings, never a clean one.
func TestHealedLiesAreAsBadAsBefore(t *testing.T) {
	for _, s := range samples(t) {
		for _, tr := range blobTransforms() {
			p, ok, err := tr.Apply(s.Image, rand.New(rand.NewPCG(3, 4)))
			if err != nil {
				t.Fatal(err)
			}
			if !ok || tr.once == onceLayers {
				continue
			}
			for i, b := range p.Blobs {
				if string(b.Unpacked) != string(s.Image.Blobs[i].Unpacked) {
					t.Errorf("%s on %s: the unpacked layer %d is forged, too", tr.Name, s.Name, i)
				}
			}
		}
	}
}

func samples(t *testing.T) []sampletest.Sample {
	t.Helper()
	all := sampletest.Samples()
	return all
}
