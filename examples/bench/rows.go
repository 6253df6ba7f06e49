package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// row is one comparison.
type row struct {
	id, title string
	other     string   // what imagegate is compared with
	target    float64  // the ratio of wall times not to exceed; 0 without one
	memory    float64  // the ratio of peak memory not to exceed; 0 without one
	images    int      // judged in a run, for rows that are rated
	rate      float64  // images per second and core to reach
	cached    bool     // needs --cache
	noLayers  bool     // imagegate must not ask for a layer
	needs     []string // programs that must be installed
	cold      []string // images whose layers both must fetch whole

	fill  func(ctx context.Context) error // once, before the first run
	ours  func(dir string) side           // dir is fresh for each run
	their func(dir string) side           // nil for rows that are rated
	floor *side
}

const trivyName = "trivy"

// rows of the main table.
func (b *bench) rows(extra []string) ([]row, error) {
	var rows []row
	for _, more := range []func() ([]row, error){
		b.coldRows, b.warmRows, b.manyRows, b.configRow, b.exploitedRow, b.redisRows, b.manifestRow, b.verifyRow, b.evalRows, b.evalMemoryRow, b.atOnceRows, b.promoteRows,
		func() ([]row, error) { return b.extraRows(extra) },
	} {
		some, err := more()
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

// cold compares both with nothing known of the image.
func (b *bench) cold(id, title string, targets []target, images ...string) row {
	return row{
		id: id, title: title, other: trivyName, cold: images,
		ours:  func(dir string) side { return b.ours(dir, noCache, images...) },
		their: func(dir string) side { return b.theirs(dir, "memory", b.trivyCache("plain"), targets) },
	}
}

// oneImage and manyImages are how many times the peak memory of one run of Trivy a run
// over one image and over many of them may take.
const (
	oneImage   = 1.2
	manyImages = 2
)

// coldRows have one image each.
func (b *bench) coldRows() ([]row, error) {
	var rows []row
	for _, r := range []struct {
		image, title   string
		target, memory float64
	}{
		{"debian-slim", "debian slim", 0.75, oneImage},
		{"fat", "fat image", 0.6, oneImage},
		{"debian-slim-zstd", "debian slim, zstd", 0, oneImage},
		{"layers-60", "60 layers", 0, oneImage},
		{"files-100k", "100,000 files in a layer", 0, 1.5},
		{"files-300k", "300,000 files in a layer", 1, 1.5},
		{"zeros", "2 GiB of zeros in a layer", 1, oneImage},
	} {
		row := b.cold(r.image+"-cold", r.title+", cold", []target{{r.image, ""}}, r.image)
		row.target, row.memory = r.target, r.memory
		if r.image == "zeros" { // imagegate refuses what packs so well
			ours := row.ours
			row.ours = func(dir string) side {
				s := ours(dir)
				s.steps[0].argv = append(s.steps[0].argv, "--limit", "ratio=2000")
				return s
			}
		}
		if r.target > 0 && r.target < 1 {
			floor, err := b.floor(r.image)
			if err != nil {
				return nil, err
			}
			row.floor = &floor
		}
		rows = append(rows, row)
	}
	for _, image := range []string{"debian-slim", "fat"} {
		rows = append(rows, b.firstRun(image))
	}
	return rows, nil
}

// firstRun fills an empty cache while it judges, as a user's first run does.
func (b *bench) firstRun(image string) row {
	r := b.cold(image+"-first", image+", first run, cache empty", []target{{image, ""}}, image)
	r.cached = true
	r.ours = func(dir string) side { return b.ours(dir, filepath.Join(dir, "cache"), image) }
	r.their = func(dir string) side { return b.emptyTrivy(dir, []target{{image, ""}}) }
	return r
}

// emptyTrivy is Trivy with a cache on disk that is empty at the start of each
// run.
func (b *bench) emptyTrivy(dir string, targets []target) side {
	cache := filepath.Join(dir, "trivy")
	_ = b.linkDatabase(cache) // Trivy says what is missing
	return b.theirs(dir, "fs", cache, targets)
}

// warm compares both with every layer known from an earlier run.
func (b *bench) warm(id, title string, targets []target, images ...string) row {
	cache, trivy := filepath.Join(b.work, "gate-"+id), b.trivyCache(id)
	r := row{
		id: id, title: title, other: trivyName, cached: true, noLayers: true,
		ours:  func(dir string) side { return b.ours(dir, cache, images...) },
		their: func(dir string) side { return b.theirs(dir, "fs", trivy, targets) },
	}
	r.fill = func(ctx context.Context) error {
		if err := b.linkDatabase(trivy); err != nil {
			return err
		}
		return b.once(ctx, r.ours, r.their)
	}
	return r
}

// once runs sides without counting them.
func (b *bench) once(ctx context.Context, sides ...func(dir string) side) error {
	dir, err := os.MkdirTemp(b.work, "run-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, s := range sides {
		if _, err := measure(ctx, s(dir)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) warmRows() ([]row, error) {
	fat := b.warm("fat-warm", "fat image, layers known", []target{{"fat", ""}}, "fat")
	fat.target = 1.0
	slim := b.warm("debian-slim-warm", "debian slim, layers known", []target{{"debian-slim", ""}}, "debian-slim")
	slim.target = 1.2
	return []row{fat, slim}, nil
}

// names are the images prefix1 to prefixN.
func names(format string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(format, i+1))
	}
	return out
}

// manyRows have several images or platforms in one run of imagegate, and as
// many runs of Trivy.
func (b *bench) manyRows() ([]row, error) {
	shared, err := b.targets(names("shared-%d", sharedImages)...)
	if err != nil {
		return nil, err
	}
	eight := b.cold("shared-cold", "8 images on a shared base, cold", shared, names("shared-%d", sharedImages)...)
	eight.target, eight.memory = 0.3, manyImages
	rows := []row{eight}

	// Trivy does better when its runs share a cache, and the table should say so.
	again := b.cold("shared-first", "the same, Trivy's 8 runs share a cache on disk", shared, names("shared-%d", sharedImages)...)
	again.their = func(dir string) side { return b.emptyTrivy(dir, shared) }
	rows = append(rows, again)

	for _, r := range []struct {
		image, title string
		target       float64
	}{
		{"index-own", "index of 3 platforms, no shared layers, cold", 0.5},
		{"index-shared", "index of 3 platforms on a shared base, cold", 0.5},
	} {
		targets, err := b.targets(r.image)
		if err != nil {
			return nil, err
		}
		row := b.cold(r.image, r.title, targets, r.image)
		row.target = r.target
		rows = append(rows, row)
	}

	fleet, err := b.targets(names("fleet-%02d", fleetImages)...)
	if err != nil {
		return nil, err
	}
	many := b.warm("fleet-warm", fmt.Sprintf("%d images, 2 platforms each, layers known", fleetImages), fleet, names("fleet-%02d", fleetImages)...)
	many.target, many.memory = 0.25, manyImages
	return append(rows, many), nil
}

// extraRows are about images that the user brought.
func (b *bench) extraRows(images []string) ([]row, error) {
	var rows []row
	for _, image := range images {
		targets, err := b.targets(image)
		if err != nil {
			return nil, err
		}
		rows = append(rows,
			b.cold(image+"-extra-cold", image+", cold", targets, image),
			b.warm(image+"-extra-warm", image+", layers known", targets, image))
	}
	return rows, nil
}
