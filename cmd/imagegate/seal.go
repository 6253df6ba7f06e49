package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/gate/saved"
)

// sealEnd is the end of the name of the file with a seal, as cosign names bundles.
const sealEnd = ".sigstore.json"

func sealFlag() cli.Flag {
	return &cli.BoolFlag{Name: "seal", Usage: "sign the file of --evidence, into a file beside it (FILE" + sealEnd + ")"}
}

// sealedFlags are about the evidence that a command reads.
func sealedFlags() []cli.Flag {
	return cmdline.Group("Trust", &cli.BoolFlag{Name: "require-sealed", Usage: "refuse evidence that is not sealed by a trusted signer"})
}

// seal writes the evidence and its seal together. The evidence that is written is
// what was signed. A seal that cannot be made takes back a pass, and the evidence is
// kept without it.
func (a *attester) seal(ctx context.Context, s *setup, run *gate.Run) {
	if a == nil || !a.seals || s.evidence == "" {
		return
	}
	path := s.evidence
	s.evidence = "" // it is written here, so that nothing else is written over it
	var b bytes.Buffer
	err := saved.WriteRun(&b, run)
	if err == nil {
		err = a.sealFile(ctx, path, b.Bytes(), run)
	}
	if err == nil {
		return
	}
	kept := "the evidence is kept in " + path + " without a seal"
	if problem := writeFile(path, content(b.Bytes())); problem != nil {
		kept = "the evidence could not be kept either: " + problem.Error()
	}
	run.Notes = append(run.Notes, fmt.Sprintf("the evidence was not sealed: %v; %s", err, kept))
	run.Revoke(&gate.Fault{Phase: gate.PhaseReport, Err: fmt.Errorf("the image passes, but its evidence could not be sealed: %w", err), Hint: kept + "; check the image again to seal it"})
}

func (a *attester) sealFile(ctx context.Context, path string, raw []byte, run *gate.Run) error {
	sum := sha256.Sum256(raw)
	st, err := prove.NewSeal(filepath.Base(path), "sha256:"+hex.EncodeToString(sum[:]), prove.Sealed{Tool: run.Tool, Time: run.Started})
	if err != nil {
		return err
	}
	signing, err := a.open(ctx)
	if err != nil {
		return err
	}
	bundle, err := signing.Sign(ctx, st)
	if err != nil {
		return err
	}
	var files report.Files
	defer files.Discard()
	if err := errors.Join(files.Add(path, content(raw)), files.Add(path+sealEnd, content(bundle))); err != nil {
		return err
	}
	return errors.Join(files.Commit()...)
}

// seals is what is known of the files of evidence that a command reads.
type seals struct {
	verifier *prove.Verifier // nil when no signer is trusted
	required bool
	// by is who sealed all files, "" when one of them is not sealed by a trusted
	// signer.
	by      string
	digests map[string]string // of the files that are sealed, by path
}

// readSeals verifies the seals of files. A seal that does not hold is an error: the
// file was changed after it was sealed. Without a trusted signer a seal says only
// that the file was not changed by accident.
func readSeals(c *cli.Context, trusted []prove.Signer, paths []string) (*seals, error) {
	s := &seals{required: c.Bool("require-sealed"), digests: map[string]string{}}
	roots, err := rootsOf(c)
	if err != nil {
		return nil, err
	}
	signers, err := signersOf(c)
	if err != nil {
		return nil, err
	}
	if signers = append(signers, trusted...); len(signers) > 0 {
		if s.verifier, err = verifierOf(signers, roots); err != nil {
			return nil, err
		}
	}
	if s.required && s.verifier == nil {
		return nil, usagef("flag --require-sealed needs to know whose seals count").
			WithHint("name a public key with --key FILE, or an identity with --certificate-identity and --certificate-oidc-issuer")
	}
	for i, path := range paths {
		by, err := s.read(c, path)
		if err != nil {
			return nil, err
		}
		if i == 0 || by == s.by {
			s.by = by
		} else {
			s.by = "several signers"
			if by == "" {
				s.by = ""
			}
		}
	}
	return s, nil
}

// read verifies the seal of one file, and returns who made it.
func (s *seals) read(c *cli.Context, path string) (by string, err error) {
	unsealed := func(format string, args ...any) (string, error) {
		if s.required {
			return "", &gate.Fault{Err: fmt.Errorf("the evidence %s is not sealed: "+format, append([]any{path}, args...)...), Hint: "collect it with imagegate check --evidence FILE --seal"}
		}
		return "", nil
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return unsealed("it is no regular file")
	}
	if _, err := os.Stat(path + sealEnd); errors.Is(err, fs.ErrNotExist) {
		return unsealed("there is no file %s", path+sealEnd)
	}
	digest, err := hashFile(c.Context, path)
	if err != nil {
		return "", err
	}
	s.digests[path] = digest
	if s.verifier == nil {
		return "", nil // readSeals has refused this where a seal is required
	}
	got, lacking, err := sealOf(c.Context, s.verifier, path, digest)
	switch {
	case err != nil:
		return "", err
	case got == nil:
		return unsealed("%s", lacking)
	}
	return got.by, nil
}

// fileSeal is a seal of a trusted signer.
type fileSeal struct {
	by      string    // in words
	signers []string  // names of all trusted signers that it is from
	time    time.Time // when the run began that collected the evidence
}

// sealOf verifies the seal of a file with this digest. Without a seal that can be
// verified it is nil, and lacking says why. A seal that does not hold is an error.
func sealOf(ctx context.Context, v *prove.Verifier, path, digest string) (seal *fileSeal, lacking string, err error) {
	raw, err := input.ReadFile(ctx, path+sealEnd, maxBundles)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "there is no file " + path + sealEnd, nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the seal: %w", err)
	}
	got, refusal := v.Verify(&prove.Attachment{Form: prove.FormBundle, Place: path + sealEnd, Raw: raw}, digest)
	switch {
	case refusal != nil && refusal.Reason == prove.ReasonSubject:
		return nil, "", &gate.Fault{Err: fmt.Errorf("the evidence %s was changed after it was sealed: %w", path, refusal), Hint: "take the file that was sealed, or check the images again"}
	case refusal != nil && refusal.Reason == prove.ReasonNoRoot:
		return nil, "no trusted root is known that could confirm its seal; name one with --trusted-root FILE", nil
	case refusal != nil:
		return nil, "", fmt.Errorf("the seal of the evidence %s does not count: %w", path, refusal)
	}
	s, err := got.Statement.Seal()
	if err != nil {
		return nil, "", fmt.Errorf("the seal of the evidence %s does not count: %w", path, err)
	}
	return &fileSeal{by: trustText(got), signers: got.Signers, time: s.Time}, "", nil
}

// any reports whether one of the files has a seal.
func (s *seals) any() bool { return len(s.digests) > 0 }

// images reads files of which some are sealed, and compares what it read with what
// was sealed.
func (s *seals) images(ctx context.Context, paths []string, onRelease func(string) func(*saved.Release) error) ([]savedImage, []string, error) {
	all, digests, err := readHashed(ctx, paths, onRelease)
	if err != nil {
		return nil, nil, err
	}
	for i, path := range paths {
		if want := s.digests[path]; want != "" && want != digests[i] {
			return nil, nil, fmt.Errorf("the evidence %s changed while it was read", path)
		}
	}
	return all, digests, nil
}

// hashFile returns the digest of a file.
func hashFile(ctx context.Context, path string) (string, error) {
	f, err := input.Open(ctx, path)
	if err != nil {
		return "", fileError("read evidence", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, &limitedFile{f, maxEvidence}); err != nil {
		return "", fmt.Errorf("read evidence %s: %w", path, err)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}
