package prove

import (
	"context"
	"crypto"
	"fmt"
	"regexp"

	"github.com/sigstore/sigstore/pkg/signature/kms"
	// The providers register themselves.
	_ "github.com/sigstore/sigstore/pkg/signature/kms/aws"
	_ "github.com/sigstore/sigstore/pkg/signature/kms/azure"
	_ "github.com/sigstore/sigstore/pkg/signature/kms/gcp"
	_ "github.com/sigstore/sigstore/pkg/signature/kms/hashivault"
)

// kmsURI is what names a key in a key management service: SCHEME://KEY.
var kmsURI = regexp.MustCompile(`^[a-z][a-z0-9-]*://.`)

// IsKMS reports whether the name of a key is that of one in a key management
// service.
func IsKMS(name string) bool { return kmsURI.MatchString(name) }

// KMSSigning signs with a key that a key management service holds. The services of
// AWS, Azure, Google and HashiCorp Vault are built in. For any other scheme the
// library runs the program sigstore-kms-SCHEME of the path. So a URI must come from
// the caller, and never from a file that a change can bring along.
func KMSSigning(ctx context.Context, uri string, s Services) (*Signing, error) {
	signer, err := kms.Get(ctx, uri, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("open the key %s: %w", uri, foreign(err))
	}
	k, err := newKeypair(signer)
	if err != nil {
		return nil, fmt.Errorf("open the key %s: %w", uri, foreign(err))
	}
	if h := k.details.GetHashType(); h != crypto.SHA256 {
		// The service signs digests, and the larger curves have larger ones.
		if signer, err = kms.Get(ctx, uri, h); err != nil {
			return nil, fmt.Errorf("open the key %s: %w", uri, foreign(err))
		}
		k.signer = signer
	}
	return keySigning(k, s), nil
}
