package prove

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// maxRoot bounds a line of a file of trusted roots.
const maxRoot = 8 << 20

// Root says which certificate authorities, transparency logs and timestamp
// authorities confirm identities.
type Root struct {
	material root.TrustedMaterial
}

// ParseRoots reads a trusted root (trusted_root.json), or several, one on a line, as
// "gh attestation trusted-root" writes them.
func ParseRoots(raw []byte) ([]*Root, error) {
	if t, err := root.NewTrustedRootFromJSON(raw); err == nil {
		return roots(t)
	}
	var out []*Root
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, maxRoot)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		t, err := root.NewTrustedRootFromJSON(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("it is no trusted root: %w", err)
		}
		r, err := roots(t)
		if err != nil {
			return nil, err
		}
		out = append(out, r...)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("it is no trusted root: %w", err)
	}
	if len(out) == 0 {
		return nil, errors.New("it is no trusted root: it is empty")
	}
	return out, nil
}

func roots(t *root.TrustedRoot) ([]*Root, error) {
	if len(t.FulcioCertificateAuthorities()) == 0 {
		return nil, errors.New("the trusted root has no certificate authority: it can confirm no identity")
	}
	if len(t.RekorLogs()) == 0 && len(t.TimestampingAuthorities()) == 0 {
		return nil, errors.New("the trusted root has neither a log nor a timestamp authority: without either, no time of a signature can be trusted")
	}
	return []*Root{{material: t}}, nil
}

// options are what a certificate of this root must come with. A trusted time is
// always needed: certificates live ten minutes. An entry in a log and the receipt of
// a certificate log are needed where the root knows such logs. GitHub's instance for
// private repositories has none.
func (r *Root) options() []verify.VerifierOption {
	options := []verify.VerifierOption{verify.WithObserverTimestamps(1)}
	if len(r.material.RekorLogs()) > 0 {
		options = append(options, verify.WithTransparencyLog(1))
	}
	if len(r.material.CTLogs()) > 0 {
		options = append(options, verify.WithSignedCertificateTimestamps(1))
	}
	return options
}
