package promote

import (
	"context"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fixture is an index of two platforms with signatures of every kind.
func fixture() (*memory, Descriptor) {
	src := newMemory("source.example.no/app")
	amd, arm := src.image("amd64", nil), src.image("arm64", nil)
	index := src.index(amd, arm, src.image("attestation of BuildKit", nil))
	for _, d := range []Descriptor{index, amd, arm} {
		bundle := src.image("bundle of "+d.Digest, &d)
		src.image("timestamp of "+bundle.Digest, &bundle)
	}
	src.signature(index, ".sig", "team")
	src.signature(amd, ".att", "team")
	return src, index
}

func noWait(context.Context, time.Duration) error { return nil }

// promoteTo prepares and runs a promotion to the tags.
func promoteTo(t *testing.T, src *memory, digest string, target *memory, o Options, tags ...string) error {
	t.Helper()
	if o.Wait == nil {
		o.Wait = noWait
	}
	p, err := Prepare(t.Context(), src, digest, target, tags, o)
	if err != nil {
		return err
	}
	return p.Run(t.Context())
}

// complete reports what a target lacks of the source.
func complete(src, target *memory, digest string) error {
	for d, m := range src.manifests {
		if string(target.manifests[d].Raw) != string(m.Raw) {
			return fmt.Errorf("manifest %s", d)
		}
	}
	for d := range src.blobs {
		if _, ok := target.blobs[d]; !ok {
			return fmt.Errorf("blob %s", d)
		}
	}
	for subject, list := range src.listed {
		for _, d := range list {
			if !slices.Contains(target.listed[subject], d) {
				return fmt.Errorf("referrer %s of %s", d, subject)
			}
		}
	}
	for tag := range src.tags {
		if target.tags[tag] == "" {
			return fmt.Errorf("tag %s", tag)
		}
	}
	if target.manifests[digest].Digest == "" {
		return errors.New("the image")
	}
	return nil
}

func TestEverythingGoesAlong(t *testing.T) {
	for name, target := range map[string]*memory{
		"plain": newMemory("t"), "lists children": {children: true}, "lossy lists": {lossy: true}, "late tags": {late: 2},
	} {
		t.Run(name, func(t *testing.T) {
			src, index := fixture()
			src.children = target.children
			full := newMemory("target.example.no/app")
			full.children, full.lossy, full.late = target.children, target.lossy, target.late
			if err := promoteTo(t, src, index.Digest, full, Options{}, "1.4.2", "stable"); err != nil {
				t.Fatal(err)
			}
			if err := complete(src, full, index.Digest); err != nil {
				t.Errorf("the target lacks %v", err)
			}
			if full.tags["1.4.2"] != index.Digest || full.tags["stable"] != index.Digest {
				t.Errorf("tags %v", full.tags)
			}
		})
	}
}

// A finished promotion that runs again writes nothing.
func TestSecondRunDoesNothing(t *testing.T) {
	src, index := fixture()
	target := newMemory("target.example.no/app")
	if err := promoteTo(t, src, index.Digest, target, Options{}, "1.4.2"); err != nil {
		t.Fatal(err)
	}
	target.immutable = true // it would refuse the same tag
	var mu sync.Mutex
	reads := map[string]int{}
	target.at = func(what string) error {
		if strings.Contains(what, " get ") {
			mu.Lock()
			defer mu.Unlock()
			if reads[what]++; reads[what] > 1 {
				return fmt.Errorf("read again: %s", what)
			}
		}
		for _, write := range []string{" put ", " set ", " upload "} {
			if strings.Contains(what, write) {
				return fmt.Errorf("a write: %s", what)
			}
		}
		return nil
	}
	if err := promoteTo(t, src, index.Digest, target, Options{}, "1.4.2"); err != nil {
		t.Error(err)
	}
}

// Whatever request fails or is cut off, no tag names something incomplete, and the
// next run completes it.
func TestFaultAtEveryRequest(t *testing.T) {
	for _, kind := range []string{"error", "cancelled"} {
		finished := false
		for at := 1; !finished; at++ {
			src, index := fixture()
			target := newMemory("target.example.no/app")
			old := target.image("old release", nil)
			target.tags["stable"] = old.Digest
			ctx, cancel := context.WithCancel(t.Context())
			var mu sync.Mutex
			n := 0
			fail := func(what string) error {
				mu.Lock()
				defer mu.Unlock()
				if n++; n != at {
					return nil
				}
				if kind == "cancelled" {
					cancel()
					return ctx.Err()
				}
				return errors.New("reset by peer")
			}
			src.at, target.at = fail, fail
			p, err := Prepare(ctx, src, index.Digest, target, []string{"stable"}, Options{Wait: noWait, Jobs: 1})
			if err == nil {
				err = p.Run(ctx)
			}
			cancel()
			finished = n < at
			if finished != (err == nil) {
				t.Fatalf("%s at request %d of %d: %v", kind, at, n, err)
			}
			switch now := target.tags["stable"]; {
			case now == index.Digest:
				if lacks := complete(src, target, index.Digest); lacks != nil {
					t.Fatalf("%s at request %d: the tag names an image that lacks %v", kind, at, lacks)
				}
			case now != old.Digest:
				t.Fatalf("%s at request %d: the tag names %q", kind, at, now)
			}
			src.at, target.at = nil, nil
			if err := promoteTo(t, src, index.Digest, target, Options{}, "stable"); err != nil {
				t.Fatalf("%s at request %d: again: %v", kind, at, err)
			}
			if lacks := complete(src, target, index.Digest); lacks != nil {
				t.Fatalf("%s at request %d: again: lacks %v", kind, at, lacks)
			}
		}
	}
}

// Eight promotions at once into a registry whose lists lose updates lose nothing.
func TestPromotionsAtOnce(t *testing.T) {
	target := newMemory("target.example.no/app")
	target.lossy = true
	target.at = func(what string) error {
		if strings.Contains(what, " list ") {
			time.Sleep(time.Millisecond)
		}
		return nil
	}
	src := newMemory("source.example.no/app")
	image := src.image("amd64", nil)
	var jobs []*memory
	for i := range 8 {
		job := newMemory(fmt.Sprintf("source.example.no/job-%d", i))
		job.image("amd64", nil)
		job.image(fmt.Sprintf("signature %d", i), &image)
		job.signature(image, ".sig", fmt.Sprintf("signer %d", i))
		jobs = append(jobs, job)
	}
	var wg sync.WaitGroup
	for i, job := range jobs {
		wg.Go(func() {
			p, err := Prepare(t.Context(), job, image.Digest, target, []string{fmt.Sprintf("job-%d", i)}, Options{Wait: func(ctx context.Context, d time.Duration) error {
				time.Sleep(d / 20)
				return nil
			}})
			if err == nil {
				err = p.Run(t.Context())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(target.listed[image.Digest]); n != 8 {
		t.Errorf("%d of 8 referrers are listed", n)
	}
	sig := target.manifests[target.tags[strings.Replace(image.Digest, ":", "-", 1)+".sig"]]
	for i := range 8 {
		if !strings.Contains(string(sig.Raw), fmt.Sprintf("signer %d", i)) {
			t.Errorf("the signature of signer %d is lost", i)
		}
	}
}

// Signatures that the target has are kept.
func TestSignaturesAreMerged(t *testing.T) {
	src, index := fixture()
	target := newMemory("target.example.no/app")
	tag := target.signature(index, ".sig", "production")
	if err := promoteTo(t, src, index.Digest, target, Options{}, "1.4.2"); err != nil {
		t.Fatal(err)
	}
	raw := string(target.manifests[target.tags[tag]].Raw)
	if !strings.Contains(raw, "production") || !strings.Contains(raw, "team") {
		t.Errorf("signatures: %s", raw)
	}
	before := target.tags[tag]
	if err := promoteTo(t, src, index.Digest, target, Options{}, "1.4.2"); err != nil || target.tags[tag] != before {
		t.Errorf("a second run: %v, changed %v", err, target.tags[tag] != before)
	}
}

func TestIfTarget(t *testing.T) {
	src, index := fixture()
	other := "sha256:" + strings.Repeat("0", 64)
	tests := []struct {
		name, want string
		exists     bool
		ok         bool
	}{
		{"absent and it is", Absent, false, true},
		{"absent and it is not", Absent, true, false},
		{"a digest and it is that", "old", true, true},
		{"a digest and there is none", "old", false, false},
		{"a digest and it is another", other, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target := newMemory("target.example.no/app")
			old := target.image("old", nil)
			if tt.exists {
				target.tags["stable"] = old.Digest
			}
			want := tt.want
			if want == "old" {
				want = old.Digest
			}
			err := promoteTo(t, src, index.Digest, target, Options{IfTarget: want}, "stable")
			if (err == nil) != tt.ok {
				t.Errorf("error %v", err)
			}
			if !tt.ok && (target.tags["stable"] == index.Digest || len(target.blobs) > 2) {
				t.Error("something was written")
			}
		})
	}
}

// A tag that another job moves in between is not moved again.
func TestTagThatMoves(t *testing.T) {
	src, index := fixture()
	target := newMemory("target.example.no/app")
	old, won := target.image("old", nil), target.image("of another job", nil)
	target.tags["stable"] = old.Digest
	p, err := Prepare(t.Context(), src, index.Digest, target, []string{"stable"}, Options{Wait: noWait})
	if err != nil {
		t.Fatal(err)
	}
	target.tags["stable"] = won.Digest
	var incomplete *Incomplete
	if err := p.Run(t.Context()); !errors.As(err, &incomplete) || !strings.Contains(err.Error(), won.Digest) || target.tags["stable"] != won.Digest {
		t.Errorf("error %v, tag %s", err, target.tags["stable"])
	}
}

// What a source may attach has an end, and what does not fit is an error.
func TestBounds(t *testing.T) {
	big := newMemory("s")
	image := big.image("amd64", nil)
	att := big.put("application/vnd.oci.image.manifest.v1+json", map[string]any{"layers": []Descriptor{{"x", image.Digest, maxAttached + 1}}, "subject": &image})
	_ = att
	many := newMemory("s")
	many.image("amd64", nil)
	for i := range maxReferrers + 1 {
		many.image(fmt.Sprint(i), &image)
	}
	deep := newMemory("s")
	last := deep.image("amd64", nil)
	for i := range maxDepth + 1 {
		last = deep.image(fmt.Sprint(i), &last)
	}
	for name, src := range map[string]*memory{"too large": big, "too many": many, "too deep": deep} {
		target := newMemory("t")
		if err := promoteTo(t, src, image.Digest, target, Options{}, "1"); err == nil || len(target.tags)+len(target.manifests) > 0 {
			t.Errorf("%s: %v", name, err)
		}
		if name == "too large" {
			continue // its blob is not there
		}
		if err := promoteTo(t, src, image.Digest, target, Options{Attachments: AttachmentsNone}, "1"); err != nil {
			t.Errorf("%s: without attachments: %v", name, err)
		}
	}
}

// typed is a descriptor with another media type.
func typed(d Descriptor, mediaType string) Descriptor {
	d.MediaType = mediaType
	return d
}

// An image that can run is not judged when it is attached, and does not go along.
func TestImagesThatAreAttached(t *testing.T) {
	const manifest, index = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
	for config, runs := range map[string]bool{
		"application/vnd.oci.image.config.v1+json": true, "application/vnd.docker.container.image.v1+json": true, "application/vnd.oci.empty.v1+json": false,
	} {
		attachment := func(m *memory, subject *Descriptor, layer string) Descriptor {
			content := map[string]any{"config": typed(m.blob("{}"), config), "layers": []Descriptor{typed(m.blob("layer"), layer)}}
			if subject != nil {
				content["subject"] = subject
			}
			return m.put(manifest, content)
		}
		for name, attach := range map[string]func(m *memory, to *Descriptor, layer string){
			"referrer": func(m *memory, to *Descriptor, layer string) { attachment(m, to, layer) },
			"index as referrer": func(m *memory, to *Descriptor, layer string) {
				m.put(index, map[string]any{"manifests": []Descriptor{attachment(m, nil, layer)}, "subject": to})
			},
			"tag of cosign": func(m *memory, to *Descriptor, layer string) {
				m.tags[CosignTag(to.Digest, ".sig")] = attachment(m, nil, layer).Digest
			},
		} {
			for layer, ofImage := range map[string]bool{
				"application/vnd.oci.image.layer.v1.tar+gzip": true, "application/vnd.docker.image.rootfs.diff.tar.gzip": true,
				"application/vnd.dev.cosign.simplesigning.v1+json": false, "application/vnd.in-toto+json": false,
			} {
				src, target := newMemory("s"), newMemory("t")
				image := src.image("amd64", nil)
				attach(src, &image, layer)
				err := promoteTo(t, src, image.Digest, target, Options{}, "1")
				if refused := runs && ofImage; (err != nil) != refused || refused && len(target.tags)+len(target.manifests) > 0 {
					t.Errorf("%s with %s and %s: %v", name, config, layer, err)
				}
				if err := promoteTo(t, src, image.Digest, newMemory("t"), Options{Attachments: AttachmentsNone}, "1"); err != nil {
					t.Errorf("%s without attachments: %v", name, err)
				}
			}
		}
	}
}

// A registry that serves other bytes later cannot change what arrives.
func TestOtherBytesAtTheTarget(t *testing.T) {
	src, index := fixture()
	target := newMemory("target.example.no/app")
	p, err := Prepare(t.Context(), src, index.Digest, target, []string{"1"}, Options{Wait: noWait})
	if err != nil {
		t.Fatal(err)
	}
	target.at = func(what string) error {
		if strings.Contains(what, " put "+index.Digest) {
			src.manifests[index.Digest] = Manifest{index, []byte("{}")}
		}
		return nil
	}
	if err := p.Run(t.Context()); err != nil || string(target.manifests[index.Digest].Raw) == "{}" {
		t.Errorf("error %v", err)
	}
	forged := newMemory("target.example.no/app")
	forged.manifests[index.Digest] = Manifest{index, []byte(`{"manifests":[]}`)}
	src, index = fixture()
	if err := promoteTo(t, src, index.Digest, forged, Options{}, "1"); err != nil {
		t.Error(err)
	}
	if lacks := complete(src, forged, index.Digest); lacks != nil {
		t.Errorf("the target lacks %v", lacks)
	}
}

// A layer that its licence keeps out of registries stays where it is.
func TestForeignLayers(t *testing.T) {
	src := newMemory("s")
	const foreignType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	there := src.blob("in the registry all the same")
	there.MediaType = foreignType
	image := src.put("application/vnd.oci.image.manifest.v1+json", map[string]any{"config": src.blob("config"), "layers": []Descriptor{
		there, {foreignType, "sha256:" + strings.Repeat("f", 64), 7},
	}})
	target := newMemory("t")
	target.allowForeign = true
	if err := promoteTo(t, src, image.Digest, target, Options{}, "1"); err != nil {
		t.Fatal(err)
	}
	if _, ok := target.blobs[there.Digest]; !ok || len(target.blobs) != 2 || target.tags["1"] != image.Digest {
		t.Errorf("%d blobs, tags %v", len(target.blobs), target.tags)
	}
}

// What cosign did not make is not joined with what it made.
func TestTagsOfCosignThatCannotBeJoined(t *testing.T) {
	src, index := fixture()
	target := newMemory("target.example.no/app")
	tag := strings.Replace(index.Digest, ":", "-", 1) + ".sig"
	other := target.index(target.image("an index under the tag", nil))
	target.tags[tag] = other.Digest
	err := promoteTo(t, src, index.Digest, target, Options{}, "1")
	if err == nil || !strings.Contains(err.Error(), tag) || target.tags[tag] != other.Digest || target.tags["1"] != "" {
		t.Errorf("error %v, tags %v", err, target.tags)
	}
}

// The plan says why each manifest goes along.
// A registry that keeps the list of referrers as a tag still lists what was deleted. The
// rest is promoted, and the plan names what is gone.
func TestReferrerThatWasDeleted(t *testing.T) {
	src := newMemory("s")
	img := src.image("amd64", nil)
	kept, gone := src.image("signature", &img), src.image("old signature", &img)
	delete(src.manifests, gone.Digest)
	target := newMemory("t")
	p, err := Prepare(t.Context(), src, img.Digest, target, []string{"1"}, Options{Wait: noWait})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Gone{{gone.Digest, img.Digest}}; !slices.Equal(p.Plan.Gone, want) {
		t.Errorf("gone: %v, want %v", p.Plan.Gone, want)
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := target.listed[img.Digest]; !slices.Equal(got, []string{kept.Digest}) || target.tags["1"] != img.Digest {
		t.Errorf("attached: %v, tags: %v", got, target.tags)
	}
}

// A platform that the index names and the source no longer has ends the promotion, and
// so does a referrer that cannot be read.
func TestPlatformThatWasDeleted(t *testing.T) {
	src := newMemory("s")
	amd, arm := src.image("amd64", nil), src.image("arm64", nil)
	index := src.index(amd, arm)
	delete(src.manifests, arm.Digest)
	if err := promoteTo(t, src, index.Digest, newMemory("t"), Options{}, "1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a platform that is gone: %v", err)
	}
	src = newMemory("s")
	img := src.image("amd64", nil)
	signature := src.image("signature", &img)
	away := errors.New("away")
	src.at = func(what string) error {
		if strings.Contains(what, "get "+signature.Digest) {
			return away
		}
		return nil
	}
	if err := promoteTo(t, src, img.Digest, newMemory("t"), Options{}, "1"); !errors.Is(err, away) {
		t.Errorf("a referrer that cannot be read: %v", err)
	}
}

func TestPlanSaysWhy(t *testing.T) {
	src := newMemory("s")
	amd, att := src.image("amd64", nil), src.image("attestation", nil)
	index := src.put("application/vnd.oci.image.index.v1+json", map[string]any{"manifests": []any{amd, map[string]any{
		"mediaType": att.MediaType, "digest": att.Digest, "size": att.Size, "annotations": map[string]string{"vnd.docker.reference.type": "attestation-manifest"},
	}}})
	sig := src.image("signature", &amd)
	src.signature(amd, ".sig", "team")
	p, err := Prepare(t.Context(), src, index.Digest, newMemory("t"), []string{"1"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{index.Digest: "image", amd.Digest: "platform", att.Digest: "attestation of BuildKit", sig.Digest: "referrer"}
	for _, n := range p.Plan.Nodes {
		if w := want[n.Digest]; w != "" && w != n.Why || n.Why == "" || n.Why != "image" && n.Parent == "" {
			t.Errorf("%s: %q of %q", n.Digest, n.Why, n.Parent)
		}
	}
	if len(p.Plan.Nodes) != 5 || p.Plan.Nodes[len(p.Plan.Nodes)-1].Why == "image" && len(p.Plan.Tags) != 2 {
		t.Errorf("%d nodes, %d tags", len(p.Plan.Nodes), len(p.Plan.Tags))
	}
}

// A tag of cosign that cannot be changed is told by its name, and the tag of the image
// is not set.
func TestImmutableTagOfCosign(t *testing.T) {
	src, index := fixture()
	target := newMemory("target.example.no/app")
	tag := target.signature(index, ".sig", "production")
	target.immutable = true
	err := promoteTo(t, src, index.Digest, target, Options{}, "1.4.2")
	if err == nil || !strings.Contains(err.Error(), tag) || !strings.Contains(err.Error(), "immutable") || target.tags["1.4.2"] != "" {
		t.Errorf("error %v, tags %v", err, target.tags)
	}
	if err := promoteTo(t, src, index.Digest, target, Options{Attachments: AttachmentsNone}, "1.4.2"); err != nil || target.tags["1.4.2"] != index.Digest {
		t.Errorf("without attachments: %v", err)
	}
}

// Whatever two repositories have under a tag of cosign, joining them never crashes, and
// what comes out has the layers of both.
func FuzzMerged(f *testing.F) {
	m := newMemory("m")
	index := m.index(m.image("a", nil))
	for _, tag := range []string{m.signature(index, ".sig", "a", "b"), m.signature(index, ".att", "c")} {
		f.Add(string(m.manifests[m.tags[tag]].Raw), string(m.manifests[m.tags[tag]].Raw))
	}
	f.Add(string(m.manifests[index.Digest].Raw), `{"layers":[{}]}`)
	f.Add(`{"layers":[{"digest":"a","size":1e2}]}`, `{"layers":[{"size":100,"digest":"a"}],"layers":[]}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		target, source := manifestOf(manifestType, []byte(a)), manifestOf(manifestType, []byte(b))
		out, err := merged(target, source)
		if err != nil {
			return
		}
		have, err := layers(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range []Manifest{target, source} {
			want, err := layers(from)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range want {
				if !slices.ContainsFunc(have, func(h jsontext.Value) bool { return string(h) == string(w) }) {
					t.Errorf("%s is lost", w)
				}
			}
		}
		if again, err := merged(out, source); err != nil || again.Digest != out.Digest {
			t.Errorf("joined again: %v", err)
		}
	})
}
