package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// keptEvidence is the file in which evidence is kept when a decision could not be
// signed and --evidence names none.
const keptEvidence = "imagegate-evidence.json"

// attestFlags say whether and where a decision is signed.
func attestFlags() []cli.Flag {
	return slices.Concat(cmdline.Group("Signing",
		&cli.BoolFlag{Name: "attest", Usage: "sign the decision about every image, and attach it"}, sealFlag(),
	), attachFlags(), signFlags())
}

// attachFlags say where a signed decision goes.
func attachFlags() []cli.Flag {
	return cmdline.Group("Signing",
		&cli.StringSliceFlag{Name: "attach", Usage: "attach the decision as `referrer|tag|none`: a referrer (default), or under the tag of cosign (sha256-HEX.att)"},
		&cli.StringFlag{Name: "attest-file", Usage: "also write the signed decisions to `FILE`, for places where nothing can be attached"},
		&cli.BoolFlag{Name: "attest-failed", Usage: "also sign the decision about an image that fails; without it only where one of this signer says that the image passed"},
		&cli.StringFlag{Name: "resource", Usage: "say in the decision that it is about `REPOSITORY` (default: the repository of the image)"},
	)
}

// attester signs decisions and attaches them.
type attester struct {
	attests  bool // decisions
	seals    bool // evidence
	open     func(context.Context) (*prove.Signing, error)
	client   repositories
	places   prove.Places
	file     string
	failed   bool
	verifier string
	resource string // repository, "" for that of the image
	evidence string // file
	// input is the saved evidence that was judged, nil when images were.
	input []prove.Resource

	bundles [][]byte
	notes   []string
}

// repositories opens the repository that a reference names.
type repositories interface {
	Repository(ref string) (promote.Target, error)
}

// registry opens repositories by the client of the run.
type registry struct{ *connection }

// Repository implements repositories.
func (r registry) Repository(ref string) (promote.Target, error) { return r.client.Repository(ref) }

// newAttester reads the flags of attestFlags. It returns nil when nothing is to be
// signed.
func newAttester(p *program, c *cli.Context, s *setup, conn *connection) (*attester, error) {
	needAttest, need := attachFlags(), "--attest"
	if !c.Bool("seal") {
		needAttest, need = slices.Concat(needAttest, signFlags()), "--attest or --seal"
	}
	for _, f := range needAttest {
		if name := f.Names()[0]; c.IsSet(name) && !c.Bool("attest") {
			return nil, usagef("flag --%s needs %s", name, need)
		}
	}
	switch {
	case c.Bool("seal") && s.evidence == "":
		return nil, usagef("flag --seal needs the evidence to seal").WithHint("name its file with --evidence FILE")
	case !c.Bool("attest") && !c.Bool("seal"):
		return nil, nil
	}
	return attesterOf(p, c, s, conn)
}

func attesterOf(p *program, c *cli.Context, s *setup, conn *connection) (*attester, error) {
	a := &attester{
		attests: c.Bool("attest") || c.Command.Name == "attest", seals: c.Bool("seal"), client: registry{conn}, file: c.String("attest-file"), failed: c.Bool("attest-failed"),
		verifier: c.String("verifier-id"), evidence: s.evidence,
	}
	if err := a.readPlaces(c.StringSlice("attach")); err != nil {
		return nil, err
	}
	if a.file != "" {
		if err := checkPlaces([]string{a.file}); err != nil {
			return nil, err
		}
	}
	if name := c.String("resource"); name != "" {
		ref, err := image.ParseRegistryReference(name)
		if err != nil {
			return nil, usagef("flag --resource: %w", err)
		}
		a.resource = ref.Name
	}
	var err error
	a.open, err = signingOf(p, c, conn)
	return a, err
}

func (a *attester) readPlaces(list []string) error {
	if len(list) == 0 {
		list = []string{"referrer"}
	}
	for _, value := range list {
		for place := range strings.SplitSeq(value, ",") {
			switch place {
			case "referrer":
				a.places.Referrer = true
			case "tag":
				a.places.Tag = true
			case "none":
			default:
				return usagef("flag --attach: %q is no place", place).WithHint("write referrer, tag, referrer,tag or none")
			}
		}
	}
	if a.places == (prove.Places{}) && a.file == "" {
		return usagef("the decision would be signed and kept nowhere").WithHint("name a file with --attest-file, or attach it: --attach referrer")
	}
	return nil
}

// checkRefs refuses images about which nothing could be signed, before any work.
func (a *attester) checkRefs(refs []string) error {
	if a == nil || !a.attests {
		return nil
	}
	for _, text := range refs {
		ref, err := image.ParseReference(text)
		if err != nil || ref.Source == evidence.SourceRegistry {
			continue // a mistake is told where images are read
		}
		switch {
		case a.resource == "":
			return usagef("%s is not in a registry, so the decision does not know which repository it is about", text).
				WithHint("name the repository that the image will be in: --resource REGISTRY/REPOSITORY")
		case a.file == "":
			return notInRegistry(text, "keep the decision in a file: --attest-file FILE")
		}
	}
	return nil
}

// run signs and attaches the decisions about all images. repository is where they
// are attached and what they are about; "" is that of each image. What went wrong
// is returned after all was tried.
func (a *attester) run(ctx context.Context, run *gate.Run, repository string) error {
	subjects, err := subjectsOf(run.Results)
	if err != nil {
		return err
	}
	inputs, err := a.inputs(run)
	if err != nil {
		return err
	}
	var problems []error
	for _, s := range subjects {
		if err := a.one(ctx, run, s, inputs, repository); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func (a *attester) one(ctx context.Context, run *gate.Run, s *subject, inputs []prove.Resource, repository string) error {
	where := repository
	if where == "" && s.ref.Source == evidence.SourceRegistry {
		where = s.ref.Name
	}
	about := where
	if repository == "" && a.resource != "" {
		about = a.resource
	}
	var target promote.Target
	if where != "" && a.places != (prove.Places{}) {
		var err error
		if target, err = a.client.Repository(where); err != nil {
			return err
		}
	}
	if s.named && !a.failed {
		a.notes = append(a.notes, fmt.Sprintf("not signed that %s failed: nothing but its reference is wrong, and a decision is about the digest; --attest-failed signs it", s.ref.Asked))
		return nil
	}
	if s.result == prove.ResultFailed && !a.failed {
		revokes, err := a.revokes(ctx, target, s.digest)
		if err != nil || !revokes {
			return err
		}
	}
	signing, err := a.open(ctx)
	if err != nil {
		return fmt.Errorf("sign the decision about %s: %w", s.ref.Asked, err)
	}
	st, err := statement(run, s, about, a.verifier, inputs)
	if err != nil {
		return err
	}
	bundle, err := signing.Sign(ctx, st)
	if err != nil {
		return fmt.Errorf("sign the decision about %s: %w", s.ref.Asked, err)
	}
	a.bundles = append(a.bundles, bundle)
	if target != nil {
		m, err := target.Manifest(ctx, s.digest)
		if err != nil {
			return err
		}
		if err := prove.Attach(ctx, target, m.Descriptor, bundle, a.places, run.Started); err != nil {
			return err
		}
		a.notes = append(a.notes, fmt.Sprintf("signed that %s@%s %s, and attached it", where, s.digest, strings.ToLower(s.result)))
	}
	return nil
}

// revokes reports whether the target has a decision of this signer that says that
// the digest passed. Then one that says that it failed must follow: otherwise
// whoever verifies would find the older one alone.
func (a *attester) revokes(ctx context.Context, target promote.Target, digest string) (bool, error) {
	if target == nil {
		return false, nil
	}
	found, err := prove.Find(ctx, target, digest)
	if err != nil {
		return false, fmt.Errorf("look for a decision that says that %s passed: %w", digest, err)
	}
	passed := prove.Passed(found.Attachments, digest)
	if len(passed) == 0 {
		return false, nil
	}
	signing, err := a.open(ctx)
	if err != nil {
		return false, fmt.Errorf("sign that %s failed, of which a decision says that it passed: %w", digest, err)
	}
	return signing.Made(ctx, passed)
}

// inputs are what the decisions rest on beside the images.
func (a *attester) inputs(run *gate.Run) ([]prove.Resource, error) {
	inputs := slices.Clone(a.input)
	if a.evidence != "" && a.input == nil {
		sum := sha256.New()
		if err := saved.WriteRun(sum, run); err != nil {
			return nil, err
		}
		inputs = append(inputs, prove.Resource{Name: "evidence", Digest: map[string]string{"sha256": hex.EncodeToString(sum.Sum(nil))}})
	}
	for i, part := range run.Policy.Parts {
		if part.Pinned || i == len(run.Policy.Parts)-1 {
			inputs = append(inputs, prove.Resource{Name: prove.InputBase, URI: part.Name, Digest: map[string]string{"sha256": part.SHA256}})
		}
	}
	return inputs, nil
}

// write writes the bundles to --attest-file, one on a line.
func (a *attester) write() error {
	if a.file == "" || len(a.bundles) == 0 {
		return nil
	}
	return writeFile(a.file, content(append(bytes.Join(a.bundles, []byte("\n")), '\n')))
}

// content writes bytes that are there already.
func content(raw []byte) func(io.Writer) error {
	return func(w io.Writer) error { _, err := w.Write(raw); return err }
}

// writeFile writes one file as a whole or not at all.
func writeFile(path string, write func(io.Writer) error) error {
	var files report.Files
	defer files.Discard()
	if err := files.Add(path, write); err != nil {
		return err
	}
	return errors.Join(files.Commit()...)
}

// finish signs the decisions of a finished run. A decision that could not be signed
// takes back a pass: whoever asked for it relies on it. A denial stays. The evidence
// is kept, so that imagegate attest can sign it without another scan.
func (a *attester) finish(ctx context.Context, s *setup, run *gate.Run, repository string) {
	if a != nil && a.attests {
		a.settle(s, run, a.run(ctx, run, repository))
	}
	a.seal(ctx, s, run)
}

// before returns what signs the decisions at the target of a promotion, before its
// tags are set: whoever asks for the tag must find the decision. It is nil when
// nothing is to be signed.
func (a *attester) before(run *gate.Run) func(ctx context.Context, repository string) error {
	if a == nil || !a.attests {
		return nil
	}
	return func(ctx context.Context, repository string) error { return a.run(ctx, run, repository) }
}

// settle writes the file of decisions. When something could not be signed, it keeps
// the evidence and takes back the pass.
func (a *attester) settle(s *setup, run *gate.Run, err error) {
	err = errors.Join(err, a.write())
	run.Notes = append(run.Notes, a.notes...)
	a.notes = nil
	if err == nil {
		return
	}
	later := a.keep(s, run)
	if run.Outcome() != policy.Passed { // the reason of a pass that is taken back says it
		run.Notes = append(run.Notes, fmt.Sprintf("the decision was not signed: %v; %s", err, later))
	}
	run.Revoke(&gate.Fault{Phase: gate.PhaseReport, Err: fmt.Errorf("the image passes, but the decision could not be signed or attached: %w", err), Hint: later})
}

// keep saves the evidence before the results are taken back, and says how to sign
// later.
func (a *attester) keep(s *setup, run *gate.Run) string {
	if a.input != nil {
		return "run imagegate attest again"
	}
	path := cmp.Or(s.evidence, keptEvidence)
	if err := writeFile(path, func(w io.Writer) error { return saved.WriteRun(w, run) }); err != nil {
		return "the evidence could not be kept either (" + err.Error() + "): check the image again"
	}
	s.evidence = "" // it is written; what is written later would hold the results that were taken back
	return fmt.Sprintf("sign it later, without another scan: imagegate attest %s, with the same policy and flags", path)
}
