package prove

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Mirror is where a trusted root is fetched by the protocol of TUF. The zero value is
// that of the public instance of Sigstore.
type Mirror struct {
	URL string
	// Root is the document that the first one of the mirror must be signed by. The one
	// of the public instance came with the library: it is an anchor, though it has
	// expired itself.
	Root []byte
	// Transport makes the requests; nil is the default of package http.
	Transport http.RoundTripper
}

// FetchRoots fetches the trusted root. Nothing is kept: a cache that other programs
// can write to could hold back a newer root.
func FetchRoots(ctx context.Context, m Mirror) ([]*Root, error) {
	m.URL = cmp.Or(m.URL, tuf.DefaultMirror)
	if m.Root == nil {
		m.Root = tuf.DefaultRoot()
	}
	if m.Transport == nil {
		m.Transport = http.DefaultTransport
	}
	client, err := tuf.New(&tuf.Options{
		Root: m.Root, RepositoryBaseURL: m.URL, DisableLocalCache: true, Context: ctx,
		Fetcher: &fetcher{ctx: ctx, client: &http.Client{Transport: &service{ctx: ctx, next: m.Transport}}},
	})
	if err != nil {
		return nil, fmt.Errorf("fetch the trusted root from %s: %w", m.URL, foreign(err))
	}
	raw, err := client.GetTarget("trusted_root.json")
	if err != nil {
		return nil, fmt.Errorf("fetch the trusted root from %s: %w", m.URL, foreign(err))
	}
	return ParseRoots(raw)
}

// fetcher fetches files for the library, within its bounds.
type fetcher struct {
	ctx    context.Context //nolint:containedctx // the interface of the library has none
	client *http.Client
}

// DownloadFile implements the fetcher of go-tuf. A file that does not exist is the end
// of the list of roots, and no failure.
func (f *fetcher) DownloadFile(address string, maxLength int64, _ time.Duration) ([]byte, error) {
	q, err := http.NewRequestWithContext(f.ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := f.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: resp.StatusCode, URL: address}
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxLength+1))
	if err == nil && int64(len(raw)) > maxLength {
		err = errors.New("the file is longer than announced")
	}
	return raw, err
}
