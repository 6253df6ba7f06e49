package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	// maxEvidence bounds a file of saved evidence, and all files together that
	// are in memory at the same time before they are parsed.
	maxEvidence = 1 << 30
	// keptBuffer is the size up to which a reader keeps the room of one file
	// for the next.
	keptBuffer = 64 << 20
)

// savedImage is one image of saved evidence, or one that was never seen. Both
// are nil in an image that another share of the list judges.
type savedImage struct {
	ref     string
	image   *evidence.Image
	missing *gate.Result
}

// savedFiles reads files of saved evidence on all processors.
type savedFiles struct {
	paths  []string
	shard  shard
	next   atomic.Int64
	failed atomic.Bool
	room   *semaphore.Weighted
	images [][]savedImage // by file
	errs   []error
}

// readAllSaved returns the images of all files in the order given. Of images
// that s does not hold, nothing but the name is kept. The error is that of the
// first file that has one.
func readAllSaved(ctx context.Context, paths []string, s shard) ([]savedImage, error) {
	f := &savedFiles{
		paths: paths, shard: s, room: semaphore.NewWeighted(maxEvidence),
		images: make([][]savedImage, len(paths)), errs: make([]error, len(paths)),
	}
	var wg sync.WaitGroup
	for range min(len(paths), runtime.GOMAXPROCS(0)) {
		wg.Go(func() { f.work(ctx) })
	}
	wg.Wait()
	var all []savedImage
	for i := range paths {
		if f.errs[i] != nil {
			return nil, f.errs[i]
		}
		all = append(all, f.images[i]...)
		f.images[i] = nil
	}
	return all, nil
}

// work reads files until there is none left. They are taken in order, so that
// all files before one with an error are read too.
func (f *savedFiles) work(ctx context.Context) {
	reader := gate.NewSavedReader()
	var buffer bytes.Buffer
	for i := int(f.next.Add(1)) - 1; i < len(f.paths) && !f.failed.Load(); i = int(f.next.Add(1)) - 1 {
		saved, err := f.read(ctx, f.paths[i], reader, &buffer)
		if err != nil {
			f.errs[i] = err
			f.failed.Store(true)
			return
		}
		f.images[i] = f.keep(saved)
		if buffer.Cap() > keptBuffer {
			buffer = bytes.Buffer{}
		}
	}
}

// read reads one file. One that is not there is a mistake of the command line;
// any other trouble means that there is no evidence.
func (f *savedFiles) read(ctx context.Context, path string, reader *gate.SavedReader, buffer *bytes.Buffer) (*gate.Saved, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("read evidence: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	defer file.Close()
	size := evidenceSize(file)
	if err := f.room.Acquire(ctx, size); err != nil {
		return nil, fmt.Errorf("cancelled: %w", context.Cause(ctx))
	}
	defer f.room.Release(size)
	if err := readInto(buffer, file, size); err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	saved, err := reader.Parse(buffer.Bytes())
	if err != nil {
		return nil, fmt.Errorf("read evidence %s: %w", path, err)
	}
	return saved, nil
}

// evidenceSize returns how much room a file may take: its size, and for what
// has no size, such as a pipe, the most that is read.
func evidenceSize(file *os.File) int64 {
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		return min(info.Size(), maxEvidence)
	}
	return maxEvidence
}

// readInto reads a file as a whole, but no more than maxEvidence.
func readInto(buffer *bytes.Buffer, file *os.File, size int64) error {
	buffer.Reset()
	if size < maxEvidence {
		buffer.Grow(int(size) + bytes.MinRead) // so that the end is read without growing
	}
	n, err := buffer.ReadFrom(io.LimitReader(file, maxEvidence+1))
	if err != nil {
		return err
	}
	if n > maxEvidence {
		return fmt.Errorf("%s is larger than %s", file.Name(), words.BinarySize(maxEvidence))
	}
	return nil
}

// keep takes the images of a file apart and lets go of those that cannot be
// this share's.
func (f *savedFiles) keep(saved *gate.Saved) []savedImage {
	var out []savedImage
	var refs []string
	for i := range saved.Images {
		out = append(out, savedImage{ref: saved.Images[i].Reference.Asked, image: &saved.Images[i]})
	}
	missing := saved.Results()
	for i := range missing {
		out = append(out, savedImage{ref: missing[i].Ref, missing: &missing[i]})
	}
	if f.shard.count == 0 {
		return out
	}
	for _, s := range out {
		refs = append(refs, s.ref)
	}
	// The one that would be borrowed is kept as well: whether it has to be is
	// known when all files are read.
	mine, _ := f.shard.choose(refs)
	for i := range out {
		switch {
		case !mine(out[i].ref):
			out[i] = savedImage{ref: out[i].ref}
		case out[i].image != nil:
			image := *out[i].image // or the list of the file would stay
			out[i].image = &image
		}
	}
	return out
}

// apart returns the images, and the results of those that were never seen.
func apart(saved []savedImage) (images []evidence.Image, missing []gate.Result) {
	for _, s := range saved {
		switch {
		case s.image != nil:
			images = append(images, *s.image)
		case s.missing != nil:
			missing = append(missing, *s.missing)
		default: // no share holds what was let go of; if one does, that is no pass
			missing = append(missing, gate.Result{Ref: s.ref, Err: &gate.Fault{
				Phase: gate.PhaseEvaluate, Err: errors.New("internal error: the evidence of this image was let go of"),
			}})
		}
	}
	return images, missing
}
