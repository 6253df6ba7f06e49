package promote

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func at(day int) *Record { return &Record{At: time.Date(2026, 11, day, 8, 0, 0, 0, time.UTC)} }

// releases promotes three images to one tag, and returns their digests.
func releases(t *testing.T, target *memory) (src *memory, first, second, third string) {
	t.Helper()
	src = newMemory("source.example.no/app")
	for i, d := range []*string{&first, &second, &third} {
		*d = src.image(strings.Repeat("x", i+1), nil).Digest
		if err := promoteTo(t, src, *d, target, Options{Record: at(i + 1)}, "stable"); err != nil {
			t.Fatal(err)
		}
	}
	return src, first, second, third
}

func had(t *testing.T, in *memory, tag, digest string) bool {
	t.Helper()
	ok, err := Had(t.Context(), in, tag, in.tags[tag], digest)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// Records tell which digests a tag named, also one that was there before the first
// record, and they belong to one tag of one repository.
func TestRecords(t *testing.T) {
	for name, target := range map[string]*memory{"plain": newMemory("r.no/prod"), "lossy lists": newMemory("r.no/prod")} {
		t.Run(name, func(t *testing.T) {
			target.lossy = name != "plain"
			old := target.image("set by another tool", nil)
			target.tags["stable"] = old.Digest
			src, first, second, third := releases(t, target)
			for _, d := range []string{old.Digest, first, second, third} {
				if !had(t, target, "stable", d) {
					t.Errorf("stable had %s", d)
				}
			}
			if had(t, target, "edge", first) || had(t, target, "stable", src.image("another", nil).Digest) {
				t.Error("a tag had what it never named")
			}
			// The records of this repository are not carried along, and mean nothing in
			// another.
			next := newMemory("r.no/customer")
			if err := promoteTo(t, target, first, next, Options{}, "stable"); err != nil {
				t.Fatal(err)
			}
			if n := len(next.manifests); n != 1 {
				t.Errorf("%d manifests went along", n)
			}
			for _, d := range target.listed[first] {
				next.manifests[d] = target.manifests[d]
				next.listed[first] = append(next.listed[first], d)
			}
			if had(t, next, "stable", first) {
				t.Error("a record of another repository was believed")
			}
		})
	}
}

// A second run writes no second record, and completes a missing one.
func TestRecordsOfSecondRuns(t *testing.T) {
	target := newMemory("r.no/prod")
	src, _, _, third := releases(t, target)
	writes := 0
	target.at = func(what string) error {
		if strings.Contains(what, " put ") || strings.Contains(what, " set ") || strings.Contains(what, " upload ") {
			writes++
		}
		return nil
	}
	if err := promoteTo(t, src, third, target, Options{Record: at(9)}, "stable"); err != nil || writes > 0 {
		t.Errorf("error %v, %d writes", err, writes)
	}
	target.listed[third] = nil
	if err := promoteTo(t, src, third, target, Options{Record: at(9)}, "stable"); err != nil || writes != 1 || !had(t, target, "stable", third) {
		t.Errorf("error %v, %d writes", err, writes)
	}
}

// A record says what the promotion knew, and nothing that is empty.
func TestWhatARecordSays(t *testing.T) {
	target := newMemory("r.no/prod")
	src, first, _, third := releases(t, target)
	r := at(9)
	r.Rollback, r.Emergency, r.By, r.Until = "loses orders", "shop is down", "anna", "2026-11-30"
	if err := promoteTo(t, src, first, target, Options{Record: r}, "stable"); err != nil {
		t.Fatal(err)
	}
	last := target.listed[first][len(target.listed[first])-1]
	doc, err := (&Manifest{Raw: target.manifests[last].Raw}).parse()
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		recordRepository: "r.no/prod", recordTag: "stable", recordBefore: third, recordSource: "source.example.no/app", recordCreated: "2026-11-09T08:00:00Z",
		recordRollback: "loses orders", recordEmergency: "shop is down", recordBy: "anna", recordUntil: "2026-11-30",
	} {
		if doc.Annotations[key] != want {
			t.Errorf("%s is %q, want %q", key, doc.Annotations[key], want)
		}
	}
	if _, there := target.manifests[target.listed[first][0]]; !there || strings.Contains(string(target.manifests[target.listed[first][0]].Raw), "rollback") {
		t.Error("the first record speaks of a rollback")
	}
}

// What a registry lists wrongly is no record, and an error of it is one.
func TestRecordsThatAreNone(t *testing.T) {
	target := newMemory("r.no/prod")
	_, first, _, third := releases(t, target)
	other := target.image("never released", nil)
	target.listed[other.Digest] = target.listed[first] // its subject is another
	if had(t, target, "stable", other.Digest) {
		t.Error("a record of another image was believed")
	}
	target.at = func(what string) error {
		if strings.Contains(what, "referrers") {
			return errors.New("500")
		}
		return nil
	}
	if ok, err := Had(context.Background(), target, "stable", third, other.Digest); ok || err == nil {
		t.Errorf("%v, %v", ok, err)
	}
}

// A registry that takes no record has the image all the same, except in an emergency.
func TestRecordThatIsRefused(t *testing.T) {
	for name, emergency := range map[string]string{"release": "", "emergency": "the shop is down"} {
		src, target := newMemory("source.example.no/app"), newMemory("r.no/prod")
		image := src.image("amd64", nil)
		target.at = func(what string) error {
			if strings.Contains(what, " put ") && target.tags["stable"] != "" {
				return errors.New("405")
			}
			return nil
		}
		record := at(1)
		record.Emergency = emergency
		p, err := Prepare(t.Context(), src, image.Digest, target, []string{"stable"}, Options{Record: record, Wait: noWait})
		if err != nil {
			t.Fatal(err)
		}
		err = p.Run(t.Context())
		if target.tags["stable"] != image.Digest || (err != nil) != (emergency != "") || (p.RecordProblem == "") != (emergency != "") {
			t.Errorf("%s: error %v, problem %q", name, err, p.RecordProblem)
		}
	}
}

// Who may write to the source, and not to the target, can forge no history there: nothing
// that goes along is taken for a record, wherever it hangs.
func TestForgedRecordsDoNotGoAlong(t *testing.T) {
	for name, forge := range map[string]func(src *memory, image, record Descriptor) Descriptor{
		"as a referrer": func(_ *memory, image, _ Descriptor) Descriptor { return image },
		"as a signature": func(src *memory, image, record Descriptor) Descriptor {
			src.listed = map[string][]string{}
			src.tags[CosignTag(image.Digest, ".sig")] = record.Digest
			return image
		},
		"as an attestation": func(src *memory, image, record Descriptor) Descriptor {
			src.listed = map[string][]string{}
			return src.index(image, record)
		},
		"in what is attached": func(src *memory, image, record Descriptor) Descriptor {
			src.listed = map[string][]string{}
			x := src.put("application/vnd.oci.image.index.v1+json", map[string]any{"manifests": []Descriptor{record}, "subject": &image})
			src.listed[image.Digest] = []string{x.Digest}
			return image
		},
		"as the image": func(src *memory, _, record Descriptor) Descriptor { return record },
	} {
		t.Run(name, func(t *testing.T) {
			target := newMemory("r.no/prod")
			_, first, _, _ := releases(t, target)
			src := newMemory("source.example.no/app")
			image := src.image("old and never released", nil)
			if err := promoteTo(t, src, image.Digest, target, Options{}, "other"); err != nil {
				t.Fatal(err)
			}
			record := src.put(manifestType, map[string]any{
				"artifactType": RecordType, "config": src.blob("config"), "layers": []Descriptor{src.blob("{}")}, "subject": &image,
				"annotations": map[string]string{recordRepository: "r.no/prod", recordTag: "stable", recordBefore: first},
			})
			what := forge(src, image, record)
			err := promoteTo(t, src, what.Digest, target, Options{}, "next")
			if had(t, target, "stable", image.Digest) {
				t.Errorf("the target believes that stable named the image (%v)", err)
			}
			if name != "as a referrer" && (err == nil || !strings.Contains(err.Error(), record.Digest) || target.tags["next"] != "") {
				t.Errorf("error %v, tags %v", err, target.tags)
			}
		})
	}
}
