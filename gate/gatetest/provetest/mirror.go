package provetest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Mirror is a mirror of TUF with one file, trusted_root.json. It implements
// [http.Handler].
type Mirror struct {
	// Root is the first root, by which clients know the mirror.
	Root  []byte
	files map[string][]byte
}

// NewMirror makes a mirror whose documents expire at a time.
func NewMirror(t testing.TB, trustedRoot []byte, expires time.Time) *Mirror {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	key, err := metadata.KeyFromPublicKey(private.Public())
	must(err)
	signer, err := signature.LoadSigner(private, crypto.Hash(0))
	must(err)
	root, targets, snapshot, stamp := metadata.Root(time.Now().Add(time.Hour)), metadata.Targets(expires), metadata.Snapshot(expires), metadata.Timestamp(expires)
	for _, role := range []string{"root", "targets", "snapshot", "timestamp"} {
		must(root.Signed.AddKey(key, role))
	}
	file, err := metadata.TargetFile().FromBytes("trusted_root.json", trustedRoot, "sha256")
	must(err)
	targets.Signed.Targets["trusted_root.json"] = file
	for _, sign := range []func() error{
		func() error { _, err := root.Sign(signer); return err },
		func() error { _, err := targets.Sign(signer); return err },
		func() error { _, err := snapshot.Sign(signer); return err },
		func() error { _, err := stamp.Sign(signer); return err },
	} {
		must(sign())
	}
	m := &Mirror{files: map[string][]byte{}}
	for name, bytes := range map[string]func(bool) ([]byte, error){
		"/1.root.json": root.ToBytes, "/1.targets.json": targets.ToBytes, "/1.snapshot.json": snapshot.ToBytes, "/timestamp.json": stamp.ToBytes,
	} {
		m.files[name], err = bytes(false)
		must(err)
	}
	m.Root = m.files["/1.root.json"]
	sum := sha256.Sum256(trustedRoot)
	m.files["/targets/"+hex.EncodeToString(sum[:])+".trusted_root.json"] = trustedRoot
	return m
}

// ServeHTTP implements [http.Handler].
func (m *Mirror) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	raw, ok := m.files[q.URL.Path]
	if !ok {
		http.NotFound(w, q)
		return
	}
	_, _ = w.Write(raw)
}
