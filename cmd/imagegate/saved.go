package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// maxEvidence limits the size of a file of saved evidence.
const maxEvidence = 1 << 30

// savedImage is one image of saved evidence, or one that was never seen. Both
// are nil in an image that another share of the list judges.
type savedImage struct {
	ref     string
	image   *evidence.Image
	missing *gate.Result
}

// savedFiles reads files of saved evidence on all processors.
type savedFiles struct {
	paths []string
	// onRelease returns what is called with the documents of a file, nil for what
	// looks at images alone.
	onRelease func(path string) func(*saved.Release) error

	shard  shard
	next   atomic.Int64
	failed atomic.Bool
	images [][]savedImage // by file
	errs   []error
}

// readAllSaved returns the images of all files in the order given. Of images
// that s does not hold, nothing but the name is kept. The error is that of the
// first file that has one.
func readAllSaved(ctx context.Context, paths []string, s shard, onRelease func(string) func(*saved.Release) error) ([]savedImage, error) {
	f := &savedFiles{
		paths: paths, onRelease: onRelease, shard: s, images: make([][]savedImage, len(paths)), errs: make([]error, len(paths)),
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
	reader := saved.NewReader()
	for i := int(f.next.Add(1)) - 1; i < len(f.paths) && !f.failed.Load(); i = int(f.next.Add(1)) - 1 {
		if f.onRelease != nil {
			reader.OnRelease = f.onRelease(f.paths[i])
		}
		images, err := readSaved(ctx, f.paths[i], reader, nil)
		if err != nil {
			f.errs[i] = err
			f.failed.Store(true)
			return
		}
		f.images[i] = f.keep(images)
	}
}

// errMixed says that documents were saved in one of several files.
func errMixed(path string) error {
	return usagef("%s holds documents and the images that they name, which are judged together", path).WithHint("give the file by itself, without others and without --shard")
}

// readSaved reads one file, and copies its bytes to sum unless that is nil.
func readSaved(ctx context.Context, path string, reader *saved.Reader, sum io.Writer) ([]savedImage, error) {
	var images []savedImage
	missing, err := visitSaved(ctx, path, reader, sum, func(img *evidence.Image) error {
		images = append(images, savedImage{ref: img.Reference.Asked, image: img})
		return nil
	})
	for i := range missing {
		images = append(images, savedImage{ref: missing[i].Ref, missing: &missing[i]})
	}
	return images, err
}

// visitSaved calls visit for each image of a file, and returns the images that
// were never seen. The bytes that are read are copied to sum unless that is nil. A
// file that does not exist is a mistake of the command line; any other trouble means
// that there is no evidence.
func visitSaved(ctx context.Context, path string, reader *saved.Reader, sum io.Writer, visit func(*evidence.Image) error) ([]gate.Result, error) {
	file, err := input.Open(ctx, path)
	if _, wrong := errors.AsType[*input.KindError](err); wrong || errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("read evidence: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	defer file.Close()
	var content io.Reader = &limitedFile{file, maxEvidence}
	if sum != nil {
		content = io.TeeReader(content, sum)
	}
	missing, err := reader.Read(content, visit)
	if err != nil {
		return nil, fmt.Errorf("read evidence %s: %w", path, err)
	}
	var results []gate.Result
	for i := range missing {
		results = append(results, missing[i].Result())
	}
	return results, nil
}

// limitedFile is a file that may have at most left bytes.
type limitedFile struct {
	io.Reader
	left int64
}

func (f *limitedFile) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if f.left -= int64(n); f.left < 0 {
		return 0, fmt.Errorf("the file is larger than %s", words.BinarySize(maxEvidence))
	}
	return n, err
}

// keep drops the evidence of those images that cannot be this share's.
func (f *savedFiles) keep(images []savedImage) []savedImage {
	if f.shard.count == 0 {
		return images
	}
	var refs []string
	for _, s := range images {
		refs = append(refs, s.ref)
	}
	// The one that would be borrowed is kept as well: whether it has to be is
	// known when all files are read.
	mine, _ := f.shard.choose(refs)
	for i := range images {
		if !mine(images[i].ref) {
			images[i] = savedImage{ref: images[i].ref}
		}
	}
	return images
}

// splitSaved returns the images, and the results of those that were never seen.
func splitSaved(all []savedImage) (images []evidence.Image, missing []gate.Result) {
	for _, s := range all {
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
