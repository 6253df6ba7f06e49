package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/imagegate/imagegate/gate/saved"
)

// readHashed reads files of saved evidence and returns the digest of each. What is
// hashed is what is judged: the file is read once. onRelease returns what is called
// with the documents of a file; it may be nil.
func readHashed(ctx context.Context, paths []string, onRelease func(string) func(*saved.Release) error) (images []savedImage, digests []string, err error) {
	reader := saved.NewReader()
	for _, path := range paths {
		sum := sha256.New()
		if onRelease != nil {
			reader.OnRelease = onRelease(path)
		}
		some, err := readSaved(ctx, path, reader, sum)
		if err != nil {
			return nil, nil, err
		}
		images = append(images, some...)
		digests = append(digests, "sha256:"+hex.EncodeToString(sum.Sum(nil)))
	}
	return images, digests, nil
}
