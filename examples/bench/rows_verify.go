package main

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
)

// program is the path that a variable names, otherwise the name of a program to look
// for in PATH.
func program(variable, name string) string { return cmp.Or(os.Getenv(variable), name) }

// verifyRow verifies a signed decision about an image, beside cosign, which verifies
// the same attestation with the same key.
func (b *bench) verifyRow() ([]row, error) {
	cosign := program("IMAGEGATE_COSIGN", "cosign")
	private, public := filepath.Join(b.work, "gate.key"), filepath.Join(b.work, "gate.pub")
	ref := ""
	return []row{{
		id: "verify", title: "a signed decision, verified", other: "cosign verify-attestation", target: 1, noLayers: true,
		needs: []string{"docker-registry", cosign},
		fill: func(ctx context.Context) error {
			if err := writeKeys(private, public); err != nil {
				return err
			}
			ref = b.freshTarget(b.work) + "/prod/slim:1.0.0"
			return b.once(ctx, func(string) side {
				return side{steps: []step{
					{[]string{b.crane, "copy", "--insecure", b.registry.ref("debian-slim"), ref}, []int{0}},
					{[]string{b.gate, "check", "-p", filepath.Join(b.work, "config.yaml"), "--offline", "--quiet", "--ci", "none", "--cache", noCache,
						"--attest", "--sign-key", private, ref}, []int{0}},
				}}
			})
		},
		ours: func(string) side {
			return side{steps: []step{{[]string{b.gate, "verify", "--key", public, ref}, []int{0}}}}
		},
		their: func(string) side {
			return side{steps: []step{{[]string{cosign, "verify-attestation", "--allow-http-registry", "--insecure-ignore-tlog",
				"--type", "https://slsa.dev/verification_summary/v1", "--key", public, ref}, []int{0}}}}
		},
	}}, nil
}

// writeKeys writes a new pair of keys as PEM.
func writeKeys(private, public string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	open, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open}), 0o600)
}
