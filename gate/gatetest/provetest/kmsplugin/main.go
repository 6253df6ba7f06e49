// Command kmsplugin is a key management service for tests, as sigstore runs one: a
// program on the path with the name sigstore-kms-SCHEME. It signs with the key in
// the file of the variable TEST_KMS_KEY.
package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"os"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/handler"
	"github.com/sigstore/sigstore/pkg/signature/kms/fake"
)

func main() {
	args, err := handler.GetPluginArgs(os.Args)
	if err != nil {
		_ = handler.WriteErrorResponse(os.Stdout, err)
		return
	}
	pem, _ := os.ReadFile(os.Getenv("TEST_KMS_KEY"))
	key, _ := cryptoutils.UnmarshalPEMToPrivateKey(pem, nil)
	private, _ := key.(*ecdsa.PrivateKey)
	ctx := context.WithValue(context.Background(), fake.KmsCtxKey{}, private)
	signer, err := fake.LoadSignerVerifier(ctx, crypto.SHA256)
	if err != nil {
		_ = handler.WriteErrorResponse(os.Stdout, err)
		return
	}
	_, _ = handler.Dispatch(os.Stdout, os.Stdin, args, signer)
}
