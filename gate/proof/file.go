package proof

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// FileSigner returns which of the signers has signed a file, by the Sigstore bundle
// beside it. place is what messages call the bundle. Only a signature over the file
// itself counts: a statement about a file, such as its provenance, does not say that the
// signer stands by its content.
func FileSigner(file, bundle []byte, place string, signers []policy.Signer, roots []*prove.Root) (*evidence.Signer, error) {
	v, err := prove.NewVerifier(SignersOf(signers), roots...)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(file)
	got, refusal := v.Verify(&prove.Attachment{Form: prove.FormBundle, Place: place, Raw: bundle, File: file}, "sha256:"+hex.EncodeToString(sum[:]))
	switch {
	case refusal != nil:
		return nil, refusal
	case got.Statement != nil && got.Statement.PredicateType != predicateSign:
		return nil, fmt.Errorf("%s is a statement about the file (%s), and no signature over it", place, short(got.Statement.PredicateType))
	}
	by := signerOf(got)
	return &by, nil
}
