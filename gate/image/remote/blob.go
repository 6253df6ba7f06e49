package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/words"
)

// blobReader reads a blob and resumes it after a broken connection. That is safe
// because the reader hashes all bytes: if the second answer has other bytes, the
// digest does not match.
type blobReader struct {
	remote *remote
	ctx    context.Context
	cancel context.CancelFunc
	job    *job
	path   string
	size   int64

	body    io.ReadCloser // nil while there is no connection
	offset  int64
	broken  int64 // breaks since the last progress worth the name
	resumed int64 // offset of the last resumption
	err     error
}

// progressMade is how many bytes after a break it counts as healed: a large
// layer over a bad line may break more often than a request may be tried.
const progressMade = 16 << 20

// blob opens a blob at an offset. It requests the first bytes at once, so that Open
// returns the error of a request that fails.
func (r *remote) blob(ctx context.Context, j *job, digest string, size, offset int64) (io.ReadCloser, error) {
	c := r.client
	if size > c.limits.BlobSize {
		return nil, c.fail(ctx, j, &image.LimitError{Name: "blob-size", What: fmt.Sprintf("its size, %d bytes,", size), Limit: c.limits.BlobSize})
	}
	reading, cancel := context.WithCancel(ctx)
	b := &blobReader{remote: r, ctx: reading, cancel: cancel, job: j, path: "blobs/" + digest, size: size, offset: offset, resumed: offset}
	if err := c.retry(reading, j, b.connect); err != nil {
		cancel()
		return nil, c.fail(ctx, j, err)
	}
	return b, nil
}

// connect asks for the bytes from the offset on.
func (b *blobReader) connect() error {
	header := http.Header{}
	if b.offset > 0 {
		// With an end, because go-containerregistry's registry knows no other form.
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", b.offset, b.size-1))
	}
	resp, err := b.remote.get(b.ctx, b.job, b.path, header)
	if err != nil {
		return err
	}
	switch {
	case resp.StatusCode == http.StatusPartialContent && b.offset > 0:
		err = b.checkRange(resp)
	case resp.StatusCode == http.StatusOK:
		if n := resp.ContentLength; n >= 0 && n != b.size {
			err = image.Refuse("%s announces %d bytes, and the descriptor %d", b.remote.repo.host.name, n, b.size)
		} else {
			err = b.skip(resp.Body)
		}
	default:
		return statusOf(resp, time.Now())
	}
	if err != nil {
		_ = resp.Body.Close()
		return err
	}
	b.body = resp.Body
	return nil
}

// checkRange makes sure that we go on where we stopped.
func (b *blobReader) checkRange(resp *http.Response) error {
	header := resp.Header.Get("Content-Range")
	if !strings.HasPrefix(header, fmt.Sprintf("bytes %d-", b.offset)) {
		return image.Refuse("%s was asked for the bytes from %d on, and sent the range %s", b.remote.repo.host.name, b.offset, words.Quote(header))
	}
	return nil
}

// skip reads again what we have already: not every storage knows ranges.
func (b *blobReader) skip(body io.Reader) error {
	_, err := io.CopyN(io.Discard, body, b.offset)
	return err
}

// Read implements io.Reader.
func (b *blobReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for b.err == nil {
		if err := b.ctx.Err(); err != nil {
			return 0, b.stop(err)
		}
		if b.body == nil {
			if err := b.remote.client.retry(b.ctx, b.job, b.connect); err != nil {
				return 0, b.stop(err)
			}
		}
		n, err := b.body.Read(p)
		b.offset += int64(n)
		if b.offset > b.size {
			return 0, b.stop(image.Refuse("%s sent more than the %d bytes that the descriptor announces", b.remote.repo.host.name, b.size))
		}
		if err != nil {
			if err = b.ended(err); err != nil {
				b.err = err
			}
		}
		if n > 0 {
			return n, nil // an error is returned by the next call
		}
	}
	return 0, b.err
}

// ended decides what the end of a body means: nil to go on.
func (b *blobReader) ended(err error) error {
	_ = b.body.Close()
	b.body = nil
	if err == io.EOF {
		if b.offset == b.size {
			return io.EOF
		}
		// A chunked answer can end early without an error.
		err = fmt.Errorf("%w after %d of %d bytes", errTruncated, b.offset, b.size)
	}
	if b.ctx.Err() != nil || !isBroken(err) && !errors.Is(err, errStalled) {
		return b.stop(err)
	}
	if b.offset-b.resumed >= progressMade {
		b.broken = 0
	}
	b.resumed = b.offset
	if b.broken++; b.broken >= b.remote.client.limits.Tries {
		b.job.tries = b.broken
		if !errors.Is(err, errTruncated) {
			err = fmt.Errorf("%w after %d of %d bytes", err, b.offset, b.size)
		}
		return b.stop(err)
	}
	b.remote.budget.grant()
	if pause := b.remote.client.pause(b.ctx, firstPause<<min(b.broken-1, 6)); pause != nil {
		return b.stop(pause)
	}
	return nil
}

// stop remembers the error that ends the reading.
func (b *blobReader) stop(err error) error {
	b.err = b.remote.client.fail(b.ctx, b.job, err)
	return b.err
}

// Close implements io.Closer.
func (b *blobReader) Close() error {
	b.cancel()
	if b.body != nil {
		_ = b.body.Close()
	}
	return nil
}
