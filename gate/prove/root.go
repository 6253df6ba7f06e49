package prove

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"time"

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

// Newest is when the newest certificate authority, log or timestamp authority of the
// root began. A trusted root has no other date, so this is its age.
func (r *Root) Newest() time.Time {
	var newest time.Time
	for _, p := range append(r.authorities(), r.observers()...) {
		if p.start.After(newest) {
			newest = p.start
		}
	}
	return newest
}

// Ended is the moment after which the root confirms no signature, because all its
// certificate authorities or all its logs and timestamp authorities have ended by
// then. It is zero when one of each has no end.
func (r *Root) Ended() time.Time {
	ca, observer := lastEnd(r.authorities()), lastEnd(r.observers())
	if ca.IsZero() || !observer.IsZero() && observer.Before(ca) {
		return observer
	}
	return ca
}

// Period returns [Root.Newest] and [Root.Ended] of several roots, of which one is
// enough for a signature; nil for none.
func Period(roots []*Root) (newest, ended *time.Time) {
	endless := false
	for _, r := range roots {
		if at := r.Newest(); newest == nil || at.After(*newest) {
			newest = &at
		}
		at := r.Ended()
		endless = endless || at.IsZero()
		if ended == nil || at.After(*ended) {
			ended = &at
		}
	}
	if endless {
		ended = nil
	}
	return newest, ended
}

// period is when an authority or a log is used; zero is no bound.
type period struct{ start, end time.Time }

func (r *Root) authorities() []period {
	var out []period
	for _, ca := range r.material.FulcioCertificateAuthorities() {
		if f, ok := ca.(*root.FulcioCertificateAuthority); ok {
			out = append(out, period{f.ValidityPeriodStart, f.ValidityPeriodEnd})
		}
	}
	return out
}

// observers are what confirms the time of a signature.
func (r *Root) observers() []period {
	var out []period
	for _, l := range r.material.RekorLogs() {
		out = append(out, period{l.ValidityPeriodStart, l.ValidityPeriodEnd})
	}
	for _, tsa := range r.material.TimestampingAuthorities() {
		if s, ok := tsa.(*root.SigstoreTimestampingAuthority); ok {
			out = append(out, period{s.ValidityPeriodStart, s.ValidityPeriodEnd})
		}
	}
	return out
}

// lastEnd is zero when one of the periods has no end.
func lastEnd(periods []period) time.Time {
	var last time.Time
	for _, p := range periods {
		if p.end.IsZero() {
			return time.Time{}
		}
		if p.end.After(last) {
			last = p.end
		}
	}
	return last
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
