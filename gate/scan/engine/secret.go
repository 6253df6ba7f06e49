//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// fileHashes are the SHA-256 hashes of the files of a layer, by path. A secret is
// reported with the hash of its file, so that an exception for it holds for that
// very file. Which files hold secrets is known only when their bytes are gone.
type fileHashes map[string][sha256.Size]byte

// unknownHash is the hash of a path that a layer has twice with two contents: a
// secret in one of them must not be told with the hash of the other.
var unknownHash [sha256.Size]byte

// add hashes one file. Nothing is hashed without a map.
func (h fileHashes) add(name string, c content) error {
	if h == nil {
		return nil
	}
	sum, err := c.sha256()
	if err != nil {
		return err
	}
	if before, ok := h[name]; ok && before != sum {
		sum = unknownHash
	}
	h[name] = sum
	return nil
}

func (c content) sha256() (sum [sha256.Size]byte, err error) {
	if c.bytes != nil {
		return sha256.Sum256(c.bytes), nil
	}
	r, err := c.open()
	if err != nil {
		return sum, err
	}
	defer r.Close()
	h := sha256.New()
	_, err = io.Copy(h, r)
	return [sha256.Size]byte(h.Sum(nil)), err
}

// of returns the hashes of the files that hold secrets, "sha256:HEX" by path.
func (h fileHashes) of(secrets []ftypes.Secret) map[string]string {
	var out map[string]string
	for i := range secrets {
		name := pathOf(secrets[i].FilePath)
		if sum, ok := h[name]; ok && sum != unknownHash {
			put(&out, name, hashText(sum[:]))
		}
	}
	return out
}

// contentOf returns the hash of a file that holds a secret, "" when it is not
// known. Secrets of the image config are in no layer.
func (s *session) contentOf(diffID, path string) string {
	if diffID == "" {
		if len(s.begin.Config) == 0 {
			return ""
		}
		sum := sha256.Sum256(s.begin.Config)
		return hashText(sum[:])
	}
	return s.contents[diffID+" "+pathOf(path)]
}

// buried returns the secrets of files that a later layer replaces by a file in
// which the same rule finds a secret. Trivy's applier keeps only the last of them
// (fanal/applier/docker.go), but all can be read by everyone who pulls the image,
// and an exception for the last one must not cover the others.
func (s *session) buried(merged []ftypes.Secret) []ftypes.Secret {
	type key struct{ path, rule, content string }
	seen := map[key]bool{}
	keyOf := func(path, rule, diffID string) key { return key{path, rule, s.contentOf(diffID, path)} }
	for _, secret := range merged {
		for _, f := range secret.Findings {
			seen[keyOf(secret.FilePath, f.RuleID, f.Layer.DiffID)] = true
		}
	}
	var out []ftypes.Secret
	for i := range s.main {
		for _, secret := range s.main[i].Secrets {
			more := ftypes.Secret{FilePath: secret.FilePath}
			for _, f := range secret.Findings {
				if !seen[keyOf(secret.FilePath, f.RuleID, s.main[i].DiffID)] {
					f.Layer = ftypes.Layer{DiffID: s.main[i].DiffID}
					more.Findings = append(more.Findings, f)
				}
			}
			for _, f := range more.Findings {
				seen[keyOf(secret.FilePath, f.RuleID, f.Layer.DiffID)] = true
			}
			if len(more.Findings) > 0 {
				out = append(out, more)
			}
		}
	}
	return out
}

func hashText(sum []byte) string { return fmt.Sprintf("sha256:%s", hex.EncodeToString(sum)) }

// pathOf is the path of a file in the image. Trivy writes the paths of secrets
// with a leading slash.
func pathOf(file string) string { return strings.TrimPrefix(file, "/") }
