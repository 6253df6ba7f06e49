package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/imagegate/imagegate/gate/exploited"
	"github.com/imagegate/imagegate/policy/words"
)

// Feeds can be artifacts in registries too: an image manifest with one layer, which is
// the file. The layer's media type is not looked at, because tools that push files write
// different ones, and the file is read strictly anyway.

const (
	// FeedArtifactType is the type of the artifacts that imagegate db push stores.
	FeedArtifactType = "application/vnd.imagegate.feed.v1"
	// FeedLayerType is the media type of their layer.
	FeedLayerType = "application/octet-stream"
	// feedScheme begins the address of a feed in a registry.
	feedScheme = "oci://"
)

// ParseFeedArtifact returns the reference in the address of a feed in a registry:
// oci://HOST/NAME:TAG or oci://HOST/NAME@DIGEST. It returns "" for other addresses.
func ParseFeedArtifact(address string) (string, error) {
	ref, ok := strings.CutPrefix(address, feedScheme)
	if !ok {
		return "", nil
	}
	if strings.Contains(ref, "://") {
		return "", errors.New("there is a second scheme in it")
	}
	parsed, err := name.ParseReference(ref, name.WithDefaultTag(""))
	if err != nil {
		return "", err
	}
	if tag, ok := parsed.(name.Tag); ok && tag.TagStr() == "" {
		return "", errors.New("there is neither a tag nor a digest in it")
	}
	return ref, nil
}

// FeedAddress returns the address of the feed in a registry that has a digest.
func FeedAddress(repository, digest string) string { return feedScheme + repository + "@" + digest }

// FeedOf tells which feed a file is, and reads it to its end.
func FeedOf(path string, file []byte) (Feed, error) {
	var failed failures
	for _, f := range Feeds() {
		_, err := f.parse(path, file)
		if err == nil {
			return f, nil
		}
		failed = append(failed, fmt.Errorf("as the %s: %w", f, err))
	}
	return 0, fmt.Errorf("%s is no feed of exploited vulnerabilities: %w", path, failed)
}

// fixedFeed reports whether an address names one file for ever. That it has nothing
// newer today does not tell that there is nothing newer.
func fixedFeed(address string) bool {
	ref, ok := strings.CutPrefix(address, feedScheme)
	return ok && pinned(ref) != ""
}

// feedFile fetches the file of a feed from an address.
func (s *Store) feedFile(ctx context.Context, address string) ([]byte, error) {
	ref, err := ParseFeedArtifact(address)
	switch {
	case err != nil:
		return nil, err
	case ref == "":
		return s.opt.Files.File(ctx, address, exploited.MaxBytes)
	case s.opt.Source == nil:
		return nil, errors.New("there is no registry to read it from")
	}
	from := origin{s.opt.Source, ref, pinned(ref)}
	raw, mediaType, err := s.manifestOf(ctx, from)
	if err != nil {
		return nil, err
	}
	a, err := parseLayer(raw, mediaType, "a feed", exploited.MaxBytes)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b, err := s.openBlob(ctx, cancel, from, a.layer)
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.progress = func(int64) {}
	file, err := io.ReadAll(b)
	if err := b.finish(err); err != nil {
		return nil, err
	}
	return file, nil
}

// openBlob starts reading a blob of from's repository. The caller closes it. It is not
// verified before its finish says so.
func (s *Store) openBlob(ctx context.Context, cancel context.CancelCauseFunc, from origin, d descriptor) (*blob, error) {
	started := time.AfterFunc(s.opt.StallTimeout, func() { cancel(fmt.Errorf("no answer within %s", words.Duration(s.opt.StallTimeout))) })
	body, err := from.Blob(ctx, from.ref, d.Digest, d.Size)
	started.Stop()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("blob: %w", err)
	}
	return s.newBlob(ctx, cancel, body, d), nil
}
